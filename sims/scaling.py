"""Units of a problem: features and targets rescaled by powers of four, so that no number of the data is huge or tiny.

With G' = 4^-a G and, for the squared loss, y' = 4^-b y and f0' = 4^-b f0, the minimiser is delta' = 4^(a-b) delta at
lam' = 4^-(a+b) lam, and the objective is 4^-2b of what it was. Powers of two multiply without rounding, and factors
scale by 2^(a-b), a power of two as well: a verdict found in the new units is one about the old ones, bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float

from sims.convex_problem import ConvexProblem
from sims.errors import BadInput
from sims.ntk.features import DenseFeatures, FactoredFeatures, TangentFeatures
from theory.convex_lora import OptimalityReport

Array = Any
_SMALLEST_LAMBDA = Fraction(1, 10**290)  # in the new units: products of it with anything of the data must not underflow
_LARGEST_LAMBDA = Fraction(10**290)


@dataclass(frozen=True)
class Units:
    """The exponents a (features) and b (targets) of four, and what they do to candidates and objectives."""

    features: int
    targets: int

    def lam(self, lam: Fraction) -> Fraction:
        """Return lam in the new units, exactly."""
        return lam * Fraction(4) ** -(self.features + self.targets)

    def delta(self, delta: Float[Array, "m p"]) -> Float[Array, "m p"]:
        """Return an update in the new units.

        Raises:
            BadInput: it does not fit into float64 there.
        """
        with np.errstate(over="ignore", under="ignore"):
            return _fits(np.ldexp(delta, 2 * (self.features - self.targets)), delta, "the solution beside the data")

    def factor(self, factor: Float[Array, "m r"]) -> Float[Array, "m r"]:
        """Return one factor of an update in the new units.

        Raises:
            BadInput: it does not fit into float64 there.
        """
        with np.errstate(over="ignore", under="ignore"):
            return _fits(np.ldexp(factor, self.features - self.targets), factor, "the solution beside the data")

    def factor_back(self, factor: Float[Array, "m r"]) -> Float[Array, "m r"]:
        """Return one factor in the units of the data.

        Raises:
            BadInput: it does not fit into float64 there.
        """
        with np.errstate(over="ignore", under="ignore"):
            return _fits(np.ldexp(factor, self.targets - self.features), factor, "the solution")

    def value_back(self, value: float) -> float:
        """Return a value of the objective in the units of the data.

        Raises:
            BadInput: it does not fit into float64 there.
        """
        with np.errstate(over="ignore", under="ignore"):
            return float(_fits(np.ldexp(value, 4 * self.targets), np.asarray(value), "the objective"))

    def gradient_back(self, value: float) -> float:
        """Return a gradient with respect to an update, which scales as lam does, in the units of the data."""
        with np.errstate(over="ignore", under="ignore"):
            return float(np.ldexp(value, 2 * (self.features + self.targets)))

    def report_back(self, report: OptimalityReport) -> OptimalityReport:
        """Return a certificate in the units of the data."""
        values = (report.primal, report.dual)
        primal, dual = (self.value_back(value) if np.isfinite(value) else value for value in values)
        return OptimalityReport(
            primal,
            dual,
            report.spectral_norm_ratio,
            self.value_back(report.alignment),
            self.value_back(report.rounding) if np.isfinite(report.rounding) else report.rounding,
            report.attained_zero,
        )


def _fits(scaled: Any, before: np.ndarray, what: str) -> Any:
    if not np.isfinite(scaled).all() and np.isfinite(before).all():
        raise BadInput(f"{what} does not fit into float64 (beyond 1e308): rescale the features or the targets")
    return scaled


def normalised(problem: ConvexProblem, lam: Fraction) -> tuple[ConvexProblem, Fraction, Units]:
    """Return the problem and lam in units in which the largest feature and target lie between 1 and 4, and the units.

    Raises:
        BadInput: lam is so small or so large beside the data that it does not fit into float64.
    """
    a = max((_exponent(_largest(layer)) for layer in problem.layers), key=_nonzero_first, default=None) or 0
    b = 0
    if problem.loss.name == "squared":
        largest = _exponent(max(float(np.abs(problem.y).max()), float(np.abs(problem.f0).max())))
        # where all targets are zero only lam has a size: lam and an update must not underflow together
        b = _lambda_exponent(lam) - a if largest is None else largest
    units = Units(a, b)
    scaled_lam = units.lam(lam)
    if scaled_lam > _LARGEST_LAMBDA:
        raise BadInput(
            "lambda is more than 1e290 times larger than the data: expected a smaller one (zero is the optimum already)"
        )
    if 0 < scaled_lam < _SMALLEST_LAMBDA:
        raise BadInput(
            f"lambda {float(lam):g} is more than 1e290 times smaller than the data: expected a larger one, or 0"
        )
    if a == b == 0:
        return problem, scaled_lam, units
    layers = tuple(_rescaled(layer, a) for layer in problem.layers)
    y = problem.y if b == 0 else np.ldexp(problem.y, -2 * b)
    return ConvexProblem(layers, np.ldexp(problem.f0, -2 * b), y, problem.loss), scaled_lam, units


def without_loss(problem: ConvexProblem, scaled: ConvexProblem, units: Units) -> bool:
    """Return whether the rescaled data hold exactly the numbers of the data: nothing tiny fell below float64."""

    def same(old: Array, new: Array, exponent: int) -> bool:
        return bool((np.ldexp(new, exponent) == old).all())

    b = 2 * units.targets
    if not same(problem.f0, scaled.f0, b) or (scaled.loss.name == "squared" and not same(problem.y, scaled.y, b)):
        return False
    for old, new in zip(problem.layers, scaled.layers, strict=True):
        if isinstance(old, FactoredFeatures) and isinstance(new, FactoredFeatures):
            on_activation = 2 * (_exponent(float(np.abs(old.activation).max())) or 0)
            if not same(old.activation, new.activation, on_activation):
                return False
            if not same(old.signal, new.signal, 2 * units.features - on_activation):
                return False
        elif not same(np.asarray(old.dense()), np.asarray(new.dense()), 2 * units.features):
            return False
    return True


def about_the_data(report: OptimalityReport, *, lossless: bool, lam: Fraction) -> OptimalityReport:
    """Return the certificate, without its dual where at lam = 0 rescaling has lost numbers of the data.

    At lam = 0 a feature of any size counts; at lam > 0 what is lost is below rounding.
    """
    if lossless or lam > 0:
        return report
    return replace(report, dual=0.0, attained_zero=False)


def _nonzero_first(exponent: int | None) -> tuple[bool, int]:
    return exponent is not None, exponent or 0


def _exponent(size: float | tuple[float, ...]) -> int | None:
    """Return e with size / 4^e in [1, 4); the sizes of a product may not be multiplied. None for zero."""
    parts = size if isinstance(size, tuple) else (size,)
    if any(part == 0.0 for part in parts):
        return None
    return int(sum(np.frexp(part)[1] - 1 for part in parts)) // 2


def _lambda_exponent(lam: Fraction) -> int:
    """Return e with lam / 4^e of about 1; 0 for lam = 0."""
    return (lam.numerator.bit_length() - lam.denominator.bit_length()) // 2 if lam > 0 else 0


def _largest(layer: TangentFeatures) -> float | tuple[float, ...]:
    if isinstance(layer, FactoredFeatures):
        return float(np.abs(layer.signal).max()), float(np.abs(layer.activation).max())
    return float(np.abs(np.asarray(layer.dense())).max())


def _rescaled(layer: TangentFeatures, a: int) -> TangentFeatures:
    """Return 4^-a times the features; each factor is brought to the size that the product has."""
    if isinstance(layer, FactoredFeatures):
        on_activation = (_exponent(float(np.abs(layer.activation).max())) or 0) * 2
        return FactoredFeatures(
            np.ldexp(layer.signal, on_activation - 2 * a), np.ldexp(layer.activation, -on_activation)
        )
    return DenseFeatures(np.ldexp(np.asarray(layer.dense()), -2 * a))


def factors_in(units: Units, factors: Sequence[tuple[Array, Array]]) -> list[tuple[Array, Array]]:
    """Return pairs (u, v) in the new units."""
    return [(units.factor(u), units.factor(v)) for u, v in factors]
