"""What a random frozen factor captures on average, and which factor to freeze: Theta and its finite-rank form Theta_r.

Setting of ``linear_adapters``: change Delta (d_out, d_in), input covariance Sigma, M = Delta Sigma^(1/2),
T = Tr[Delta Sigma Delta^T]. With A = Q frozen, B-only captures II_A = ||M P_R||_F^2; with B = U frozen, A-only captures
II_B = ||P_L M||_F^2. Q and U are Haar or Gaussian, of rank r, and independent of Delta and Sigma. P_L is uniform;
P_R is uniform before it is tilted to directions of high variance: E P_R has the eigenvectors v_i of Sigma and
eigenvalues p_i with sum min(r, rank Sigma), so

    E II_B = (r / d_out) T,    E II_A = sum_i p_i m_i,    m_i = sigma_i ||Delta v_i||^2,  sum_i m_i = T.

The p_i have no closed form beyond special cases; their deterministic equivalent is sigma_i / (sigma_i + lambda).
"""

from math import inf, log, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from theory.whitened_form import psd_root, whiten


class BetaLaw(NamedTuple):
    """The law Beta(alpha, beta) of a captured fraction."""

    alpha: float
    beta: float

    @property
    def mean(self) -> float:
        """The mean alpha / (alpha + beta), which is r/d."""
        return self.alpha / (self.alpha + self.beta)

    @property
    def variance(self) -> float:
        """2 r (d - r) / (d^2 (d + 2)): for fixed r the fluctuation is of the order of the mean, whatever d."""
        total = self.alpha + self.beta
        return self.alpha * self.beta / (total**2 * (total + 1.0))


class Concentration(NamedTuple):
    """r (Tr K)^2 / ||K||_F^2 for the two K that have to be spread out; infinite where nothing is captured."""

    b_only: float
    a_only: float


def variance_weights(
    delta: Float[np.ndarray, "d_out d_in"], sigma: Float[np.ndarray, "d_in d_in"]
) -> tuple[Float[np.ndarray, " d_in"], Float[np.ndarray, " d_in"]]:
    """Return sigma_i (decreasing) and m_i = sigma_i ||Delta v_i||^2, the risk along each eigen-direction of Sigma.

    Within tied sigma_i the single m_i depend on the choice of eigenvectors; their sum does not, and the tied
    directions have equal p_i. Kind: exact.

    Raises:
        ValueError: a covariance that is not symmetric positive semidefinite, or a change that is not finite.
    """
    whiten(delta, sigma)  # refuses what is no covariance, or no change
    values, vectors = np.linalg.eigh(0.5 * (sigma + sigma.T))
    # a zero variance that rounding made positive would count as a direction to capture
    rounding = 16.0 * values.size * np.finfo(np.float64).eps * float(values[-1])
    values = np.where(values > rounding, values, 0.0)[::-1]
    return values, values * np.sum((delta @ vectors[:, ::-1]) ** 2, axis=0)


def mean_captured_a_only(total: float, d_out: int, rank: int) -> float:
    """Return E II_B = (r / d_out) T, for every Delta and Sigma (``total`` is T).

    Holds for every U whose mean projector is isotropic, so also for iid symmetric entries. Kind: exact.
    Source: this project (E U U^T = (r / d_out) I).

    Raises:
        ValueError: rank outside 1..d_out, or a negative T.
    """
    return _captured_share(total, d_out, rank, "d_out")


def mean_captured_b_only_isotropic(total: float, d_in: int, rank: int) -> float:
    """Return E II_A = (r / d_in) T, for Sigma = s I and every Delta. Kind: exact.

    So at equal rank the factor of the longer side is the one to tune: B-only is better iff d_in < d_out; at equal
    numbers of tuned scalars, r_B d_out = r_A d_in, both capture the same. Source: this project.

    Raises:
        ValueError: rank outside 1..d_in, or a negative T.
    """
    return _captured_share(total, d_in, rank, "d_in")


def two_dimensional_share(first: float, second: float) -> float:
    """Return p_1 = sqrt(s_1) / (sqrt(s_1) + sqrt(s_2)) for d_in = 2, r = 1. Kind: exact. Source: this project.

    Raises:
        ValueError: a negative variance, or both zero.
    """
    if not (0 <= first < inf and 0 <= second < inf and first + second > 0):
        raise ValueError(f"variances {first}, {second}: expected finite numbers >= 0 and not both 0")
    return sqrt(first) / (sqrt(first) + sqrt(second))


