"""Proved bounds on the shares p_i that a random frozen A captures, and through them on the error of Theta_r.

Setting of ``captured_fit``, Q Gaussian (its row space is that of a Haar Q), with d positive variances (directions of
variance 0 capture nothing) and r < d; with r >= d every p_i is 1. Write g_i in R^r for the columns of Q, W = sum_j
sigma_j g_j g_j^T, C_i for W without its i-th term, and x_i = g_i^T C_i^-1 g_i. The leverage of direction i is l_i =
sigma_i g_i^T W^-1 g_i = sigma_i x_i / (1 + sigma_i x_i), and p_i = E l_i. No bound needs a large r, d or effective
rank. Proof, checked line by line in ``proofs_check.steps.shares``:

1. C_i has the law of its rotations, so x_i = |g_i|^2 (C_i^-1)_11 in law = A / R: A a chi-square of r degrees, R = z N
   z^T the squared length of a row of the other variances off the span of r - 1 such rows, z standard normal, all
   independent given N, and E N = diag(sigma_j (1 - p_j)), j != i, with the p_j at rank r - 1 without direction i.
2. sigma A / (sigma A + z N z^T) is convex in N (Jensen), and leaving a direction out raises the p_j of the others:
   p_i(r) >= E[sigma_i A / (sigma_i A + sum_{j != i} sigma_j (1 - low_j(r - 1)) z_j^2)] =: low_i(r), low(0) = 0.
   The right-hand side falls when a low_j is lowered, so the recursion holds; it is an equality at r = 1.
3. The complement of the row space of Q Sigma^(1/2) is that of Q' Sigma^(-1/2), Q' Haar of rank d - r:
   p_i <= 1 - low_i(d - r) of the inverse variances, an equality at r = d - 1.
4. sum_i p_i = r; p_i >= p_j and p_i / sigma_i <= p_j / sigma_j where sigma_i >= sigma_j (exchange of two columns).
5. Integration by parts: p_i / sigma_i = E[tr W^-1 (1 - l_i) - sigma_i g_i^T W^-2 g_i]. So with tau = E tr W^-1, finite
   for d >= r + 2, p_i <= sigma_i tau, and summed over i, sum_i p_i / sigma_i = (d - r - 1) tau.

The extremes of sum_i p_i m_i under 2 to 5 are two linear programmes; each is bounded by its dual, which is valid
whatever the solver returned; its rounding is charged. Source: this project.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog
from scipy.sparse import csr_array, diags_array, vstack

from theory.captured_fit import captured_shares

# In log t; the integrand is analytic for |Im log t| < pi, so that this step leaves an error far below _QUADRATURE.
_STEP = 0.25
_CUT = 1e-12  # relative, of the ends of the integral; both ends only lower it
_QUADRATURE = 1e-9  # relative; every lower bound is lowered by it
_ROUNDING = 8.0 * float(np.finfo(np.float64).eps)  # of a dual value, relative to the sum of its terms
_MOST_LEVELS = 256  # of the recursion on the inverse variances; beyond, 1 stands for its bound, which is then loose


class Bounds(NamedTuple):
    """A proved lower and upper bound."""

    low: float
    high: float


def share_lower_bounds(spectrum: Float[np.ndarray, " d"], rank: int) -> Float[np.ndarray, " d"]:
    """Return low_i(r) <= p_i of the module's recursion, in the order of ``spectrum``.

    With l_j for low_j(r - 1), the expectation is the integral over t > 0 of
    r sigma_i (1 + 2 t sigma_i)^(-r/2 - 1) prod_{j != i} (1 + 2 t sigma_j (1 - l_j))^(-1/2). Equal to p_i at rank 1 and
    for at most ``rank`` positive variances. Kind: lower bound (up to quadrature, which is charged).

    Raises:
        ValueError: as captured_fit.captured_shares.
    """
    captured_shares(spectrum, rank)  # refuses what is no spectrum, or no rank
    positive = spectrum > 0
    found = np.zeros(spectrum.size)
    found[positive] = _recursion(spectrum[positive] / spectrum.max(), rank) if positive.any() else 0.0
    return found


def share_upper_bounds(spectrum: Float[np.ndarray, " d"], rank: int) -> Float[np.ndarray, " d"]:
    """Return 1 - low_i(d - r) of the inverse variances, at least p_i; 0 where the variance is 0.

    Equal to p_i at r = d - 1 (d positive variances); loose for small shares, and 1 for d - r above 256. At rank 1,
    where the lower bounds are the p_i, these take its place. Kind: upper bound. Raises as share_lower_bounds.
    """
    if rank == 1:
        return np.minimum(share_lower_bounds(spectrum, 1) * (1.0 + 3.0 * _QUADRATURE), 1.0)
    captured_shares(spectrum, rank)
    positive = spectrum > 0
    values = spectrum[positive]
    found = np.zeros(spectrum.size)
    found[positive] = 1.0
    if 1 <= values.size - rank <= _MOST_LEVELS:
        found[positive] -= _recursion(values.min() / values, values.size - rank)
    return found


def theta_r_error_bounds(spectrum: Float[np.ndarray, " d_in"], weights: Float[np.ndarray, " d_in"], r: int) -> Bounds:
    """Return bounds on ln(E II_A / E II_B) - ln Theta_r, from sigma_i and m_i in any order, the same for both.

    B-only fits better on average wherever ln Theta_r + low > 0, A-only wherever ln Theta_r + high < 0. Both are 0 for
    equal variances and for at most r positive ones, and equal at r = 1. Kind: lower and upper bound, for every
    spectrum. Source: this project.

    Raises:
        ValueError: weights of another shape, negative, all 0, or positive where the variance is 0; or as
            captured_fit.captured_shares.
    """
    shares = captured_shares(spectrum, r)
    if weights.shape != spectrum.shape or not (weights >= 0).all() or np.any(weights[spectrum == 0] > 0):
        raise ValueError("weights m_i: expected one number >= 0 for every variance, and 0 where the variance is 0")
    if not weights.sum() > 0:
        raise ValueError("T = 0: expected a change that the inputs show (T > 0)")
    order = np.argsort(-spectrum, kind="stable")
    order = order[spectrum[order] > 0]
    if order.size <= r:
        return Bounds(0.0, 0.0)
    gain = weights[order] * shares[order]
    gain /= gain.sum()
    programme = _programme(spectrum[order].tobytes(), r)
    low = max(programme.least(gain), float(gain @ programme.low[:-1]))  # the latter is above 0, come what may
    return Bounds(float(np.log(low)), float(np.log(-programme.least(-gain))))


class _Programme(NamedTuple):
    """The proved constraints on z_j = p_j / phat_j (decreasing variances) and t = tau lambda, the last variable."""

    equal: csr_array
    value: np.ndarray
    at_most_zero: csr_array
    low: np.ndarray
    high: np.ndarray

    def least(self, gain: np.ndarray) -> float:
        """Return a lower bound of the smallest gain . z: the dual value at the solver's multipliers."""
        cost = np.append(gain, 0.0)
        answer = linprog(
            cost,
            A_ub=self.at_most_zero,
            b_ub=np.zeros(self.at_most_zero.shape[0]),
            A_eq=self.equal,
            b_eq=self.value,
            bounds=np.stack([self.low, self.high], axis=1),
            method="highs",
        )
        equal, ordered = np.zeros(self.value.size), np.zeros(self.at_most_zero.shape[0])
        if answer.status == 0:
            equal, ordered = answer.eqlin.marginals, np.minimum(answer.ineqlin.marginals, 0.0)
        reduced = cost - self.equal.T @ equal - self.at_most_zero.T @ ordered
        terms = np.abs(cost) + abs(self.equal).T @ np.abs(equal) + abs(self.at_most_zero).T @ np.abs(ordered)
        rounding = _ROUNDING * float(terms @ self.high)
        return float(self.value @ equal + np.minimum(reduced * self.low, reduced * self.high).sum() - rounding)


