"""The whitened form of the linear adapter problem, in which the two single factors are two orthogonal projectors.

Least squares for an update of the change Delta, with input covariance Sigma and output metric W (the identity for the
plain squared loss), is low-rank approximation of M = W^(1/2) Delta Sigma^(1/2) in the Frobenius norm. Freezing A = Q
projects M on the right, onto range(Sigma^(1/2) Q^T); freezing B = U projects it on the left, onto range(W^(1/2) U).
"""

import numpy as np
from jaxtyping import Float

# Relative to the largest: eigenvalues and singular values below this many ulps (times the size) count as zero.
_ULPS = 16.0


def psd_root(a: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """Return the symmetric square root of a symmetric positive semidefinite matrix.

    Eigenvalues that are zero up to rounding are exactly zero in the root, so that it has the rank of ``a``.

    Raises:
        ValueError: not symmetric, not finite, or with an eigenvalue below zero by more than rounding.
    """
    values, vectors = _spectrum(a)
    return (vectors * np.sqrt(values)) @ vectors.T


def inverse_root(a: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """Return the pseudo-inverse of the symmetric square root (the inverse root on the range); raises as psd_root."""
    values, vectors = _spectrum(a)
    inverse = np.divide(1.0, np.sqrt(values), out=np.zeros_like(values), where=values > 0)
    return (vectors * inverse) @ vectors.T


def whiten(
    delta: Float[np.ndarray, "d_out d_in"],
    sigma: Float[np.ndarray, "d_in d_in"],
    metric: Float[np.ndarray, "d_out d_out"] | None = None,
) -> Float[np.ndarray, "d_out d_in"]:
    """Return M = W^(1/2) Delta Sigma^(1/2); the metric W is the identity if not given.

    Kind: exact. Source: this project (reduced-rank regression in whitened coordinates).

    Raises:
        ValueError: entries that are not finite, or shapes that do not fit; as psd_root.
    """
    check_finite("the change", delta)
    check_sides(delta, sigma, metric)
    m = delta @ psd_root(sigma)
    return m if metric is None else psd_root(metric) @ m


def input_projector(
    sigma: Float[np.ndarray, "d_in d_in"], q: Float[np.ndarray, "r d_in"]
) -> Float[np.ndarray, "d_in d_in"]:
    """Return P_R, the orthogonal projector on range(Sigma^(1/2) Q^T), for any Q and any covariance.

    Its rank is below r exactly when Q Sigma Q^T is singular. Kind: exact. Raises as psd_root.
    """
    basis = range_basis(psd_root(sigma) @ q.T)
    return basis @ basis.T


def output_projector(
    u: Float[np.ndarray, "d_out r"], metric: Float[np.ndarray, "d_out d_out"] | None = None
) -> Float[np.ndarray, "d_out d_out"]:
    """Return P_L, the orthogonal projector on range(W^(1/2) U), for any U; U U^T for orthonormal U and W = I.

    Kind: exact. Raises as psd_root.
    """
    basis = range_basis(u if metric is None else psd_root(metric) @ u)
    return basis @ basis.T


def range_basis(x: Float[np.ndarray, "d r"]) -> Float[np.ndarray, "d k"]:
    """Return an orthonormal basis of the column space, k its numerical rank (0 for the zero matrix)."""
    left, values, _ = np.linalg.svd(x, full_matrices=False)
    return left[:, : numerical_rank(values, max(x.shape))]


def numerical_rank(values: Float[np.ndarray, " k"], size: int) -> int:
    """Return how many singular values (decreasing) are above rounding for a matrix whose longer side is ``size``."""
    if not values.size:
        return 0
    return int(np.count_nonzero(values > _ULPS * size * np.finfo(np.float64).eps * values[0]))


def check_finite(what: str, x: Float[np.ndarray, "..."]) -> None:
    """Raise ValueError if an entry is not finite: a NaN would otherwise pass for a risk, or for no gradient at all."""
    if not np.isfinite(x).all():
        raise ValueError(f"{what} holds entries that are not finite: expected real numbers")


def check_sides(
    delta: Float[np.ndarray, "d_out d_in"],
    sigma: Float[np.ndarray, "..."],
    metric: Float[np.ndarray, "..."] | None = None,
) -> None:
    """Raise ValueError unless the covariance is d_in x d_in and the metric d_out x d_out."""
    d_out, d_in = delta.shape
    for name, found, side in (("covariance", sigma, d_in), ("metric", metric, d_out)):
        if found is not None and found.shape != (side, side):
            raise ValueError(f"{name} of shape {found.shape} for a {d_out}x{d_in} map: expected ({side}, {side})")


def _spectrum(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues (rounding set to zero) and eigenvectors of a positive semidefinite matrix."""
    if not np.isfinite(a).all():
        raise ValueError("a covariance or metric holds entries that are not finite: expected a real symmetric matrix")
    largest = float(np.abs(a).max(initial=0.0))
    rounding = _ULPS * a.shape[0] * np.finfo(np.float64).eps * largest
    asymmetry = float(np.abs(a - a.T).max(initial=0.0))
    if asymmetry > rounding:
        raise ValueError(f"a covariance or metric differs from its transpose by {asymmetry:.3g}: symmetrise it first")
    values, vectors = np.linalg.eigh(0.5 * (a + a.T))
    if values[0] < -rounding * a.shape[0]:
        raise ValueError(
            f"a covariance or metric has the eigenvalue {values[0]:.3g}: expected a positive semidefinite matrix"
        )
    return np.where(values > rounding, values, 0.0), vectors
