"""Few-shot fine-tuning of query and value matrices: thresholds, solution rank, training curves, true and linearised.

Setting: proofs_check.few_shot_setting, MiniLM on SST-2 where both are on this machine, otherwise a random frozen
encoder on images. Last block, weight decay a fixed fraction of its largest useful value, softmax cross-entropy.

Training: full-batch Adam (rate 0.01 / (1 + t/300), the usual moments 0.9 and 0.999) on the factors, from the start of
LoRA (u = 0, v Gaussian with standard deviation 1/sqrt(d_in)), at the ranks one below that of the certified minimiser,
at it, at the generic threshold and at the paper's. The true network is trained from the same starts with the same
settings, at the lowest of these ranks and at the generic threshold. (Gradient descent with a step that is guaranteed
to be stable needs millions of steps here.)

Sizes: ``smoke`` a random encoder of width 16, 60 and 20 steps; ``quick`` 3 000 linearised and 200 true steps; ``full``
30 000 and 2 000.
Theory: arXiv 2402.11867, Theorems 3.1 and 4.1, and its experiments.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from proofs_check.experiments._levels import sizes_at
from proofs_check.few_shot_setting import FRACTION, FewShot, few_shot_setting, pretrained_available
from sims.models.network import outputs_after_low_rank
from sims.solve import solve
from theory.losses import CROSS_ENTROPY
from theory.rank_thresholds import generic_rank, pataki_rank, perturbed_rank

Array = Any
VERSION = 1  # of the layout of the result, which the figure checks
RATE, DECAY, MOMENTS = 0.01, 300.0, (0.9, 0.999)  # of Adam; the defaults of most programs but for the decay
SPECTRUM = 12  # singular values that are kept


@dataclass(frozen=True)
class Sizes:
    """Width of the random encoder, descent steps of the linearised and of the true network, points of a curve."""

    width: int
    steps: int
    true_steps: int
    points: int


SIZES = {
    "smoke": Sizes(16, 60, 20, 10),
    "quick": Sizes(32, 3_000, 200, 40),
    "full": Sizes(64, 30_000, 2_000, 60),
}


def few_shot(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return spectra, thresholds and, for every rank, objectives of the linearised (and the true) network by step."""
    sizes = sizes_at(level, SIZES)
    pretrained = pretrained_available(data) and level != "smoke"
    images = "digits" if data == "glue-sst2" else data
    setting = few_shot_setting(images, seed, pretrained=pretrained, width=sizes.width)
    optimum = solve(setting.problem, setting.lam)
    q, solution_rank = setting.problem.measurements, max(optimum.ranks)
    known = {solution_rank - 1, solution_rank, generic_rank(q), perturbed_rank(q)}
    widest_rank = min(min(shape) for shape in setting.problem.shapes)
    ranks = sorted(r for r in known if 1 <= r <= widest_rank)
    starts = {r: _start(setting, r, seed) for r in ranks}
    grids = [np.unique(np.geomspace(1, n, sizes.points).astype(int)) for n in (sizes.steps, sizes.true_steps)]
    differences = [f.mix_outputs(jnp.array([[-1.0], [1.0]])) for f in setting.features]
    curves = []
    for rank in ranks:
        linear = _train(_linearised, (differences, jnp.asarray(setting.problem.f0)), setting, starts[rank], grids[0])
        true = None
        if rank in (ranks[0], generic_rank(q)):
            true = _train(_true, (setting.network, setting.inputs), setting, starts[rank], grids[1])
        within = None
        if rank < solution_rank:
            limited = solve(setting.problem, setting.lam, max_rank=rank)
            within = limited.certificate.primal - optimum.certificate.primal
        curves.append({"rank": rank, "linearised": linear, "true": true, "best_stationary_within_rank": within})
    gradients = setting.problem.data_gradients(setting.problem.predictions(optimum.deltas))
    return {
        "version": VERSION,
        "setting": setting.name,
        "samples": setting.problem.n,
        "outputs": setting.problem.k,
        "measurements": q,
        "pataki_rank": pataki_rank(q),
        "sharp_rank": generic_rank(q),
        "paper_rank": perturbed_rank(q),
        "lambda_over_lambda_max": FRACTION,
        "optimum": optimum.certificate.primal,
        "gap": optimum.certificate.gap,
        "status": str(optimum.status),
        "objective_at_zero": float(CROSS_ENTROPY.value(setting.problem.f0, setting.problem.y).mean()),
        "maps": list(setting.maps),
        "ranks": list(optimum.ranks),
        "solution_spectra": [_spectrum(delta) for delta in optimum.deltas],
        "gradient_spectra_over_lambda": [[s / setting.lam for s in _spectrum(g)] for g in gradients],
        "adam": {"rate": RATE, "decay": DECAY, "moments": list(MOMENTS)},
        "steps": grids[0].tolist(),
        "true_steps": grids[1].tolist(),
        "curves": curves,
    }


