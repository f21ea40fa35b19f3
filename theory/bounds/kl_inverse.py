"""Relative entropy between two biased coins, and its upper inverse: how the sharpest simple certificates are stated."""

from collections.abc import Callable
from typing import Any

import numpy as np

Real = int | float | np.ndarray
Array = Any

# Relative, of the terms p ln(p/q) and (1 - p) ln((1 - p)/(1 - q)). The ratio is off by 3 halves of eps (1 - p, 1 - q
# and the division round), its logarithm then by 3.7 eps where it is at least ln 1.5; logarithm and product add 3
# halves. Close by, where log1p is taken of an exact q - p over 1 - p, it is less.
_DIVERGENCE_ROUNDING = np.longdouble(5.5) * np.finfo(np.longdouble).eps
_TINY = float(np.finfo(np.float64).tiny)

# Halvings of a bracket whose width is of the order of the answer's distance to p: beyond full float64 precision.
_HALVINGS = 80
_WINDOW, _LAST_HALVINGS = 2.0**-44, 16


def binary_kl(p: Real, q: Real) -> Array:
    """Return kl(p || q) = p ln(p / q) + (1 - p) ln((1 - p) / (1 - q)) in nats, entry by entry after broadcasting.

    0 ln 0 is 0; infinite where q is 0 or 1 and p is not. Accurate for q close to p, where it is about
    (q - p)^2 / (2p(1 - p)). Kind: exact.

    Raises:
        ValueError: a probability outside [0, 1].
    """
    p, q = np.broadcast_arrays(probability("p", p), probability("q", q))
    return _divergence(p, q)[()]


def kl_inverse_upper(p: Real, c: Real) -> Array:
    """Return sup{q : kl(p || q) <= c}, entry by entry after broadcasting; c in nats.

    It is p at c = 0, 1 - e^-c at p = 0, 1 at p = 1, at most p + sqrt(c / 2) (Pinsker) and at most p + sqrt(2pc) + 2c.
    Never below the supremum, rounding errors of the divergence included, which is taken in extended precision where the
    machine has it: then the answer is the supremum rounded upwards, or one step more. Bounds made of it stay sound.
    From c of about 36 (1 - p) on it is 1 in float64. Kind: exact. Source: Seeger 2002; Langford 2005.

    Raises:
        ValueError: p outside [0, 1], or c negative or NaN.
    """
    c = np.asarray(c, dtype=np.float64)
    if not np.all(c >= 0.0):
        raise ValueError(f"relative entropy {c[~(c >= 0.0)].flat[0]:g}: expected a number >= 0")
    p, c = np.broadcast_arrays(probability("p", p), c)
    finite = np.minimum(c, 1e6)  # far beyond where the answer rounds to 1; keeps infinity out of the bracket
    largest = p + np.minimum(np.sqrt(0.5 * finite), np.sqrt(2.0 * p * finite) + 2.0 * finite)
    largest = np.minimum(largest * (1.0 + _WINDOW), 1.0)
    low, high = _halved(_divergence, p, c, p, largest, _HALVINGS)
    # the last digits again, in what is left to decide after the rounding of the divergence
    low, high = np.maximum(low * (1.0 - _WINDOW), p), np.minimum(high * (1.0 + _WINDOW), largest)
    low = np.where(_least_divergence(p, low) <= c, low, p)
    high = np.where(_least_divergence(p, high) > c, high, largest)
    _, high = _halved(_least_divergence, p, c, low, high, _LAST_HALVINGS)
    # both have closed forms, and the first is the case of no training errors
    high = np.where(p == 0.0, np.minimum(np.nextafter(-np.expm1(-c), 1.0), 1.0), high)
    return np.where(c == 0.0, p, high)[()]


def probability(name: str, value: Real) -> np.ndarray:
    """Return the value as float64 array; raises ValueError unless all of it lies in [0, 1]."""
    array = np.asarray(value, dtype=np.float64)
    inside = (array >= 0.0) & (array <= 1.0)
    if not inside.all():
        raise ValueError(f"{name} {array[~inside].flat[0]:g}: expected a number in [0, 1]")
    return array


def _divergence(p: Array, q: Array) -> Array:
    step = q - p
    total = _weighted_log(p, q, step) + _weighted_log(1.0 - p, 1.0 - q, -step)
    return np.maximum(total, 0.0)


def _halved(
    divergence: Callable[[Array, Array], Array], p: Array, c: Array, low: Array, high: Array, times: int
) -> Any:
    """Return the bracket of where the divergence passes c after so many halvings."""
    for _ in range(times):
        middle = 0.5 * (low + high)
        below = divergence(p, middle) <= c
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low, high


def _least_divergence(p: Array, q: Array) -> Array:
    """Return what kl(p || q) is at least, whatever the rounding of its two terms, which cancel for q close to p."""
    p, q = np.asarray(p, dtype=np.longdouble), np.asarray(q, dtype=np.longdouble)
    step = q - p
    first, second = _weighted_log(p, q, step), _weighted_log(1.0 - p, 1.0 - q, -step)
    # the term that may be infinite is positive, and the other one negative
    return np.maximum(
        (1.0 - _DIVERGENCE_ROUNDING) * np.maximum(first, second)
        + (1.0 + _DIVERGENCE_ROUNDING) * np.minimum(first, second),
        0.0,
    )


def _weighted_log(x: Array, y: Array, step: Array) -> Array:
    """Return x ln(x / y) for y = x + step; 0 at x = 0. Close by, log1p keeps the digits that x / y would lose."""
    near = np.abs(step) <= 0.5 * x
    safe = np.where(x > 0.0, x, 1.0)
    with np.errstate(divide="ignore", over="ignore"):
        ratio = np.maximum(safe / y, _TINY)
        logs = np.where(near, -np.log1p(np.where(near, step, 0.0) / safe), np.log(ratio))
    return np.where(x > 0.0, x * np.where(x > 0.0, logs, 0.0), 0.0)
