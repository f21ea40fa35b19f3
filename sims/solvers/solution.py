"""What every solver returns: a value, a word for how it ended, and numbers about the way there."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Status(StrEnum):
    """How a solver ended; ``message`` says it to a person."""

    OPTIMAL = "optimal"
    STATIONARY = "stationary"
    MAX_STEPS = "max_steps"
    STALLED = "stalled"
    RANK_LIMITED = "rank_limited"
    INACCURATE = "inaccurate"

    @property
    def message(self) -> str:
        """One sentence: what happened and what to do."""
        return _MESSAGES[self]


_MESSAGES = {
    Status.OPTIMAL: "the duality gap is below the tolerance",
    Status.STATIONARY: "a stationary point was reached",
    Status.MAX_STEPS: "the maximum number of steps was reached before the tolerance: raise max_steps",
    Status.STALLED: "no step decreases the objective further in float64: ask for a larger tolerance",
    Status.RANK_LIMITED: "the rank limit is below the rank of every minimiser that was found: raise the limit",
    Status.INACCURATE: "rounding or the number of steps did not allow the tolerance: ask for a larger one or rescale",
}


@dataclass(frozen=True)
class Solution(Generic[Value]):
    """``value`` is usable only together with ``status``: nothing unconverged comes back as if it had converged."""

    value: Value
    status: Status
    stats: dict[str, Any] = field(default_factory=dict)

    @property
    def converged(self) -> bool:
        """Whether the solver reached what it was asked for."""
        return self.status in (Status.OPTIMAL, Status.STATIONARY)