def captured_shares(spectrum: Float[np.ndarray, " d"], rank: int) -> Float[np.ndarray, " d"]:
    """Return the deterministic equivalent of the p_i: sigma_i / (sigma_i + lambda), lambda >= 0 with sum = rank.

    In the order of ``spectrum``. With at most ``rank`` positive variances lambda = 0: 1 on these and 0 on the others,
    which is exact. Also exact for equal variances and for d = 2, r = 1; otherwise asymptotic, for spectra without a
    cliff at ``rank``: with exactly r large variances above a bulk that tends to zero, the shares of the bulk are too
    small by up to the factor pi/2 (sqrt(pi/2) for r = 1), however large r and d, and with r + 1 by any factor. Source:
    this project (deterministic equivalents of sample covariance matrices, Silverstein and Bai 1995; the cliff is the
    hard edge of a square Gaussian matrix, Edelman 1988).

    Raises:
        ValueError: negative or non-finite variances, or rank outside 1..d.
    """
    _check_rank(rank, spectrum.size, "d_in")
    if not np.isfinite(spectrum).all() or spectrum.min() < 0:
        raise ValueError("the spectrum holds entries that are negative or not finite: expected variances >= 0")
    positive = spectrum > 0
    count = int(positive.sum())
    if count <= rank:
        return positive.astype(np.float64)
    values = spectrum[positive] / spectrum.max()

    def excess(log_lambda: float) -> float:
        return float(np.sum(values / (values + np.exp(log_lambda)))) - rank

    # count smallest/(smallest + lambda) <= sum <= (trace)/lambda bracket the root; twice as wide against rounding
    low = log(0.5 * float(values.min()) * (count - rank) / rank)
    high = log(2.0 * float(values.sum()) / rank)
    root = brentq(excess, low, high, xtol=1e-14, rtol=4 * np.finfo(np.float64).eps)
    shares = np.zeros(spectrum.size)
    shares[positive] = values / (values + np.exp(root))
    return shares


def captured_share_errors(spectrum: Float[np.ndarray, " d"], rank: int) -> Float[np.ndarray, " d"]:
    """Return the leading term of p_i - phat_i: -(w_i/V)(phat_i - pbar), w_i = phat_i (1 - phat_i), V = sum_i w_i.

    pbar = sum_i w_i phat_i / V. With C = Q Sigma Q^T without its i-th column, p_i = E f(q_i^T C^-1 q_i) for the concave
    f(x) = sigma_i x/(1 + sigma_i x). The quadratic form has variance 2 tr C^-2, which costs 2 phat_i w_i/V; leaving the
    column out lowers lambda, which gives half of it back; a shift of lambda makes the sum of the errors 0. What is left
    is of order V^-2. So large shares are overestimated and small ones underestimated, and the equivalent is trustworthy
    where V is large: below a cliff at ``rank``, or at rank 1 and a steep spectrum, the term is large itself. shares +
    errors lie in [0, 1]; 0 for equal variances, and for at most ``rank`` positive ones. Kind: asymptotic. Source: this
    project (delta method; tr C^-2 from the derivative of the equation of captured_shares). Raises as captured_shares.
    """
    shares = captured_shares(spectrum, rank)
    spread = shares * (1.0 - shares)
    total = float(spread.sum())
    if total == 0:
        return np.zeros(spectrum.size)
    return np.asarray(spread / total * (spread @ shares / total - shares))


def mean_captured_b_only(
    delta: Float[np.ndarray, "d_out d_in"], sigma: Float[np.ndarray, "d_in d_in"], rank: int
) -> float:
    """Return sum_i phat_i m_i, the deterministic equivalent of E II_A (captured_shares says where it is exact).

    Kind: asymptotic. Source: this project. Raises as variance_weights and captured_shares.
    """
    spectrum, weights = variance_weights(delta, sigma)
    return float(captured_shares(spectrum, rank) @ weights)


