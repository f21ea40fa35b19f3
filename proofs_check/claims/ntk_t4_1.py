"""NTK-T4.1: with a random perturbation P and r(r+1)/2 > KN every second-order stationary point is global."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import (
    Instance,
    by_level,
    gaussian,
    network,
    planted,
    planted_flat,
    random_perturbation,
    without_decay,
)
from proofs_check.registry import claim
from proofs_check.second_order_search import Survey, all_global, evidence_of, survey, tally
from theory.losses import CROSS_ENTROPY, SQUARED
from theory.rank_thresholds import perturbed_rank


def perturbed_surveys(level: Level, seed: int, data: str, norms: tuple[float, ...]) -> list[tuple[Survey, np.ndarray]]:
    """Return surveys above the threshold with their perturbations: the counterexamples without P, random, real.

    ``norms`` are in units of the weight decay, of a tenth of lambda_max where that is 0.
    """
    starts = by_level(level, 16, 32, 64)
    instances: list[tuple[Instance, int]] = [(planted("B", 3, 5, 6), 3), (planted_flat(3, 4, 5), 3)]
    for trial in range(by_level(level, 1, 2, 6)):
        s = seed + trial
        # n = 3 x 3 = 9 measurements (6 for cross-entropy): the threshold is rank 4, below min(m, p)
        instances += [
            (network(data, s, samples=3, classes=3, m=6, p=7, loss=loss), 4) for loss in (SQUARED, CROSS_ENTROPY)
        ]
        if level != "smoke":
            instances += [(planted("B", r, r + 2, r + 3), r) for r in (4, 5)]
            instances += [(gaussian(s, 5, 1, 5, 6), perturbed_rank(5)), (gaussian(s, 3, 3, 6, 7, ratio=0.02), 4)]
            instances += [(without_decay(gaussian(s, 5, 1, 5, 6)), perturbed_rank(5))]
    found = []
    for index, (instance, rank) in enumerate(instances):
        unit = instance.lam if instance.lam > 0 else 0.1 * instance.problem.lambda_max()
        for norm in norms:
            p = random_perturbation(instance.landscape.size, norm * unit, seed + index)
            found.append((survey(instance, rank, starts=starts, seed=seed + index, perturbation=p), p))
    return found


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Ranks below the threshold: P of any size leaves the strict spurious minima of family A'."""
    surveys = []
    for rank in by_level(level, (2,), (1, 2, 3), (1, 2, 3, 4)):
        instance = planted("A'", rank, rank + 2, rank + 3)
        p = random_perturbation(instance.landscape.size, 0.03 * instance.lam, seed)
        surveys.append(survey(instance, rank, starts=16, seed=seed, perturbation=p))
    return evidence_of(surveys)


@claim(
    id="NTK-T4.1",
    paper="ntk",
    statement="λ > 0, or λ = 0 and L̂ has a minimiser; r(r+1)/2 > KN: for almost every P ⪰ 0 every second-order "
    "stationary point of L̂(uvᵀ) + λ/2(‖u‖²+‖v‖²) + ⟨P, QQᵀ⟩, Q = [u; v], is a global minimiser.",
    source="arXiv 2402.11867, Theorem 4.1 (two digests agree on the inequality; 'almost every P' is not verified)",
    kind="equality",
    assumptions=(
        "linearised model",
        "convex C² loss",
        "L̂_λ has a minimiser (automatic for λ > 0)",
        "P drawn from an absolutely continuous law",
        "r(r+1)/2 > KN",
    ),
    control="ranks with r(r+3)/2 ≤ KN (family A'), the same kind of P: spurious points are found",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Certify S ⪰ 0 and rank Q < r at every point reached, on the counterexamples at P = 0 and on real data."""
    found = perturbed_surveys(level, seed, data, by_level(level, (0.1,), (0.1, 0.01), (0.3, 0.1, 0.03, 0.01)))
    measurements = [m for s, _ in found for m in all_global(s)]
    for s, _ in found:
        top = max((point.rank for point in s.points), default=s.rank)
        measurements.append(Measurement("rank of Q at a second-order point", top, s.rank - 1, "<=", 0, s.name()))
    surveys = [s for s, _ in found]
    return Evidence(tuple(measurements), len(surveys), seeds=(seed,), notes=tally(surveys))
