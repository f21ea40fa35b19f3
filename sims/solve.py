"""The whole solve: zero above lambda_max, certified optimum, rank reduction, optional rank limit, numbers to print."""

import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from sims.certificate import certificate_at
from sims.convex_problem import ConvexProblem
from sims.errors import BadInput
from sims.scaling import about_the_data, normalised, without_loss
from sims.solvers.few_unknowns import fewer_unknowns, solve_few_unknowns
from sims.solvers.least_norm import least_norm_deltas
from sims.solvers.low_rank_newton import Factors, minimise_factors
from sims.solvers.nuclear_norm import solve_nuclear_norm
from sims.solvers.rank_reduction import reduce_rank
from sims.solvers.solution import Status
from theory import convex_lora
from theory.factorisation import balanced_factors, rebalanced
from theory.rank_thresholds import generic_rank, pataki_rank

RANK_TOLERANCE = 1e-7  # relative singular value that still counts towards the rank


@dataclass(frozen=True)
class CertifiedSolution:
    """Balanced factors of the minimiser, how the solve ended, and the certificate recomputed from them."""

    factors: Factors
    status: Status
    certificate: convex_lora.OptimalityReport
    measurements: int
    seconds: float

    @property
    def deltas(self) -> list[np.ndarray]:
        """The updates u v^T, layer by layer."""
        return [u @ v.T for u, v in self.factors]

    @property
    def ranks(self) -> list[int]:
        """Numerical rank of every update."""
        return [numerical_rank(u, v) for u, v in self.factors]

    def report(self) -> dict[str, Any]:
        """Return the numbers of ``solve --json``; ratio and relative gap are None where they are infinite."""
        found = self.certificate
        return {
            "status": str(self.status),
            "primal": found.primal,
            "dual": found.dual,
            "gap": found.gap,
            "relative_gap": _finite(found.relative_gap),
            "rank": sum(self.ranks),
            "spectral_norm_ratio": _finite(found.spectral_norm_ratio),
            "rank_existence": pataki_rank(self.measurements),
            "rank_no_spurious": generic_rank(self.measurements),
            "n_measurements": self.measurements,
            "seconds": self.seconds,
            "reason": self.reason,
        }

    @property
    def reason(self) -> str:
        """One sentence: how the solve ended, and what to do."""
        return self.status.message


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def numerical_rank(u: np.ndarray, v: np.ndarray) -> int:
    """Return the number of singular values of u v^T above ``RANK_TOLERANCE`` times the largest."""
    if u.shape[1] == 0:
        return 0
    s = np.linalg.svd(np.linalg.qr(u)[1] @ np.linalg.qr(v)[1].T, compute_uv=False)
    return int((s > RANK_TOLERANCE * s[0]).sum()) if s[0] > 0 else 0


def solve(
    problem: ConvexProblem, lam: float, *, tol: float = 1e-9, max_rank: int | None = None, reduce: bool = True
) -> CertifiedSolution:
    """Return a minimiser of rank r with r(r+1)/2 <= effective KN and its certificate.

    ``tol`` bounds the relative duality gap. ``max_rank`` limits the rank of every layer; if no minimiser that was found
    fits, the best stationary point within the limit comes back with status RANK_LIMITED and its true gap. Where
    rounding or steps do not allow the tolerance, the status is INACCURATE and the gap is the one that was reached.

    Raises:
        BadInput: lam negative or not finite, or too small beside the data; tol not positive; max_rank outside
            0..min(m, p); a solution or value that does not fit into float64.
    """
    if not (np.isfinite(lam) and lam >= 0):
        raise BadInput(f"lambda {lam} is negative or not finite: expected a number >= 0")
    if not (np.isfinite(tol) and tol > 0):
        raise BadInput(f"tolerance {tol} is not positive: expected a relative gap such as 1e-9")
    widest = min(min(shape) for shape in problem.shapes)
    if max_rank is not None and not 0 <= max_rank <= widest:
        raise BadInput(f"max rank {max_rank} is out of range: expected 0..{widest} = min(d_out, d_in)")
    started = time.perf_counter()
    scaled, exact_lam, units = normalised(problem, Fraction(lam))
    factors, status, certificate = _solved(scaled, float(exact_lam), tol, max_rank, reduce=reduce)
    lossless = without_loss(problem, scaled, units)
    certificate = about_the_data(certificate, lossless=lossless, lam=exact_lam)
    if status is Status.OPTIMAL and certificate.relative_gap > tol:
        status = Status.INACCURATE
    back = [(units.factor_back(u), units.factor_back(v)) for u, v in factors]
    measurements = scaled.measurements if lossless else problem.span.count_of_extremes
    report = units.report_back(certificate)
    return CertifiedSolution(back, status, report, measurements, time.perf_counter() - started)


def _solved(
    problem: ConvexProblem, lam: float, tol: float, max_rank: int | None, *, reduce: bool
) -> tuple[Factors, Status, convex_lora.OptimalityReport]:
    """Return factors, status and certificate of a problem in units of its own."""
    if lam == 0:
        factors = [balanced_factors(d, tolerance=1e-12) for d in least_norm_deltas(problem)]
    elif problem.lambda_max() <= lam:
        factors = [(np.zeros((m, 0)), np.zeros((p, 0))) for m, p in problem.shapes]
    elif fewer_unknowns(problem):
        factors = solve_few_unknowns(problem, lam, tol=tol).value
    else:
        factors = solve_nuclear_norm(problem, lam, tol=tol).value
    certificate = certificate_at(problem, factors, lam)
    if reduce:
        reduced = [rebalanced(u, v) for u, v in reduce_rank(problem, factors).factors]
        again = certificate_at(problem, reduced, lam)
        # below the tolerance the smaller rank is what was asked for; above it accuracy comes first
        if again.relative_gap <= max(tol, certificate.relative_gap):
            factors, certificate = reduced, again
    if max_rank is not None and max(u.shape[1] for u, _ in factors) > max_rank:
        factors = _within_rank(problem, factors, lam, max_rank)
        certificate = certificate_at(problem, factors, lam)
        if not 0.0 <= certificate.relative_gap <= tol:
            return factors, Status.RANK_LIMITED, certificate
    optimal = 0.0 <= certificate.relative_gap <= tol
    return factors, Status.OPTIMAL if optimal else Status.INACCURATE, certificate


def _within_rank(problem: ConvexProblem, factors: Factors, lam: float, max_rank: int) -> Factors:
    cut = [(u[:, :max_rank], v[:, :max_rank]) for u, v in factors]
    if max_rank == 0:
        return cut
    damped = max(lam, 1e-12 * max(problem.lambda_max(), 1e-300))
    return minimise_factors(problem, cut, damped, max_steps=500).factors
