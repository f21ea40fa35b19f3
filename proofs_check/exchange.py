"""The exchange argument behind the corrected fit theorem: leverages of two columns of a frozen A, and their swap.

Sigma = diag(sigma), columns q_1, ..., q_d of Q. The leverage l_i = sigma_i q_i^T (Q Sigma Q^T)^-1 q_i is the i-th
diagonal entry of P_R, and p_i = E l_i. With all columns but i and j held fixed, their part of Q Sigma Q^T is C, and in
coordinates where C = I only u = q_i and v = q_j enter.
"""

from fractions import Fraction
from itertools import permutations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


def leverages(sigma: Float[np.ndarray, " d"], q: Float[np.ndarray, "*draws r d"]) -> Float[np.ndarray, "*draws d"]:
    """Return the diagonal of P_R for every Q; Sigma has rank >= r, and rows of Q Sigma^(1/2) are independent."""
    right = np.linalg.svd(q * np.sqrt(sigma), full_matrices=False)[2]
    return np.asarray((right**2).sum(axis=-2))


def permuted_leverages(
    sigma: Float[np.ndarray, " d"], q: Float[np.ndarray, "draws r d"]
) -> Float[np.ndarray, "draws d"]:
    """Return leverages averaged over all d! orders of the columns of every Q: all of them have the law of Q."""
    orders = np.array(list(permutations(range(sigma.size))))
    return np.asarray(leverages(sigma, np.moveaxis(q[:, :, orders], 2, 1)).mean(axis=1))


class Swap(NamedTuple):
    """Leverage differences before and after u and v are exchanged, and what their sum must be."""

    before: Fraction
    after: Fraction
    predicted_before: Fraction
    numerator: Fraction
    denominator: Fraction
    k: Fraction


def swap(u: tuple[Fraction, Fraction], v: tuple[Fraction, Fraction], a: Fraction, b: Fraction) -> Swap:
    """Return the exchange for r = 2, C = I and variances a >= b, in rational arithmetic.

    ``before`` and ``after`` are computed from the 2 x 2 inverse, the other entries from the printed formulas.
    """
    uu, vv, w = _dot(u, u), _dot(v, v), _dot(u, v)
    k = 1 + a * b * (uu * vv - w * w)
    d1, d2 = k + a * uu + b * vv, k + a * vv + b * uu
    numerator = k * (a - b) * (uu + vv) + 2 * (a * a - b * b) * uu * vv
    return Swap(_difference(u, v, a, b), _difference(v, u, a, b), (a * uu - b * vv) / d1, numerator, d1 * d2, k)


def two_dimensional_pair(c: Fraction, s1: Fraction, s2: Fraction) -> Fraction:
    """Return l_2 at cos^2 = c plus l_2 at cos^2 = 1 - c, for d = 2, r = 1: an exchanged pair of frozen rows."""
    return s2 * (1 - c) / (s1 * c + s2 * (1 - c)) + s2 * c / (s1 * (1 - c) + s2 * c)


def _difference(u: tuple[Fraction, Fraction], v: tuple[Fraction, Fraction], a: Fraction, b: Fraction) -> Fraction:
    """Return a u^T G^-1 u - b v^T G^-1 v for G = I + a u u^T + b v v^T."""
    g11 = 1 + a * u[0] * u[0] + b * v[0] * v[0]
    g12 = a * u[0] * u[1] + b * v[0] * v[1]
    g22 = 1 + a * u[1] * u[1] + b * v[1] * v[1]
    determinant = g11 * g22 - g12 * g12

    def form(x: tuple[Fraction, Fraction]) -> Fraction:
        return (g22 * x[0] * x[0] - 2 * g12 * x[0] * x[1] + g11 * x[1] * x[1]) / determinant

    return a * form(u) - b * form(v)


def _dot(x: tuple[Fraction, Fraction], y: tuple[Fraction, Fraction]) -> Fraction:
    return x[0] * y[0] + x[1] * y[1]
