"""Certified solver of nuclear-norm regularised linearised fine-tuning.

Newton on low-rank factors until stationary, then the dual certificate; while the certificate finds singular values of
the gradient above lam, the violating pairs become new columns and the descent goes on. Every step decreases the
objective, so no stationary point is visited twice, and the loop ends only with a duality gap below the tolerance.
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh

from sims.convex_problem import ConvexProblem
from sims.errors import BadInput
from sims.solvers.alternating import alternating_sweeps
from sims.solvers.low_rank_newton import Factors, factored_objective, minimise_factors
from sims.solvers.solution import Solution, Status
from sims.threads import scipy_on_one_thread
from theory.factorisation import rebalanced
from theory.rank_thresholds import generic_rank

Array = Any
_ACCURATE = 1e-6  # relative singular value above which a Gram matrix gives the pair to half the digits or more
_EXCESS = 1e-7  # of the gradient's spectral norm over lam at a certified optimum
_CLEARLY = 1e-3  # excess of the gradient's spectral norm over lam, relative to lam, that needs no certificate
_FAR = 1e-2  # of lambda_max: below it lam is reached step by step
_PATH_STEP = 10.0
_NEGLIGIBLE = 1e-15  # of lambda_max: floats cannot follow the path any farther
_ROUNDS_ON_THE_WAY = 8
_ON_THE_WAY = 1e-4  # relative gap that is enough on the way
_DAMPING = 0.3  # of lam, at the first Newton step after the sweeps
_DROP = 1e-10  # relative singular value below which a column is taken out (the certificate puts it back if needed)


@scipy_on_one_thread()
def solve_nuclear_norm(
    problem: ConvexProblem, lam: float, *, tol: float = 1e-9, max_rounds: int = 60, max_steps: int = 100
) -> Solution[Factors]:
    """Return balanced factors of every layer with relative duality gap at most ``tol``, for lam > 0.

    The status is OPTIMAL only if the gap, recomputed from the factors, is below the tolerance. A lam far below
    lambda_max is reached by way of larger ones, each starting where the last one ended: the condition of the factored
    problem grows like lambda_max / lam.

    Raises:
        BadInput: lam <= 0 or not finite.
    """
    if not (np.isfinite(lam) and lam > 0):
        raise BadInput(f"lambda {lam} is not positive: expected a finite number > 0")
    top = problem.lambda_max()
    start: Factors = [(np.zeros((m, 0)), np.zeros((p, 0))) for m, p in problem.shapes]
    if lam < _FAR * top:
        first = _FAR * top
        last = max(lam, _NEGLIGIBLE * top)
        steps = int(np.ceil(np.log(first / last) / np.log(_PATH_STEP)))
        for on_the_way in first * (last / first) ** (np.arange(steps) / max(steps, 1)):
            start = _solved_at(problem, float(on_the_way), start, _ON_THE_WAY, _ROUNDS_ON_THE_WAY, max_steps // 2).value
    if lam < _NEGLIGIBLE * top:  # residuals as small as lam asks for do not exist in float64
        return Solution(start, Status.STALLED, {})
    return _solved_at(problem, lam, start, tol, max_rounds, max_steps)


def _solved_at(
    problem: ConvexProblem, lam: float, start: Factors, tol: float, max_rounds: int, max_steps: int
) -> Solution[Factors]:
    """Return the solution at one lam, by descents from a start with columns added until the gap is closed."""
    factors = start
    newton_steps, first = 0, 0
    best = np.inf
    status = Status.MAX_STEPS
    if any(u.shape[1] for u, _ in start):
        factors, newton_steps = _descended(problem, start, lam, tol, max_steps)
        first = 1
    else:
        new = _violating_pairs(problem, factors, lam)
        if max(float((u**2).sum(axis=0).max(initial=0.0)) for u, _ in new) > _CLEARLY * lam:
            # zero is clearly not optimal: no certificate is needed to say so
            sweeping = alternating_sweeps(problem, _with_columns(problem, factors, new, lam), lam)
            factors, newton_steps = _descended(problem, sweeping, lam, tol, max_steps)
            first = 1
    rounds = first
    for rounds in range(first, max_rounds):
        report = problem.report_at_factors(factors, lam)
        # close to lambda_max the gap is of second order in the gradient's excess over lam: ask for both
        certified = report.relative_gap <= 0.1 * tol and report.spectral_norm_ratio <= 1.0 + _EXCESS
        if certified or (report.relative_gap <= tol and report.primal >= best):
            status = Status.OPTIMAL
            break
        if report.primal >= best - 1e-15 * abs(best) and rounds > 1:
            status = Status.STALLED
            break
        best = report.primal
        grown = _with_columns(problem, factors, _violating_pairs(problem, factors, lam), lam)
        factors, steps = _descended(problem, grown, lam, tol, max_steps)
        newton_steps += steps
    else:
        report = problem.report_at_factors(factors, lam)
    if report.relative_gap <= tol:
        status = Status.OPTIMAL
    stats: dict[str, Any] = {
        "rounds": rounds,
        "newton_steps": newton_steps,
        "primal": report.primal,
        "dual": report.dual,
        "gap": report.gap,
        "relative_gap": report.relative_gap,
        "spectral_norm_ratio": report.spectral_norm_ratio,
        "ranks": [u.shape[1] for u, _ in factors],
    }
    return Solution(factors, status, stats)


def _descended(problem: ConvexProblem, start: Factors, lam: float, tol: float, max_steps: int) -> tuple[Factors, int]:
    """Return the stationary point below ``start``, balanced, and the number of Newton steps."""
    accuracy = max(1e-13, 0.01 * tol)
    result = minimise_factors(problem, start, lam, tolerance=accuracy, damping=_DAMPING, max_steps=max_steps)
    return [rebalanced(u, v, tolerance=_DROP) for u, v in result.factors], result.steps


def leading_pairs(matrix: Float[Array, "m p"], count: int) -> tuple[Array, Array, Array]:
    """Return (left (m, c), sigma (c,), right (p, c)) of the c = min(count, m, p) largest singular values.

    Through the Gram matrix of the smaller side: for directions of descent, where the accuracy of small values is idle.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    size = wide.shape[0]
    count = min(count, size)
    scale = float(np.abs(wide).max())
    if scale == 0.0:
        return np.zeros((matrix.shape[0], 0)), np.zeros(0), np.zeros((matrix.shape[1], 0))
    scaled = wide / scale
    squares, short = eigh(scaled @ scaled.T, subset_by_index=[size - count, size - 1], check_finite=False)
    sigma = np.sqrt(np.maximum(squares[::-1], 0.0))
    short = short[:, ::-1]
    keep = sigma > _ACCURATE * sigma[0]
    short, sigma = short[:, keep], sigma[keep]
    long = scaled.T @ short / sigma
    return (short, sigma * scale, long) if wide is matrix else (long, sigma * scale, short)


