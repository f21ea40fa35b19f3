"""What a candidate is: global minimum, spurious or other local minimum, saddle, ...; in floats or proved.

Everything is decided in units in which the data are of moderate size (powers of four, so nothing is rounded), with
relative thresholds: no verdict depends on the scale of the problem.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from proofs_check.exact_verdict import exact_verdict
from proofs_check.float_verdict import Judged, float_verdict
from sims.certificate import certificate_at
from sims.convex_problem import ConvexProblem
from sims.errors import BadInput
from sims.problem_files import Candidate
from sims.scaling import Units, about_the_data, normalised, without_loss
from sims.threads import blas_on_one_thread
from theory.convex_lora import OptimalityReport
from theory.factorisation import factor_penalty, rebalanced


@dataclass(frozen=True)
class Posed:
    """One question in moderate units: problem, lam, the update, and factors where the candidate has columns."""

    problem: ConvexProblem
    lam: Fraction
    delta: np.ndarray
    factors: tuple[np.ndarray, np.ndarray] | None
    units: Units


@blas_on_one_thread()
def certify(
    problem: ConvexProblem, candidate: Candidate, lam: Fraction, *, exact: bool = False, tol: float = 1e-8
) -> dict[str, Any]:
    """Return the numbers and the verdict of ``certify --json`` for somebody's solution of a one-layer problem.

    ``exact`` asks for a proof in rational or ball arithmetic; what cannot be proved is 'inconclusive'. A local minimum
    is proved at the factors themselves or within ``stationarity["radius"]`` of them (None: not proved).

    Raises:
        BadInput: lam negative, or too small beside the data; tol not positive; more than one layer; an objective that
            does not fit into float64.
    """
    if lam < 0:
        raise BadInput(f"lambda {lam} is negative: expected a number >= 0")
    if not (np.isfinite(tol) and tol > 0):
        raise BadInput(f"tolerance {tol} is not positive: expected a relative gap such as 1e-8")
    posed = pose(problem, candidate, lam)
    with np.errstate(over="ignore", invalid="ignore"):
        found = _report(posed)
    report = about_the_data(found, lossless=without_loss(problem, posed.problem, posed.units), lam=lam)
    if not np.isfinite(report.primal):
        raise BadInput("the objective at this solution does not fit into float64: expected a smaller solution")
    with np.errstate(over="ignore", invalid="ignore"):  # a rounding that is infinite decides nothing
        judged = float_verdict(posed.problem, posed.delta, posed.factors, float(posed.lam), report, tol)
    proved = False
    if exact:
        judged = _proved(posed, problem, candidate, report, judged, tol)
        proved = judged.verdict != "inconclusive"
    shown = posed.units.report_back(report)
    return {
        "verdict": judged.verdict,
        "primal": shown.primal,
        "dual": shown.dual,
        "gap": shown.gap,
        "relative_gap": _finite(report.relative_gap),
        "exact": proved,
        "better_rank": judged.better_rank,
        "better_value": None if judged.better_value is None else posed.units.value_back(judged.better_value),
        "reason": judged.reason,
        "stationarity": None if posed.factors is None else _stationarity(judged, posed.units, exact=exact),
    }


def pose(problem: ConvexProblem, candidate: Candidate, lam: Fraction) -> Posed:
    """Return the question in moderate units; factors are balanced at lam = 0, where their balance means nothing.

    Raises:
        BadInput: more than one layer, lam too small beside the data, factors whose penalty overflows.
    """
    if len(problem.layers) != 1:
        raise BadInput(
            f"{len(problem.layers)} layers in the problem, 1 in the solution: expected one of each, join them "
            "block-diagonally"
        )
    scaled, scaled_lam, units = normalised(problem, lam)
    if candidate.u is None or candidate.v is None or candidate.u.shape[1] == 0:
        return Posed(scaled, scaled_lam, units.delta(candidate.delta), None, units)
    u, v = units.factor(candidate.u), units.factor(candidate.v)
    if lam == 0:
        columns = u.shape[1]
        u, v = (_padded(f, columns) for f in rebalanced(u, v))
    with np.errstate(over="ignore"):
        penalty = float(factor_penalty(u, v))
    if not np.isfinite(penalty):
        raise BadInput("the penalty of these factors does not fit into float64: balance them, u^T u = v^T v")
    return Posed(scaled, scaled_lam, u @ v.T, (u, v), units)


def _padded(factor: np.ndarray, columns: int) -> np.ndarray:
    """Return the factor with its old number of columns: balancing drops those that are beyond the side."""
    return np.pad(factor, ((0, 0), (0, max(0, columns - factor.shape[1]))))


def _report(posed: Posed) -> OptimalityReport:
    if posed.factors is None:
        return certificate_at(posed.problem, [posed.delta], float(posed.lam))
    penalty = float(factor_penalty(*posed.factors))
    return certificate_at(posed.problem, [posed.factors], float(posed.lam), penalty=penalty)


def _proved(
    posed: Posed,
    problem: ConvexProblem,
    candidate: Candidate,
    report: OptimalityReport,
    judged: Judged,
    tol: float,
) -> Judged:
    """Return what is proved about the numbers in the files."""
    if not without_loss(problem, posed.problem, posed.units) or not _kept(posed.units, candidate):
        return Judged("inconclusive", "the data span more than float64 can rescale: no proof is tried")
    factors = None
    if posed.factors is not None and candidate.u is not None and candidate.v is not None:
        # the factors of the file: balancing them, which floats need at lam = 0, would round them
        factors = posed.units.factor(candidate.u), posed.units.factor(candidate.v)
    return exact_verdict(posed.problem, posed.delta, factors, posed.lam, report, judged, tol)


def _kept(units: Units, candidate: Candidate) -> bool:
    """Return whether the candidate is the same, rescaled: no entry fell below float64."""
    if candidate.u is None or candidate.v is None:
        shift = 2 * (units.features - units.targets)
        return bool((np.ldexp(units.delta(candidate.delta), -shift) == candidate.delta).all())
    shift = units.features - units.targets
    return all((np.ldexp(units.factor(f), -shift) == f).all() for f in (candidate.u, candidate.v))


def _stationarity(judged: Judged, units: Units, *, exact: bool) -> dict[str, Any]:
    """Return the JSON object in the units of the data: the Hessian scales as lam, the gradient with the factors too."""
    point, to_lam = judged.point, units.gradient_back
    shown: dict[str, Any] = {
        "gradient_norm": None if judged.gradient_norm is None else judged.gradient_norm,
        "min_hessian_eigenvalue": None if point is None else _finite(to_lam(point.min_eigenvalue)),
        "gauge_zeros": None if point is None else point.zeros,
        "next_eigenvalue": None if point is None else _finite(to_lam(point.next_eigenvalue)),
        "gauge_dimension": None if point is None else point.gauge_dimension,
        "lambda_min_s": None if point is None else _finite(to_lam(point.lowest_s)),
    }
    if shown["gradient_norm"] is not None:
        with np.errstate(over="ignore", under="ignore"):
            shown["gradient_norm"] = _finite(
                float(np.ldexp(shown["gradient_norm"], 3 * units.targets + units.features))
            )
    if exact:
        shown["radius"] = judged.radius
    return shown


def _finite(value: float) -> float | None:
    """Return None for infinities: JSON has none."""
    return value if np.isfinite(value) else None
