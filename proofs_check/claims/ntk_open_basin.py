"""NTK-OPEN-BASIN: the share of random starts that end in spurious minima, over rank and scale of the start."""

from itertools import pairwise

import numpy as np
from scipy.stats import binom

from proofs_check.certificates import ABOVE_OPTIMUM
from proofs_check.coverage import FALSE_ALARM
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level, planted
from proofs_check.registry import claim
from proofs_check.trained_runs import Ends, counted, ends_at, kinds_at
from sims.landscape.first_order import train
from sims.landscape.search import gaussian_starts

_SCALES = (1.0, 0.3, 0.1, 0.03, 0.01)
_STEP, _STEPS = 0.03, 3_000
_RATIO = "trapped from the smallest scale, over trapped from scale 1"


def _cases(level: Level, seed: int) -> list[tuple[Instance, int, int]]:
    ranks, instances = by_level(level, ((1, 2), 1), ((1, 2, 3), 1), ((1, 2, 3, 4), 6))
    return [
        (planted("A'", r, r + 2, r + 2, noise=0.02, seed=seed + s), r, seed + s)
        for r in ranks
        for s in range(instances)
    ]


def _starts(instance: Instance, rank: int, scale: float, level: Level, seed: int) -> np.ndarray:
    count = by_level(level, 256, 256, 512)
    return gaussian_starts(instance.landscape, rank, count, scale=scale, seed=seed)


def _ratio(ends: list[Ends], instance: Instance) -> Measurement:
    """Return the share trapped at the smallest scale over that at the largest: at most a half."""
    ratio = ends[-1].trapped / ends[0].trapped if ends[0].spurious else float("nan")
    return Measurement(_RATIO, ratio, 0.5, "<=", 0.0, instance.name, trusted=not any(e.undecided for e in ends))


def _rise(large: list[str], small: list[str], where: str) -> Measurement:
    """Return how much larger the share trapped from the smaller scale is; the starts are the same up to the scale.

    If trapping does not depend on the scale, of the starts whose ends differ each half is trapped from either scale.
    """
    pairs = [(a in ABOVE_OPTIMUM, b in ABOVE_OPTIMUM) for a, b in zip(large, small, strict=True)]
    freed, caught = pairs.count((True, False)), pairs.count((False, True))
    differ = freed + caught
    by_chance = (2.0 * binom.isf(FALSE_ALARM, differ, 0.5) - differ) / len(pairs) if differ else 0.0
    return Measurement(
        "increase of the share from one scale to the next smaller",
        (caught - freed) / len(pairs),
        0.0,
        "<=",
        by_chance,
        where,
        trusted="inconclusive" not in {*large, *small},
    )


def _words(instance: Instance, ends: list[Ends]) -> str:
    found = ", ".join(f"{scale:g}: {e.spurious}/{e.runs}" for scale, e in zip(_SCALES, ends, strict=True))
    return f"{instance.name}: trapped by scale {found}"


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Newton steps instead of gradient descent: small starts are trapped as often as large ones."""
    measurements, notes = [], []
    for instance, rank, s in _cases(level, seed):
        ends = [ends_at(instance, _starts(instance, rank, scale, level, s)) for scale in (_SCALES[0], _SCALES[-1])]
        measurements.append(_ratio(ends, instance))
        notes.append(f"{instance.name}: trapped {[e.spurious for e in ends]} at scales {[_SCALES[0], _SCALES[-1]]}")
    return Evidence(tuple(measurements), len(measurements), seeds=(seed,), notes=tuple(notes))


@claim(
    id="NTK-OPEN-BASIN",
    paper="ntk",
    statement="Family A' with noise on the features, r(r+3)/2 = KN, gradient descent from Gaussian starts of scale s: "
    "the share of runs that end in a spurious minimum falls with s, at s = 0.01 to less than half of that at s = 1 for "
    "every rank tried (r = 1 too), mostly to none.",
    source="this project (volume of the spurious basins)",
    kind="empirical",
    assumptions=("family A', feature noise 0.02", "squared loss", "gradient descent, small step"),
    control="Newton's method instead of gradient descent: its basins do not shrink with the scale",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count trapped runs for every scale; compare consecutive scales, the same directions in both."""
    measurements, notes = [], []
    for instance, rank, s in _cases(level, seed):
        starts = [_starts(instance, rank, scale, level, s) for scale in _SCALES]
        last = [train(instance.landscape, q, rule="gradient", step=_STEP, steps=_STEPS).q for q in starts]
        kinds = [kinds_at(instance, q) for q in last]
        ends = [counted(words) for words in kinds]
        sure = not any(e.undecided for e in ends)
        measurements.append(
            Measurement("runs trapped from scale 1", ends[0].spurious, 1, ">=", 0, instance.name, trusted=sure)
        )
        measurements.append(_ratio(ends, instance))
        measurements += [_rise(large, small, instance.name) for large, small in pairwise(kinds)]
        notes.append(_words(instance, ends))
    notes.append(
        "From a small start the fastest growing direction is the top singular vector of the gradient at 0, which in "
        "this family is the optimum's: nothing is claimed where it is not"
    )
    return Evidence(tuple(measurements), len(_cases(level, seed)), seeds=(seed,), notes=tuple(notes))
