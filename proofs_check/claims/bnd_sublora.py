"""BND-SUBLORA: a certificate of a compressed adapter whose training risk is measured on a part of the sample."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.stats import binom

from proofs_check.coverage import DELTA, POWER, any_of, judged
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import claim
from theory.bounds.compression import smoothed_range, subsampled_bound, whole_sample_bound

_NEGLIGIBLE = 1e-40  # far below any chance that is judged
_RANGE = smoothed_range(0.1, 64)  # of a vocabulary of 64


@dataclass(frozen=True)
class Subsampled:
    """2^bits adapters whose losses are fair coins times the range; the best on all n examples, judged on m draws.

    ``alphas`` smoothings, each with losses of its own. With m far above n the description decides, with n far above m
    the choice of the smoothing.
    """

    n: int
    subsample: int
    bits: int = 0
    alphas: int = 1
    delta: float = DELTA

    @property
    def name(self) -> str:
        """What reports call it."""
        sizes = f"{self.bits} bits, n = {self.n}, {self.subsample} draws of it"
        return f"{sizes}, best of {self.alphas:.3g} smoothings, δ = {self.delta:g}"

    @cached_property
    def _least(self) -> tuple[Float[np.ndarray, " values"], Float[np.ndarray, " values"]]:
        """The smallest share of losses on all n examples that has a chance worth adding, and these chances."""
        lowest = int(binom.ppf(_NEGLIGIBLE, self.n, 0.5))
        j = np.arange(lowest, self.n - lowest + 1)
        with np.errstate(divide="ignore"):  # the largest value of a single adapter is certain to be enough
            above = -np.expm1(2.0**self.bits * np.log1p(-binom.cdf(j, self.n, 0.5)))
        return j / self.n, np.diff(above, prepend=0.0)

    def failure(self, share: float) -> float:
        """Return how often the certificate fails that charges this share of both of its budgets.

        Both ln(1/δ) are shared out, each with its part of δ: a power of δ leaves these parts as they are.
        """
        (shares, law), k = self._least, np.arange(self.subsample + 1)
        measured = _RANGE * k / self.subsample
        bound = subsampled_bound(
            measured,
            self.subsample,
            self.n,
            share * self.bits,
            self.delta**share,
            _RANGE,
            # whole numbers of smoothings only
            alphas=max(1, round(self.alphas**share)),
        )
        fails = bound < 0.5 * _RANGE
        most = int(np.max(k[fails], initial=-1))  # the bound increases with the measured risk
        chance = law @ binom.cdf(most, self.subsample, shares)
        return any_of(np.array([chance]), np.array([float(self.alphas)]))


# the description decides; its ln(1/δ) does; the number of smoothings does; the other ln(1/δ) does
CASES = (
    Subsampled(150, 10**6, bits=40),
    Subsampled(120, 10**6, delta=1e-18),
    Subsampled(10**6, 200, alphas=2**40),
    Subsampled(10**6, 200, delta=1e-18),
)
BALANCED = (Subsampled(200, 200, bits=20), Subsampled(100, 50, bits=10, delta=1e-6))


def _order(world: Subsampled) -> Measurement:
    """Return how far the certificate of the whole sample lies above this one at equal risks: nowhere."""
    same = float(subsampled_bound(0.0, world.subsample, world.n, world.bits, world.delta, _RANGE))
    above = float(whole_sample_bound(0.0, world.n, world.bits, world.delta, _RANGE)) - same
    return Measurement("certificate of the whole sample minus this one, equal risks", above, 0.0, "<=", 0, world.name)


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Seven tenths of every budget charged, in worlds where one of them decides."""
    found = [m for world in CASES for m in judged(world.failure, world.delta, world.name, POWER)]
    return Evidence(tuple(found), len(found))


@claim(
    id="BND-SUBLORA",
    paper="asymmetry",
    statement="Compressed adapter of b bits, loss of range Δ, risk on m draws of the n samples, s = m/(m + n), best of "
    "K smoothings: with probability at least 1 − δ, "
    "L ≤ L̂_m + Δ·[√((b·ln 2 + ln(1/(sδ)))/(2n)) + √(ln(K/((1 − s)δ))/(2m))]; never below Occam–Hoeffding at "
    "equal risk.",
    source="Lotfi et al. 2024 (arXiv 2312.17173), Theorem 1, with the union over K in the second term; formula "
    "confirmed in public code",
    kind="upper",
    assumptions=(
        "n independent units (documents)",
        "loss of range Δ: predictions mixed with the uniform one",
        "subspace, code and grid of smoothings fixed before the sample",
        "draws of the n samples independent of the adapter",
    ),
    control="seven tenths of the bits, of ln K and of ln(1/δ) charged",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Compute the chance of failure over samples and subsamples for the adapter that does best on the whole sample."""
    balanced = by_level(level, BALANCED[:1], BALANCED, BALANCED)
    found = [m for world in CASES for m in judged(world.failure, world.delta, world.name, 1.0)]
    found += [m for world in balanced for m in judged(world.failure, world.delta, world.name, 1.0, sharp=False)]
    found += [_order(world) for world in (*CASES, *balanced)]
    return Evidence(tuple(found), len(CASES) + len(balanced), sizes={"range": _RANGE})
