"""What no bound can undercut: the training error of one fixed predictor differs from its error by order 1 / sqrt n.

The predictor has error p and is chosen without the sample, so n Lhat is binomial. No rank, no parameter count enters.
"""

from math import exp, floor, lgamma, log, log1p, pi, sqrt


def mean_absolute_deviation(error: float, samples: int) -> float:
    """Return E|Lhat - L| = (2 / n) k C(n, k) p^k (1 - p)^(n - k + 1) with k = floor(np) + 1.

    Through log-gamma, so right to a relative n ln(n) 2^-52. Kind: exact. Source: De Moivre 1730 (Diaconis and Zabell
    1991).

    Raises:
        ValueError: an error rate outside [0, 1], or no samples.
    """
    _require(error, samples)
    if error in (0.0, 1.0):
        return 0.0
    k = floor(samples * error) + 1
    if k > samples:  # n p rounded up to n: p is one but for rounding
        return mean_absolute_deviation(1.0 - error, samples)
    log_choose = lgamma(samples + 1) - lgamma(k + 1) - lgamma(samples - k + 1)
    logs = log_choose + k * log(error) + (samples - k + 1) * log1p(-error)
    return 2.0 * k / samples * exp(logs)


def asymptotic_deviation(error: float, samples: int) -> float:
    """Return sqrt(2 p (1 - p) / (pi n)), the limit law of ``mean_absolute_deviation`` as n -> infinity, 0 < p < 1.

    Kind: asymptotic. Source: central limit theorem.

    Raises:
        ValueError: as ``mean_absolute_deviation``.
    """
    _require(error, samples)
    return sqrt(2.0 * error * (1.0 - error) / (pi * samples))


def least_deviation(error: float, samples: int) -> float:
    """Return sqrt(p (1 - p) / (2n)), at most ``mean_absolute_deviation`` for n >= 2 and 1/n <= p <= 1 - 1/n.

    Kind: lower bound. Source: Berend and Kontorovich 2013, Theorem 1.

    Raises:
        ValueError: as ``mean_absolute_deviation``, or an error rate or sample size outside that range.
    """
    _require(error, samples)
    if samples < 2 or not 1.0 <= samples * error <= samples - 1.0:
        raise ValueError(f"error rate {error} with {samples} samples: expected n >= 2 and 1/n <= p <= 1 - 1/n")
    return sqrt(error * (1.0 - error) / (2.0 * samples))


def _require(error: float, samples: int) -> None:
    if not 0.0 <= error <= 1.0:
        raise ValueError(f"error rate {error}: expected a number in [0, 1]")
    if samples < 1:
        raise ValueError(f"{samples} samples: expected at least 1")
