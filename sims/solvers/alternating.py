"""Alternating descent on the factors: the cheap first phase of a solve.

With v fixed the factored objective is convex in u (and the other way round), with Hessian lam I + J^T D J, J the
features projected on v: no curvature of the product enters, so a sweep costs a fraction of a Newton step of both
factors. Sweeps converge only linearly; they end when they have become slow, and Newton takes over.
"""

import numpy as np
from jaxtyping import Float

from sims.convex_problem import ConvexProblem
from sims.solvers.low_rank_newton import (
    Factors,
    factored_objective,
    half_curvature,
    row_weights,
    without_small_columns,
)

Array = np.ndarray
_SLOW = 0.01  # relative decrease of the objective in one sweep at which Newton steps on both factors pay more
_HALVINGS = 5


def alternating_sweeps(problem: ConvexProblem, start: Factors, lam: float, *, max_sweeps: int = 30) -> Factors:
    """Return factors with an objective no larger than at ``start``, and with no more columns."""
    factors = start
    value, predictions = factored_objective(problem, factors, lam)
    for _ in range(max_sweeps):
        before = value
        for on_u in (True, False):
            factors, value, predictions = _half_sweep(problem, factors, lam, value, predictions, on_u=on_u)
        if before - value <= _SLOW * abs(before):
            break
        factors, value, predictions = without_small_columns(problem, factors, lam)
    return factors


def _half_sweep(
    problem: ConvexProblem,
    factors: Factors,
    lam: float,
    value: float,
    predictions: Float[Array, "n k"],
    *,
    on_u: bool,
) -> tuple[Factors, float, Float[Array, "n k"]]:
    """Take one Newton step on u (or v) with the other factor fixed; the minimiser itself for the squared loss."""
    n, k = problem.n, problem.k
    half = half_curvature(problem, predictions)
    z = problem.loss.gradient(predictions, problem.y) / n
    projected = [f.project_input(v.T) if on_u else f.project_output(u) for f, (u, v) in zip(problem.layers, factors)]
    moving = [u if on_u else v.T for u, v in factors]
    plain = [f.adjoint(z) / lam + x for f, x in zip(projected, moving)]
    gram = np.sum([np.asarray(f.gram(f)).reshape(n * k, n * k) for f in projected], axis=0) / lam
    change = np.sum([f.apply(q) for f, q in zip(projected, plain)], axis=0)
    pulled = row_weights(half, gram, change)
    steps = [f.adjoint(pulled) / lam - q for f, q in zip(projected, plain)]
    length = 1.0
    for _ in range(_HALVINGS):
        trial = [(u + length * step, v) if on_u else (u, v + length * step.T) for step, (u, v) in zip(steps, factors)]
        trial_value, trial_predictions = factored_objective(problem, trial, lam)
        if trial_value < value:
            return trial, trial_value, trial_predictions
        length *= 0.25
    return factors, value, predictions
