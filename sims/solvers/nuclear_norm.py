"""Certified solver of nuclear-norm regularised linearised fine-tuning.

Newton on low-rank factors until stationary, then the dual certificate; while the certificate finds singular values of
the gradient above lam, the violating pairs become new columns and the descent goes on. Every step decreases the
objective, so no stationary point is visited twice, and the loop ends only with a duality gap below the tolerance.
"""

from typing import Any

import numpy as np

from sims.convex_problem import ConvexProblem
from sims.errors import BadInput
from sims.solvers.low_rank_newton import Factors, factored_objective, minimise_factors
from sims.solvers.solution import Solution, Status
from theory.factorisation import rebalanced
from theory.rank_thresholds import generic_rank

_EXCESS = 1e-7  # of the gradient's spectral norm over lam at a certified optimum
_DROP = 1e-10  # relative singular value below which a column is taken out (the certificate puts it back if needed)


def solve_nuclear_norm(
    problem: ConvexProblem, lam: float, *, tol: float = 1e-9, max_rounds: int = 60, max_steps: int = 100
) -> Solution[Factors]:
    """Return balanced factors of every layer with relative duality gap at most ``tol``, for lam > 0.

    The status is OPTIMAL only if the gap, recomputed from the factors, is below the tolerance.

    Raises:
        BadInput: lam <= 0 or not finite.
    """
    if not (np.isfinite(lam) and lam > 0):
        raise BadInput(f"lambda {lam} is not positive: expected a finite number > 0")
    factors: Factors = [(np.zeros((m, 0)), np.zeros((p, 0))) for m, p in problem.shapes]
    newton_steps, rounds = 0, 0
    best = np.inf
    status = Status.MAX_STEPS
    for rounds in range(max_rounds):
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
        grown = _with_violating_pairs(problem, factors, lam)
        result = minimise_factors(problem, grown, lam, max_steps=max_steps)
        newton_steps += result.steps
        factors = [rebalanced(u, v, tolerance=_DROP) for u, v in result.factors]
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


def _with_violating_pairs(problem: ConvexProblem, factors: Factors, lam: float) -> Factors:
    """Return factors with columns for the singular pairs of the gradient above lam, at the best common step."""
    predictions = problem.predictions_low_rank(factors)
    new: Factors = []
    budget = max(2, generic_rank(problem.n * problem.loss.free_outputs(problem.k)))
    for gradient, (u, _) in zip(problem.data_gradients(predictions), factors):
        left, sigma, right = np.linalg.svd(gradient, full_matrices=False)
        count = min(int((sigma > lam).sum()), budget, max(1, min(gradient.shape) - u.shape[1]))
        weight = np.sqrt(np.maximum(sigma[:count] - lam, 0.0))
        new.append((left[:, :count] * weight, -right[:count].T * weight))
    descent = sum(float((w.sum(axis=0)).sum()) for w in [u**2 * (u**2).sum(axis=0) for u, _ in new])
    change = problem.predictions_low_rank(new) - problem.f0
    curved = problem.loss.hessian(predictions, problem.y) @ change[:, :, None]
    curvature = float((change * curved[:, :, 0]).sum()) / problem.n
    step = descent / max(curvature, 1e-300) if curvature > 0 else 1.0
    value, _ = factored_objective(problem, factors, lam)
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