def mean_captured_b_only_limit(
    delta: Float[np.ndarray, "d_out d_in"], sigma: Float[np.ndarray, "d_in d_in"], rank: int
) -> float:
    """Return r Tr[Delta Sigma^2 Delta^T] / Tr Sigma, which E II_A approaches when Tr Sigma / ||Sigma|| >> r.

    Kind: asymptotic; can exceed T where the condition fails. Source: this project. Raises as variance_weights, and
    ValueError for Sigma = 0.
    """
    spectrum, weights = variance_weights(delta, sigma)
    _check_rank(rank, spectrum.size, "d_in")
    if spectrum.sum() == 0:
        raise ValueError("Tr Sigma = 0: expected inputs with some variance")
    return float(rank * (spectrum @ weights) / spectrum.sum())


def rho(delta: Float[np.ndarray, "d_out d_in"], sigma: Float[np.ndarray, "d_in d_in"]) -> float:
    """Return d_in Tr[Delta Sigma^2 Delta^T] / (Tr Sigma Tr[Delta Sigma Delta^T]): how well Delta aligns with Sigma.

    1 for isotropic inputs, below 1 for a change on directions of low variance. Kind: exact.

    Raises:
        ValueError: T = 0 (nothing to explain), or as variance_weights.
    """
    spectrum, weights = variance_weights(delta, sigma)
    _check_total(float(weights.sum()))
    return float(spectrum.size * (spectrum @ weights) / (spectrum.sum() * weights.sum()))


def theta(delta: Float[np.ndarray, "d_out d_in"], sigma: Float[np.ndarray, "d_in d_in"]) -> float:
    """Return Theta = (d_out / d_in) rho, the limit of E II_A / E II_B for Tr Sigma / ||Sigma|| >> r.

    B-only fits better on average iff it exceeds 1, in that limit only: where the effective rank of Sigma is not large
    against r even the side of 1 can be wrong, and theta_r is the criterion. Kind: asymptotic. Raises as rho.
    """
    return delta.shape[0] / delta.shape[1] * rho(delta, sigma)


def theta_r(delta: Float[np.ndarray, "d_out d_in"], sigma: Float[np.ndarray, "d_in d_in"], r: int) -> float:
    """Return Theta_r = d_out sum_i phat_i m_i / (r T), the deterministic equivalent of E II_A / E II_B at rank r.

    B-only fits better on average iff it exceeds 1, up to the error of captured_shares: for variances k^-b, b <= 2,
    about 0.1 in the log at r = 4 and 0.2 at r = 1 (for b > 1 whatever d); for a change on the bulk below a cliff at r
    the truth is up to log(pi/2) higher, below r + 1 large variances by any amount. share_bounds.theta_r_error_bounds
    bounds it. Kind: asymptotic (exact where captured_shares is). Source: this project.

    Raises:
        ValueError: r outside 1..min(d_out, d_in), T = 0, or as variance_weights.
    """
    spectrum, weights = variance_weights(delta, sigma)
    return spectral_theta_r(spectrum, weights, delta.shape[0], r)


def spectral_theta_r(
    spectrum: Float[np.ndarray, " d_in"], weights: Float[np.ndarray, " d_in"], d_out: int, r: int
) -> float:
    """Return theta_r from sigma_i and m_i (in any order, the same for both).

    Kind: asymptotic.

    Raises:
        ValueError: as theta_r.
    """
    _check_rank(r, d_out, "d_out")
    _check_weights(spectrum, weights)
    return float(d_out * (captured_shares(spectrum, r) @ weights) / (r * weights.sum()))


def spectral_theta_r_error(spectrum: Float[np.ndarray, " d_in"], weights: Float[np.ndarray, " d_in"], r: int) -> float:
    """Return the leading term of ln(E II_A / E II_B) - ln Theta_r: ln(1 + sum_i error_i m_i / sum_i phat_i m_i).

    From sigma_i and m_i; the errors are those of captured_share_errors. An estimate for large V and no bound: with r +
    1 variances 1 over one of eps the error grows like ln ln(1/eps), this number tends to ln 2 (r = 1).
    share_bounds.theta_r_error_bounds are bounds. Kind: asymptotic. Source: this project.

    Raises:
        ValueError: as theta_r.
    """
    _check_weights(spectrum, weights)
    return float(np.log1p(captured_share_errors(spectrum, r) @ weights / (captured_shares(spectrum, r) @ weights)))


