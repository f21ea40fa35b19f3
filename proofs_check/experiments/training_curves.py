"""Factored gradient descent at several ranks against the certified optimum of the linearised problem.

Problem: softmax cross-entropy with weight decay, features of the middle layer of a random frozen MLP on few-shot
images, lambda a fixed fraction of lambda_max. Ranks 1, 2, 4, 8, the Pataki rank of the effective count (K-1)N, and the
rank at which the paper's condition holds. Start as in LoRA: u = 0, v Gaussian with standard deviation 1/sqrt(d_in).

The step is 1/L with L = lambda + lambda_max + beta max(||v_0||^2, 2 ||delta*||), a bound of the Hessian's norm at the
start and at the balanced optimum (beta: Lipschitz constant of the data gradient in delta). Nothing is tuned by outcome.

The convex optimum is certified by its duality gap. For ranks below that of the optimum, the best stationary point that
``solve`` reaches within the rank is recorded as well: a value, not a certified minimum of the rank-constrained problem.

Sizes: ``smoke`` 9 samples of 3 classes, width 16, 400 steps, 1 start; ``quick`` 32 samples of 4 classes, width 64,
50 000 steps, 3 starts; ``full`` 200 000 steps, 5 starts.
Theory: arXiv 2402.11867, Theorems 3.1 and 4.1, and its experiments.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from proofs_check.experiments._levels import sizes_at
from sims import data as data_sets
from sims.convex_problem import ConvexProblem, make_problem
from sims.networks import random_mlp
from sims.ntk.features import TangentFeatures
from sims.ntk.tangents import tangent_features
from sims.solve import solve
from theory.convex_lora import spectral_norm
from theory.losses import CROSS_ENTROPY, Loss
from theory.rank_thresholds import generic_rank, pataki_rank, perturbed_rank

Array = Any
FRACTION = 0.05  # lambda over lambda_max


@dataclass(frozen=True)
class Sizes:
    """Classes, samples in total, network width, descent steps, starts a rank, points of a curve."""

    classes: int
    samples: int
    width: int
    steps: int
    starts: int
    points: int


VERSION = 1  # of the layout of the result, which the figure checks
SIZES = {
    "smoke": Sizes(3, 9, 16, 400, 1, 20),
    "quick": Sizes(4, 32, 64, 50_000, 3, 60),
    "full": Sizes(4, 32, 64, 200_000, 5, 80),
}


def training_curves(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return excess over the certified optimum against steps for every rank, the step size and the certificate."""
    sizes = sizes_at(level, SIZES)
    problem = few_shot_problem(data, sizes, seed)
    lam = FRACTION * problem.lambda_max()
    optimum = solve(problem, lam, tol=1e-12)
    largest = spectral_norm(optimum.deltas[0])
    q = problem.measurements
    known = {1, 2, 4, 8, pataki_rank(q), perturbed_rank(q)}
    ranks = sorted(r for r in known if r <= min(problem.shapes[0]))
    starts = {r: [_start(problem.shapes[0], r, seed, s) for s in range(sizes.starts)] for r in ranks}
    widest = max(spectral_norm(v) for group in starts.values() for _, v in group)
    step = 1.0 / (lam + problem.lambda_max() + _data_curvature(problem) * max(widest**2, 2.0 * largest))
    recorded = np.unique(np.geomspace(1, sizes.steps, sizes.points).astype(int))
    curves = []
    for rank in ranks:
        values = np.array([_descend(problem, lam, step, start, sizes.steps) for start in starts[rank]])
        excess = values[:, np.concatenate([[0], recorded])] - optimum.certificate.primal
        within = None
        if rank < sum(optimum.ranks):
            within = solve(problem, lam, max_rank=rank).certificate.primal - optimum.certificate.primal
        curves.append(
            {
                "rank": rank,
                "median": np.median(excess, axis=0).tolist(),
                "lowest": excess.min(axis=0).tolist(),
                "highest": excess.max(axis=0).tolist(),
                "best_stationary_within_rank": within,
            }
        )
    return {
        "version": VERSION,
        "data": data,
        "samples": problem.n,
        "outputs": problem.k,
        "shape": list(problem.shapes[0]),
        "measurements": q,
        "pataki_rank": pataki_rank(q),
        "sharp_rank": generic_rank(q),
        "paper_rank": perturbed_rank(q),
        "lambda_over_lambda_max": FRACTION,
        "step_size": step,
        "optimum": optimum.certificate.primal,
        "gap": optimum.certificate.gap,
        "optimum_rank": sum(optimum.ranks),
        "status": str(optimum.status),
        "starts": sizes.starts,
        "steps": [0, *recorded.tolist()],
        "curves": curves,
    }


def few_shot_problem(data: str, sizes: Sizes, seed: int) -> ConvexProblem:
    """Return the cross-entropy problem of the middle (width x width) layer of a random frozen MLP."""
    whole = data_sets.load(data, seed=seed)
    classes = min(sizes.classes, whole.classes) or sizes.classes
    chosen = data_sets.few_shot(whole, samples=sizes.samples, classes=range(classes), seed=seed)
    x = jnp.asarray(chosen.x_train)
    widths = (int(x.shape[1]), sizes.width, sizes.width, classes)
    network = random_mlp(widths, key=jax.random.key(seed), activation="relu")
    return make_problem(tangent_features(network, x, layers=(1,)), network(x), chosen.y_train, CROSS_ENTROPY)


def _start(shape: tuple[int, int], rank: int, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the start of LoRA: u = 0, v Gaussian with standard deviation 1/sqrt(d_in)."""
    d_out, d_in = shape
    rng = np.random.default_rng([seed, rank, number])
    return np.zeros((d_out, rank)), rng.standard_normal((d_in, rank)) / d_in**0.5


def _data_curvature(problem: ConvexProblem) -> float:
    """Return a Lipschitz constant of the data gradient in delta: loss curvature times the top of the NTK over n."""
    size = problem.n * problem.k
    kernel = np.asarray(problem.layers[0].gram(problem.layers[0])).reshape(size, size)
    return problem.loss.curvature * float(np.linalg.eigvalsh(kernel)[-1]) / problem.n


def _descend(
    problem: ConvexProblem, lam: float, step: float, start: tuple[np.ndarray, np.ndarray], steps: int
) -> Float[np.ndarray, " s"]:
    """Return the objective at every iterate of gradient descent, the start included."""
    features, f0, y = jax.tree.map(jnp.asarray, (problem.layers[0], problem.f0, problem.y))
    settings = jnp.asarray(lam), jnp.asarray(step)
    u, v = (jnp.asarray(part) for part in start)
    return np.asarray(_descent(features, f0, y, settings, u, v, loss=problem.loss, steps=steps))


@partial(jax.jit, static_argnames=("loss", "steps"))
def _descent(
    features: TangentFeatures,
    f0: Array,
    y: Array,
    settings: tuple[Array, Array],
    u: Array,
    v: Array,
    *,
    loss: Loss,
    steps: int,
) -> Array:
    lam, step = settings

    def value(factors: tuple[Array, Array]) -> Array:
        penalty = sum((part**2).sum() for part in factors)
        return loss.value(f0 + features.apply_low_rank(*factors), y).mean() + 0.5 * lam * penalty

    def body(factors: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        here, (du, dv) = jax.value_and_grad(value)(factors)
        return (factors[0] - step * du, factors[1] - step * dv), here

    last, values = jax.lax.scan(body, (u, v), None, length=steps)
    return jnp.concatenate([values, value(last)[None]])
