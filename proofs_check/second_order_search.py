"""Search an instance for second-order stationary points and certify each one from the data alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from proofs_check.certificates import CriticalPoint, critical_point
from proofs_check.evidence import Evidence, Measurement
from proofs_check.instances import Instance
from sims.landscape.landscape import Landscape
from sims.landscape.search import find_stationary_points, gaussian_starts

_FLOOR = 1e-16  # relative gradient below which only rounding is left
_POLISH = 60  # more steps for what did not certify as global: Newton needs a handful, degenerate points a few dozen


@dataclass(frozen=True)
class Survey:
    """Certified points of one instance at one rank; ``rejected`` runs did not reach a second-order point."""

    instance: Instance
    rank: int
    points: tuple[CriticalPoint, ...]
    factors: tuple[np.ndarray, ...]
    rejected: int

    @property
    def not_global(self) -> int:
        """Number of certified second-order points where S is clearly indefinite."""
        return sum(point.above_optimum for point in self.points)

    @property
    def undecided(self) -> int:
        """Number of second-order points where the sign of S is a matter of rounding, even at the gradient's floor."""
        return sum(point.kind == "inconclusive" for point in self.points)

    @property
    def lowest_s(self) -> float:
        """Smallest eigenvalue of S over all points, relative to ||S||."""
        return min((point.lowest_s / point.s_scale for point in self.points), default=float("nan"))

    def name(self) -> str:
        """Instance and rank in words."""
        return f"{self.instance.name}, r = {self.rank}"


def survey(
    instance: Instance,
    rank: int,
    *,
    starts: int,
    seed: int,
    scales: Sequence[float] = (0.03, 0.3, 1.0),
    planted_noise: float = 0.1,
    perturbation: np.ndarray | None = None,
) -> Survey:
    """Return the certified second-order points that ``starts`` runs reach.

    Half of the runs start at the planted point plus noise where the instance has one of this rank, the others at
    Gaussian points of the given scales in turn.
    """
    landscape = replace(instance.landscape, perturbation=perturbation)
    g = np.random.default_rng(seed)
    near = starts // 2 if instance.planted is not None and instance.planted.shape[1] == rank else 0
    parts = [
        gaussian_starts(landscape, rank, len(range(i, starts - near, len(scales))), scale=scale, seed=seed + i)
        for i, scale in enumerate(scales)
    ]
    if near and instance.planted is not None:
        noise = planted_noise * g.standard_normal((near, *instance.planted.shape))
        parts.append(instance.planted[None] + noise)
    found = find_stationary_points(landscape, np.concatenate(parts))
    points, factors = [], []
    rejected = 0
    judged = [_judged(instance, landscape, q) if accepted else None for q, accepted in zip(found.q, found.accepted)]
    for q, point in _polished(instance, landscape, found.q, judged):
        if point is None or not point.second_order:
            rejected += 1
            continue
        points.append(point)
        factors.append(q)
    return Survey(instance, rank, tuple(points), tuple(factors), rejected)


def _judged(instance: Instance, landscape: Landscape, q: np.ndarray) -> CriticalPoint:
    m = landscape.d_out
    return critical_point(instance.problem, q[:m], q[m:], landscape.lam, landscape.perturbation)


def _polished(
    instance: Instance, landscape: Landscape, q: np.ndarray, judged: Sequence[CriticalPoint | None]
) -> list[tuple[np.ndarray, CriticalPoint | None]]:
    """Return factors and facts, those that did not certify as global taken on to the floor of their gradient first.

    Near a degenerate minimum (long factors at lam = 0) a gradient of 1e-12 still leaves S undecided.
    """
    pairs = list(zip(q, judged, strict=True))
    suspects = [i for i, (_, point) in enumerate(pairs) if point is not None and not point.is_global]
    if not suspects:
        return pairs
    found = find_stationary_points(landscape, q[suspects], gradient_tolerance=_FLOOR, max_steps=_POLISH)
    for i, further in zip(suspects, found.q, strict=True):
        point = _judged(instance, landscape, further)
        if point.second_order:
            pairs[i] = further, point
    return pairs


def survey_each(cases: Sequence[tuple[Instance, int]], *, starts: int, seed: int) -> list[Survey]:
    """Return the survey of every instance at its rank, each with a seed of its own."""
    return [survey(instance, rank, starts=starts, seed=seed + i) for i, (instance, rank) in enumerate(cases)]


def all_global(found: Survey) -> list[Measurement]:
    """Return the measurements of 'every second-order stationary point is a global minimiser' on one survey."""
    runs = len(found.points) + found.rejected
    enough = runs > 0 and len(found.points) >= runs / 2
    return [
        Measurement(
            "second-order points that are not global", found.not_global, 0, "<=", instance=found.name(), trusted=enough
        ),
        Measurement(
            "smallest eigenvalue of S over its norm",
            found.lowest_s,
            0.0,
            ">=",
            1e-8,
            found.name(),
            trusted=enough and not found.undecided,
        ),
    ]


def tally(surveys: Sequence[Survey]) -> tuple[str, ...]:
    """Return one note on how many runs were certified and how many rejected."""
    points = sum(len(s.points) for s in surveys)
    rejected = sum(s.rejected for s in surveys)
    return (f"{points} certified second-order points on {len(surveys)} instances; {rejected} runs rejected",)


def evidence_of(surveys: Sequence[Survey], seeds: tuple[int, ...] = ()) -> Evidence:
    """Return the evidence of 'every second-order stationary point is a global minimiser' on these surveys."""
    measurements = tuple(m for s in surveys for m in all_global(s))
    return Evidence(measurements, len(surveys), seeds=seeds, notes=tally(surveys))
