"""Cells of a phase diagram over rank and KN: three sets of starts on one planted instance, every end certified.

Every feature entry gets Gaussian noise (generic features), or none (exact features). Starts: around the planted point
with generic features, small random ones with generic features, around the planted point with exact features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from proofs_check.certificates import critical_point
from sims.convex_problem import ConvexProblem
from sims.landscape.search import Landscape, find_stationary_points
from sims.ntk.features import DenseFeatures
from sims.solve import solve
from theory.losses import SQUARED

FEATURE_NOISE = 0.02
PLANTED_SCALE = 0.1  # standard deviation around the planted point
RANDOM_SCALE = 0.1  # standard deviation of the small random starts
STARTS = 8  # of each kind and instance
OUTCOMES = ("spurious", "global", "unaccepted", "unclear")
SETTINGS = ("generic_planted", "generic_random", "exact_planted")

Data = tuple[np.ndarray, np.ndarray]  # features (q, 1, m, p) and targets (q, 1)


@dataclass(frozen=True)
class Plant:
    """A planted point Q (d, r), the weight decay times q of its squared problem, and its data at any KN."""

    q: Float[np.ndarray, "d r"]
    weight: float
    data: Callable[[int, np.random.Generator], Data]


@dataclass(frozen=True)
class Cell:
    """Outcomes of every start by setting, smallest excess (sum over samples) of spurious values, the optimum's rank."""

    counts: dict[str, list[str]]
    margin: float
    optimal_rank: int


def cell(plant: Plant, kn: int, *, rows: int, instances: int, seed: int) -> Cell:
    """Return what all starts end in at this KN; arrays are padded to ``rows`` measurements."""
    found: dict[str, list[str]] = {name: [] for name in SETTINGS}
    margin, largest, rank = np.inf, 0, plant.q.shape[1]
    for number in range(instances):
        rng = np.random.default_rng([seed, rank, kn, number])
        features, targets = plant.data(kn, rng)
        noisy = features + FEATURE_NOISE * rng.standard_normal(features.shape)
        near = plant.q + PLANTED_SCALE * rng.standard_normal((STARTS, *plant.q.shape))
        small = RANDOM_SCALE * rng.standard_normal((STARTS, *plant.q.shape))
        for array, starts, names in (
            (noisy, np.concatenate([near, small]), ("generic_planted", "generic_random")),
            (features, near, ("exact_planted",)),
        ):
            words, excess, optimal_rank = outcomes(array, targets, plant.weight, starts, rows)
            for position, name in enumerate(names):
                found[name] += words[position * STARTS : (position + 1) * STARTS]
            margin = min([margin, *excess])
            largest = max(largest, optimal_rank)
    return Cell(found, margin, largest)


def diagram(
    plants: Sequence[Plant], measurements: Sequence[int], *, instances: int, seed: int
) -> tuple[dict[str, Any], list[Cell]]:
    """Return what records hold of every phase diagram, and all cells: tables of counts have a row a plant."""
    counts: dict[str, dict[str, list[list[int]]]] = {name: {kind: [] for kind in OUTCOMES} for name in SETTINGS}
    every: list[Cell] = []
    for plant in plants:
        row = [cell(plant, kn, rows=max(measurements), instances=instances, seed=seed) for kn in measurements]
        for name in SETTINGS:
            for outcome in OUTCOMES:
                counts[name][outcome].append([c.counts[name].count(outcome) for c in row])
        every += row
    margin = min(c.margin for c in every)
    common = {
        "ranks": [plant.q.shape[1] for plant in plants],
        "measurements": list(measurements),
        "starts_per_cell": instances * STARTS,
        "counts": counts,
        "smallest_excess_of_spurious": None if np.isinf(margin) else margin,
        "feature_noise": FEATURE_NOISE,
        "start_scales": {"planted": PLANTED_SCALE, "random": RANDOM_SCALE},
    }
    return common, every


def outcomes(
    features: Float[np.ndarray, "q 1 m p"],
    targets: Float[np.ndarray, "q 1"],
    weight: float,
    starts: Float[np.ndarray, "b d r"],
    rows: int,
) -> tuple[list[str], list[float], int]:
    """Return the outcome of every start, the excess (of sums over samples) of spurious values, the optimum's rank.

    Squared loss with lam = ``weight`` / q. The arrays are padded to ``rows`` measurements.
    """
    n, _, m, p = features.shape
    # zero features with target 0 and the same lam n: the same objective up to a factor, but one shape for every KN
    padded, zeros = np.zeros((rows, 1, m, p)), np.zeros((rows, 1))
    padded[:n], zeros[:n] = features, targets
    landscape = Landscape(padded, np.zeros((rows, 1)), zeros, SQUARED, weight / rows)
    points = find_stationary_points(landscape, starts)
    problem = ConvexProblem((DenseFeatures(features),), np.zeros((n, 1)), targets, SQUARED)
    lam = weight / n
    optimum = solve(problem, lam)
    words, excess = [], []
    for q, accepted in zip(points.q, points.accepted):
        if not accepted:
            words.append("unaccepted")
            continue
        point = critical_point(problem, q[:m], q[m:], lam)
        if point.above_optimum:
            words.append("spurious")
            excess.append((point.objective - optimum.certificate.primal) * n)
        else:
            words.append("global" if point.kind == "global_minimum" else "unclear")
    return words, excess, sum(optimum.ranks)
