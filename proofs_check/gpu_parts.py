"""The parts of `proofs_check.gpu_records`: each takes sizes and a seed and returns numbers that JSON can hold.

Large kernels are computed block by block and dropped: what is timed is the computation of every block, forward and
backward passes included, compilation left out.
"""

import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from proofs_check.certificates import critical_point
from sims.convex_problem import make_problem
from sims.landscape.search import Landscape, find_stationary_points, gaussian_starts
from sims.networks import random_mlp
from sims.ntk.features import DenseFeatures, TangentFeatures
from sims.ntk.kernels import empirical_ntk
from sims.ntk.tangents import tangent_features
from theory.losses import SQUARED

Array = Any
DTYPES = {"float32": jnp.float32, "float64": jnp.float64}


def peak_bytes() -> int | None:
    """Return the most memory held since the process began: of the accelerator, or of the process on a CPU."""
    stats = jax.devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return int(stats["peak_bytes_in_use"])
    # kilobytes on Linux, bytes on macOS
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@jax.jit
def _block(rows: tuple[TangentFeatures, ...], columns: tuple[TangentFeatures, ...]) -> Array:
    return empirical_ntk(rows, columns)


def _samples(features: Sequence[TangentFeatures], start: int, stop: int) -> tuple[TangentFeatures, ...]:
    return tuple(jax.tree.map(lambda leaf: leaf[start:stop], tuple(features)))


def kernel_blocks(
    features: Sequence[TangentFeatures], block: int, kept: Callable[[int, int, Array], None] | None = None
) -> None:
    """Compute every block (block samples a side) of the empirical NTK; ``kept(i, j, block)`` looks at it."""
    n = features[0].n
    parts = [_samples(features, i, i + block) for i in range(0, n, block)]
    for i, rows in enumerate(parts):
        made = [_block(rows, columns) for columns in parts]
        if kept is not None:
            for j, value in enumerate(made):
                kept(i, j, value)
        jax.block_until_ready(made)


def entk_table(*, small: bool, seed: int) -> dict[str, Any]:
    """Return seconds, peak memory and differences of our empirical NTK and torch.func's, by N and dtype.

    Differences are the largest over the first row of blocks, relative to the largest entry there.
    """
    widths = (12, 16, 16, 3) if small else (784, 512, 512, 512, 10)
    sizes = (8, 16) if small else (256, 1024, 4096)
    block, chunk, budget = (8, 8, 5.0) if small else (128, 1024, 60.0)
    rows, notes = [], []
    for name, dtype in DTYPES.items():
        network = random_mlp(widths, key=jax.random.key(seed), activation="relu", dtype=dtype)
        for n in sizes:
            x = np.random.default_rng(seed).standard_normal((n, widths[0])).astype(name)
            # a float32 product must not be rounded to TF32 on one side only
            with jax.default_matmul_precision("highest"):
                row, note = _entk_row(network, x, block, chunk, budget)
            rows.append({"n": n, "dtype": name} | row)
            if note:
                notes.append(note)
    return {"widths": list(widths), "block": block, "rows": rows, "notes": sorted(set(notes))}


def _entk_row(network: Any, x: np.ndarray, block: int, chunk: int, budget: float) -> tuple[dict[str, Any], str]:
    points = jnp.asarray(x)

    def run(kept: Callable[[int, int, Array], None] | None = None) -> None:
        parts = [tangent_features(network, points[i : i + chunk]) for i in range(0, len(x), chunk)]
        features = parts[0] if len(parts) == 1 else jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
        kernel_blocks(features, block, kept)

    blocks: dict[tuple[int, int], np.ndarray] = {}
    run(lambda i, j, value: blocks.__setitem__((i, j), np.asarray(value)) if i == 0 else None)  # compiles, too
    begin = time.perf_counter()
    run()
    row: dict[str, Any] = {"seconds": time.perf_counter() - begin, "peak_bytes": peak_bytes()}
    try:
        from proofs_check.torch_kernels import torch_kernel
    except ImportError as error:
        return row | {"torch": None}, f"torch.func is left out: {error}"
    theirs = torch_kernel([np.asarray(w) for w in network.weights], network.weight_std, x, block, budget)
    scale = max(float(np.abs(value).max()) for value in blocks.values())
    difference = max(float(np.abs(blocks[at] - value).max()) for at, value in theirs.pop("first_row").items()) / scale
    return row | {"torch": theirs, "largest_relative_difference": difference}, ""


