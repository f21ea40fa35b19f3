"""Bounds on the expected generalisation gap by mutual information between sample and weights, in nats.

Setting: S = (Z_1, ..., Z_n) i.i.d., W the output of the algorithm, L the population risk, Lhat the risk on S, and for
every w the loss l(w, Z) is sigma-sub-Gaussian. The gap is E[L(W) - Lhat(W)], a mean over samples and the randomness of
the algorithm: none of these numbers bounds the gap of one run, except where a probability is named.

I(S; W) is infinite for a deterministic algorithm with real-valued weights: bound it by a code length or by injected
noise, never estimate it by counting.
"""

from collections.abc import Sequence
from math import exp, expm1, inf, isfinite, log, log1p, sqrt

from scipy.special import lambertw

ZERO_ONE_SIGMA = 0.5  # of any loss in [0, 1]

# 1 + W_0(z) in powers of p = sqrt(2 (1 + e z)), used where what is left out is below rounding
_BRANCH_POINT = (1.0, -1.0 / 3.0, 11.0 / 72.0, -43.0 / 540.0, 769.0 / 17280.0, -221.0 / 8505.0, 680863.0 / 43545600.0)
_NEAR_BRANCH_POINT = 1e-2


def sub_gaussian_constant(low: float, high: float) -> float:
    """Return (high - low) / 2, the sub-Gaussian constant of any loss in [low, high].

    Use the range that the loss can have, never the one that was observed. Kind: upper bound. Source: Hoeffding's lemma.

    Raises:
        ValueError: the range is empty or not finite; an unbounded loss (squared, cross-entropy) has to be clipped or
            smoothed first.
    """
    if not (isfinite(low) and isfinite(high) and low < high):
        raise ValueError(f"loss range [{low}, {high}]: expected finite ends, low < high; clip or smooth the loss first")
    return (high - low) / 2.0


def smoothed_range(mixing: float, classes: int) -> float:
    """Return ln(1 + (1 - a) K / a), the range in nats of cross-entropy after p <- (1 - a) p + a / K.

    Kind: exact. Source: Lotfi et al. 2024 (arXiv 2312.17173), there in bits.

    Raises:
        ValueError: a mixing weight outside (0, 1] or fewer than 2 classes.
    """
    if not 0.0 < mixing <= 1.0:
        raise ValueError(f"mixing weight {mixing}: expected a number in (0, 1]")
    if classes < 2:
        raise ValueError(f"{classes} classes: expected at least 2")
    return log(1.0 + (1.0 - mixing) * classes / mixing)


def xu_raginsky(information: float, samples: int, sigma: float = ZERO_ONE_SIGMA) -> float:
    """Return sqrt(2 sigma^2 I(S; W) / n), which is at least |E[L - Lhat]|.

    ``information`` is I(S; W) or any upper bound of it, in nats. Kind: upper bound on a mean. Source: Xu and Raginsky
    2017, Theorem 1.

    Raises:
        ValueError: negative information, no samples, or a sigma that is not positive and finite.
    """
    require_setting(information, samples, sigma)
    return sigma * sqrt(2.0 * information / samples)


def xu_raginsky_absolute(information: float, samples: int, sigma: float = ZERO_ONE_SIGMA) -> float:
    """Return sqrt((2 sigma^2 / n)(I(S; W) + ln 2)), which is at least E|L - Lhat|.

    Kind: upper bound on a mean. Source: Xu and Raginsky 2017; Donsker-Varadhan with
    E exp(t |L - Lhat|) <= 2 exp(t^2 sigma^2 / (2n)) under the product law proves it.

    Raises:
        ValueError: as ``xu_raginsky``.
    """
    require_setting(information, samples, sigma)
    return sigma * sqrt(2.0 * (information + log(2.0)) / samples)


