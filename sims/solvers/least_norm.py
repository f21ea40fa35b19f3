"""The case lam = 0 with the squared loss: least squares through the kernel, of least Frobenius norm."""

import numpy as np
from jaxtyping import Float

from sims.convex_problem import ConvexProblem
from sims.errors import BadInput

Array = np.ndarray


def _kernel(problem: ConvexProblem) -> Float[Array, "nk nk"]:
    size = problem.n * problem.k
    return np.sum([np.asarray(layer.gram(layer)).reshape(size, size) for layer in problem.layers], axis=0)


def least_norm_deltas(problem: ConvexProblem) -> list[Float[Array, "m p"]]:
    """Return the minimiser of the squared loss with least sum of squared entries, layer by layer. Kind: exact.

    Raises:
        BadInput: another loss, whose infimum need not be attained at lam = 0.
    """
    if problem.loss.name != "squared":
        raise BadInput(
            f"lambda 0 with the {problem.loss.name} loss: the infimum need not be attained; use lambda > 0, e.g. 1e-4"
        )
    residual = (problem.y - problem.f0).reshape(-1)
    weights, *_ = np.linalg.lstsq(_kernel(problem), residual, rcond=1e-12)
    return [layer.adjoint(weights.reshape(problem.n, problem.k)) for layer in problem.layers]


def least_squares_dual(problem: ConvexProblem, residual: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """Return the part of the residual orthogonal to all reachable predictions: dual feasible at lam = 0."""
    values, vectors = np.linalg.eigh(_kernel(problem))
    reachable = vectors[:, values > values.size * np.finfo(float).eps * max(values[-1], 0.0)]
    flat = residual.reshape(-1)
    return (flat - reachable @ (reachable.T @ flat)).reshape(residual.shape)
