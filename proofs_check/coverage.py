"""How often certificates fail over fresh samples, exactly, in worlds where the true risk of every predictor is known.

`CodedClass`: the loss of each predictor of a class is an independent coin on every example, so that errors are
binomial, the union bound is nearly sharp, and the one that does best on the sample looks much better than it is. The
code is full: weights 2^-bits of all predictors sum to one. A certificate that holds for all predictors at once fails
on a sample if it fails for any of them. Nothing is drawn: sums of losses are few, and the chance that the least of m
independent ones is below a value is 1 - (1 - F)^m, for m = 2^40 as for one.

Every certificate charges a budget. How much smaller the budget could be without being noticed is measured, too: a
check that stays green at half of it would prove nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import binom

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import claim

DELTA = 0.05  # every certificate is allowed to fail this often
POWER = 0.7  # at this share of its budget a certificate must be seen to fail
FALSE_ALARM = 1e-6  # of a share counted over drawn samples
ROUNDING = 1e-9  # relative, of a binomial probability
_GRID = 100  # shares of the budget are tried in hundredths
# (bits of a description, predictors that have it)
LONG_CODE = ((40, 2**40),)
MIXED_CODE = ((8, 2**7), (30, 2**28), (60, 2**58))

# (training risk, samples, bits, delta) -> upper bound of the risk
Certificate = Callable[[np.ndarray, int, np.ndarray, float], np.ndarray]


@dataclass(frozen=True)
class CodedClass:
    """Predictors of risk ``risk`` with descriptions of ``code``, and samples of n examples.

    ``steps`` > 1 makes losses in [0, 1]: the mean of that many coins, with values 0, 1/steps, ..., 1. ``delta`` is how
    often a certificate may fail: very small, the term ln(1/delta) of its budget can be judged alone.
    """

    n: int
    risk: float
    code: tuple[tuple[int, int], ...] = LONG_CODE
    steps: int = 1
    delta: float = DELTA

    @property
    def name(self) -> str:
        """What reports call it."""
        values = "0-1 loss" if self.steps == 1 else f"loss in {self.steps + 1} values of [0, 1]"
        count = sum(count for _, count in self.code)
        return f"{count:.3g} coded predictors, risk {self.risk:g}, n = {self.n}, δ = {self.delta:g}, {values}"

    @property
    def bits(self) -> Float[np.ndarray, "1 groups"]:
        """Bits of each length of description."""
        return np.array([[bits for bits, _ in self.code]], dtype=np.float64)

    @property
    def risks(self) -> Float[np.ndarray, "values 1"]:
        """Every training risk below the true one, a column: no certificate lies below what it is computed from."""
        total = self.n * self.steps
        values = np.arange(total + 1)[:, None] / total
        return values[values[:, 0] < self.risk]

    def chance(self, fails: Bool[np.ndarray, "values groups"]) -> float:
        """Return the chance that any predictor has one of these training risks on which its certificate fails."""
        law = binom.pmf(np.arange(len(fails)), self.n * self.steps, self.risk)
        counts = np.array([count for _, count in self.code], dtype=np.float64)
        return any_of(law @ fails, counts)

    def failure(self, certificate: Certificate, share: float) -> float:
        """Return how often the certificate fails that charges this share of bits · ln 2 + ln(1/delta)."""
        bound = certificate(self.risks, self.n, share * self.bits, self.delta**share)
        return self.chance(bound < self.risk)


def any_of(each: Float[np.ndarray, " groups"], counts: Float[np.ndarray, " groups"]) -> float:
    """Return the chance of any of counts[g] independent events of chance each[g], exact for the smallest of them."""
    with np.errstate(divide="ignore"):  # a certain event
        return float(-np.expm1(counts @ np.log1p(-np.minimum(each, 1.0)))) or 0.0


def failing(chance: Callable[[float], float], delta: float, instance: str, share: float = 1.0) -> Measurement:
    """Return the chance of failure at this share of the budget, in units of the one that is allowed."""
    return Measurement("chance that the certificate fails, over δ", chance(share) / delta, 1, "<=", ROUNDING, instance)


def power(chance: Callable[[float], float], delta: float, instance: str) -> Measurement:
    """Return the largest share of the budget, in hundredths, at which the chance of failure is above delta."""
    red, green = 0, _GRID + 1
    while green - red > 1:
        middle = (red + green) // 2
        red, green = (middle, green) if chance(middle / _GRID) > delta else (red, middle)
    name = "largest share of the budget at which the certificate fails more often than δ"
    return Measurement(name, red / _GRID, POWER, ">=", 0, instance)


def judged(
    chance: Callable[[float], float], delta: float, instance: str, share: float, *, sharp: bool = True
) -> list[Measurement]:
    """Return how often a certificate fails; in full, also at which budget that would be noticed in a ``sharp`` world.

    ``chance`` of a share of the budget. Below the full budget (a control) only sharp worlds are measured.
    """
    if share < 1.0:
        return [failing(chance, delta, instance, share)] if sharp else []
    return [failing(chance, delta, instance), *([power(chance, delta, instance)] if sharp else [])]


def counted(failed: Bool[np.ndarray, " runs"], delta: float, instance: str) -> Measurement:
    """Return the share of drawn samples on which a certificate failed, beside the largest that delta explains.

    More than that many failures of chance delta have a probability of at most FALSE_ALARM.
    """
    most = float(binom.isf(FALSE_ALARM, len(failed), delta)) / len(failed)
    name = "share of samples on which the certificate fails"
    return Measurement(name, float(np.mean(failed)), delta, "<=", most - delta, instance)


def order(name: str, smaller: np.ndarray, larger: np.ndarray, instance: str) -> Measurement:
    """Return the largest excess of one bound over another that is never below it, up to rounding."""
    return Measurement(name, float(np.max(smaller - larger)), 0.0, "<=", 1e-9, instance)


FAIR = (CodedClass(200, 0.5), CodedClass(150, 0.5, MIXED_CODE), CodedClass(100, 0.5, ((0, 1),), delta=1e-12))
RARE = (CodedClass(400, 0.2), CodedClass(250, 0.3, MIXED_CODE))
BOUNDED = (CodedClass(50, 0.4, steps=2), CodedClass(100, 0.2, steps=4))
EVERY = (*FAIR, *RARE, *BOUNDED)


def worlds(level: Level, *, zero_one: bool = False) -> Sequence[CodedClass]:
    """Return the worlds of this level; with losses other than 0 and 1 unless ``zero_one``."""
    chosen: Sequence[CodedClass] = by_level(level, (*FAIR, BOUNDED[0]), EVERY, EVERY)
    return tuple(world for world in chosen if world.steps == 1 or not zero_one)


# (world, share of the budget that is charged) -> what a certificate does there
Compare = Callable[[CodedClass, float], Sequence[Measurement]]


def code_length_claim(
    *, ident: str, statement: str, source: str, compare: Compare, zero_one: bool = False, loss: str = "loss in [0, 1]"
) -> None:
    """Register the claim that a certificate from code length holds for all predictors of a prefix code at once.

    Its check computes how often it fails on full codes whose best predictor is pure luck; its control charges POWER
    of the budget, lengths that no prefix code has. ``statement`` is what holds.
    """

    def evidence(level: Level, share: float) -> Evidence:
        found = tuple(m for world in worlds(level, zero_one=zero_one) for m in compare(world, share))
        return Evidence(found, len({m.instance for m in found}), sizes={"share of the budget charged": share})

    def check(level: Level, _seed: int, _data: str) -> Evidence:
        return evidence(level, 1.0)

    def control(level: Level, _seed: int, _data: str) -> Evidence:
        return evidence(level, POWER)

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
        control="seven tenths of b(h)·ln 2 + ln(1/δ) charged: lengths that break Kraft's inequality",
        control_check=control,
    )(check)
