"""The verdict on a candidate in floats: the gap first, then the gradient, then S, the Hessian last."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from proofs_check.better_point import better_point, evaluated
from proofs_check.certificates import GRADIENT_TOLERANCE, CriticalPoint, critical_point, first_order
from proofs_check.polish import polished
from sims.convex_problem import ConvexProblem
from sims.rounding import gradient_rounding, prediction_rounding
from sims.solve import solve
from theory.convex_lora import OptimalityReport, nuclear_norm

Array = np.ndarray
_FAR = 1e-5  # of the factors' size: Newton's steps that lead farther lead to another point
_BELOW, _ABOVE = 1e-12, 1e-9  # of the Hessian's scale: zero below, clearly not zero above, undecided between
_VIOLATED = 1e-9  # relative violation of an optimality condition that is asked for on top of rounding


@dataclass(frozen=True)
class Judged:
    """A verdict, why where it is none, and what it rests on, in the units of the problem that was given."""

    verdict: str
    reason: str = ""
    gradient_norm: float | None = None
    point: CriticalPoint | None = None
    better_rank: int | None = None
    better_value: float | None = None
    better: tuple[Array, Array] | None = None
    radius: float | None = None


def float_verdict(
    problem: ConvexProblem,
    delta: Float[Array, "m p"],
    factors: tuple[Array, Array] | None,
    lam: float,
    report: OptimalityReport,
    tol: float,
) -> Judged:
    """Return the verdict on an update, or on factors with at least one column."""
    gradient = None if factors is None else first_order(problem, *factors, lam).gradient_norm
    if report.gap < 0 and not report.attained_zero:
        fault = f"the dual exceeds the primal by {-report.gap:.1e}, more than rounding can explain: please report it"
        return Judged("inconclusive", fault, gradient)
    if report.relative_gap <= tol:
        return Judged("global_minimum", gradient_norm=gradient)
    if factors is None:
        return _update(problem, delta, lam, report)
    return _factors(problem, *factors, lam, report)


def _update(problem: ConvexProblem, delta: Array, lam: float, report: OptimalityReport) -> Judged:
    """Judge an update that is not certified: its optimality conditions, then a lower point."""
    predictions = problem.predictions([delta])
    z = problem.loss.gradient(predictions, problem.y)
    moved = problem.loss.curvature * prediction_rounding(problem.layers, problem.f0, [delta])
    (layer,) = problem.layers
    gradient = layer.adjoint(z) / problem.n
    off = gradient_rounding(layer, z, moved) / problem.n
    top, size = float(np.linalg.norm(gradient, 2)), nuclear_norm(delta)
    if top - off > lam * (1.0 + _VIOLATED):
        return Judged("not_optimal", f"the gradient's spectral norm is {top / lam if lam > 0 else np.inf:.3g} lambda")
    misaligned = float((gradient * delta).sum()) + lam * size
    if misaligned > (off + _VIOLATED * lam) * size:
        return Judged("not_optimal", "the gradient is not aligned with the update")
    if lam > 0 or problem.loss.name == "squared":
        ((u, v),) = solve(problem, lam).factors
        lower = evaluated(problem, u, v, lam)
        if report.primal - report.rounding > lower.value + lower.rounding:
            return Judged("not_optimal", "a lower point is shown", better_rank=lower.rank, better_value=lower.value)
    return Judged("inconclusive", f"rounding hides whether it is optimal: relative gap {report.relative_gap:.1e}")


def _factors(problem: ConvexProblem, u: Array, v: Array, lam: float, report: OptimalityReport) -> Judged:
    """Judge factors that are not certified: gradient, S, then the Hessian at the point that Newton's steps reach."""
    here = first_order(problem, u, v, lam)
    norm = here.gradient_norm
    if here.relative_gradient_norm > GRADIENT_TOLERANCE and norm > 10.0 * here.gradient_rounding:
        return Judged("not_stationary", gradient_norm=norm)
    end = polished(problem, u, v, lam)
    settled = first_order(problem, end.u, end.v, lam)
    if settled.gradient_norm > max(100.0 * settled.gradient_rounding, 1e-10 * settled.s_norm * settled.size):
        return Judged(
            "inconclusive", "Newton's steps from the point do not converge: no stationary point is near", norm
        )
    if end.moved > _FAR:
        return Judged("inconclusive", f"the next stationary point is {end.moved:.0e} of the factors away", norm)
    if settled.lowest_s >= -max(1e-6 * settled.s_norm, 100.0 * settled.s_rounding):
        why = f"S is not clearly indefinite, yet the gap is not closed: relative gap {report.relative_gap:.1e}"
        return Judged("inconclusive", why, norm)
    point = critical_point(problem, end.u, end.v, lam, zero_tolerance=_ABOVE)
    sharper = critical_point(problem, end.u, end.v, lam, zero_tolerance=_BELOW)
    if point.min_eigenvalue < -_ABOVE * point.scale:
        if point.min_eigenvalue >= -10.0 * settled.s_rounding:
            return Judged("inconclusive", "rounding of the gradient hides the sign of a curvature", norm, point)
        return Judged("saddle", "", norm, point)
    if point.zeros != sharper.zeros:
        return Judged(
            "inconclusive", "an eigenvalue of the Hessian is too small for floats to tell its sign", norm, point
        )
    before = critical_point(problem, u, v, lam)
    if before.min_eigenvalue < -1e-6 * before.scale or before.zeros < point.zeros:
        return Judged("inconclusive", "Newton's steps lead to a point of another inertia", norm, point)
    strict = point.zeros == point.gauge_dimension
    # beside the point itself its own minimum would be lower
    lower = better_point(problem, end.u, end.v, lam)
    word = "local_minimum" if strict else "second_order_point"
    if lower is None:
        return Judged(word, "above the convex optimum; no lower point of its rank was found", norm, point)
    return Judged(f"spurious_{word}", "", norm, point, lower.rank, lower.value, (lower.u, lower.v))
