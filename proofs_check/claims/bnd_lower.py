"""BND-LOWER: the deviation of one fixed predictor, which no rank and no bound undercuts."""

from math import comb

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import claim
from theory.bounds.information import xu_raginsky_absolute
from theory.bounds.sampling_deviation import asymptotic_deviation, mean_absolute_deviation

ROUNDING = 1e-9


def _by_sum(error: float, samples: int) -> float:
    k = np.arange(samples + 1)
    masses = np.array([comb(samples, int(i)) * error ** int(i) * (1 - error) ** (samples - int(i)) for i in k])
    return float(np.abs(k / samples - error) @ masses)


def _least(error: float, samples: int) -> Measurement:
    ratio = mean_absolute_deviation(error, samples) / np.sqrt(error * (1 - error) / (2 * samples))
    return Measurement("E|L̂ − L| over √(p(1 − p)/(2n))", ratio, 1, ">=", ROUNDING, f"p = {error:.3g}, n = {samples}")


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Error rates below 1/n, where the training error is nearly always 0."""
    return Evidence(tuple(_least(0.1 / n, n) for n in (5, 50, 500)), 3)


@claim(
    id="BND-LOWER",
    paper="asymmetry",
    statement="A fixed predictor with error p has E|L̂ − L| = (2/n)·k·C(n, k)·p^k(1 − p)^(n−k+1), k = ⌊np⌋ + 1, hence "
    "√(2p(1 − p)/(πn))·(1 + o(1)), at least √(p(1 − p)/(2n)) for 1/n ≤ p ≤ 1 − 1/n, and free of the rank: a "
    "bound on E|L − L̂| cannot fall below order 1/√n.",
    source="De Moivre 1730; Berend and Kontorovich 2013; cf. arXiv 2506.14530, lower bound",
    kind="lower",
    assumptions=("i.i.d. samples, 0-1 loss", "the predictor does not depend on the sample"),
    control="error rate below 1/n",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Compare with the sum over the binomial law, the limit, the lower bound, and the upper bound at no information."""
    rng = np.random.default_rng(seed)
    measurements, trials = [], by_level(level, 10, 60, 400)
    for _ in range(trials):
        n = int(rng.integers(2, 300))
        p = float(rng.uniform(1 / n, 1 - 1 / n))
        exact, name = mean_absolute_deviation(p, n), f"p = {p:.3g}, n = {n}"
        measurements += [
            Measurement("E|L̂ − L|, formula over sum", exact / _by_sum(p, n), 1, "==", ROUNDING, name),
            _least(p, n),
            Measurement("E|L̂ − L| over √(2σ²ln 2/n)", exact / xu_raginsky_absolute(0.0, n), 1, "<=", 0, name),
        ]
        for size in (10**3, 10**5, 10**7):
            distance = abs(mean_absolute_deviation(p, size) / asymptotic_deviation(p, size) - 1)
            scaled, label = distance * size * p * (1 - p), f"p = {p:.3g}, n = {size}"
            measurements.append(Measurement("|E|L̂ − L|/limit − 1|·n·p(1 − p)", scaled, 1, "<=", 0, label))
    return Evidence(tuple(measurements), trials, seeds=(seed,))
