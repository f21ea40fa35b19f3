"""The case lam = 0 with the squared loss: least squares of least Frobenius norm, from the features themselves.

The Gram matrix of the features has the square of their condition number, so it is used only where the features are too
large to be multiplied out, and then with refinement.
"""

import numpy as np
from jaxtyping import Float

from sims.convex_problem import ConvexProblem
from sims.errors import BadInput

Array = np.ndarray
_REFINEMENTS = 8


def least_norm_deltas(problem: ConvexProblem) -> list[Float[Array, "m p"]]:
    """Return the minimiser of the squared loss with least sum of squared entries, layer by layer. Kind: exact.

    Raises:
        BadInput: another loss, whose infimum need not be attained at lam = 0.
    """
    if problem.loss.name != "squared":
        raise BadInput(
            f"lambda 0 with the {problem.loss.name} loss: the infimum need not be attained; use lambda > 0, e.g. 1e-4"
        )
    target = (problem.y - problem.f0).reshape(-1)
    span = problem.span
    if span.normalised is None:
        return _through_the_kernel(problem)
    assert span.matrix is not None
    rows, lengths = span.normalised
    if span.clear_rank == span.rows:
        # all targets can be met: rows may be scaled, and features of very different size weigh alike
        flat = np.linalg.lstsq(rows, target / lengths, rcond=None)[0]
    else:
        flat = np.linalg.lstsq(span.matrix, target, rcond=None)[0]
    out, start = [], 0
    for m, p in problem.shapes:
        out.append(flat[start : start + m * p].reshape(m, p))
        start += m * p
    return out


def _through_the_kernel(problem: ConvexProblem) -> list[Float[Array, "m p"]]:
    size = problem.n * problem.k
    kernel = np.sum([np.asarray(layer.gram(layer)).reshape(size, size) for layer in problem.layers], axis=0)
    weights = np.zeros(size)
    target = (problem.y - problem.f0).reshape(-1)
    inverse = np.linalg.pinv(kernel, rcond=1e-13, hermitian=True)
    deltas = [np.zeros(shape) for shape in problem.shapes]
    best = target
    for _ in range(_REFINEMENTS):
        trial = weights + inverse @ best
        updates = [layer.adjoint(trial.reshape(problem.n, problem.k)) for layer in problem.layers]
        left = (problem.y - problem.predictions(updates)).reshape(-1)
        if np.linalg.norm(left) >= np.linalg.norm(best):
            break
        weights, deltas, best = trial, updates, left
    return deltas
