"""Damped Newton method on the factors (u, v) of every layer.

The Hessian is S (x) I + J^T D J with J of KN rows only, so each step is solved exactly through a KN x KN system
(Woodbury); nothing of size (d r) x (d r) is formed. Where S is indefinite its eigenvalues are
replaced by their absolute values, which keeps every step a descent direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import lapack

from sims.convex_problem import ConvexProblem
from sims.solvers.curvature import Layer
from sims.threads import scipy_on_one_thread
from theory.factorisation import rebalanced

Array = np.ndarray
# (u, v) of every layer, shapes (m, r) and (p, r); every layer has its own, and ranks change, so no names are bound
Factors = list[tuple[Float[Array, "_ _"], Float[Array, "_ _"]]]


@dataclass(frozen=True)
class NewtonResult:
    """Factors, objective, gradient norm and whether the gradient reached the tolerance."""

    factors: Factors
    objective: float
    gradient_norm: float
    steps: int
    converged: bool


def factored_objective(problem: ConvexProblem, factors: Factors, lam: float) -> tuple[float, Float[Array, "n k"]]:
    """Return (objective with the factor penalty, predictions)."""
    predictions = problem.predictions_low_rank(factors)
    penalty = sum((u**2).sum() + (v**2).sum() for u, v in factors)
    return float(problem.loss.value(predictions, problem.y).mean()) + 0.5 * lam * float(penalty), predictions


def half_curvature(problem: ConvexProblem, predictions: Float[Array, "n k"]) -> Float[Array, "n k k"]:
    """Return R with R^T R = (1/n) Hessian of the losses."""
    values, vectors = np.linalg.eigh(problem.loss.hessian(predictions, problem.y) / problem.n)
    return np.sqrt(np.maximum(values, 0.0))[:, :, None] * np.swapaxes(vectors, 1, 2)


@scipy_on_one_thread()
def minimise_factors(
    problem: ConvexProblem,
    start: Factors,
    lam: float,
    *,
    tolerance: float = 1e-13,
    drop: float = 1e-10,
    damping: float = 1.0,
    max_steps: int = 100,
) -> NewtonResult:
    """Return a stationary point of the factored objective reached by monotone descent from ``start``.

    ``tolerance`` is on the gradient norm relative to lam times the norm of the factors; columns whose singular value
    falls below ``drop`` times the largest are taken out. ``damping``, relative to lam, is that of the first step.
    """
    factors = [(u.copy(), v.copy()) for u, v in start]
    value, predictions = factored_objective(problem, factors, lam)
    damping = damping * lam
    norm, converged, step_count = np.inf, False, 0
    for step_count in range(max_steps):  # noqa: B007
        gradients = problem.data_gradients(predictions)
        layers = [Layer(g, u, v, lam) for g, (u, v) in zip(gradients, factors)]
        norm = float(np.sqrt(sum(layer.squared_norm for layer in layers)))
        size = float(np.sqrt(sum((part**2).sum() for pair in factors for part in pair)))
        if norm <= tolerance * lam * max(size, 1e-300):
            converged = True
            break
        half = half_curvature(problem, predictions)
        accepted = False
        for _ in range(12):
            step, decrease, definite = _newton_step(problem, layers, factors, half, damping)
            if decrease <= 1e-13 * abs(value):
                if not definite:
                    step, _, _ = _newton_step(problem, layers, factors, half, damping, signed=True)
                # below rounding of the objective only the gradient can judge
                length, trial = 1.0, [(u + du, v + dv) for (u, v), (du, dv) in zip(factors, step)]
                if _gradient_norm(problem, trial, lam) >= 0.9 * norm:
                    break  # rounding: no damping will help
                accepted = True
            else:
                length, trial_value = _line_search(problem, factors, step, predictions, lam)
                saddle = not definite and not all(layer.below((1.0 + 1e-3) * lam) for layer in layers)
                if saddle and decrease <= 1e-4 * abs(value):
                    # near a point that is not global |S| is not the curvature: the exact step converges fast
                    exact, _, _ = _newton_step(problem, layers, factors, half, damping, signed=True)
                    exact_length, exact_value = _line_search(problem, factors, exact, predictions, lam)
                    if exact_value < trial_value:
                        step, length, trial_value = exact, exact_length, exact_value
                trial = [(u + length * du, v + length * dv) for (u, v), (du, dv) in zip(factors, step)]
                accepted = value - trial_value >= 1e-4 * length * decrease
            if accepted:
                factors, value, predictions = without_small_columns(problem, trial, lam, drop)
                damping = max(damping * (0.1 if length >= 0.5 else 4.0 if length < 0.2 else 1.0), 1e-10 * lam)
                break
            damping *= 10.0
        if not accepted:
            break
    return NewtonResult(factors, value, norm, step_count, converged)


_SMALL = (0.1, 0.02, 1e-3)  # relative singular values below which columns are tried to be taken out, in this order


def without_small_columns(
    problem: ConvexProblem, factors: Factors, lam: float, drop: float = 1e-10
) -> tuple[Factors, float, Float[Array, "n k"]]:
    """Return balanced factors, objective and predictions, with small columns taken out if that is no worse.

    Columns that the optimum does not need shrink only linearly under Newton steps; taking them out is the longer step.
    """
    kept = [rebalanced(u, v, tolerance=drop) for u, v in factors]
    value, predictions = factored_objective(problem, kept, lam)
    # columns of balanced factors are orthogonal, and their squared norms are the singular values in falling order
    sizes = [(u**2).sum(axis=0) for u, _ in kept]
    for threshold in _SMALL:
        counts = [int((s > threshold * s[0]).sum()) if s.size else 0 for s in sizes]
        if all(count == s.size for count, s in zip(counts, sizes)):
            continue
        cut = [(u[:, :count], v[:, :count]) for (u, v), count in zip(kept, counts)]
        cut_value, cut_predictions = factored_objective(problem, cut, lam)
        if cut_value <= value:
            return cut, cut_value, cut_predictions
    return kept, value, predictions


def _gradient_norm(problem: ConvexProblem, factors: Factors, lam: float) -> float:
    z = problem.loss.gradient(problem.predictions_low_rank(factors), problem.y) / problem.n
    total = 0.0
    for features, (u, v) in zip(problem.layers, factors):
        by_u, by_v = features.adjoint_factors(z, u, v)
        total += float(((by_u + lam * u) ** 2).sum() + ((by_v + lam * v) ** 2).sum())
    return float(np.sqrt(total))


_LENGTHS = np.concatenate([2.0 ** np.arange(-8, 0), [0.75, 1.0, 1.5, 2.0, 4.0]])


def _line_search(
    problem: ConvexProblem, factors: Factors, step: Factors, predictions: Float[Array, "n k"], lam: float
) -> tuple[float, float]:
    """Return the best of a few step lengths and its objective; predictions are quadratic in the length."""
    linear = _prediction_change(problem, factors, step)
    quadratic = problem.predictions_low_rank(step) - problem.f0
    penalties = [
        sum(float((a * b).sum()) for x, y in zip(left, right) for a, b in zip(x, y))
        for left, right in ((factors, factors), (factors, step), (step, step))
    ]
    # all lengths in one call of the loss
    t = _LENGTHS[:, None, None]
    stacked = predictions + t * linear + t * t * quadratic
    y = np.concatenate([problem.y] * _LENGTHS.size)
    losses = problem.loss.value(stacked.reshape(-1, problem.k), y).reshape(_LENGTHS.size, problem.n).mean(axis=1)
    values = losses + 0.5 * lam * (penalties[0] + 2.0 * _LENGTHS * penalties[1] + _LENGTHS**2 * penalties[2])
    best = int(np.argmin(values))
    return float(_LENGTHS[best]), float(values[best])


def _prediction_change(problem: ConvexProblem, factors: Factors, step: Factors) -> Float[Array, "n k"]:
    """Return J applied to the step: <G, du v^T + u dv^T> summed over layers."""
    joined = [
        (np.concatenate([du, u], axis=1), np.concatenate([v, dv], axis=1)) for (u, v), (du, dv) in zip(factors, step)
    ]
    return problem.predictions_low_rank(joined) - problem.f0


def _newton_step(
    problem: ConvexProblem,
    layers: Sequence[Layer],
    factors: Factors,
    half: Float[Array, "n k k"],
    damping: float,
    *,
    signed: bool = False,
) -> tuple[Factors, float, bool]:
    """Return the minimiser of the damped quadratic model (its critical point if ``signed``) and its decrease.

    The third value says that no eigenvalue of S was given another sign: a signed step would be the same.
    """
    metrics = [layer.metric(damping, signed=signed) for layer in layers]
    gram = sum(f.metric_gram(u, v, w) for f, (u, v), w in zip(problem.layers, factors, metrics))
    plain = [w.apply(*layer.grad) for w, layer in zip(metrics, layers)]
    change = _prediction_change(problem, factors, plain)
    pulled = row_weights(half, gram, change)
    steps, decrease = [], 0.0
    for features, (u, v), w, layer, (plain_u, plain_v) in zip(problem.layers, factors, metrics, layers, plain):
        by_u, by_v = w.apply(*features.adjoint_factors(pulled, u, v))
        du, dv = by_u - plain_u, by_v - plain_v
        steps.append((du, dv))
        decrease -= 0.5 * float((du * layer.grad[0]).sum() + (dv * layer.grad[1]).sum())
    return steps, decrease, all(w.definite for w in metrics)


def row_weights(
    half: Float[Array, "n k k"], gram: Float[Array, "nk nk"], change: Float[Array, "n k"]
) -> Float[Array, "n k"]:
    """Return R^T (I + R gram R^T)^{-1} R change with the block-diagonal half curvature R: the Woodbury system."""
    n, k = change.shape
    if k == 1:  # R is diagonal; products of 1 x 1 blocks would be mostly overhead
        system = half.reshape(n, 1) * gram * half.reshape(n)
    else:
        rows = (half @ gram.reshape(n, k, n * k)).reshape(n * k, n, k)
        system = np.einsum("anl,nql->anq", rows, half).reshape(n * k, n * k)
    system[np.diag_indices_from(system)] += 1.0
    right = (half @ change[:, :, None]).reshape(-1)
    # positive definite unless a signed metric entered
    _, weights, failed = lapack.dposv(system.T, right, lower=True)
    if failed:  # indefinite, or singular to rounding where lam is negligible
        weights = np.linalg.lstsq(system, right, rcond=None)[0]
    return (np.swapaxes(half, 1, 2) @ weights.reshape(n, k, 1))[:, :, 0]
