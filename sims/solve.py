"""The whole solve: zero above lambda_max, certified optimum, rank reduction, optional rank limit, numbers to print."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from sims.convex_problem import ConvexProblem
from sims.errors import BadInput
from sims.solvers.least_norm import least_norm_deltas, least_squares_dual
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
        """Return the numbers of ``solve --json``; the ratio is None at lam = 0."""
        ratio = self.certificate.spectral_norm_ratio
        return {
            "status": str(self.status),
            "primal": self.certificate.primal,
            "dual": self.certificate.dual,
            "gap": self.certificate.gap,
            "relative_gap": self.certificate.relative_gap,
            "rank": sum(self.ranks),
            "spectral_norm_ratio": ratio if np.isfinite(ratio) else None,
            "rank_existence": pataki_rank(self.measurements),
            "rank_no_spurious": generic_rank(self.measurements),
            "n_measurements": self.measurements,
            "seconds": self.seconds,
        }


def numerical_rank(u: np.ndarray, v: np.ndarray) -> int:
    """Return the number of singular values of u v^T above ``RANK_TOLERANCE`` times the largest."""
    if u.shape[1] == 0:
        return 0
    s = np.linalg.svd(np.linalg.qr(u)[1] @ np.linalg.qr(v)[1].T, compute_uv=False)
    return int((s > RANK_TOLERANCE * s[0]).sum()) if s[0] > 0 else 0


def certificate_at(problem: ConvexProblem, deltas: list[np.ndarray], lam: float) -> convex_lora.OptimalityReport:
    """Return primal, dual and KKT residuals; at lam = 0 the dual point is the unreachable part of the residual."""
    report = problem.report(deltas, lam)
    if lam > 0:
        return report
    dual = least_squares_dual(problem, problem.loss.gradient(problem.predictions(deltas), problem.y))
    value = convex_lora.dual_value(problem.loss, dual, problem.f0, problem.y)
    return convex_lora.OptimalityReport(report.primal, value, report.spectral_norm_ratio, report.alignment)


def solve(
    problem: ConvexProblem, lam: float, *, tol: float = 1e-9, max_rank: int | None = None, reduce: bool = True
) -> CertifiedSolution:
    """Return a minimiser of rank r with r(r+1)/2 <= effective KN and its certificate.

    ``tol`` bounds the relative duality gap. ``max_rank`` limits the rank of every layer; if no minimiser that was found
    fits, the best stationary point within the limit comes back with status RANK_LIMITED and its true gap.

    Raises:
        BadInput: lam negative or not finite, tol not positive, max_rank outside 0..min(m, p).
    """
    if not (np.isfinite(lam) and lam >= 0):
        raise BadInput(f"lambda {lam} is negative or not finite: expected a number >= 0")
    if not (np.isfinite(tol) and tol > 0):
        raise BadInput(f"tolerance {tol} is not positive: expected a relative gap such as 1e-9")
    widest = min(min(shape) for shape in problem.shapes)
    if max_rank is not None and not 0 <= max_rank <= widest:
        raise BadInput(f"max rank {max_rank} is out of range: expected 0..{widest} = min(d_out, d_in)")
    started = time.perf_counter()
    status = Status.OPTIMAL
    if lam == 0:
        factors = [balanced_factors(d, tolerance=1e-12) for d in least_norm_deltas(problem)]
    elif problem.lambda_max() <= lam:
        factors = [(np.zeros((m, 0)), np.zeros((p, 0))) for m, p in problem.shapes]
    else:
        solution = solve_nuclear_norm(problem, lam, tol=tol)
        factors, status = solution.value, solution.status
    if reduce and status is Status.OPTIMAL:
        factors = [rebalanced(u, v) for u, v in reduce_rank(problem, factors).factors]
    if max_rank is not None and max(u.shape[1] for u, _ in factors) > max_rank:
        factors = _within_rank(problem, factors, lam, max_rank)
        status = Status.RANK_LIMITED
    certificate = certificate_at(problem, [u @ v.T for u, v in factors], lam)
    if status is Status.OPTIMAL and certificate.relative_gap > tol:
        status = Status.STALLED
    seconds = time.perf_counter() - started
    return CertifiedSolution(factors, status, certificate, problem.measurements, seconds)


def _within_rank(problem: ConvexProblem, factors: Factors, lam: float, max_rank: int) -> Factors:
    cut = [(u[:, :max_rank], v[:, :max_rank]) for u, v in factors]
    if max_rank == 0:
        return cut
    damped = max(lam, 1e-12 * max(problem.lambda_max(), 1e-300))
    return minimise_factors(problem, cut, damped, max_steps=500).factors