def landscape_census(*, small: bool, seed: int) -> dict[str, Any]:
    """Return how many certified second-order points a minute a search finds, with counts of what they are."""
    size, rank, measurements = (4, 2, 6) if small else (10, 3, 20)
    # batch sizes of the search, so that no start is computed twice: the larger one if it fits into the time
    few, many, instances, budget = (8, 8, 1, 5.0) if small else (64, 512, 8, 150.0)
    _census(size, rank, measurements, few, seed)  # compiles
    _, searching, certifying = _census(size, rank, measurements, few, seed)
    starts = many if (searching + certifying) * many / few < budget / 2 else few
    if starts != few:
        _census(size, rank, measurements, starts, seed)
    kinds: dict[str, int] = {}
    searching, certifying, done = 0.0, 0.0, 0
    while done < instances and searching + certifying < budget:
        words, for_search, for_certificates = _census(size, rank, measurements, starts, seed + 1 + done)
        searching, certifying, done = searching + for_search, certifying + for_certificates, done + 1
        for word in words:
            kinds[word] = kinds.get(word, 0) + 1
    certified = sum(count for word, count in kinds.items() if word in _SECOND_ORDER)
    return {
        "shape": [size, size],
        "rank": rank,
        "measurements": measurements,
        "starts": starts,
        "instances": done,
        "kinds": kinds,
        "search_seconds": searching,
        "certificate_seconds": certifying,
        "certified_per_minute": 60.0 * certified / (searching + certifying),
        "peak_bytes": peak_bytes(),
    }


def _census(size: int, rank: int, measurements: int, starts: int, seed: int) -> tuple[list[str], float, float]:
    """Return what the starts on one Gaussian instance end in, and the seconds of the search and of the certificates."""
    g = np.random.default_rng(seed)
    gradients, y = g.standard_normal((measurements, 1, size, size)), g.standard_normal((measurements, 1))
    problem = make_problem([DenseFeatures(gradients)], np.zeros_like(y), y, SQUARED)
    lam = 0.05 * problem.lambda_max()
    landscape = Landscape(gradients, problem.f0, y, SQUARED, lam)
    begin = time.perf_counter()
    found = find_stationary_points(landscape, gaussian_starts(landscape, rank, starts, scale=0.3, seed=seed))
    middle = time.perf_counter()
    words: list[str] = [
        critical_point(problem, q[:size], q[size:], lam).kind if accepted else "not_converged"
        for q, accepted in zip(found.q, found.accepted, strict=True)
    ]
    return words, middle - begin, time.perf_counter() - middle


_SECOND_ORDER = ("global_minimum", "local_minimum", "second_order_point")


def transformer_features(*, small: bool, seed: int) -> dict[str, Any]:
    """Return seconds and memory of features and empirical NTK of a transformer encoder, query and value maps."""
    try:
        from sims.models.network import chosen_maps
        from sims.models.network import tangent_features as features_of
        from sims.models.transformer_encoder import random_encoder
    except ImportError as error:
        return {"skipped": f"no transformer in this tree: {error}"}
    n, tokens, width, depth, heads = (8, 4, 8, 1, 2) if small else (1024, 32, 384, 6, 12)
    chunk, block, rows = (4, 4, []) if small else (64, 64, [])
    reference: Float[np.ndarray, "_ _ _ _"] | None = None
    for name, dtype in reversed(DTYPES.items()):
        settings = {"tokens": tokens, "token_width": width, "outputs": 2, "width": width, "depth": depth}
        network = random_encoder(key=jax.random.key(seed), heads=heads, dtype=jnp.float64, **settings)
        # the same numbers in both precisions
        network = jax.tree.map(lambda leaf, to=dtype: leaf.astype(to), network)
        x = jnp.asarray(np.random.default_rng(seed).standard_normal((n, tokens, width)), dtype)
        maps = chosen_maps(network, ("query", "value"), last_only=False)
        with jax.default_matmul_precision("highest"):
            jax.block_until_ready(features_of(network, x[:chunk], maps=maps, chunk=chunk))
            begin = time.perf_counter()
            features = jax.block_until_ready(features_of(network, x, maps=maps, chunk=chunk))
            middle = time.perf_counter()
            first = np.asarray(_block(_samples(features, 0, block), _samples(features, 0, block)), np.float64)
            again = time.perf_counter()
            kernel_blocks(features, block)
            end = time.perf_counter()
        row = {"dtype": name, "feature_seconds": middle - begin, "kernel_seconds": end - again}
        row["feature_bytes"] = sum(int(leaf.nbytes) for leaf in jax.tree.leaves(features))
        row["peak_bytes"] = peak_bytes()
        if reference is None:
            reference = first
        else:
            row["largest_relative_difference"] = float(np.abs(first - reference).max() / np.abs(reference).max())
        rows.append(row)
    return {"n": n, "tokens": tokens, "width": width, "depth": depth, "heads": heads, "maps": len(maps), "rows": rows}
