"""Certificates from code length: with probability 1 - delta over the sample, all coded predictors at once.

A prefix code, fixed before the sample, gives predictor h a description of b(h) bits; everything that was chosen with
the sample is in it: the tuned entries, and also rank, bits an entry, scales, step size, best seed. What is not charged
(backbone, frozen factor, seeds) must not depend on the sample. The prior 2^-b(h) sums to at most one (Kraft), and a
union bound gives, with budget c = b ln 2 + ln(1 / delta) nats, for all h simultaneously

    Hoeffding   L <= Lhat + sqrt(c / (2n))
    kl          kl(Lhat || L) <= c / n
    binomial    L <= sup{p : P(Bin(n, p) <= n Lhat) >= delta 2^-b}       0-1 loss only
    Catoni      L <= (1 - exp(-C Lhat - c / n)) / (1 - e^-C)             any C > 0

binomial <= kl <= Hoeffding, and kl is the smallest Catoni over all C: for coded predictors C may even be chosen with
the sample, at no cost (for PAC-Bayes posteriors it has to be fixed before). All but the binomial hold for losses in
[0, 1]. Certificates of the one trained model; 1 or more is vacuous. Sources: Blumer et al. 1987; Langford 2005 (kl and
binomial); Catoni 2007.
"""

from math import inf, log
from typing import Any

import numpy as np
from scipy.special import gammaln

from theory.bounds.kl_inverse import Real, kl_inverse_upper, probability

Array = Any

# Halvings of [0, 1]: far beyond the spacing of float64, where the loop ends by itself.
_HALVINGS = 200
_MATRIX_ENTRIES = 1_000_000  # cases times terms of the tail that are held at once


def budget(bits: Real, delta: Real) -> Array:
    """Return c = b ln 2 + ln(1 / delta) in nats, what a description of ``bits`` bits costs. Kind: exact.

    Raises:
        ValueError: bits negative or NaN, or delta outside (0, 1).
    """
    return (require_bits(bits) * log(2.0) - np.log(require_delta(delta)))[()]


def occam_hoeffding(train_error: Real, n: Real, bits: Real, delta: Real) -> Array:
    """Return Lhat + sqrt(c / (2n)), at least L with probability 1 - delta; not cut at 1. Loss in [0, 1].

    Kind: certificate. Source: Hoeffding 1963 with a union bound of weights 2^-b.

    Raises:
        ValueError: a training error outside [0, 1], n below 1, bits negative, or delta outside (0, 1).
    """
    return (probability("training error", train_error) + np.sqrt(budget(bits, delta) / (2.0 * require_samples(n))))[()]


def occam_kl(train_error: Real, n: Real, bits: Real, delta: Real) -> Array:
    """Return sup{q : kl(Lhat || q) <= c / n}, at least L with probability 1 - delta. Loss in [0, 1].

    Never above Hoeffding's (Pinsker), far below it for small training errors. Kind: certificate. Source: Chernoff
    1952; Langford 2005.

    Raises:
        ValueError: as ``occam_hoeffding``.
    """
    return kl_inverse_upper(probability("training error", train_error), budget(bits, delta) / require_samples(n))