def _spectrum(matrix: np.ndarray) -> list[float]:
    values = np.linalg.svd(matrix, compute_uv=False)[:SPECTRUM]
    # rounding of a low-rank product is not a singular value
    return [float(v) if v > 1e-12 * max(float(values[0]), 1.0) else 0.0 for v in values]


def _start(setting: FewShot, rank: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng([seed, rank])
    return [(np.zeros((m, rank)), rng.standard_normal((p, rank)) / p**0.5) for m, p in setting.problem.shapes]


def _linearised(model: Any, factors: Any, _: tuple[str, ...]) -> Array:
    # softmax sees only the difference of the two outputs: half the work
    differences, f0 = model
    change = sum(f.apply_low_rank(u, v) for f, (u, v) in zip(differences, factors, strict=True))
    return f0 + jnp.concatenate([jnp.zeros_like(change), change], axis=1)


def _true(model: Any, factors: Any, maps: tuple[str, ...]) -> Array:
    network, inputs = model
    return outputs_after_low_rank(network, inputs, dict(zip(maps, factors, strict=True)))


def _train(outputs: Any, model: Any, setting: FewShot, start: Any, grid: np.ndarray) -> list[float]:
    """Return the objective after each number of steps in ``grid``."""
    y, lam = jnp.asarray(setting.problem.y), jnp.asarray(setting.lam)
    factors = jax.tree.map(jnp.asarray, start)
    zeros = jax.tree.map(jnp.zeros_like, factors)
    state, values = (factors, zeros, zeros), []
    for first, last in pairwise([0, *grid.tolist()]):
        state, value = _advance(outputs, setting.maps, model, y, lam, state, (jnp.asarray(first), jnp.asarray(last)))
        values.append(float(value))
    return values


@eqx.filter_jit
def _advance(
    outputs: Any, maps: tuple[str, ...], model: Any, y: Array, lam: Array, state: Any, span: tuple[Array, Array]
) -> tuple[Any, Array]:
    """Return (factors, first moments, second moments) after the steps of ``span``, and the objective there."""

    def value(factors: Any) -> Array:
        penalty = sum((part**2).sum() for part in jax.tree.leaves(factors))
        return CROSS_ENTROPY.value(outputs(model, factors, maps), y).mean() + 0.5 * lam * penalty

    def body(t: Array, state: Any) -> Any:
        factors, first, second = state
        slopes = jax.grad(value)(factors)
        time = (t + 1).astype(lam.dtype)
        rate = RATE / (1.0 + t.astype(lam.dtype) / DECAY)
        first = jax.tree.map(lambda m, g: MOMENTS[0] * m + (1.0 - MOMENTS[0]) * g, first, slopes)
        second = jax.tree.map(lambda s, g: MOMENTS[1] * s + (1.0 - MOMENTS[1]) * g**2, second, slopes)

        def moved(part: Array, m: Array, s: Array) -> Array:
            size = jnp.sqrt(s / (1.0 - MOMENTS[1] ** time)) + 1e-8
            return part - rate * (m / (1.0 - MOMENTS[0] ** time)) / size

        return jax.tree.map(moved, factors, first, second), first, second

    state = jax.lax.fori_loop(*span, body, state)
    return state, value(state[0])
