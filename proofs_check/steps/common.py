"""Points and matrices that several proofs look at."""

from collections.abc import Callable

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level, gaussian
from sims.solvers.low_rank_newton import Factors
from theory import factored_objective as lora
from theory.losses import CROSS_ENTROPY, LOGISTIC

ROUNDING = 1e-9  # relative; errors of a few hundred operations on matrices of size 10 with condition up to 1e4

Check = Callable[[Level, int, str], Evidence]


def sizes(level: Level) -> int:
    """Return the number of random instances of a step."""
    return int(by_level(level, 3, 12, 60))


def instances(level: Level, seed: int) -> list[Instance]:
    """Return Gaussian instances over the three losses."""
    found = []
    for trial in range(sizes(level)):
        s = seed + trial
        found.append(
            (
                lambda s=s: gaussian(s, 9, 1, 5, 6, ratio=0.05),
                lambda s=s: gaussian(s, 4, 3, 6, 5, ratio=0.05, loss=CROSS_ENTROPY),
                lambda s=s: gaussian(s, 8, 1, 5, 5, ratio=0.05, loss=LOGISTIC),
            )[trial % 3]()
        )
    return found


def evidence(measurements: list[Measurement], count: int, seed: int) -> Evidence:
    """Return the evidence of a step on ``count`` instances."""
    return Evidence(tuple(measurements), count, seeds=(seed,))


def zero(name: str, value: float, scale: float = 1.0, instance: str = "", tolerance: float = ROUNDING) -> Measurement:
    """Return 'value is zero' relative to a scale."""
    return Measurement(name, float(value) / max(float(scale), 1e-300), 0.0, "==", tolerance, instance)


def stationarity(instance: Instance, factors: Factors, perturbation: np.ndarray | None = None) -> np.ndarray:
    """Return S at the factors of a one-layer instance."""
    predictions = instance.problem.predictions_low_rank(factors)
    (gradient,) = instance.problem.data_gradients(predictions)
    return lora.stationarity_matrix(gradient, instance.lam, perturbation)


def lifted(instance: Instance) -> np.ndarray:
    """Return the symmetric features [[0, G], [G^T, 0]], shape (n k, d, d)."""
    gradients = instance.landscape.gradients
    n, k, m, p = gradients.shape
    result = np.zeros((n * k, m + p, m + p))
    flat = gradients.reshape(n * k, m, p)
    result[:, :m, m:] = flat
    result[:, m:, :m] = np.swapaxes(flat, 1, 2)
    return result
