"""Where first-order runs end: the last iterates are polished to second-order points and certified from the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from proofs_check.certificates import ABOVE_OPTIMUM, critical_point
from proofs_check.evidence import Measurement, Relation
from proofs_check.instances import Instance
from sims.landscape.first_order import train
from sims.landscape.search import find_stationary_points


@dataclass(frozen=True)
class Ends:
    """Numbers of runs whose end is certified global, certified spurious, or not certified."""

    found_global: int
    spurious: int
    undecided: int

    @property
    def runs(self) -> int:
        """Number of runs."""
        return self.found_global + self.spurious + self.undecided

    @property
    def trapped(self) -> float:
        """Share of runs with a certified spurious end."""
        return self.spurious / self.runs

    @property
    def escaped(self) -> float:
        """Share of runs with a certified global end."""
        return self.found_global / self.runs

    def share(self, name: str, measured: float, relation: Relation, predicted: float, where: str) -> Measurement:
        """Return a share beside its prediction; untrusted when a run is not certified."""
        return Measurement(name, measured, predicted, relation, 0.0, where, trusted=self.undecided == 0)


def total(parts: Sequence[Ends]) -> Ends:
    """Return the ends of all these runs together."""
    return Ends(
        found_global=sum(part.found_global for part in parts),
        spurious=sum(part.spurious for part in parts),
        undecided=sum(part.undecided for part in parts),
    )


def kinds_at(instance: Instance, points: Float[np.ndarray, "b d r"], **search: Any) -> list[str]:
    """Return of every start what the second-order point is that damped Newton steps reach, "inconclusive" if none.

    ``search`` are options of these steps.
    """
    m, problem = instance.landscape.d_out, instance.problem
    found = find_stationary_points(instance.landscape, points, **search)
    return [
        critical_point(problem, q[:m], q[m:], instance.lam).kind if accepted else "inconclusive"
        for q, accepted in zip(found.q, found.accepted, strict=True)
    ]


def counted(words: Sequence[str]) -> Ends:
    """Return how many of the runs that ended at points of these kinds ended where."""
    good, bad = words.count("global_minimum"), sum(word in ABOVE_OPTIMUM for word in words)
    return Ends(good, bad, len(words) - good - bad)


def ends_at(instance: Instance, points: Float[np.ndarray, "b d r"], **search: Any) -> Ends:
    """Return how many second-order points are what that damped Newton steps reach; options as in `kinds_at`."""
    return counted(kinds_at(instance, points, **search))


def ends_of_training(instance: Instance, starts: Float[np.ndarray, "b d r"], **training: Any) -> Ends:
    """Return where runs of `sims.landscape.first_order.train` with these settings end."""
    return ends_at(instance, train(instance.landscape, starts, **training).q)