@lru_cache(maxsize=64)
def _programme(variances: bytes, r: int) -> _Programme:
    """Return the constraints for these variances (float64, decreasing, more than r of them, all positive)."""
    spectrum = np.frombuffer(variances)
    d, shares = spectrum.size, captured_shares(spectrum, r)
    # 1 - phat without cancellation: the smallest share is at most 1 - 1/d
    level = spectrum[-1] * (1.0 - shares[-1]) / shares[-1]
    rest = level / (spectrum + level)
    low, high = share_lower_bounds(spectrum, r) / shares, share_upper_bounds(spectrum, r) / shares
    last = np.zeros((1, d + 1))
    last[0, d - 1 :] = rest[-1], -1.0  # p_d <= sigma_d tau; by the order of p/sigma all others follow
    falling = diags_array([-shares[:-1], shares[1:]], offsets=[0, 1], shape=(d - 1, d + 1))
    rising = diags_array([rest[:-1], -rest[1:]], offsets=[0, 1], shape=(d - 1, d + 1))
    equal, value, largest = np.append(shares, 0.0)[None], np.array([float(r)]), 0.0
    if d >= r + 2:
        equal = np.stack([equal[0], np.append(rest, -(d - r - 1.0))])
        value = np.array([float(r), 0.0])
        largest = float(rest @ high) / (d - r - 1.0)
    else:
        last[:] = 0.0  # tau is infinite
    return _Programme(
        csr_array(equal),
        value,
        csr_array(vstack([falling, rising, csr_array(last)])),
        np.append(low, 0.0),
        np.append(high, largest),
    )


def _recursion(values: Float[np.ndarray, " d"], rank: int) -> Float[np.ndarray, " d"]:
    """Return low(rank) for positive variances of which the largest is 1."""
    if values.size <= rank:
        return np.ones(values.size)
    low = np.zeros(values.size)
    for k in range(1, rank + 1):
        rest = values * (1.0 - low)
        first = np.log(_CUT / (k + 2.0 * rest.sum()))
        end = np.log(1.0 / (_CUT * min(values.min(), rest[rest > 0].min())))
        log_t = np.arange(first, end + _STEP, _STEP)
        t = 2.0 * np.exp(log_t)[:, None]
        factors = -0.5 * np.log1p(t * rest)
        every = factors.sum(axis=1)
        # k sigma_i t exp(every) bounds the integrand of every i: cut the end where its remaining sum cannot matter
        kept = np.cumsum(np.exp(log_t + every)[::-1])[::-1] > _CUT * np.exp(log_t + every).sum()
        log_t, t, factors, every = log_t[kept], t[kept], factors[kept], every[kept]
        exponents = (log_t + every)[:, None] - factors - (0.5 * k + 1.0) * np.log1p(t * values)
        low = np.minimum((1.0 - _QUADRATURE) * k * values * _STEP * np.exp(exponents).sum(axis=0), 1.0)
    return low
