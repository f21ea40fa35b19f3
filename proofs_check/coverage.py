"""How often certificates fail over fresh samples, in worlds where the true risk of every predictor is known.

`CodedClass`: the loss of each predictor of a class is an independent coin on every example, so that errors are
binomial, the union bound is nearly sharp, and the one that does best on the sample looks much better than it is. The
code is full: weights 2^-bits of all predictors sum to one. A certificate that holds for all predictors at once fails
on a sample if it fails for any of them, which is what is counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import binom

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim

DELTA = 0.05  # every certificate is allowed to fail this often
STANDARD_ERRORS = 5.0
# (bits of a description, predictors that have it)
FULL_CODE = ((4, 8), (8, 64), (14, 4096))


@dataclass(frozen=True)
class CodedClass:
    """Predictors of risk ``risk`` with descriptions of ``code``, and samples of n examples.

    ``steps`` > 1 makes losses in [0, 1]: the mean of that many coins, with values 0, 1/steps, ..., 1.
    """

    n: int
    risk: float
    code: tuple[tuple[int, int], ...] = FULL_CODE
    steps: int = 1

    @property
    def name(self) -> str:
        """What reports call it."""
        values = "0-1 loss" if self.steps == 1 else f"loss in {self.steps + 1} values of [0, 1]"
        return f"{sum(count for _, count in self.code)} coded predictors, risk {self.risk:g}, n = {self.n}, {values}"

    @property
    def bits(self) -> Float[np.ndarray, "1 groups"]:
        """Bits of each length of description."""
        return np.array([[bits for bits, _ in self.code]], dtype=np.float64)

    def smallest_counts(self, rng: np.random.Generator, runs: int) -> Float[np.ndarray, "runs groups"]:
        """Return the smallest sum of losses (times ``steps``) among the predictors of each length, one row a sample."""
        counts = np.array([[count for _, count in self.code]], dtype=np.float64)
        # the law of the least of m independent ones: P(least <= k) = 1 - (1 - F(k))^m
        least = -np.expm1(np.log1p(-rng.random((runs, len(self.code)))) / counts)
        return binom.ppf(least, self.n * self.steps, self.risk)

    def smallest_risks(self, rng: np.random.Generator, runs: int) -> Float[np.ndarray, "runs groups"]:
        """Return the smallest training risk among the predictors of each length, one row a sample."""
        return self.smallest_counts(rng, runs) / (self.n * self.steps)


def failures(
    bound: Float[np.ndarray, "runs groups"], risk: float | Float[np.ndarray, "runs groups"]
) -> Bool[np.ndarray, " runs"]:
    """Return on which samples the bound lies below the true risk of any predictor."""
    return np.asarray((bound < risk).any(axis=1))


def coverage(failed: Bool[np.ndarray, " runs"], delta: float, instance: str) -> Measurement:
    """Return the share of samples on which a certificate failed beside delta, with 5 standard errors of that share."""
    runs = len(failed)
    slack = STANDARD_ERRORS * (delta * (1.0 - delta) / runs) ** 0.5
    share = float(np.mean(failed))
    return Measurement("share of samples on which the certificate fails", share, delta, "<=", slack, instance)


def order(name: str, smaller: np.ndarray, larger: np.ndarray, instance: str) -> Measurement:
    """Return the largest excess of one bound over another that is never below it, up to rounding."""
    return Measurement(name, float(np.max(smaller - larger)), 0.0, "<=", 1e-9, instance)


ZERO_ONE = (CodedClass(50, 0.5), CodedClass(200, 0.1), CodedClass(400, 0.3))
BOUNDED = (CodedClass(50, 0.4, steps=2), CodedClass(200, 0.1, steps=4))

EVERY = (ZERO_ONE[0], BOUNDED[0], *ZERO_ONE[1:], BOUNDED[1])


def fresh_samples(level: Level) -> int:
    """Return the number of fresh samples at this level, at least 1000."""
    return {"smoke": 1000, "quick": 4000, "full": 20_000}[level]


def worlds(level: Level, candidates: Sequence[CodedClass]) -> Sequence[CodedClass]:
    """Return the instances of this level: the first two at smoke."""
    return candidates[:2] if level == "smoke" else candidates


# (world, smallest training risks (samples, groups), bits (1, groups)) -> what a certificate does there
Compare = Callable[[CodedClass, np.ndarray, np.ndarray], Sequence[Measurement]]


def code_length_claim(
    *,
    ident: str,
    statement: str,
    source: str,
    compare: Compare,
    stream: int,
    candidates: Sequence[CodedClass] = EVERY,
    loss: str = "loss in [0, 1]",
) -> None:
    """Register the claim that a certificate from code length holds for all predictors of a prefix code at once.

    Its check counts failures over fresh samples on full codes whose best predictor is pure luck; its control charges no
    bits for choosing that predictor with the sample. ``statement`` is what holds; ``stream`` as in `count_failures`.
    """

    def check(level: Level, seed: int, _data: str) -> Evidence:
        return count_failures(compare, candidates, level, seed, stream=stream)

    def control(level: Level, seed: int, _data: str) -> Evidence:
        return count_failures(compare, candidates, level, seed, stream=stream, charged=False)

    check.__module__ = compare.__module__  # the registry tells two declarations of one claim apart by it
    claim(
        id=ident,
        paper="asymmetry",
        statement="For a prefix code of b(h) bits, with probability at least 1 − δ over the sample, for all coded h at "
        f"once: {statement}",
        source=source,
        kind="upper",
        assumptions=(
            "i.i.d. samples",
            loss,
            "prefix code fixed before the sample; everything chosen with the sample is in it",
        ),
        control="the bits of the predictor that was chosen with the sample not charged",
        control_check=control,
    )(check)


def count_failures(
    compare: Compare,
    candidates: Sequence[CodedClass],
    level: Level,
    seed: int,
    *,
    stream: int,
    charged: bool = True,
) -> Evidence:
    """Return what ``compare(world, risks, bits)`` measures on fresh samples of the worlds of this level.

    ``risks`` (samples, groups) are the smallest training risks, ``bits`` (1, groups) the lengths of the descriptions,
    zero unless ``charged``. Samples are drawn from the stream of this number of the seed.
    """
    chosen = worlds(level, candidates)
    measurements: list[Measurement] = []
    for world in chosen:
        rng = np.random.default_rng([seed, stream, world.n])
        risks = world.smallest_risks(rng, fresh_samples(level))
        measurements += compare(world, risks, world.bits if charged else np.zeros_like(world.bits))
    sizes = {"samples drawn": fresh_samples(level), "delta": DELTA}
    return Evidence(tuple(measurements), len(chosen), sizes=sizes, seeds=(seed,))