def _violating_pairs(problem: ConvexProblem, factors: Factors, lam: float) -> Factors:
    """Return the singular pairs of the gradient above lam as columns, of squared norm the excess over lam."""
    new: Factors = []
    budget = max(2, generic_rank(problem.n * problem.loss.free_outputs(problem.k)))
    gradients = problem.data_gradients(problem.predictions_low_rank(factors))
    for gradient, (u, _) in zip(gradients, factors):
        left, sigma, right = leading_pairs(gradient, min(budget, max(1, min(gradient.shape) - u.shape[1])))
        above = sigma > lam
        weight = np.sqrt(sigma[above] - lam)
        new.append((left[:, above] * weight, -right[:, above] * weight))
    return new


def _with_columns(problem: ConvexProblem, factors: Factors, new: Factors, lam: float) -> Factors:
    """Return factors with the new columns added, at the best common step."""
    value, predictions = factored_objective(problem, factors, lam)
    descent = sum(float((w.sum(axis=0)).sum()) for w in [u**2 * (u**2).sum(axis=0) for u, _ in new])
    change = problem.predictions_low_rank(new) - problem.f0
    curved = problem.loss.hessian(predictions, problem.y) @ change[:, :, None]
    curvature = float((change * curved[:, :, 0]).sum()) / problem.n
    step = descent / max(curvature, 1e-300) if curvature > 0 else 1.0
    for _ in range(60):
        root = np.sqrt(step)
        grown = [
            (np.concatenate([u, root * a], axis=1), np.concatenate([v, root * b], axis=1))
            for (u, v), (a, b) in zip(factors, new)
        ]
        if factored_objective(problem, grown, lam)[0] < value:
            return grown
        step *= 0.5
    return grown
