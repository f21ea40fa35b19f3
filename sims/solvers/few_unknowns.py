"""Problems with fewer unknowns than measurements, solved on the side of the unknowns.

For the squared loss the KN rows are replaced by as many as there are unknowns: with A = Q R the loss is, up to a
constant, that of the rows of R with targets Q^T (y - f0). For the other losses the same is done to the quadratic model
at the current point (proximal Newton), with a line search on the true objective. The low-rank Newton method, which
works on a matrix of measurements, then sees at most as many of them as unknowns.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from sims.certificate import certificate_at
from sims.convex_problem import ConvexProblem
from sims.ntk.features import DenseFeatures
from sims.rounding import UNIT
from sims.solvers.low_rank_newton import Factors
from sims.solvers.nuclear_norm import solve_nuclear_norm
from sims.solvers.solution import Solution, Status
from theory.convex_lora import nuclear_norm
from theory.factorisation import balanced_factors
from theory.losses import SQUARED

Array = Any
_INNER = 1e-11  # relative gap of an inner problem; it is small, so accuracy is cheap
_MOST_ENTRIES = 100_000_000  # of the matrix of all features


def fewer_unknowns(problem: ConvexProblem) -> bool:
    """Return whether the unknowns are the smaller side, and the features fit into one matrix."""
    unknowns = sum(m * p for m, p in problem.shapes)
    rows = problem.n * problem.k
    return unknowns < rows and rows * unknowns <= _MOST_ENTRIES


def solve_few_unknowns(
    problem: ConvexProblem, lam: float, *, tol: float = 1e-9, max_rounds: int = 50
) -> Solution[Factors]:
    """Return balanced factors of every layer with relative duality gap at most ``tol``, for lam > 0."""
    rows = problem.n * problem.k
    matrix = np.concatenate([np.asarray(layer.dense()).reshape(rows, -1) for layer in problem.layers], axis=1)
    if problem.loss.name == "squared":
        right, target = _triangle(
            matrix / np.sqrt(problem.n), (problem.y - problem.f0).reshape(-1) / np.sqrt(problem.n)
        )
        return solve_nuclear_norm(_quadratic(problem, right, target), lam, tol=0.1 * tol)
    point = np.zeros(matrix.shape[1])
    factors: Factors = [(np.zeros((m, 0)), np.zeros((p, 0))) for m, p in problem.shapes]
    value = _objective(problem, matrix, point, lam)
    status, rounds = Status.MAX_STEPS, 0
    for rounds in range(max_rounds):  # noqa: B007 (told in the statistics)
        if 0.0 <= certificate_at(problem, factors, lam).relative_gap <= 0.5 * tol:
            status = Status.OPTIMAL
            break
        model = _model(problem, matrix, point)
        inner = solve_nuclear_norm(model, lam, tol=_INNER).value
        step = np.concatenate([(u @ v.T).reshape(-1) for u, v in inner]) - point
        length, trial_value = _line_search(problem, matrix, point, step, value, lam)
        if length == 0.0:
            status = Status.STALLED
            break
        point, value = point + length * step, trial_value
        factors = inner if length == 1.0 else _factors(problem, point)
    return Solution(factors, status, {"rounds": rounds, "primal": value})


def _triangle(matrix: Float[Array, "q p"], target: Float[Array, " q"]) -> tuple[Array, Array]:
    """Return R and Q^T target of the QR decomposition of the matrix."""
    both = np.asarray(np.linalg.qr(np.concatenate([matrix, target[:, None]], axis=1), mode="r"))
    size = min(matrix.shape)
    return both[:size, :-1], both[:size, -1]


def _quadratic(problem: ConvexProblem, right: Float[Array, "s p"], target: Float[Array, " s"]) -> ConvexProblem:
    """Return the problem (1/2) |R delta - target|^2 with the squared loss, one sample a row."""
    size = len(target)
    root = np.sqrt(size)
    layers, start = [], 0
    for m, p in problem.shapes:
        layers.append(DenseFeatures((root * right[:, start : start + m * p]).reshape(size, 1, m, p)))
        start += m * p
    return ConvexProblem(tuple(layers), np.zeros((size, 1)), (root * target)[:, None], SQUARED)


def _model(problem: ConvexProblem, matrix: Float[Array, "q p"], point: Float[Array, " p"]) -> ConvexProblem:
    """Return the quadratic model of the loss at a point, as a problem with the squared loss."""
    n, k = problem.n, problem.k
    predictions = problem.f0 + (matrix @ point).reshape(n, k)
    gradient = (problem.loss.gradient(predictions, problem.y) / n).reshape(-1) @ matrix
    curvature = problem.loss.hessian(predictions, problem.y) / n
    weighted = (curvature @ matrix.reshape(n, k, -1)).reshape(matrix.shape)
    values, vectors = np.linalg.eigh(matrix.T @ weighted)
    # the gradient lies in the range of the curvature up to directions in which both vanish
    values = np.maximum(values, 8.0 * UNIT * len(values) * values[-1])
    root = np.sqrt(values)
    right = root[:, None] * vectors.T
    return _quadratic(problem, right, right @ point - (vectors.T @ gradient) / root)


def _objective(problem: ConvexProblem, matrix: Array, point: Float[Array, " p"], lam: float) -> float:
    predictions = problem.f0 + (matrix @ point).reshape(problem.n, problem.k)
    return float(problem.loss.value(predictions, problem.y).mean()) + lam * _norm(problem, point)


def _parts(problem: ConvexProblem, point: Float[Array, " p"]) -> list[Array]:
    out, start = [], 0
    for m, p in problem.shapes:
        out.append(point[start : start + m * p].reshape(m, p))
        start += m * p
    return out


def _norm(problem: ConvexProblem, point: Float[Array, " p"]) -> float:
    return sum(nuclear_norm(part) for part in _parts(problem, point))


def _factors(problem: ConvexProblem, point: Float[Array, " p"]) -> Factors:
    return [balanced_factors(part, tolerance=1e-12) for part in _parts(problem, point)]


def _line_search(
    problem: ConvexProblem, matrix: Array, point: Array, step: Array, value: float, lam: float
) -> tuple[float, float]:
    """Return the largest halved step that does not raise the objective beyond rounding, and its value; 0 if none."""
    length = 1.0
    for _ in range(30):
        trial = _objective(problem, matrix, point + length * step, lam)
        if trial <= value + 4.0 * UNIT * abs(value):
            return length, trial
        length *= 0.5
    return 0.0, value
