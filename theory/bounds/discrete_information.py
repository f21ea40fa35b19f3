"""Mutual information of finite variables from tables, in nats, and the bias of its plug-in estimate.

In a supersample the selector U is uniform on {0, 1} by construction, so that I(X; U) is a function of the channel
P(X | U) alone: the Jensen-Shannon divergence of its two rows. Estimates insert P_U = 1/2 and never the counts of U: the
information is convex in the channel at fixed P_U, so that the plug-in is biased upwards, E Ihat >= I, at every sample
size. With the counts of U inserted this fails (X = U has I = ln 2 and every plug-in value is at most that).
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Num
from scipy.special import rel_entr
from scipy.stats import binom

Array = Any
_SUM = 1e-9  # a table whose entries sum to one within this is a table of probabilities


def mutual_information(joint: Float[np.ndarray, "*tables a b"]) -> Array:
    """Return I(X; Y) in nats of every joint table P(X = row, Y = column), shape (*tables). Kind: exact.

    Raises:
        ValueError: an entry that is negative or not a number, or a table that does not sum to one.
    """
    total = joint.sum(axis=(-2, -1))
    if not (np.all(joint >= 0) and np.all(np.abs(total - 1.0) <= _SUM)):
        raise ValueError(
            f"not a joint table: entries from {joint.min()} and sum {np.ravel(total)[0]}, expected >= 0 and 1"
        )
    product = joint.sum(axis=-1, keepdims=True) * joint.sum(axis=-2, keepdims=True)
    # rounding may leave an independent table a little below zero
    return np.maximum(rel_entr(joint, product).sum(axis=(-2, -1)), 0.0)


def channel_information(channel: Float[np.ndarray, "*tables 2 x"]) -> Array:
    """Return I(X; U) in nats, at most ln 2, for U uniform on {0, 1} and rows P(X | U = 0), P(X | U = 1): (*tables).

    Kind: exact.

    Raises:
        ValueError: a row that is not a probability vector.
    """
    rows = channel.sum(axis=-1)
    if not (np.all(channel >= 0) and np.all(np.abs(rows - 1.0) <= _SUM)):
        raise ValueError(f"not a channel: a row sums to {np.ravel(rows)[0]}, expected rows >= 0 that sum to 1")
    return mutual_information(0.5 * channel)


def empirical_channel(counts: Num[np.ndarray, "*tables 2 x"]) -> Float[np.ndarray, "*tables 2 x"]:
    """Return the rows P(X | U) of a table of counts.

    Raises:
        ValueError: a negative count, or a value of U that never occurred, about which the channel says nothing.
    """
    totals = counts.sum(axis=-1, keepdims=True)
    if np.any(counts < 0) or np.any(totals <= 0):
        raise ValueError(
            f"counts from {counts.min()} and {totals.min()} observations of a value of U: expected counts >= 0 and "
            "both values observed; balance the masks"
        )
    return counts / totals


def plug_in_information(counts: Num[np.ndarray, "*tables 2 x"]) -> Array:
    """Return the plug-in estimate of I(X; U) in nats with P_U = 1/2 inserted. Kind: upper in expectation.

    Raises:
        ValueError: as `empirical_channel`.
    """
    return channel_information(empirical_channel(counts))


def jensen_shannon_bernoulli(p: Any, q: Any) -> Array:
    """Return JS(Bern(p), Bern(q)) = [kl(p || m) + kl(q || m)] / 2 with m = (p + q) / 2, in nats, elementwise.

    Kind: exact. Raises ValueError for a probability outside [0, 1].
    """
    p, q = np.broadcast_arrays(np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64))
    for name, value in (("p", p), ("q", q)):
        if not np.all((value >= 0) & (value <= 1)):
            raise ValueError(f"{name} from {value.min()} to {value.max()}: expected probabilities in [0, 1]")
    return channel_information(np.stack([np.stack([1 - p, p], -1), np.stack([1 - q, q], -1)], -2))


def plug_in_null_mean(x_states: int, y_states: int, observations: int) -> float:
    """Return (|X| - 1)(|Y| - 1) / (2 k): the mean of the plug-in estimate when X and Y are independent.

    Kind: asymptotic in k (chi-squared limit of the likelihood ratio; Wilks 1938, Miller 1955). For 2 x 2 tables it is
    right within 25 % when P(X = 1) lies in [0.2, 0.8] and k >= 30; cells that stay empty make it too large.

    Raises:
        ValueError: fewer than two states or no observation.
    """
    if min(x_states, y_states) < 2 or observations < 1:
        raise ValueError(
            f"{x_states} x {y_states} states, {observations} observations: expected at least 2 x 2 and 1 observation"
        )
    return (x_states - 1) * (y_states - 1) / (2.0 * observations)


def binary_null_floor(probability: float, observations: int) -> tuple[float, float]:
    """Return the exact means of Ihat and of sqrt(2 Ihat) for X ~ Bern(p) independent of U, in nats.

    The masks are balanced (k // 2 observations of U = 0, the rest of U = 1) and P_U = 1/2 is inserted. The second
    number is a floor of every average of sqrt(2 Ihat) over samples: it does not fall with the number of samples.

    Kind: exact. Raises ValueError for a probability outside [0, 1] or fewer than two observations.
    """
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"probability {probability}: expected a number in [0, 1]")
    if observations < 2:
        raise ValueError(f"{observations} observations: expected at least 2, one of each value of U")
    first, second = observations // 2, observations - observations // 2
    a, b = np.arange(first + 1), np.arange(second + 1)
    weights = np.outer(binom.pmf(a, first, probability), binom.pmf(b, second, probability))
    information = jensen_shannon_bernoulli((a / first)[:, None], (b / second)[None, :])
    return float((weights * information).sum()), float((weights * np.sqrt(2.0 * information)).sum())
