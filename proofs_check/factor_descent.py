"""Gradient descent on the factors of the linear population problem, many starts at once, in plain numpy.

The problem is L(B, A) = 1/2 tr (BA - Delta) Sigma (BA - Delta)^T with Sigma = diag(variances): small enough that claims
about step sizes and subspaces can be looked at without compiling a network.
"""

import numpy as np
from jaxtyping import Float

_Factor = Float[np.ndarray, "n _ _"]


def descend(
    a: Float[np.ndarray, "n r d_in"],
    b: Float[np.ndarray, "n d_out r"],
    delta: Float[np.ndarray, "*n d_out d_in"],
    variances: Float[np.ndarray, " d_in"],
    *,
    rate: float,
    steps: int,
    train_a: bool = True,
    train_b: bool = True,
) -> tuple[_Factor, _Factor]:
    """Return A and B after this many simultaneous steps; entries of a run that diverges are not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            signal = (b @ a - delta) * variances  # dL/d(BA)
            by_a, by_b = b.swapaxes(1, 2) @ signal, signal @ a.swapaxes(1, 2)
            a = a - rate * by_a if train_a else a
            b = b - rate * by_b if train_b else b
    return a, b


def excess(
    a: _Factor,
    b: _Factor,
    delta: Float[np.ndarray, "*n d_out d_in"],
    variances: Float[np.ndarray, " d_in"],
) -> Float[np.ndarray, " n"]:
    """Return L(B, A) of every run over L(0), infinity for one that is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = ((b @ a - delta) ** 2 * variances).sum(axis=(1, 2)) / (delta**2 * variances).sum(axis=(-2, -1))
    return np.where(np.isfinite(values), values, np.inf)
