"""ASY-RANK: how much rank one factor may have at the bound of two."""

from collections.abc import Sequence

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import claim
from theory.bounds.parameter_count import adapter_bound, rank_multiplier

Shapes = Sequence[tuple[int, int]]
BITS, SAMPLES = 4, 60_000
ROUNDING = 1e-12
NAMED: dict[str, tuple[Shapes, int, float]] = {
    "square 768": (((768, 768),) * 12, 8, 2.0),
    "up-projection 768→3072": (((3072, 768),) * 12, 8, 1.25),
    "down-projection 3072→768": (((768, 3072),) * 12, 8, 5.0),
}


def _random(seed: int, square: bool) -> Shapes:
    rng = np.random.default_rng([seed, square])
    count = int(rng.integers(1, 6))
    sides = rng.integers(20, 60, (count, 2))
    if square:
        sides[:, 1] = sides[:, 0]
    return tuple((int(m), int(p)) for m, p in sides)


def _largest_rank(shapes: Shapes, rank: int) -> int:
    """Return by trial the largest rank at which B-only has no larger bound than both factors at this rank."""
    limit = adapter_bound("lora", shapes, rank, BITS, SAMPLES) * (1 + ROUNDING)
    ranks = range(1, _most(shapes) + 1)
    return max(r for r in ranks if adapter_bound("b-only", shapes, r, BITS, SAMPLES) <= limit)


def _most(shapes: Shapes) -> int:
    """Return the largest rank of B alone: A has that many orthonormal rows, everywhere."""
    return min(d_in for _, d_in in shapes)


def _measure(name: str, shapes: Shapes, rank: int, multiplier: float) -> list[Measurement]:
    most = _most(shapes)
    predicted = min(most, int(np.floor(rank * multiplier + ROUNDING)))
    measurements = [
        Measurement("largest rank of B at the bound of both", _largest_rank(shapes, rank), predicted, "==", 0, name)
    ]
    equal = rank * multiplier
    if equal == int(equal) and equal <= most:
        ratio = adapter_bound("b-only", shapes, int(equal), BITS, SAMPLES) / adapter_bound(
            "lora", shapes, rank, BITS, SAMPLES
        )
        measurements.append(Measurement("bound of B alone over that of both", ratio, 1, "==", ROUNDING, name))
    return measurements


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Twice the rank also where the matrices are not square."""
    measurements = [m for name, (shapes, rank, _) in NAMED.items() for m in _measure(name, shapes, rank, 2.0)]
    return Evidence(tuple(measurements), len(NAMED))


@claim(
    id="ASY-RANK",
    paper="asymmetry",
    statement="At equal bound B alone affords 1 + Σd_in/Σd_out times the rank of both factors: twice for square "
    "matrices, 1.25 times for 768→3072, 5 times for 3072→768.",
    source="arXiv 2402.16842, after Lemma 4.5 and section 4.3; rectangular matrices: this project",
    kind="equality",
    assumptions=("same bits, samples and loss", "no other trained scalar, or the same count on both sides"),
    control="the multiplier 2 of square matrices used for rectangular ones",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Search the largest rank by trial on named and random sets of matrices."""
    measurements = [m for name, (shapes, rank, x) in NAMED.items() for m in _measure(name, shapes, rank, x)]
    measurements += [
        Measurement("multiplier", rank_multiplier(shapes), x, "==", ROUNDING, name)
        for name, (shapes, _, x) in NAMED.items()
    ]
    trials = by_level(level, 5, 40, 300)
    for trial in range(trials):
        shapes, rank = _random(seed + trial, square=trial % 2 == 0), 1 + trial % 5
        measurements += _measure(f"shapes {shapes}, rank {rank}", shapes, rank, rank_multiplier(shapes))
    return Evidence(tuple(measurements), len(NAMED) + trials, seeds=(seed,))
