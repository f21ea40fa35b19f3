"""BND-RADEMACHER-LOWER: the norm bound is right up to sqrt 2, so the rate sqrt(r / n) is the complexity's own."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.linear_uniform_gap import haar, sign_patterns
from proofs_check.registry import claim
from theory.bounds.rademacher import b_only_rademacher, b_only_rademacher_lower

ROUNDING = 1e-10
OVER_LOWER = "complexity over the lower bound"


def _samples(seed: int, trials: int) -> list[tuple[str, np.ndarray]]:
    """Return named samples Q x: two equal ones, which attain the constant, all equal, Gaussian, heavy-tailed."""
    rng = np.random.default_rng(seed)
    found = [("two equal inputs", np.array([[1.0, 2.0], [1.0, 2.0]])), ("equal inputs", np.ones((9, 3)))]
    for trial in range(trials):
        n, r = 2 + trial % 9, 1 + trial % 4
        x = rng.standard_normal((n, 8)) * (np.exp(2 * rng.standard_normal((n, 1))) if trial % 2 else 1.0)
        found.append((f"n = {n}, r = {r}", x @ haar(1, 8, r, rng)[0]))
    return found


def _exact(projected: np.ndarray) -> float:
    n = len(projected)
    return float(np.linalg.norm(sign_patterns(n) @ projected, axis=1).mean() / n)


def _control(level: Level, seed: int, data: str) -> Evidence:
    """A class that is not the ball: b along one direction, for which the rank does not matter."""
    measurements = [
        Measurement(OVER_LOWER, _exact(x[:, :1]) / b_only_rademacher_lower(x, 1.0), 1, ">=", ROUNDING, name)
        for name, x in _samples(seed, 10)
    ]
    return Evidence(tuple(measurements), len(measurements), seeds=(seed,))


@claim(
    id="BND-RADEMACHER-LOWER",
    paper="asymmetry",
    statement="The empirical Rademacher complexity of {⟨b, Qx⟩: ‖b‖ ≤ β} is at least (β/(√2·n))√(Σ‖Qx_i‖²) and at "
    "most √2 times that: no better dependence on the rank than √r exists for this class.",
    source="Khintchine's inequality in a Hilbert space; cf. arXiv 2506.14530, lower bound",
    kind="lower",
    assumptions=("any sample, any Q", "the class is the whole ball ‖b‖ ≤ β"),
    control="b confined to a fixed direction of the ball",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Enumerate all signs of small samples, heavy-tailed ones and those that attain the constant."""
    samples, measurements = _samples(seed, by_level(level, 18, 100, 600)), []
    for name, x in samples:
        exact = _exact(x)
        low, high = exact / b_only_rademacher_lower(x, 1.0), exact / b_only_rademacher(x, 1.0)
        measurements += [
            Measurement(OVER_LOWER, low, 1, ">=", ROUNDING, name),
            Measurement("complexity over the upper bound", high, 1, "<=", ROUNDING, name),
        ]
    tight = _exact(samples[0][1]) / b_only_rademacher_lower(samples[0][1], 1.0)
    measurements.append(Measurement("constant attained", tight, 1, "==", ROUNDING, samples[0][0]))
    return Evidence(tuple(measurements), len(samples), seeds=(seed,))
