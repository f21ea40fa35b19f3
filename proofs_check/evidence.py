"""Evidence for a claim: measured numbers beside predicted ones, and the one function that turns them into a verdict."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat

Verdict = Literal["holds", "fails", "inconclusive"]
Level = Literal["smoke", "quick", "full"]
Paper = Literal["ntk", "asymmetry"]  # the bodies of work that have claims
Relation = Literal["<=", ">=", "=="]
Certificate = Literal["float", "exact", "none"]

# What is stored is a float, and readers see one; runtime checks must let whole numbers and array scalars in.
if TYPE_CHECKING:
    Number = float
else:
    Number = SupportsFloat

_RELATIONS = ("<=", ">=", "==")


@dataclass(frozen=True)
class Measurement:
    """One number of one instance beside what the claim predicts for it.

    ``tolerance`` covers rounding only. ``trusted=False`` marks a number that is not certified (a run did not converge):
    it neither proves nor refutes anything. Numbers of any real type are stored as floats.
    """

    name: str
    measured: Number
    predicted: Number
    relation: Relation
    tolerance: Number = 0.0
    instance: str = ""
    trusted: bool = True

    def __post_init__(self) -> None:
        """Store floats; raise ValueError for an unknown relation or a tolerance that is negative or not finite."""
        for name in ("measured", "predicted", "tolerance"):
            object.__setattr__(self, name, float(getattr(self, name)))
        object.__setattr__(self, "trusted", bool(self.trusted))
        if self.relation not in _RELATIONS:
            raise ValueError(f"relation of {self.name!r}: {self.relation!r}, expected one of {', '.join(_RELATIONS)}")
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(f"tolerance of {self.name!r}: {self.tolerance}, expected a finite number >= 0")

    @property
    def slack(self) -> float:
        """How far the relation is from being violated, tolerance included; negative when violated, NaN when unknown."""
        if self.measured == self.predicted:  # also two equal infinities, whose difference is NaN
            return self.tolerance
        excess = self.measured - self.predicted
        if self.relation == "<=":
            return self.tolerance - excess
        if self.relation == ">=":
            return self.tolerance + excess
        return self.tolerance - abs(excess)

    @property
    def satisfied(self) -> bool:
        """Whether the relation holds up to the tolerance; False when a number is NaN."""
        return self.slack >= 0

    @property
    def known(self) -> bool:
        """Whether both numbers are numbers: NaN neither proves nor refutes."""
        return not math.isnan(self.slack)


@dataclass(frozen=True)
class Evidence:
    """Everything one check found: its measurements, on how many instances, how they are certified, sizes and seeds."""

    measurements: tuple[Measurement, ...]
    instances: int
    certificate: Certificate = "float"
    sizes: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def worst(self) -> tuple[Measurement, ...]:
        """Return, for each name in order of first appearance, the measurement with the smallest slack (NaN first)."""
        found: dict[str, Measurement] = {}
        for m in self.measurements:
            if m.name not in found or _severity(m) < _severity(found[m.name]):
                found[m.name] = m
        return tuple(found.values())

    def summary(self) -> tuple[dict[str, float], dict[str, float], float]:
        """Return measured and predicted number of the worst instance by name, and the smallest slack of all."""
        worst = self.worst()
        measured = {m.name: m.measured for m in worst}
        predicted = {m.name: m.predicted for m in worst}
        return measured, predicted, min(worst, key=_severity).slack if worst else math.nan


def _severity(m: Measurement) -> float:
    """Return the sort key that puts the worst first: unknown numbers, then violations, then the tightest."""
    return m.slack if m.known else -math.inf


def verdict_of(evidence: Evidence) -> Verdict:
    """Return the verdict, the same way for every claim and every negative control.

    A certified violation refutes. Otherwise nothing measured, a number that is not certified, or NaN leaves the
    question open. Only certified numbers that all satisfy their relation prove.
    """
    if any(m.trusted and m.known and not m.satisfied for m in evidence.measurements):
        return "fails"
    if not evidence.measurements or not all(m.trusted and m.known for m in evidence.measurements):
        return "inconclusive"
    return "holds"
