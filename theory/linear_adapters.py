"""Closed forms of linear least squares with adapters: B-only, A-only, both factors, and their population risks.

Y = W_target X + noise with E X = 0 and Cov X = Sigma; the pretrained map is W_0 and Delta = W_target - W_0. An adapter
adds B A to W_0 (any scale is absorbed into the tuned factor). Errors are measured by e^T W e; W, the output metric, is
the identity unless given. T is the excess risk of no adapter, and a fit captures a part of it: the population risk is
(noise) Tr W + T - captured. Freezing A = Q is regression on the r features Q x; freezing B = U regresses the r
combinations of the outputs that U can produce, and Sigma does not enter.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.whitened_form import check_finite, check_sides, inverse_root, numerical_rank, psd_root, whiten


@dataclass(frozen=True)
class LinearFit:
    """The best adapter of one kind, and what it achieves.

    ``captured + approximation`` is T. ``pseudo_inverse`` is True when the matrix that the closed form inverts
    (Q Sigma Q^T, or U^T W U) is singular: the tuned factor is then the one of least norm among many equally good ones,
    and fewer than r directions are captured.
    """

    b: Float[np.ndarray, "d_out r"]
    a: Float[np.ndarray, "r d_in"]
    captured: float
    approximation: float
    pseudo_inverse: bool

    @property
    def update(self) -> Float[np.ndarray, "d_out d_in"]:
        """The change of the weight, B A."""
        return self.b @ self.a


def excess_risk(
    delta: Float[np.ndarray, "d_out d_in"],
    update: Float[np.ndarray, "d_out d_in"],
    sigma: Float[np.ndarray, "d_in d_in"],
    metric: Float[np.ndarray, "d_out d_out"] | None = None,
) -> float:
    """Return Tr[W (Delta - update) Sigma (Delta - update)^T], the risk above the noise; T for update = 0.

    Kind: exact. Source: arXiv 2402.16842, section 4.1 (Sigma and W symmetric positive semidefinite, not checked here).

    Raises:
        ValueError: shapes that do not fit.
    """
    check_sides(delta, sigma, metric)
    error = delta - update
    left = error if metric is None else metric @ error
    return float(np.sum(left * (error @ sigma)))


def population_risk(
    delta: Float[np.ndarray, "d_out d_in"],
    update: Float[np.ndarray, "d_out d_in"],
    sigma: Float[np.ndarray, "d_in d_in"],
    noise: float = 0.0,
    metric: Float[np.ndarray, "d_out d_out"] | None = None,
) -> float:
    """Return E ||Y - (W_0 + update) X||_W^2 = noise Tr W + excess_risk, for noise covariance ``noise`` I.

    Kind: exact. Source: arXiv 2402.16842, section 4.1.

    Raises:
        ValueError: a negative noise variance.
    """
    if not noise >= 0:
        raise ValueError(f"noise variance {noise}: expected >= 0")
    trace = delta.shape[0] if metric is None else float(np.trace(metric))
    return noise * trace + excess_risk(delta, update, sigma, metric)


def fit_b_only(
    delta: Float[np.ndarray, "d_out d_in"],
    sigma: Float[np.ndarray, "d_in d_in"],
    q: Float[np.ndarray, "r d_in"],
    metric: Float[np.ndarray, "d_out d_out"] | None = None,
) -> LinearFit:
    """Return the best B for A = Q frozen: B = Delta Sigma Q^T (Q Sigma Q^T)^+, whatever the metric.

    captured = Tr[Q Sigma Delta^T W Delta Sigma Q^T (Q Sigma Q^T)^+] = ||M P_R||_F^2 ("II_A"); only the row space of Q
    matters. Q need not be orthonormal and Q Sigma Q^T may be singular (see LinearFit.pseudo_inverse).
    Kind: exact. Source: arXiv 2402.16842, Lemma 4.1.

    Raises:
        ValueError: a covariance or metric that is not symmetric positive semidefinite, entries that are not finite, or
            shapes that do not fit.
    """
    m = whiten(delta, sigma, metric)
    _check_frozen("A", q, 1, delta.shape[1])
    root = psd_root(sigma)
    inverse, right = _pseudo_inverse(q @ root)
    captured = m @ right
    rest = m - captured @ right.T
    b = delta @ root @ inverse
    return LinearFit(b, q, _square(captured), _square(rest), right.shape[1] < q.shape[0])


def fit_a_only(
    delta: Float[np.ndarray, "d_out d_in"],
    sigma: Float[np.ndarray, "d_in d_in"],
    u: Float[np.ndarray, "d_out r"],
    metric: Float[np.ndarray, "d_out d_out"] | None = None,
) -> LinearFit:
    """Return the best A for B = U frozen: A = (U^T W U)^+ U^T W Delta (U^T Delta if U is orthonormal and W = I).

    Sigma does not enter A. captured = ||P_L M||_F^2 ("II_B"), = Tr[U^T Delta Sigma Delta^T U] for orthonormal U and
    W = I; only the column space of U matters. Kind: exact. Source: arXiv 2402.16842, Lemma 4.2 (orthonormal U, W = I);
    the general case is this project's. Raises as fit_b_only.
    """
    check_finite("the change", delta)
    check_sides(delta, sigma, metric)
    _check_frozen("B", u, 0, delta.shape[0])
    outputs = u if metric is None else psd_root(metric) @ u
    target = delta if metric is None else psd_root(metric) @ delta
    inverse, right = _pseudo_inverse(outputs.T)
    m = target @ psd_root(sigma)
    captured = right.T @ m
    rest = m - right @ captured
    return LinearFit(u, inverse.T @ target, _square(captured), _square(rest), right.shape[1] < u.shape[1])


def fit_both(
    delta: Float[np.ndarray, "d_out d_in"],
    sigma: Float[np.ndarray, "d_in d_in"],
    rank: int,
    metric: Float[np.ndarray, "d_out d_out"] | None = None,
) -> LinearFit:
    """Return the best pair (B, A) of this rank: the truncated SVD of M, mapped back by the inverse roots.

    approximation = the sum of the squared singular values of M beyond ``rank`` (Eckart-Young). B and A are
    W^(-1/2) U_r diag(s_r) and V_r^T Sigma^(-1/2), with pseudo-inverse roots. Kind: exact, unique if the singular values
    differ. Source: Eckart and Young (1936); reduced-rank regression, Izenman (1975).

    Raises:
        ValueError: rank outside 1..min(d_out, d_in), or as fit_b_only.
    """
    if not 1 <= rank <= min(delta.shape):
        raise ValueError(f"rank {rank}: expected 1 to {min(delta.shape)} for a {delta.shape[0]}x{delta.shape[1]} map")
    m = whiten(delta, sigma, metric)
    left, values, right = np.linalg.svd(m, full_matrices=False)
    b = left[:, :rank] * values[:rank]
    if metric is not None:
        b = inverse_root(metric) @ b
    a = right[:rank] @ inverse_root(sigma)
    squares = values**2
    singular = numerical_rank(values, max(m.shape)) < rank
    return LinearFit(b, a, float(squares[:rank].sum()), float(squares[rank:].sum()), singular)


def _check_frozen(name: str, factor: np.ndarray, axis: int, side: int) -> None:
    """Raise ValueError for a frozen factor that does not fit the map, or is not finite."""
    if factor.shape[axis] != side or not factor.size:
        raise ValueError(f"frozen {name} of shape {factor.shape}: expected rank >= 1 and {side} along axis {axis}")
    check_finite(f"frozen {name}", factor)


def _pseudo_inverse(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pseudo-inverse of x (r, d), and an orthonormal basis (d, k) of its row space, k its rank."""
    left, values, right = np.linalg.svd(x, full_matrices=False)
    k = numerical_rank(values, max(x.shape))
    return (right[:k].T / values[:k]) @ left[:, :k].T, right[:k].T


def _square(x: np.ndarray) -> float:
    """Return the squared Frobenius norm."""
    return float(np.sum(x * x))
