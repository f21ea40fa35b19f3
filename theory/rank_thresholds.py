"""Rank thresholds: how many ranks suffice for KN scalar measurements.

``measurements`` is the effective count q: KN, or (K-1)N for softmax cross-entropy, or the rank of the span of the
features if that is smaller.

References: Jang, Lee, Ryu (2024), arXiv 2402.11867, Theorems 3.1 and 4.1; Barvinok (1995), Pataki (1998); the
thresholds r(r+3)/2 and r max(m, n) are this project's Theorems W and Z.
"""

from collections.abc import Sequence
from math import isqrt


def _check(measurements: int) -> None:
    if measurements < 0:
        raise ValueError(f"measurements {measurements} is negative: expected a count >= 0")


def pataki_rank(measurements: int) -> int:
    """Return the largest r with r(r+1)/2 <= q: some global minimiser has at most this rank.

    Kind: upper bound, sharp. Source: arXiv 2402.11867, Theorem 3.1.
    """
    _check(measurements)
    return (isqrt(1 + 8 * measurements) - 1) // 2


def perturbed_rank(measurements: int) -> int:
    """Return the smallest r with r(r+1)/2 > q, the paper's condition for 'no spurious local minima' with P.

    Kind: sufficient. Source: arXiv 2402.11867, Theorem 4.1.
    """
    return pataki_rank(measurements) + 1


def generic_rank(measurements: int) -> int:
    """Return the smallest r with r(r+3)/2 > q: for generic features (or generic P) every SOSP is global.

    Kind: sufficient, and exact in the worst case for r < min(m, n). Source: Theorem W (and W' with P).
    """
    _check(measurements)
    r = max(0, (isqrt(9 + 8 * measurements) - 3) // 2)
    while r * (r + 3) // 2 <= measurements:
        r += 1
    return r


def interpolation_rank(measurements: int, d_out: int, d_in: int) -> int:
    """Return the smallest r with r max(d_out, d_in) >= q: without weight decay every SOSP is global.

    Kind: sufficient for generic features, exact in the worst case for r < min(m, n). Source: Theorem Z.
    """
    _check(measurements)
    return -(-measurements // max(d_out, d_in))


def spurious_possible(rank: int, measurements: int, d_out: int, d_in: int) -> bool:
    """Return whether generic features with weight decay allow a spurious local minimum at this rank.

    True iff rank < min(m, n) and rank (rank + 3) / 2 <= q. Kind: exact (worst case). Source: Theorem W, families A, A'.
    """
    _check(measurements)
    return rank < min(d_out, d_in) and rank * (rank + 3) // 2 <= measurements


def rank_budget(ranks: Sequence[int]) -> int:
    """Return sum_l r_l (r_l + 1) / 2, which some global minimiser of a model with several layers keeps <= q.

    Kind: upper bound. Source: Theorem 3.1 applied to the block-diagonal matrix of all layers.
    """
    return sum(r * (r + 1) // 2 for r in ranks)
