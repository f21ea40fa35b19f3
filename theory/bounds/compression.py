"""Certificates of a compressed adapter of a language model: subspace, quantisation, arithmetic code (SubLoRA).

The tuned factors (for b-only, B alone) are restricted to a random subspace of k dimensions drawn without the sample,
their coordinates quantised to a few levels and coded arithmetically. The loss is the cross-entropy in bits of
predictions mixed with the uniform one, p <- (1 - alpha) p + alpha / V, so that it has a range Delta(alpha). The
training risk is measured on m of the n samples only. n counts independent units: documents, not tokens.

Source: Lotfi et al. 2024 (arXiv 2312.17173), Theorem 1 and appendix; corrections are named where they are made.
"""

from fractions import Fraction
from math import ceil, log, log2
from typing import Any

import numpy as np

from theory.bounds.code_length import budget, require_samples
from theory.bounds.kl_inverse import Real

Array = Any

CODEBOOK_BITS = 16  # a level is stored in half precision


def arithmetic_code_bits(symbols: int, entropy: float | int, levels: int) -> int:
    """Return ceil(k H) + 1 + levels (16 + ceil(log2(k + 1))): coded symbols, codebook and frequencies.

    k = ``symbols``, H their empirical entropy in bits a symbol. A frequency takes k + 1 values, 0 to k, which the
    paper's ceil(log2 k) misses by one when k is a power of two. The product k H of the numbers given is rounded up
    without being rounded first. Kind: exact, for Shannon-Fano-Elias coding of the whole block.

    Raises:
        ValueError: fewer than 1 symbol or level, or an entropy outside 0 to log2 levels.
    """
    if symbols < 1 or levels < 1:
        raise ValueError(f"{symbols} symbols of {levels} levels: expected at least 1 of each")
    if not 0.0 <= entropy <= log2(levels) * (1.0 + 1e-12):
        raise ValueError(f"entropy of {entropy} bits a symbol: expected 0 to log2 {levels} = {log2(levels):g}")
    return ceil(symbols * Fraction(entropy)) + 1 + levels * (CODEBOOK_BITS + symbols.bit_length())


def prefix_free_bits(length: float | int) -> float:
    """Return C + 2 log2 C, what a string of C >= 2 bits costs when its end has to be told, too.

    The weights 2^-(C + 2 log2 C) of all strings of 2 bits or more sum to pi^2 / 6 - 1; with strings of one bit they
    would sum to more than 1, which is why those are refused. Kind: upper bound. Source: Lotfi et al. 2022.

    Raises:
        ValueError: fewer than 2 bits.
    """
    if not length >= 2.0:
        raise ValueError(f"string of {length} bits: expected at least 2 (pad shorter ones)")
    return length + 2.0 * log2(length)


def smoothed_range(alpha: float | int, vocabulary: int) -> float:
    """Return Delta = log2(1 + (1 - alpha) V / alpha), the range in bits of the cross-entropy of smoothed predictions.

    Strictly decreasing in alpha; 0 at alpha = 1, where every prediction is uniform. Kind: exact.

    Raises:
        ValueError: alpha outside (0, 1], or a vocabulary below 2.
    """
    if not 0.0 < alpha <= 1.0:
        raise ValueError(f"smoothing alpha {alpha}: expected a number in (0, 1]")
    if vocabulary < 2:
        raise ValueError(f"vocabulary of {vocabulary}: expected at least 2")
    return log2(1.0 + (1.0 - alpha) * vocabulary / alpha)


def subsampled_bound(
    risk: Real, subsample: Real, n: Real, bits: Real, delta: Real, loss_range: float | int, alphas: int = 1
) -> Array:
    """Return Rhat_m + Delta (sqrt((b ln 2 + ln(1 / (s delta))) / (2n)) + sqrt(ln(K / ((1 - s) delta)) / (2m))).

    s = m / (m + n), m = ``subsample`` drawn independently of the adapter, uniformly and with replacement; ``bits``
    charge everything chosen with the sample, alpha too; Delta = ``loss_range`` of a loss that starts at 0 (a loss in
    [a, a + Delta] may be used as it is). K = ``alphas`` is the number of alphas tried on the subsample: the second term
    needs a union over them, which the paper leaves out; 1 when alpha was chosen without it. Decreasing in m and n.
    With the risk of the whole sample it is never below ``code_length.occam_hoeffding`` scaled to this range.
    Kind: certificate. Source: Lotfi et al. 2024, Theorem 1, with that union.

    Raises:
        ValueError: a risk that is not finite, m or n below 1, negative bits, delta outside (0, 1), a negative range, or
            no alphas.
    """
    m, n = require_samples(subsample), require_samples(n)
    if not 0.0 <= loss_range < np.inf:
        raise ValueError(f"loss range {loss_range}: expected a finite number >= 0")
    if alphas < 1:
        raise ValueError(f"{alphas} alphas: expected at least 1")
    share = m / (m + n)
    whole = np.sqrt((budget(bits, delta) - np.log(share)) / (2.0 * n))
    drawn = np.sqrt((log(alphas) + budget(0, delta) - np.log1p(-share)) / (2.0 * m))
    return (require_loss(risk) + loss_range * (whole + drawn))[()]


def random_guess_bits(vocabulary: int) -> float:
    """Return log2 V, the cross-entropy of the uniform prediction: a bound of this or more is vacuous. Kind: exact.

    Raises:
        ValueError: a vocabulary below 2.
    """
    if vocabulary < 2:
        raise ValueError(f"vocabulary of {vocabulary}: expected at least 2")
    return log2(vocabulary)


def whole_sample_bound(risk: Real, n: Real, bits: Real, delta: Real, loss_range: float | int) -> Array:
    """Return Rhat + Delta sqrt((b ln 2 + ln(1 / delta)) / (2n)), with the risk of all n samples. Kind: certificate.

    Source: Hoeffding 1963 with a union bound of weights 2^-b.

    Raises:
        ValueError: as ``subsampled_bound``.
    """
    if not 0.0 <= loss_range < np.inf:
        raise ValueError(f"loss range {loss_range}: expected a finite number >= 0")
    width = np.sqrt(budget(bits, delta) / (2.0 * require_samples(n)))
    return (require_loss(risk) + loss_range * width)[()]


def require_loss(value: Real) -> np.ndarray:
    """Return the mean loss as float64 array; raises ValueError unless all of it is finite."""
    array = np.asarray(value, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"mean loss {array[~np.isfinite(array)].flat[0]:g}: expected a finite number")
    return array
