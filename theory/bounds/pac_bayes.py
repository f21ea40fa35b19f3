"""PAC-Bayes certificates of a randomised adapter: every prediction draws the tuned factor from a Gaussian posterior.

Prior N(0, s0^2 I), fixed before the sample, or one of K listed before it (ln K more); posterior N(B, s^2 I) around the
trained factor. With probability 1 - delta over the sample, for all posteriors at once,

    kl(E Lhat || E L) <= (KL(posterior || prior) + ln(2 sqrt(n) / delta)) / n,

expectations over the draw of the factor. It certifies the randomised predictor, not the one at the mean B. Loss in
[0, 1]; backbone and frozen factor do not depend on the sample. Sources: Seeger 2002; Maurer 2004, Theorem 5.
"""

from math import log
from typing import Any

import numpy as np
from jaxtyping import Float

from theory.bounds.code_length import require_delta, require_samples
from theory.bounds.kl_inverse import Real, kl_inverse_upper, probability

Array = Any

# Maurer's sum over the values of a binomial is at most 2 sqrt n from this sample size on.
SMALLEST_SAMPLE = 8


def gaussian_kl(shift: Float[np.ndarray, "..."], std: Real, prior_std: Real) -> float:
    """Return KL(N(shift, s^2) || N(0, s0^2)) in nats, summed over independent coordinates.

    = sum (s^2 / s0^2 - 1 - 2 ln(s / s0) + shift^2 / s0^2) / 2. ``shift`` is posterior mean minus prior mean in any
    shape; standard deviations broadcast against it. With equal deviations it depends on the Frobenius norm of the
    shift alone, hence on no choice of orthonormal frozen factor except through that norm. Kind: exact.

    Raises:
        ValueError: a standard deviation that is not positive and finite, or a shift that is not finite.
    """
    std, prior_std = _positive("standard deviation", std), _positive("prior standard deviation", prior_std)
    if not np.isfinite(shift).all():
        raise ValueError("shift between the means holds a number that is not finite: expected a trained factor")
    scale = np.log(std) - np.log(prior_std)
    # e^2x - 1 - 2x >= 0 without cancellation of the two ones
    each = np.expm1(2.0 * scale) - 2.0 * scale + (shift / prior_std) ** 2
    return float(0.5 * np.maximum(each, 0.0).sum())


def pac_bayes_kl(train_risk: Real, n: Real, divergence: Real, delta: Real, priors: int = 1) -> Array:
    """Return sup{q : kl(E Lhat || q) <= (KL + ln K + ln(2 sqrt(n) / delta)) / n}, at least E L. Loss in [0, 1].

    ``train_risk`` is E Lhat or an upper bound of it (``monte_carlo_upper``, whose delta is added to this one), KL in
    nats, K = ``priors`` listed before the sample. Kind: certificate of the randomised predictor. Source: Maurer 2004.

    Raises:
        ValueError: a risk outside [0, 1], n below 8, a negative divergence, delta outside (0, 1), no priors.
    """
    risk, n, delta = probability("training risk", train_risk), require_samples(n), require_delta(delta)
    if not np.all(n >= SMALLEST_SAMPLE):
        raise ValueError(f"{n.min():g} samples: Maurer's constant needs at least {SMALLEST_SAMPLE}; use a code length")
    divergence = np.asarray(divergence, dtype=np.float64)
    if not np.all(divergence >= 0.0):
        raise ValueError(f"divergence {divergence.min():g}: expected a number >= 0")
    if priors < 1:
        raise ValueError(f"{priors} priors: expected at least 1")
    nats = divergence + log(priors) + np.log(2.0 * np.sqrt(n) / delta)
    return kl_inverse_upper(risk, nats / n)


def monte_carlo_upper(mean: Real, draws: Real, delta: Real) -> Array:
    """Return sup{q : kl(mean || q) <= ln(2 / delta) / m}: with probability 1 - delta over m draws, at least E Lhat.

    ``mean`` averages Lhat over m = ``draws`` independent draws of the factor. Kind: certificate, over the draws.
    Source: Langford and Caruana 2001 (ln(1 / delta) would do for this one side).

    Raises:
        ValueError: a mean outside [0, 1], fewer than 1 draw, or delta outside (0, 1).
    """
    nats = np.log(2.0 / require_delta(delta))
    return kl_inverse_upper(probability("Monte-Carlo mean", mean), nats / require_samples(draws))


def _positive(name: str, value: Real) -> np.ndarray:
    array = np.asarray(value, dtype=np.float64)
    fits = (array > 0.0) & np.isfinite(array)
    if not fits.all():
        raise ValueError(f"{name} {array[~fits].flat[0]:g}: expected a positive finite number")
    return array