def xu_raginsky_samples(information: float, accuracy: float, failure: float, sigma: float = ZERO_ONE_SIGMA) -> float:
    """Return (8 sigma^2 / a^2)(I / b + ln(2 / b)): from so many samples on, P(|L - Lhat| > a) <= b.

    ``information`` bounds I(S; W) at that sample size. The price of probability b is 1 / b, not ln(1 / b): for one
    trained model a code-length certificate is far cheaper. Kind: sufficient sample size. Source: Xu and Raginsky 2017,
    Theorem 3; data processing kl(P(E) || p) <= I for the event E and p = 2 exp(-n a^2 / (2 sigma^2)) proves it.

    Raises:
        ValueError: negative information, an accuracy that is not positive, or a failure probability outside (0, 1).
    """
    require_setting(information, 1, sigma)
    if not (isfinite(accuracy) and accuracy > 0):
        raise ValueError(f"accuracy {accuracy}: expected a positive number")
    if not 0.0 < failure < 1.0:
        raise ValueError(f"failure probability {failure}: expected a number strictly between 0 and 1")
    return 8.0 * (sigma / accuracy) ** 2 * (information / failure + log(2.0 / failure))


def individual_sample(informations: Sequence[float], sigma: float = ZERO_ONE_SIGMA) -> float:
    """Return (1/n) sum_i sqrt(2 sigma^2 I(W; Z_i)), which is at least |E[L - Lhat]|.

    Never above ``xu_raginsky`` for independent Z_i (sum_i I(W; Z_i) <= I(W; S), and Jensen), and finite for some
    deterministic algorithms. Kind: upper bound on a mean. Source: Bu, Zou and Veeravalli 2020.

    Raises:
        ValueError: no informations, or as ``xu_raginsky``.
    """
    if len(informations) == 0:
        raise ValueError("no informations: expected I(W; Z_i) of at least one sample")
    return sum(xu_raginsky(information, 1, sigma) for information in informations) / len(informations)


def gaussian_mean_information(samples: int) -> float:
    """Return I(W; Z_i) = ln(n / (n - 1)) / 2 in nats for W the mean of n i.i.d. Gaussian numbers; inf for n = 1.

    Kind: exact. Source: Bu, Zou and Veeravalli 2020.

    Raises:
        ValueError: no samples.
    """
    require_setting(0.0, samples, 1.0)
    return 0.5 * log1p(1.0 / (samples - 1)) if samples > 1 else inf


def gaussian_mean_gap(samples: int, variance: float = 1.0) -> float:
    """Return E[L - Lhat] = 2 variance / n for the mean of n Gaussian numbers and the squared loss. Kind: exact.

    Raises:
        ValueError: no samples, or a variance that is not positive.
    """
    require_setting(0.0, samples, variance)
    return 2.0 * variance / samples


def gaussian_mean_bound(samples: int, variance: float = 1.0) -> float:
    """Return the individual-sample bound on ``gaussian_mean_gap``, of order sqrt(2 / n) variance.

    The squared loss is not sub-Gaussian; under the product law it is s^2 chi^2_1 with s^2 = variance (1 + 1/n), so the
    bound inverts its own Cramer transform: s^2 x with -ln(1 - x) - x = 2 I(W; Z_i), that is x = 1 + W_0(-e^(-1 - 2I)).
    Relaxing the transform to its quadratic gives the published (1 + 1/n) sqrt(2 ln(n/(n-1))) variance. At n = 1, where
    I is infinite, it is 2 variance, the gap itself. Kind: upper bound on a mean. Source: Bu, Zou and Veeravalli 2020,
    Section IV, with the exact transform.

    Raises:
        ValueError: no samples, or a variance that is not positive.
    """
    require_setting(0.0, samples, variance)
    information = gaussian_mean_information(samples)
    root = sqrt(-2.0 * expm1(-2.0 * information))
    if root < _NEAR_BRANCH_POINT:  # 1 + W_0 would lose its digits
        x = root * sum(c * root**power for power, c in enumerate(_BRANCH_POINT))
    else:
        x = 1.0 + float(lambertw(-exp(-1.0 - 2.0 * information)).real)
        if information < 1.0:  # a Newton step gives back what the sum lost
            x += (2.0 * information + x + log1p(-x)) * (1.0 - x) / x
    return variance * (1.0 + 1.0 / samples) * x


def require_setting(information: float, samples: int, sigma: float) -> None:
    """Raise ValueError unless information >= 0, samples >= 1 and sigma is positive and finite."""
    if not information >= 0.0:
        raise ValueError(f"information {information}: expected nats >= 0")
    if samples < 1:
        raise ValueError(f"{samples} samples: expected at least 1")
    if not (isfinite(sigma) and sigma > 0.0):
        raise ValueError(f"sub-Gaussian constant {sigma}: expected a positive finite number (1/2 for a loss in [0, 1])")