def occam_binomial(errors: Real, n: Real, bits: Real, delta: Real) -> Array:
    """Return sup{p : P(Bin(n, p) <= k) >= delta 2^-b} for k = ``errors``: the tail inverted exactly. 0-1 loss only.

    Computed with the logarithm of the tail, so that any number of bits is sound (a tail of e^-745 is 0 in float64,
    which about 1070 bits reach), and rounded upwards: by 1e-9 of the rate for n = 10^6, by up to 1 % for 10^12. Without
    bits: the upper limit of Clopper and Pearson. Kind: certificate, the smallest one that depends on the errors alone.
    Source: Langford 2005, Theorem 3.3.

    Raises:
        ValueError: errors that are not a whole number from 0 to n (the losses are then not 0 and 1), or as
            ``occam_hoeffding``.
    """
    k, n = np.asarray(errors, dtype=np.float64), require_samples(n)
    k, n, c = np.broadcast_arrays(k, n, np.asarray(budget(bits, delta)))
    whole = (k == np.floor(k)) & (k >= 0) & (k <= n) & (n == np.floor(n))
    if not whole.all():
        raise ValueError(
            f"{k[~whole].flat[0]:g} errors of {n[~whole].flat[0]:g} samples: expected a whole number from 0 to n (0-1 "
            "loss); use the kl bound for other losses"
        )
    cases, back = np.unique(np.stack([k.ravel(), n.ravel(), c.ravel()]), axis=1, return_inverse=True)
    rows = max(1, _MATRIX_ENTRIES // (1 + int(cases[0].max(initial=0.0))))
    parts = [_largest_rates(*cases[:, i : i + rows]) for i in range(0, cases.shape[1], rows)]
    return np.concatenate([np.empty(0), *parts])[back.ravel()].reshape(k.shape)[()]


def catoni(train_error: Real, n: Real, bits: Real, delta: Real, constant: Real) -> Array:
    """Return (1 - exp(-C Lhat - c / n)) / (1 - e^-C), at least L with probability 1 - delta. Loss in [0, 1].

    C = ``constant``. Its smallest value over C is ``occam_kl``. Kind: certificate. Source: Catoni 2007, Theorem 1.2.1.

    Raises:
        ValueError: C that is not a positive finite number, or as ``occam_hoeffding``.
    """
    constant = np.asarray(constant, dtype=np.float64)
    if not np.all((constant > 0.0) & (constant < inf)):
        raise ValueError(f"Catoni's constant {constant}: expected a positive finite number")
    exponent = constant * probability("training error", train_error) + budget(bits, delta) / require_samples(n)
    return (np.expm1(-exponent) / np.expm1(-constant))[()]


def best_of_bits(candidates: int) -> int:
    """Return ceil(log2 k), the bits that naming one of k candidates costs. Kind: exact.

    The candidates are listed before the sample; each may have its own code.

    Raises:
        ValueError: fewer than 1 candidate.
    """
    if candidates < 1:
        raise ValueError(f"best of {candidates} candidates: expected at least 1")
    return (candidates - 1).bit_length()


def require_samples(n: Real) -> np.ndarray:
    """Return n as float64 array; raises ValueError unless all of it is at least 1 and finite."""
    array = np.asarray(n, dtype=np.float64)
    fits = (array >= 1.0) & (array < inf)
    if not fits.all():
        raise ValueError(f"{array[~fits].flat[0]:g} samples: expected at least 1")
    return array


def require_bits(bits: Real) -> np.ndarray:
    """Return bits as float64 array; raises ValueError unless all of it is at least 0 and finite."""
    array = np.asarray(bits, dtype=np.float64)
    fits = (array >= 0.0) & (array < inf)
    if not fits.all():
        raise ValueError(f"{array[~fits].flat[0]:g} bits of description: expected a finite number >= 0")
    return array


def require_delta(delta: Real) -> np.ndarray:
    """Return delta as float64 array; raises ValueError unless all of it lies strictly between 0 and 1."""
    array = np.asarray(delta, dtype=np.float64)
    fits = (array > 0.0) & (array < 1.0)
    if not fits.all():
        raise ValueError(f"delta {array[~fits].flat[0]:g}: expected a number strictly between 0 and 1")
    return array


def _largest_rates(k: np.ndarray, n: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return for each case the largest p with ln P(Bin(n, p) <= k) >= -c, rounded upwards; all of shape (cases,)."""
    j = np.arange(int(k.max()) + 1, dtype=np.float64)[None, :]
    k, n, c = k[:, None], n[:, None], c[:, None]
    below = np.maximum(n - j, 0.0)
    # the two large logarithms of factorials leave an error of a few of their last digits, which must not lower a bound
    floor = -c - 4.0 * np.finfo(np.float64).eps * n * np.log(n + 1.0)
    choose = np.where(j <= k, gammaln(n + 1.0) - gammaln(j + 1.0) - gammaln(below + 1.0), -inf)
    # Chernoff: the kl bound is never smaller
    low, high = np.zeros_like(k), np.asarray(kl_inverse_upper(k / n, c / n))
    for _ in range(_HALVINGS):
        p = 0.5 * (low + high)
        if np.all((p == low) | (p == high)):
            break
        with np.errstate(divide="ignore"):  # ln 0 where p rounded to 1
            logs = choose + j * np.log(p) + below * np.log1p(-p)
        top = logs.max(axis=1, keepdims=True)
        likely = top + np.log(np.exp(logs - top).sum(axis=1, keepdims=True)) >= floor
        low, high = np.where(likely, p, low), np.where(likely, high, p)
    return np.where(k == n, 1.0, np.where(k == 0.0, -np.expm1(-c / n), high))[:, 0]