def captured_fraction_law(d: int, rank: int) -> BetaLaw:
    """Return the law Beta(r/2, (d - r)/2) of the captured fraction of a rank-one change.

    A-only with d = d_out for every Sigma; B-only with d = d_in only for Sigma = s I. Kind: exact. Source: this project
    (squared length of a projected uniform unit vector).

    Raises:
        ValueError: rank outside 1..d - 1 (at r = d everything is captured).
    """
    if not 1 <= rank < d:
        raise ValueError(f"rank {rank}: expected 1 to {d - 1} for d = {d}")
    return BetaLaw(rank / 2.0, (d - rank) / 2.0)


def variance_captured_a_only(
    delta: Float[np.ndarray, "d_out d_in"], sigma: Float[np.ndarray, "d_in d_in"], rank: int
) -> float:
    """Return Var II_B = 2 r (d - r) / (d (d - 1) (d + 2)) (||K||_F^2 - (Tr K)^2 / d), K = M M^T, d = d_out.

    0 for K = c I or r = d. Kind: exact. Source: this project (second moments of a Haar projector; one-dimensional K is
    the Beta law).

    Raises:
        ValueError: rank outside 1..d_out, or a covariance that is not positive semidefinite.
    """
    d = delta.shape[0]
    _check_rank(rank, d, "d_out")
    m = whiten(delta, sigma)
    k = m @ m.T
    if d == 1:
        return 0.0
    spread = max(0.0, float(np.sum(k * k)) - float(np.trace(k)) ** 2 / d)
    return 2.0 * rank * (d - rank) / (d * (d - 1.0) * (d + 2.0)) * spread


def effective_rank(k: Float[np.ndarray, "d d"]) -> float:
    """Return Tr K / ||K||, between 1 and the rank, of a positive semidefinite K. Kind: exact.

    Raises:
        ValueError: K = 0, or K is not symmetric positive semidefinite.
    """
    values = np.linalg.eigvalsh(psd_root(k)) ** 2
    if values[-1] <= 0:
        raise ValueError("K = 0 has no effective rank: expected a matrix that is not zero")
    return float(values.sum() / values[-1])


def participation_ratio(k: Float[np.ndarray, "d d"]) -> float:
    """Return (Tr K)^2 / ||K||_F^2, between 1 and the rank, of a positive semidefinite K. Kind: exact.

    Raises:
        ValueError: K = 0, or entries that are not finite.
    """
    square = float(np.sum(k * k))
    if not np.isfinite(square):
        raise ValueError("K holds entries that are not finite: expected real numbers")
    if square == 0:
        raise ValueError("K = 0 has no participation ratio: expected a matrix that is not zero")
    return float(np.trace(k)) ** 2 / square


def concentration(
    delta: Float[np.ndarray, "d_out d_in"], sigma: Float[np.ndarray, "d_in d_in"], rank: int
) -> Concentration:
    """Return r (Tr K)^2 / ||K||_F^2 for K = Sigma Delta^T Delta Sigma (B-only) and K = M M^T (A-only).

    II_A / II_B tends to the ratio of the means only when both tend to infinity; one of them does not suffice, and for a
    change of rank one and fixed r both stay at r. Kind: condition of an asymptotic statement. Source: this project.

    Raises:
        ValueError: nothing to explain (T = 0), rank outside 1..min(d_out, d_in), or as variance_weights.
    """
    m = whiten(delta, sigma)
    _check_rank(rank, min(delta.shape), "min(d_out, d_in)")
    _check_total(float(np.sum(m * m)))
    tilted = delta @ sigma
    # the two Gram matrices of a factor have the same trace and Frobenius norm: take the outer one of each
    return Concentration(rank * participation_ratio(tilted @ tilted.T), rank * participation_ratio(m @ m.T))


def _captured_share(total: float, side: int, rank: int, name: str) -> float:
    _check_rank(rank, side, name)
    if not 0 <= total < inf:
        raise ValueError(f"T = {total}: expected a finite risk >= 0")
    return rank / side * total


def _check_weights(spectrum: np.ndarray, weights: np.ndarray) -> None:
    if weights.shape != spectrum.shape or not (weights >= 0).all():
        raise ValueError("weights m_i: expected one number >= 0 for every variance")
    _check_total(float(weights.sum()))


def _check_rank(rank: int, side: int, name: str) -> None:
    if not 1 <= rank <= side:
        raise ValueError(f"rank {rank}: expected 1 to {name} = {side}")


def _check_total(total: float) -> None:
    if not total > 0:
        raise ValueError(f"T = {total}: expected a change that the inputs show (T > 0)")
