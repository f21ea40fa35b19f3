"""Damped Newton method on the factors (u, v) of every layer.

The Hessian is S (x) I + J^T D J with J of KN rows only, so each step is solved exactly through a KN x KN system
(Woodbury); nothing of size (d r) x (d r) is formed. Where S is indefinite its eigenvalues are
replaced by their absolute values, which keeps every step a descent direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sims.convex_problem import ConvexProblem
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


def _half_curvature(problem: ConvexProblem, predictions: Float[Array, "n k"]) -> Float[Array, "n k k"]:
    """Return R with R^T R = (1/n) Hessian of the losses."""
    values, vectors = np.linalg.eigh(problem.loss.hessian(predictions, problem.y) / problem.n)
    return np.sqrt(np.maximum(values, 0.0))[:, :, None] * np.swapaxes(vectors, 1, 2)


class _Layer:
    """One layer's gradient and the inverse of its damped, positive version of S.

    S has eigenvalues lam +- sigma. One eigendecomposition of the smaller Gram matrix of the gradient is enough:
    every block of |S|^{-1} is a function of G G^T, times G.
    """

    def __init__(self, gradient: Array, u: Array, v: Array, lam: float) -> None:
        self.wide = gradient if gradient.shape[0] <= gradient.shape[1] else gradient.T
        squares, self.vectors = np.linalg.eigh(self.wide @ self.wide.T)
        self.sigma = np.sqrt(np.maximum(squares, 0.0))
        self.transposed = gradient.shape[0] > gradient.shape[1]
        self.lam = lam
        self.grad = np.concatenate([gradient @ v + lam * u, gradient.T @ u + lam * v])

    def metric(self, damping: float, *, signed: bool = False) -> Float[Array, "d d"]:
        """Return |S|^{-1} with the damping added: eigenvalues lam + sigma, |lam - sigma| and lam of S.

        ``signed`` keeps the sign of lam - sigma (its modulus at least the damping): the exact Newton step then.
        """
        sigma, rest = self.sigma, self.lam + damping
        difference = self.lam - sigma
        minus = np.abs(difference) + damping
        if signed:
            minus = np.where(difference < -damping, difference, minus)
        product = (rest + sigma) * minus
        below = sigma < self.lam
        safe = np.where(sigma > 0, sigma, 1.0)
        # mean and half difference of the two inverse eigenvalues; below lam written without cancellation
        mean = 0.5 * (rest + sigma + minus) / product
        slope = np.where(below, -1.0 / product, 0.5 * (minus - rest - sigma) / (product * safe))
        curved = np.where(below, 1.0 / (rest * product), (mean - 1.0 / rest) / safe**2)
        q = self.vectors
        pulled = self.wide.T @ q
        inner = (q * mean) @ q.T
        outer = np.eye(self.wide.shape[1]) / rest + (pulled * curved) @ pulled.T
        cross = (q * slope) @ pulled.T
        blocks = [[inner, cross], [cross.T, outer]]
        if self.transposed:
            blocks = [[outer, cross.T], [cross, inner]]
        return np.block(blocks)


def minimise_factors(
    problem: ConvexProblem,
    start: Factors,
    lam: float,
    *,
    tolerance: float = 1e-13,
    drop: float = 1e-10,
    max_steps: int = 100,
) -> NewtonResult:
    """Return a stationary point of the factored objective reached by monotone descent from ``start``.

    ``tolerance`` is on the gradient norm relative to lam times the norm of the factors; columns whose singular value
    falls below ``drop`` times the largest are taken out.
    """
    factors = [(u.copy(), v.copy()) for u, v in start]
    value, predictions = factored_objective(problem, factors, lam)
    damping = lam
    norm, converged, step_count = np.inf, False, 0
    for step_count in range(max_steps):  # noqa: B007
        gradients = problem.data_gradients(predictions)
        layers = [_Layer(g, u, v, lam) for g, (u, v) in zip(gradients, factors)]
        norm = float(np.sqrt(sum((layer.grad**2).sum() for layer in layers)))
        size = float(np.sqrt(sum((part**2).sum() for pair in factors for part in pair)))
        if norm <= tolerance * lam * max(size, 1e-300):
            converged = True
            break
        half = _half_curvature(problem, predictions)
        accepted = False
        for _ in range(12):
            step, decrease = _newton_step(problem, layers, factors, half, damping)
            if decrease <= 1e-13 * max(1.0, abs(value)):
                step, _ = _newton_step(problem, layers, factors, half, damping, signed=True)
                # below rounding of the objective only the gradient can judge
                length, trial = 1.0, [(u + du, v + dv) for (u, v), (du, dv) in zip(factors, step)]
                if _gradient_norm(problem, trial, lam) >= 0.9 * norm:
                    break  # rounding: no damping will help
                accepted = True
            else:
                length, trial_value = _line_search(problem, factors, step, predictions, lam)
                if decrease <= 1e-4 * abs(value) and max(layer.sigma[-1] for layer in layers) > (1.0 + 1e-3) * lam:
                    # near a point that is not global |S| is not the curvature: the exact step converges fast
                    exact, _ = _newton_step(problem, layers, factors, half, damping, signed=True)
                    exact_length, exact_value = _line_search(problem, factors, exact, predictions, lam)
                    if exact_value < trial_value:
                        step, length, trial_value = exact, exact_length, exact_value
                trial = [(u + length * du, v + length * dv) for (u, v), (du, dv) in zip(factors, step)]
                accepted = value - trial_value >= 1e-4 * length * decrease
            if accepted:
                factors, value, predictions = _without_small_columns(problem, trial, lam, drop)
                damping = max(damping * (0.1 if length >= 0.5 else 4.0 if length < 0.2 else 1.0), 1e-10 * lam)
                break
            damping *= 10.0
        if not accepted:
            break
    return NewtonResult(factors, value, norm, step_count, converged)


_SMALL = (0.1, 0.02, 1e-3)  # relative singular values below which columns are tried to be taken out, in this order


def _without_small_columns(
    problem: ConvexProblem, factors: Factors, lam: float, drop: float
) -> tuple[Factors, float, Float[Array, "n k"]]:
    """Return balanced factors, objective and predictions, with small columns taken out if that is no worse.

    Columns that the optimum does not need shrink only linearly under Newton steps; taking them out is the longer step.
    """
    kept = [rebalanced(u, v, tolerance=drop) for u, v in factors]
    value, predictions = factored_objective(problem, kept, lam)
    for threshold in _SMALL:
        cut = [rebalanced(u, v, tolerance=threshold) for u, v in kept]
        if all(a.shape == b.shape for (a, _), (b, _) in zip(cut, kept)):
            continue
        cut_value, cut_predictions = factored_objective(problem, cut, lam)
        if cut_value <= value:
            return cut, cut_value, cut_predictions
    return kept, value, predictions


def _gradient_norm(problem: ConvexProblem, factors: Factors, lam: float) -> float:
    gradients = problem.data_gradients(problem.predictions_low_rank(factors))
    parts = [(g @ v + lam * u, g.T @ u + lam * v) for g, (u, v) in zip(gradients, factors)]
    return float(np.sqrt(sum((part**2).sum() for pair in parts for part in pair)))


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
    values = [
        float(problem.loss.value(predictions + t * linear + t * t * quadratic, problem.y).mean())
        + 0.5 * lam * (penalties[0] + 2.0 * t * penalties[1] + t * t * penalties[2])
        for t in _LENGTHS
    ]
    best = int(np.argmin(values))
    return float(_LENGTHS[best]), values[best]


def _prediction_change(problem: ConvexProblem, factors: Factors, step: Factors) -> Float[Array, "n k"]:
    """Return J applied to the step: <G, du v^T + u dv^T> summed over layers."""
    joined = [
        (np.concatenate([du, u], axis=1), np.concatenate([v, dv], axis=1)) for (u, v), (du, dv) in zip(factors, step)
    ]
    return problem.predictions_low_rank(joined) - problem.f0


def _newton_step(
    problem: ConvexProblem,
    layers: Sequence[_Layer],
    factors: Factors,
    half: Float[Array, "n k k"],
    damping: float,
    *,
    signed: bool = False,
) -> tuple[Factors, float]:
    """Return the minimiser of the damped quadratic model (its critical point if ``signed``) and its decrease."""
    n, k = problem.n, problem.k
    metrics = [layer.metric(damping, signed=signed) for layer in layers]
    gram = sum(f.factor_gram(u, v, w) for f, (u, v), w in zip(problem.layers, factors, metrics))
    # R gram R^T with the block-diagonal half curvature R
    rows = (half @ gram.reshape(n, k, n * k)).reshape(n * k, n, k)
    system = np.einsum("anl,nql->anq", rows, half).reshape(n * k, n * k)
    system[np.diag_indices_from(system)] += 1.0
    plain = [w @ layer.grad for w, layer in zip(metrics, layers)]
    change = _prediction_change(problem, factors, [_split(q, u) for q, (u, _) in zip(plain, factors)])
    weights = np.linalg.solve(system, (half @ change[:, :, None]).reshape(-1)).reshape(n, k)
    pulled = (np.swapaxes(half, 1, 2) @ weights[:, :, None])[:, :, 0]
    steps, decrease = [], 0.0
    for features, (u, v), w, layer, q in zip(problem.layers, factors, metrics, layers, plain):
        g = features.adjoint(pulled)
        full = w @ np.concatenate([g @ v, g.T @ u]) - q
        steps.append(_split(full, u))
        decrease -= 0.5 * float((full * layer.grad).sum())
    return steps, decrease


def _split(q: Float[Array, "d r"], u: Float[Array, "m r"]) -> tuple[Float[Array, "m r"], Float[Array, "p r"]]:
    return q[: u.shape[0]], q[u.shape[0] :]
