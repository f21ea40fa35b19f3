"""Where spurious local minima exist: rank r against KN measurements, with weight decay and squared loss.

Instances are family A' (global minimiser of rank 1, planted second-order point of rank r, KN = r(r+3)/2), brought to
any KN: its last rows deleted, or features added that vanish on the planted spans, with target 0. Every feature entry
then gets Gaussian noise (generic features), or none (exact features). Three sets of starts: around the planted
point with generic features, small random ones with generic features, around the planted point with exact features.

Each start is followed to a second-order stationary point; what it is says proofs_check.certificates. Runs that are not
accepted, or whose certificate is not clear, are counted apart and never as global.

Sizes: ``smoke`` ranks 1-2 and KN 1-6, one instance; ``quick`` ranks 1-4, KN 1-16, 3 instances of
8 + 8 starts a cell; ``full`` ranks 1-5, KN 1-22, 6 instances. Matrices are (r+2) x (r+2), and the arrays of one rank
have one shape (padded with zero features), so that each rank is compiled once.
Theory: Theorem W (spurious only if r(r+3)/2 <= KN) and its sharpness; arXiv 2402.11867, Theorems 3.1 and 4.1.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from proofs_check.certificates import critical_point
from proofs_check.experiments._levels import sizes_at
from sims.convex_problem import ConvexProblem
from sims.landscape.search import Landscape, find_stationary_points
from sims.ntk.features import DenseFeatures
from sims.solve import solve
from theory.losses import SQUARED
from theory.planted_families import PlantedInstance, planted_instance
from theory.rank_thresholds import generic_rank, pataki_rank, perturbed_rank

FEATURE_NOISE = 0.02
PLANTED_SCALE = 0.1  # standard deviation around the planted point
RANDOM_SCALE = 0.1  # standard deviation of the small random starts
STARTS = 8  # of each kind and instance
OUTCOMES = ("spurious", "global", "unaccepted", "unclear")
SETTINGS = ("generic_planted", "generic_random", "exact_planted")


@dataclass(frozen=True)
class Sizes:
    """Ranks, values of KN, and instances a cell."""

    ranks: tuple[int, ...]
    measurements: tuple[int, ...]
    instances: int


VERSION = 1  # of the layout of the result, which the figure checks
SIZES = {
    "smoke": Sizes((1, 2), (1, 2, 3, 4, 5, 6), 1),
    "quick": Sizes((1, 2, 3, 4), tuple(range(1, 17)), 3),
    "full": Sizes((1, 2, 3, 4, 5), tuple(range(1, 23)), 6),
}


def landscape_phase(level: str, seed: int, data: str) -> dict[str, Any]:  # noqa: ARG001
    """Return counts of outcomes for every setting, rank and KN, and the three thresholds at every KN."""
    sizes = sizes_at(level, SIZES)
    counts: dict[str, dict[str, list[list[int]]]] = {name: {kind: [] for kind in OUTCOMES} for name in SETTINGS}
    margin, largest = np.inf, 0
    for rank in sizes.ranks:
        cells = [_cell(rank, kn, max(sizes.measurements), sizes.instances, seed) for kn in sizes.measurements]
        for name in SETTINGS:
            for outcome in OUTCOMES:
                counts[name][outcome].append([cell.counts[name].count(outcome) for cell in cells])
        margin = min([margin, *(cell.margin for cell in cells)])
        largest = max([largest, *(cell.optimal_rank for cell in cells)])
    columns = sizes.measurements
    return {
        "version": VERSION,
        "ranks": list(sizes.ranks),
        "measurements": list(columns),
        "starts_per_cell": sizes.instances * STARTS,
        "counts": counts,
        "pataki_rank": [pataki_rank(kn) for kn in columns],
        "sharp_rank": [generic_rank(kn) for kn in columns],
        "paper_rank": [perturbed_rank(kn) for kn in columns],
        "smallest_excess_of_spurious": None if np.isinf(margin) else margin,
        "largest_rank_of_convex_optimum": largest,
        "feature_noise": FEATURE_NOISE,
        "start_scales": {"planted": PLANTED_SCALE, "random": RANDOM_SCALE},
    }


@dataclass(frozen=True)
class _Cell:
    """Outcomes of every start by setting, smallest excess of a spurious value, largest rank of a convex optimum."""

    counts: dict[str, list[str]]
    margin: float
    optimal_rank: int


def _cell(rank: int, kn: int, rows: int, instances: int, seed: int) -> _Cell:
    planted = planted_instance("A'", rank, rank + 2, rank + 2)
    found: dict[str, list[str]] = {name: [] for name in SETTINGS}
    margin, largest = np.inf, 0
    for number in range(instances):
        rng = np.random.default_rng([seed, rank, kn, number])
        features, targets = resized(planted, kn, rng)
        noisy = features + FEATURE_NOISE * rng.standard_normal(features.shape)
        q = np.concatenate([planted.u, planted.v])
        near = q + PLANTED_SCALE * rng.standard_normal((STARTS, *q.shape))
        small = RANDOM_SCALE * rng.standard_normal((STARTS, *q.shape))
        for array, starts, names in (
            (noisy, np.concatenate([near, small]), ("generic_planted", "generic_random")),
            (features, near, ("exact_planted",)),
        ):
            outcomes, excess, optimal_rank = _outcomes(array, targets, planted.weight, starts, rows)
            for position, name in enumerate(names):
                found[name] += outcomes[position * STARTS : (position + 1) * STARTS]
            margin = min([margin, *excess])
            largest = max(largest, optimal_rank)
    return _Cell(found, margin, largest)


def resized(
    planted: PlantedInstance, measurements: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "q 1 m p"], Float[np.ndarray, "q 1"]]:
    """Return features and targets with this number of measurements: rows deleted from the end, or new ones added.

    The new features are Gaussian on the last row and the last column, which no planted vector touches, with target 0:
    the planted point keeps its zero gradient, and the convex optimum its certificate. The first rows are those of
    family B, so that r + 1 of them suffice for the planted point to be second-order with exact features.
    """
    _, _, m, p = planted.gradients.shape
    added = max(0, measurements - planted.n)
    new = np.zeros((added, 1, m, p))
    new[:, :, -1, :] = rng.standard_normal((added, 1, p))
    new[:, :, :-1, -1] = rng.standard_normal((added, 1, m - 1))
    features = np.concatenate([planted.gradients[:measurements], new])
    return features, np.concatenate([planted.targets[:measurements], np.zeros((added, 1))])


def _outcomes(
    features: Float[np.ndarray, "q 1 m p"],
    targets: Float[np.ndarray, "q 1"],
    weight: float,
    starts: Float[np.ndarray, "b d r"],
    rows: int,
) -> tuple[list[str], Iterable[float], int]:
    """Return the outcome of every start, the excess (in units of the weight) of spurious values, the optimum's rank."""
    n, _, m, p = features.shape
    # zero features with target 0 and the same lam n: the same objective up to a factor, but one shape for every KN
    padded, zeros = np.zeros((rows, 1, m, p)), np.zeros((rows, 1))
    padded[:n], zeros[:n] = features, targets
    landscape = Landscape(padded, np.zeros((rows, 1)), zeros, SQUARED, weight / rows)
    points = find_stationary_points(landscape, starts)
    problem = ConvexProblem((DenseFeatures(features),), np.zeros((n, 1)), targets, SQUARED)
    lam = weight / n
    optimum = solve(problem, lam)
    outcomes, excess = [], []
    for q, accepted in zip(points.q, points.accepted):
        if not accepted:
            outcomes.append("unaccepted")
            continue
        point = critical_point(problem, q[:m], q[m:], lam)
        if point.kind in ("spurious_local_minimum", "spurious_second_order_point"):
            outcomes.append("spurious")
            excess.append((point.objective - optimum.certificate.primal) / lam)
        else:
            outcomes.append("global" if point.kind == "global_minimum" else "unclear")
    return outcomes, excess, sum(optimum.ranks)
