"""What a candidate is: global minimum, spurious, saddle, not stationary, not optimal; in floats or proved."""

from fractions import Fraction
from typing import Any

import numpy as np

from proofs_check.certificates import CriticalPoint, critical_point
from proofs_check.exact import MAX_EXACT_ROWS, SquaredProblem, gap_enclosure
from proofs_check.interval_newton import SpuriousMinimum, prove_spurious_minimum
from sims.convex_problem import ConvexProblem
from sims.errors import BadInput
from sims.problem_files import Candidate
from sims.solve import certificate_at, solve
from theory.convex_lora import OptimalityReport
from theory.factorisation import factor_penalty

_VIOLATION = 1e-9  # relative violation of a KKT condition that is more than rounding


def certify(
    problem: ConvexProblem, candidate: Candidate, lam: Fraction, *, exact: bool = False, tol: float = 1e-8
) -> dict[str, Any]:
    """Return the numbers and the verdict of ``certify --json`` for somebody's solution of a one-layer problem.

    ``exact`` asks for a proof in rational or ball arithmetic; what cannot be proved is 'inconclusive'. A spurious local
    minimum is proved at the factors themselves or within ``stationarity["radius"]`` of them (None: not proved).

    Raises:
        BadInput: lam negative, tol not positive.
    """
    if lam < 0:
        raise BadInput(f"lambda {lam} is negative: expected a number >= 0")
    if not (np.isfinite(tol) and tol > 0):
        raise BadInput(f"tolerance {tol} is not positive: expected a relative gap such as 1e-8")
    report = certificate_at(problem, [candidate.delta], float(lam))
    point = None
    if candidate.u is not None and candidate.v is not None:
        point = critical_point(problem, candidate.u, candidate.v, float(lam))
        excess = float(factor_penalty(candidate.u, candidate.v)) - _nuclear(candidate.delta)
        primal = report.primal + float(lam) * excess
        report = OptimalityReport(primal, report.dual, report.spectral_norm_ratio, report.alignment)
    verdict = _float_verdict(report, point, float(lam), tol)
    stationarity = None if point is None else _finite(point.json())
    if exact:
        suspected = verdict
        verdict = _exact_verdict(problem, candidate, lam, suspected, tol)
        radius = None if verdict in ("inconclusive", "not_stationary", "global_minimum") else 0.0
        if verdict == "inconclusive" and suspected == "spurious_local_minimum":
            proof = _interval_proof(problem, candidate, lam)
            verdict, radius = (suspected, proof.radius) if proof is not None else (verdict, None)
        if stationarity is not None:
            stationarity["radius"] = radius
    return {
        "verdict": verdict,
        "primal": report.primal,
        "dual": report.dual,
        "gap": report.gap,
        "relative_gap": report.relative_gap,
        "exact": exact and verdict != "inconclusive",
        "stationarity": stationarity,
    }


def _nuclear(delta: np.ndarray) -> float:
    return float(np.linalg.svd(delta, compute_uv=False).sum())


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with infinities as None: JSON has no infinity."""
    return {k: (v if not isinstance(v, float) or np.isfinite(v) else None) for k, v in values.items()}


def _float_verdict(report: OptimalityReport, point: CriticalPoint | None, lam: float, tol: float) -> str:
    if report.relative_gap <= tol:
        return "global_minimum"
    if point is not None:
        # a positive gap of this size contradicts S >= 0, so an almost definite S only means: not decided
        return "inconclusive" if point.kind == "global_minimum" else point.kind
    violated = report.spectral_norm_ratio > 1.0 + _VIOLATION
    misaligned = report.alignment > _VIOLATION * max(lam, 1e-300) * max(1.0, report.primal / max(lam, 1e-300))
    return "not_optimal" if violated or misaligned else "inconclusive"


def _exact_verdict(problem: ConvexProblem, candidate: Candidate, lam: Fraction, suspected: str, tol: float) -> str:
    """Return the verdict if it can be proved, else 'inconclusive'."""
    squared = problem.loss.name == "squared"
    rows = sum(problem.shapes[0])
    small = rows * (1 if candidate.u is None else max(1, candidate.u.shape[1])) <= MAX_EXACT_ROWS
    factors = None if candidate.u is None or candidate.v is None else (candidate.u, candidate.v)
    if suspected == "global_minimum":
        if squared and small and factors is None and SquaredProblem(problem, lam).proves_optimal(candidate.delta):
            return suspected
        proved = gap_enclosure(problem, candidate.delta, lam, factors).proves_gap_below(tol)
        return suspected if proved else "inconclusive"
    if not (squared and small):
        return "inconclusive"
    exact = SquaredProblem(problem, lam)
    if factors is None:
        # ||G||_op > lam, as an exact negative direction of S, contradicts optimality
        return suspected if suspected == "not_optimal" and exact.proves_infeasible(candidate.delta) else "inconclusive"
    if not exact.stationary(*factors):
        return "not_stationary" if suspected == "not_stationary" else "inconclusive"
    facts = exact.facts(*factors)
    if facts.hessian_inertia[2]:
        return "saddle"
    if not facts.s_inertia[2]:
        return "global_minimum"
    return "spurious_local_minimum" if facts.strict_spurious else "spurious_second_order_point"


def _interval_proof(problem: ConvexProblem, candidate: Candidate, lam: Fraction) -> SpuriousMinimum | None:
    """Return the proof that a strict spurious minimum lies near float factors, or None."""
    if candidate.u is None or candidate.v is None or candidate.u.size + candidate.v.size > MAX_EXACT_ROWS:
        return None
    better: list[tuple[np.ndarray, np.ndarray]] = []
    # the optimum found in floats is only a point with a lower value here; nothing is taken from it on trust
    if lam > 0 or problem.loss.name == "squared":
        better = solve(problem, float(lam)).factors
    return prove_spurious_minimum(problem, candidate.u, candidate.v, lam, better=better)
