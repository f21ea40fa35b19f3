"""A point of no higher rank with a lower value: what makes a stationary point spurious within its rank."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sims.convex_problem import ConvexProblem
from sims.rounding import UNIT, prediction_rounding
from sims.solve import solve
from sims.solvers.low_rank_newton import minimise_factors
from theory import factored_objective as lora
from theory.factorisation import factor_penalty, rebalanced

Array = np.ndarray
_STARTS = 6
_DAMPED = (1e-9, 1e-4)  # of lambda_max: the weight decay of descents at lam = 0, squared loss and others
_MOST_MEASUREMENTS = 3000  # the descents work on a matrix of measurements


@dataclass(frozen=True)
class BetterPoint:
    """Factors, the objective there as evaluated in floats, and how far rounding can have moved it."""

    u: Float[Array, "m r"]
    v: Float[Array, "p r"]
    value: float
    rounding: float

    @property
    def rank(self) -> int:
        """Number of columns, an upper bound of the rank."""
        return self.u.shape[1]


def evaluated(problem: ConvexProblem, u: Float[Array, "m r"], v: Float[Array, "p r"], lam: float) -> BetterPoint:
    """Return the factored objective at (u, v) with the rounding of its evaluation."""
    predictions = problem.predictions_low_rank([(u, v)])
    moved = prediction_rounding(problem.layers, problem.f0, [(u, v)])
    losses = problem.loss.value(predictions, problem.y)
    slope = np.abs(problem.loss.gradient(predictions, problem.y))
    penalty = lam * float(factor_penalty(u, v))
    through = (slope * moved + 0.5 * problem.loss.curvature * moved**2 + 4 * UNIT * slope * np.abs(predictions)).sum(
        axis=1
    )
    rounding = float((through + 8 * UNIT * losses).mean()) + 16 * UNIT * penalty
    return BetterPoint(u, v, float(losses.mean()) + penalty, rounding)


def better_point(
    problem: ConvexProblem, u: Float[Array, "m r"], v: Float[Array, "p r"], lam: float
) -> BetterPoint | None:
    """Return a point of rank at most r whose objective is lower than at (u, v) beyond rounding, or None.

    The convex optimum cut to the rank and descended, descents from random factors, and a descent from (u, v) along the
    most negative direction of S in place of its weakest column. None proves nothing.
    """
    here = evaluated(problem, u, v, lam)
    found = [evaluated(problem, *pair, lam) for pair in _tried(problem, u, v, lam)]
    lower = [point for point in found if here.value - point.value > here.rounding + point.rounding]
    return min(lower, key=lambda point: point.value, default=None)


def _tried(problem: ConvexProblem, u: Array, v: Array, lam: float) -> list[tuple[Array, Array]]:
    (m, p), r = problem.shapes[0], u.shape[1]
    squared = problem.loss.name == "squared"
    damped = lam if lam > 0 else _DAMPED[0 if squared else 1] * problem.lambda_max()
    points: list[tuple[Array, Array]] = []
    if lam > 0 or squared:
        ((a, b),) = solve(problem, lam, max_rank=min(r, m, p)).factors
        points.append((a, b))
    if problem.n * problem.k > _MOST_MEASUREMENTS or damped == 0.0:
        return points
    starts = [*points]
    g = np.random.default_rng(0)
    steepest = problem.lambda_max()
    natural = np.sqrt(problem.loss.value(problem.f0, problem.y).mean() / max(steepest, 1e-300))
    starts += [
        (natural * g.standard_normal((m, r)) / m**0.5, natural * g.standard_normal((p, r)) / p**0.5)
        for _ in range(_STARTS)
    ]
    starts += _turned(problem, u, v, lam, natural)
    for start in starts:
        ((a, b),) = minimise_factors(problem, [start], damped, max_steps=200).factors
        points.append((a, b))
    return points


def _turned(problem: ConvexProblem, u: Array, v: Array, lam: float, natural: float) -> list[tuple[Array, Array]]:
    """Return (u, v) with its weakest column replaced by the most negative direction of S, in two sizes."""
    (gradient,) = problem.data_gradients(problem.predictions_low_rank([(u, v)]))
    values, vectors = np.linalg.eigh(lora.stationarity_matrix(gradient, lam))
    if values[0] >= 0 or u.shape[1] == 0:
        return []
    a, b = rebalanced(u, v)
    a, b = a[:, : u.shape[1] - 1], b[:, : u.shape[1] - 1]
    m = u.shape[0]
    column = vectors[:, :1]
    return [
        (np.concatenate([a, t * natural * column[:m]], axis=1), np.concatenate([b, t * natural * column[m:]], axis=1))
        for t in (0.1, 1.0)
    ]
