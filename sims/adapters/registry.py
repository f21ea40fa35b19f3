"""Adapter families by name, and an adapter made from a name, a rank and its few settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sims.adapters.dense import Full, HeadOnly
from sims.adapters.initialisations import INITIALISATIONS
from sims.adapters.low_rank import LowRank
from sims.adapters.protocol import Adapter
from sims.errors import BadInput


@dataclass(frozen=True)
class AdapterSettings:
    """What an adapter is made from. ``alpha`` None is 2 r; a start None is the family's own."""

    rank: int = 0
    alpha: float | None = None
    a_start: str | None = None
    b_start: str | None = None


@dataclass(frozen=True)
class Family:
    """A named family: ``make`` builds an adapter from settings that were checked against ``ranked``."""

    name: str
    summary: str
    ranked: bool
    make: Callable[[AdapterSettings], Adapter]


def _low_rank(*, trains_a: bool, trains_b: bool, a_start: str, b_start: str) -> Callable[[AdapterSettings], Adapter]:
    def make(settings: AdapterSettings) -> Adapter:
        alpha = 2.0 * settings.rank if settings.alpha is None else settings.alpha
        return LowRank(
            rank=settings.rank,
            scale=alpha / settings.rank,
            trains_a=trains_a,
            trains_b=trains_b,
            a_start=settings.a_start or a_start,
            b_start=settings.b_start or b_start,
        )

    return make


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("full", "every entry of the adapted matrices, and the head", False, lambda _: Full()),
        Family("rank0", "the head alone", False, lambda _: HeadOnly()),
        Family(
            "lora",
            "both factors; A starts Kaiming uniform, B at zero",
            True,
            _low_rank(trains_a=True, trains_b=True, a_start="kaiming", b_start="zero"),
        ),
        Family(
            "b-only",
            "B from zero, with A frozen (orthonormal rows)",
            True,
            _low_rank(trains_a=False, trains_b=True, a_start="orthonormal", b_start="zero"),
        ),
        Family(
            "a-only",
            "A from zero, with B frozen (orthonormal columns)",
            True,
            _low_rank(trains_a=True, trains_b=False, a_start="zero", b_start="orthonormal"),
        ),
    )
}


def make_adapter(
    name: str, rank: int = 0, *, alpha: float | None = None, a_start: str | None = None, b_start: str | None = None
) -> Adapter:
    """Return the adapter of this family: scale s = alpha / rank, with alpha = 2 rank unless given.

    Raises:
        BadInput: unknown family or start, a rank below 1 for a family that has one (above 0 for one that has none),
            alpha that is not positive and finite, or starts with which nothing could be learned.
    """
    if name not in FAMILIES:
        raise BadInput(f"adapter {name!r} is unknown: expected one of {', '.join(FAMILIES)}")
    family = FAMILIES[name]
    if family.ranked and rank < 1:
        raise BadInput(f"rank {rank} is out of range for {name}: expected at least 1 (rank0 trains the head alone)")
    if not family.ranked and (rank, alpha, a_start, b_start) != (0, None, None, None):
        raise BadInput(f"{name} has no rank, alpha or starts: leave them out")
    if alpha is not None and not 0 < alpha < float("inf"):
        raise BadInput(f"alpha {alpha} is out of range: expected a positive finite number")
    for factor, start in (("A", a_start), ("B", b_start)):
        if start is not None and start not in INITIALISATIONS[factor]:
            known = ", ".join(INITIALISATIONS[factor])
            raise BadInput(f"start {start!r} of factor {factor} is unknown: expected one of {known}")
    return family.make(AdapterSettings(rank=rank, alpha=alpha, a_start=a_start, b_start=b_start))
