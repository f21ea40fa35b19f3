"""Similarity of two subspaces, the measure by which learned factors of adapters are compared.

BA = (BC)(C^-1 A) for every invertible C, so only the column space of B and the row space of A mean anything: compare B
with B and A^T with A^T.
"""

import numpy as np
from jaxtyping import Float


def similarity(x: Float[np.ndarray, "d1 r1"], y: Float[np.ndarray, "d2 r2"]) -> float:
    """Return phi = ||U_Y^T U_X||_F^2 / min(r1, r2) in [0, 1], U orthonormal bases of the column spaces.

    The mean squared cosine of the principal angles: 1 if one space contains the other, 0 if they are orthogonal, and
    unchanged by X -> XC for invertible C. Ranks are numerical: a dependent column does not count. Exact up to rounding.
    Zhu et al., "Asymmetry in low-rank adapters of foundation models" (2024), section 3 ("CCA goodness of fit").

    Raises:
        ValueError: different numbers of rows, or a matrix that is zero or not finite and so has no column space.
    """
    if x.shape[0] != y.shape[0]:
        raise ValueError(f"factors have {x.shape[0]} and {y.shape[0]} rows: expected subspaces of one space")
    basis_x, basis_y = _basis(x), _basis(y)
    overlap = float(np.sum((basis_y.T @ basis_x) ** 2)) / min(basis_x.shape[1], basis_y.shape[1])
    return min(overlap, 1.0)


def chance_similarity(d: int, r1: int, r2: int) -> float:
    """Return the mean of phi for independent subspaces of R^d, one of them uniform (Haar): max(r1, r2)/d. Exact.

    Raises:
        ValueError: a rank outside 1..d.
    """
    _check_ranks(d, r1, r2)
    return max(r1, r2) / d


def chance_variance(d: int, r1: int, r2: int) -> float:
    """Return the variance of phi for independent subspaces of R^d, one of them uniform (Haar). Exact.

    The trace of the product of two projectors, one rotated by Haar, has variance 2 a b / ((d - 1)(d + 2)) with
    a = r1 (d - r1)/d and b = r2 (d - r2)/d, the squared norms of their traceless parts; phi divides it by min(r1, r2).

    Raises:
        ValueError: a rank outside 1..d.
    """
    _check_ranks(d, r1, r2)
    if max(r1, r2) == d:  # the whole space: phi is 1 (also where d = 1 and the formula is 0/0)
        return 0.0
    a, b = r1 * (d - r1) / d, r2 * (d - r2) / d
    return 2 * a * b / ((d - 1) * (d + 2) * min(r1, r2) ** 2)


def _basis(x: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis (d, rank) of the column space."""
    if not np.isfinite(x).all():
        raise ValueError("a factor holds entries that are not finite: it has no column space")
    u, values, _ = np.linalg.svd(np.asarray(x, dtype=np.float64), full_matrices=False)
    # the usual numerical rank at the precision of the factor as given (a float32 run has float32 noise)
    precision = np.finfo(x.dtype if x.dtype == np.float32 else np.float64).eps
    rank = int(np.sum(values > max(x.shape) * precision * values[0])) if values.size else 0
    if rank == 0:
        raise ValueError(f"a factor of shape {x.shape} is zero and has no column space: compare trained factors")
    return u[:, :rank]


def _check_ranks(d: int, r1: int, r2: int) -> None:
    if not 1 <= min(r1, r2) <= max(r1, r2) <= d:
        raise ValueError(f"ranks {r1} and {r2} in dimension {d}: expected 1 <= rank <= dimension")
