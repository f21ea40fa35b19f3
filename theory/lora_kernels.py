"""Mean and variance of the B-only LoRA kernel over a random A, in closed form.

B-only training has the kernel K_A[i, j] = <G_i A^T, G_j A^T> = sum over the r rows a of A of a^T C_ij a with
C_ij = G_i^T G_j. For independent entries of mean 0, variance s^2 and excess kurtosis c (0 for Gaussian, -2 for signs),
with S_ij the symmetric part of C_ij,

    E K_A[i, j]   = r s^2 <G_i, G_j>
    Var K_A[i, j] = r s^4 ( 2 ||S_ij||_F^2 + c sum_a (S_ij)_aa^2 ).

With s^2 = 1/r the mean is the full kernel of the layer and the standard deviation is proportional to 1/sqrt(r). The
A-only kernel over a random B is the same with G^T in place of G. Layers are independent: means and variances add.
Source: this project (variance of a quadratic form).
"""

from math import sqrt
from typing import Any

import numpy as np
from jaxtyping import Float

Array = Any


def expected_projected_kernel(
    full_kernel: Float[Array, "q q"], rank: int, entry_variance: float | None = None
) -> Float[Array, "q q"]:
    """Return E K_A = r s^2 K; ``entry_variance`` None means 1/r, for which it is K itself. Kind: exact."""
    return full_kernel * (_variance(rank, entry_variance) * rank)


def projected_kernel_variance(
    gradients: Float[Array, "q m p"], rank: int, entry_variance: float | None = None, excess_kurtosis: float = 0.0
) -> Float[np.ndarray, "q q"]:
    """Return Var K_A[i, j] of every entry over A (r, p) with independent entries. Kind: exact.

    ``gradients`` holds the q = n k features of one layer; for the A-only kernel over a random B (m, r) give their
    transposes. ``entry_variance`` None means 1/r. Raises ValueError for a rank below 1, a negative variance, or an
    excess kurtosis below -2, which no distribution has.
    """
    if excess_kurtosis < -2.0:
        raise ValueError(f"excess kurtosis {excess_kurtosis}: expected at least -2")
    s2 = _variance(rank, entry_variance)
    g = np.asarray(gradients)
    rows = []
    for gradient in g:  # one row at a time: memory q p^2
        c = gradient.T @ g
        symmetric = 0.5 * (c + np.swapaxes(c, 1, 2))
        diagonal = np.diagonal(symmetric, axis1=1, axis2=2)
        rows.append(2.0 * (symmetric**2).sum(axis=(1, 2)) + excess_kurtosis * (diagonal**2).sum(axis=1))
    return rank * s2**2 * np.stack(rows)


def relative_deviation(full_kernel: Float[Array, "q q"], variance: Float[Array, "q q"]) -> float:
    """Return sqrt(E ||K_A - K||_F^2) / ||K||_F for s^2 = 1/r, from the variances of all entries. Kind: exact."""
    return sqrt(float(np.asarray(variance).sum())) / float(np.linalg.norm(np.asarray(full_kernel)))


def _variance(rank: int, entry_variance: float | None) -> float:
    if rank < 1:
        raise ValueError(f"rank {rank}: expected at least 1")
    variance = 1.0 / rank if entry_variance is None else entry_variance
    if variance < 0:
        raise ValueError(f"entry variance {variance}: expected a number >= 0")
    return variance
