"""Runs that differ in their seed alone, trained together on a benchmark, and what they leave behind.

One compiled program trains all of a group, so that a run's numbers are those it has alone up to rounding only, which
training can blow up. Where a number has to be that of the run, the group is one run (sims.training.runs).
"""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from sims.adapters.low_rank import LowRank
from sims.adapters.protocol import Adapter
from sims.benchmarks.benchmark import Prepared, factor_keys
from sims.benchmarks.registry import find_benchmark
from sims.errors import BadInput
from sims.threads import blas_on_one_thread
from sims.training.engine import Batching, Fitted, fit, scores
from sims.training.model import Runs, start, total_scalars, trained_scalars
from sims.training.settings import RunSettings


@dataclass(frozen=True)
class Group:
    """Trained runs with all that is needed to ask them more: their data, adapter, curves and final scores (R,)."""

    settings: RunSettings
    seeds: tuple[int, ...]
    prepared: Prepared
    adapter: Adapter
    start: Runs
    fitted: Fitted
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    seconds: float

    def records(self) -> list[dict[str, Any]]:
        """Return one result for each seed, with the stable keys of `lora-theory train --json`."""
        return [_record(self, i) for i in range(len(self.seeds))]


def prepare(settings: RunSettings, seeds: Sequence[int]) -> Prepared:
    """Return data, backbone and heads of these seeds; ``settings.seed`` is not used.

    Raises:
        BadInput: a setting that the benchmark cannot have, no seed, or data that are not here.
    """
    benchmark = find_benchmark(settings.benchmark)
    if settings.backbone not in benchmark.backbones:
        raise BadInput(
            f"backbone {settings.backbone!r}: {benchmark.name} has {' and '.join(benchmark.backbones)}; choose that"
        )
    if not seeds:
        raise BadInput("0 seeds: expected at least one")
    return benchmark.prepare(settings, seeds)


@blas_on_one_thread()  # the starts of factors are factorisations
def train_group(
    settings: RunSettings,
    seeds: Sequence[int],
    *,
    prepared: Prepared | None = None,
    learning_rates: Sequence[float] | None = None,
    batching: Batching = "vmap",
    after: Callable[[int, int], None] | None = None,
) -> Group:
    """Return the runs of these seeds, trained; ``settings.seed`` is not used.

    ``prepared`` replaces what the benchmark would prepare. ``learning_rates`` (one for each seed) replace
    ``settings.lr``: a grid of step sizes is the product, seeds repeated. ``after(done, steps)`` is called after parts
    of the training.

    Raises:
        BadInput: as `prepare`, or settings of the adapter that do not fit a matrix.
    """
    adapter = settings.make_adapter()
    given = prepare(settings, seeds) if prepared is None else prepared
    runs = start(
        adapter,
        given.network,
        given.maps,
        given.head,
        factor_keys(seeds),
        shared_network=given.shared_network,
        train_head=settings.train_head,
    )
    options = settings.options(len(given.train_rows))
    begin = time.perf_counter()
    fitted = fit(
        runs,
        adapter,
        options,
        given.pool,
        train_rows=given.train_rows,
        test_rows=given.test_rows,
        seeds=seeds,
        learning_rates=settings.lr if learning_rates is None else learning_rates,
        batching=batching,
        after=None if after is None else lambda done: after(done, options.steps),
    )
    train = scores(fitted.runs, adapter, given.pool, given.train_rows, loss=settings.loss, batching=batching)
    # the last point of the curves is after the last step
    test = (fitted.curves.test_loss[:, -1], fitted.curves.test_accuracy[:, -1])
    seconds = time.perf_counter() - begin
    return Group(settings, tuple(seeds), given, adapter, runs, fitted, train, test, seconds)


def _record(group: Group, i: int) -> dict[str, Any]:
    settings, curves = group.settings, group.fitted.curves
    device = jax.devices()[0]
    (train_loss, train), (test_loss, test) = group.train, group.test
    return {
        "benchmark": settings.benchmark,
        "adapter": settings.adapter,
        "rank": settings.rank,
        "seed": int(group.seeds[i]),
        "backbone": settings.backbone,
        "trained_maps": list(group.prepared.maps),
        "scale": group.adapter.scale if isinstance(group.adapter, LowRank) else None,
        "trainable": trained_scalars(group.fitted.runs),
        "head": sum(int(leaf[0].size) for leaf in group.fitted.runs.trained.head.values()),
        "total": total_scalars(group.fitted.runs),
        "samples": len(group.prepared.train_rows),
        "steps": int(curves.step[-1]),
        "metric": "accuracy",
        "train_metric": float(train[i]),
        "test_metric": float(test[i]),
        "train_loss": _number(train_loss[i]),
        "test_loss": _number(test_loss[i]),
        "diverged": not bool(np.isfinite(train_loss[i]) and np.isfinite(test_loss[i])),
        "seconds": group.seconds / len(group.seeds),
        "curves": {
            "step": curves.step.tolist(),
            **{name: [_number(x) for x in getattr(curves, name)[i]] for name in curves._fields[1:]},
        },
        "device": f"{device.platform}: {device.device_kind}",
        "dtype": settings.dtype,
        "versions": _versions(),
    }


def _number(value: Any) -> float | None:
    # JSON has no NaN: a loss that is not finite (the run diverged) is null
    return float(value) if np.isfinite(value) else None


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("jax", "optax", "equinox", "numpy")},
    }
