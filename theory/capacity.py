"""Counting and complexity of rank-r updates without weight decay: the three claims of arXiv 2605.03724.

1. dimension of the rank-r manifold against KN; 2. what remains of a Polyak-Lojasiewicz inequality for cross-entropy;
3. Rademacher complexity of rank-r updates, whose dependence on the rank is decided by the norm that bounds them.
"""

from math import exp

import numpy as np
from jaxtyping import Float

Array = np.ndarray
TYPICAL_CONSTANT = 1.35  # C* of the paper, for Gaussian features


def manifold_dimension(rank: int, d_out: int, d_in: int) -> int:
    """Return r(m + n) - r^2, the dimension of the m x n matrices of rank r. Kind: exact.

    Raises:
        ValueError: rank outside 0..min(m, n).
    """
    if not 0 <= rank <= min(d_out, d_in):
        raise ValueError(f"rank {rank} with shape {d_out} x {d_in}: expected 0..{min(d_out, d_in)}")
    return rank * (d_out + d_in) - rank**2


def capacity_ratio(rank: int, measurements: int, d_out: int, d_in: int) -> float:
    """Return (r(m + n) - r^2) / KN, which the paper compares with 1.35. Kind: exact."""
    return manifold_dimension(rank, d_out, d_in) / measurements


def capacity_rank(measurements: int, d_out: int, d_in: int, constant: float = TYPICAL_CONSTANT) -> int | None:
    """Return the smallest r with r(m + n) - r^2 > constant * KN, or None if no rank has it.

    Kind: empirical (Gaussian features); not sufficient in the worst case. Source: arXiv 2605.03724, abstract.
    """
    ranks = range(1, min(d_out, d_in) + 1)
    return next((r for r in ranks if manifold_dimension(r, d_out, d_in) > constant * measurements), None)


def worst_case_constant(rank: int, d_out: int, d_in: int) -> float:
    """Return (m + n - r) / max(m, n) <= 2: the C* for which the ratio test is r max(m, n) >= KN.

    Above or at it every second-order point is global for generic features. Kind: exact in the worst case for r < min(m,
    n). Source: this project, Theorem Z.
    """
    return manifold_dimension(rank, d_out, d_in) / (rank * max(d_out, d_in))


def factor_kernel(jacobian: Float[Array, "q dr"]) -> Float[Array, "q q"]:
    """Return K_r = J J^T, for which ||gradient||^2 = z^T K_r z with z the loss derivatives. Kind: exact."""
    return jacobian @ jacobian.T


def logistic_derivative_bound(losses: Float[Array, " n"], ceiling: float) -> Float[Array, " n"]:
    """Return loss * (1 - e^-C)/C, a lower bound of |dl/dp| = 1 - e^-loss for logistic losses at most C.

    Kind: lower bound (concavity), equality at 0 and C.
    """
    return losses * ((1.0 - exp(-ceiling)) / ceiling)


def exponent_two_bound(smallest_eigenvalue: float, mean_loss: float, ceiling: float, n: int) -> float:
    """Return mu ((1 - e^-C)/C)^2 L^2 / n, a lower bound of ||gradient||^2 for the mean logistic loss L.

    mu is the smallest eigenvalue of K_r and C bounds every sample's loss. The exponent of L is 2, not the 1 of a
    Polyak-Lojasiewicz inequality. Kind: lower bound. Source: this project.
    """
    return smallest_eigenvalue * ((1.0 - exp(-ceiling)) / ceiling * mean_loss) ** 2 / n


def rademacher_frobenius(values: Float[Array, " k"], rank: int, radius: float = 1.0) -> float:
    """Return sup <M, delta> over rank <= r, ||delta||_F <= B, from the singular values of M: B sqrt(sum_{k<=r} s_k^2).

    Grows with r, at most like sqrt r. Kind: exact.
    """
    return radius * float((values[:rank] ** 2).sum()) ** 0.5


def rademacher_nuclear(values: Float[Array, " k"], rank: int, radius: float = 1.0) -> float:
    """Return sup <M, delta> over rank <= r, ||delta||_* <= B: B s_1 for every rank >= 1. Kind: exact."""
    return radius * float(values[0]) if rank >= 1 else 0.0
