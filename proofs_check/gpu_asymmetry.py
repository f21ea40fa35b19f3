"""Two parts of `proofs_check.gpu_records`: adapters of networks at full size, and their supersample bounds at n = 2000.

Full size reads MNIST and Fashion-MNIST from LORA_THEORY_DATA; the small size makes its own images (noisy prototypes),
so that it runs anywhere. Work stops when a part's time is up: what was left out is named in its notes.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from proofs_check.gpu_parts import peak_bytes
from sims.adapters.registry import FAMILIES, make_adapter
from sims.benchmarks.benchmark import Prepared, backbone_keys, head_keys
from sims.benchmarks.registry import find_benchmark
from sims.models.mlp import HiddenLayers, random_hidden_layers
from sims.supersample.protocol import Trainer, draw_supersample, run_protocol
from sims.supersample.trained_networks import network_trainer
from sims.training.engine import Pool
from sims.training.groups import prepare, train_group
from sims.training.model import Head, random_head
from sims.training.optimisers import Options
from sims.training.settings import RunSettings

ADAPTERS = ("full", "lora", "b-only", "a-only")
RANKS = (1, 2, 4, 8, 16, 32, 64)
BENCHMARKS = ("mnist-mlp-medium", "fashion-mlp-medium")
BACKBONES = ("pretrained", "random")
_SECONDS = {"training": 330.0, "supersample": 150.0}
_SMALL_WIDTHS = (36, 12, 8)


def asymmetry_training(*, small: bool, seed: int) -> dict[str, Any]:
    """Return train and test accuracy of every adapter and rank on both image sets, five seeds each, one row a cell.

    The pretrained backbone (source task: images turned by a quarter) is shared by the seeds, a random one is each
    seed's own.
    """
    seeds = range(seed, seed + (2 if small else 5))
    ranks = (1,) if small else RANKS
    wanted = [(b, k, a, r) for k in BACKBONES for b in BENCHMARKS for a, r in _cells(ranks)]
    begin, rows, left_out = time.perf_counter(), [], []
    kept: dict[tuple[str, str], Prepared] = {}
    for benchmark, backbone, adapter, rank in wanted:
        if not small and time.perf_counter() - begin > _SECONDS["training"]:
            left_out.append(f"{benchmark} {backbone} {adapter} {rank}")
            continue
        settings = _settings(benchmark, backbone, adapter, rank, small=small)
        if (benchmark, backbone) not in kept:
            kept.clear()  # one image set at a time in memory
            kept[benchmark, backbone] = _synthetic(backbone, seeds) if small else prepare(settings, seeds)
        group = train_group(settings, seeds, prepared=kept[benchmark, backbone])
        results = group.records()
        rows.append(
            {
                key: results[0][key]
                for key in ("benchmark", "backbone", "adapter", "rank", "trainable", "total", "steps")
            }
            | {"seeds": list(seeds), "seconds": group.seconds}
            | {key: [row[key] for row in results] for key in ("train_metric", "test_metric", "train_loss", "test_loss")}
        )
    notes = [f"time was up, left out: {', '.join(left_out)}"] if left_out else []
    data = "noisy prototypes, made here" if small else "MNIST and Fashion-MNIST"
    return {"data": data, "metric": "accuracy", "rows": rows, "notes": notes, "peak_bytes": peak_bytes()}


def supersample_networks(*, small: bool, seed: int) -> dict[str, Any]:
    """Return gap and conditional-information bounds of trained networks from one supersample: n = 2000, 40 masks.

    The backbone is random, drawn independently of the data, and the head is trained with every adapter.
    """
    n, masks = (12, 4) if small else (2000, 40)
    ranks = (1,) if small else (1, 8, 64)
    options = Options(4 if small else 1000, 4 if small else 128, weight_decay=1e-2, evaluations=1)
    begin, rows, left_out = time.perf_counter(), [], []
    for benchmark in BENCHMARKS:
        x, y = _images(seed) if small else _benchmark_images(benchmark)
        for adapter, rank in _cells(ranks):
            if not small and time.perf_counter() - begin > _SECONDS["supersample"]:
                left_out.append(f"{benchmark} {adapter} {rank}")
                continue
            started = time.perf_counter()
            ladders = run_protocol(
                lambda rng, x=x, y=y: draw_supersample(rng, x, y, n),  # type: ignore[misc]
                _trainer(adapter, rank, options, x.shape[1], seed, small=small),
                supersamples=1,
                masks=masks,
                seed=seed,
            )
            (found,) = ladders.values()
            row = {"benchmark": benchmark, "adapter": adapter, "rank": rank, "seconds": time.perf_counter() - started}
            rows.append(row | {"gap": found.gap} | {key: _plain(value) for key, value in asdict(found).items()})
    notes = [f"time was up, left out: {', '.join(left_out)}"] if left_out else []
    data = "noisy prototypes, made here" if small else "MNIST and Fashion-MNIST"
    sizes = {"n": n, "masks": masks, "supersamples": 1, "steps": options.steps}
    return {"data": data, **sizes, "rows": rows, "notes": notes, "peak_bytes": peak_bytes()}


def _cells(ranks: Sequence[int]) -> Iterator[tuple[str, int]]:
    for adapter in ADAPTERS:
        for rank in ranks if FAMILIES[adapter].ranked else (0,):
            yield adapter, rank


def _settings(benchmark: str, backbone: str, adapter: str, rank: int, *, small: bool) -> RunSettings:
    size = {"epochs": 1.0, "batch_size": 8, "evaluations": 1} if small else {}
    defaults = find_benchmark(benchmark).default_settings(adapter)
    fixed = {"backbone_seed": 0 if backbone == "pretrained" else None, "backbone": backbone}
    return RunSettings(**(defaults | fixed | size | {"benchmark": benchmark, "adapter": adapter, "rank": rank}))


def _images(seed: int) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, " n"]]:
    """Return 60 noisy copies of ten prototypes and which prototype each is."""
    rng = np.random.default_rng(seed)
    y = np.arange(60) % 10
    prototypes = rng.standard_normal((10, _SMALL_WIDTHS[0]))
    return prototypes[y] + 0.5 * rng.standard_normal((60, _SMALL_WIDTHS[0])), y


def _synthetic(backbone: str, seeds: Sequence[int]) -> Prepared:
    """Return a small problem in place of a benchmark's; the 'pretrained' backbone is merely one shared by the seeds."""
    x, y = _images(0)
    shared = backbone == "pretrained"
    networks = [random_hidden_layers(key, _SMALL_WIDTHS, dtype="float32") for key in backbone_keys(seeds)]
    network: HiddenLayers = networks[0] if shared else jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    heads = [random_head(key, 10, _SMALL_WIDTHS[-1], "float32") for key in head_keys(seeds)]
    return Prepared(
        pool=Pool(jnp.asarray(x, "float32"), jnp.asarray(y, "int32")),
        train_rows=np.arange(40),
        test_rows=np.arange(40, 60),
        network=network,
        shared_network=shared,
        maps=network.names,
        head=Head(*(jnp.stack(leaves) for leaves in zip(*heads, strict=True))),
    )


def _benchmark_images(benchmark: str) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, " n"]]:
    """Return all images of a benchmark, scaled as it scales them, and their labels."""
    pool = prepare(_settings(benchmark, "random", "full", 0, small=False), [0]).pool
    return np.asarray(pool.inputs), np.asarray(pool.targets, dtype=np.int64)


def _trainer(
    adapter: str, rank: int, options: Options, width: int, seed: int, *, small: bool
) -> Callable[[np.random.Generator], Trainer]:
    """Return what makes the trainer of a supersample: the network of the benchmarks (a smaller one if small)."""
    widths = _SMALL_WIDTHS if small else (width, 512, 256, 128, 64)

    def make(rng: np.random.Generator) -> Trainer:
        drawn = int(rng.integers(2**32))
        network = random_hidden_layers(backbone_keys([drawn])[0], widths, dtype="float32")
        return network_trainer(
            {adapter: make_adapter(adapter, rank)},
            network,
            network.names,
            random_head(head_keys([drawn])[0], 10, widths[-1], "float32"),
            options,
            learning_rates={adapter: 1e-3 if adapter == "full" else 3e-3},
            seed=seed,
        )

    return make


def _plain(value: Any) -> Any:
    return list(map(float, value)) if isinstance(value, tuple) else float(value)
