"""What solving or judging a problem takes, from its sizes: too much is refused in one line before the work starts.

The estimates are of the arrays that are held at one time at the largest rank that a solver may visit; against measured
peaks they are right within a factor of four, on the safe side.
"""

from typing import TYPE_CHECKING

from sims import memory
from sims.convex_problem import ConvexProblem
from sims.ntk.features import FactoredFeatures, TangentFeatures
from theory.rank_thresholds import generic_rank

if TYPE_CHECKING:
    from sims.problem_files import Candidate

_FLOAT = 8
_JACOBIANS = 4  # by u, by v, both, and times a matrix
_SYSTEMS = 6  # a symmetric matrix with its factor, vectors and work space
_ROWS = 32  # as in `sims.ntk.features`
_EXACT_ENTRY = 200  # bytes of one feature entry as a rational or a ball, its transpose and its products


def solve_bytes(problem: ConvexProblem) -> int:
    """Return about how many bytes `sims.solve.solve` takes beside the problem."""
    measurements = problem.n * problem.k
    total = 0
    for layer in problem.layers:
        m, p = layer.shape
        rank = min(m, p, max(2, generic_rank(measurements)))
        side = min(measurements, max(m * p, (m + p) * rank))
        rows = 2 * _FLOAT * measurements * min(_ROWS, m) * p  # of every G, multiplied out at a time
        total += held(layer) + rows + _JACOBIANS * _jacobian(layer, rank) + _SYSTEMS * _FLOAT * side**2
    return total


def certify_bytes(problem: ConvexProblem, candidate: "Candidate", *, exact: bool) -> int:
    """Return about how many bytes a verdict takes beside the problem, the Hessian's spectrum left out."""
    (layer,) = problem.layers
    rank = 0 if candidate.u is None else int(candidate.u.shape[1])
    total = held(layer) + _JACOBIANS * _jacobian(layer, rank)
    return total + exact * _EXACT_ENTRY * layer.n * layer.k * layer.d_out * layer.d_in


def require_solve(problem: ConvexProblem) -> None:
    """Raise BadInput with the estimate when solving does not fit into the free memory."""
    memory.require(solve_bytes(problem), f"solving a problem of {_sizes(problem)}")


def require_certify(problem: ConvexProblem, candidate: "Candidate", *, exact: bool) -> None:
    """Raise BadInput with the estimate when a verdict does not fit into the free memory."""
    rank = "" if candidate.u is None else f" at rank {candidate.u.shape[1]}"
    need = certify_bytes(problem, candidate, exact=exact)
    memory.require(need, f"{'an exact' if exact else 'a'} verdict on a problem of {_sizes(problem)}{rank}")


def held(layer: TangentFeatures) -> int:
    """Return the bytes of the features as they are held."""
    if isinstance(layer, FactoredFeatures):
        return _FLOAT * (layer.signal.size + layer.activation.size)
    return _FLOAT * layer.n * layer.k * layer.d_out * layer.d_in


def _jacobian(layer: TangentFeatures, rank: int) -> int:
    """Return the bytes of the derivatives of all outputs with respect to factors of this rank."""
    if isinstance(layer, FactoredFeatures) and layer.signal.shape[2] == 1:  # stays a product of two factors
        return _FLOAT * layer.n * (layer.k + 1) * rank
    return _FLOAT * layer.n * layer.k * (layer.d_out + layer.d_in) * rank


def _sizes(problem: ConvexProblem) -> str:
    shapes = " and ".join(f"{m} x {p}" for m, p in problem.shapes)
    return f"{problem.n} samples, {problem.k} outputs, {shapes}"
