"""Where spurious local minima exist: rank r against KN measurements, with weight decay and squared loss.

Instances are family A' (global minimiser of rank 1, planted second-order point of rank r, KN = r(r+3)/2), brought to
any KN: its last rows deleted, or features added that vanish on the planted spans, with target 0. Noise and starts are
those of `proofs_check.experiments._cells`. The planted weight is 1, so the excess is in units of lam n.

Each start is followed to a second-order stationary point; what it is says proofs_check.certificates. Runs that are not
accepted, or whose certificate is not clear, are counted apart and never as global.

Sizes: ``smoke`` ranks 1-2 and KN 1-6, one instance; ``quick`` ranks 1-4, KN 1-16, 3 instances of
8 + 8 starts a cell; ``full`` ranks 1-5, KN 1-22, 6 instances. Matrices are (r+2) x (r+2), and the arrays of one rank
have one shape (padded with zero features), so that each rank is compiled once.
Theory: Theorem W (spurious only if r(r+3)/2 <= KN) and its sharpness; arXiv 2402.11867, Theorems 3.1 and 4.1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from proofs_check.experiments._cells import Data, Plant, diagram
from proofs_check.experiments._levels import sizes_at
from theory.planted_families import PlantedInstance, planted_instance
from theory.rank_thresholds import generic_rank, pataki_rank, perturbed_rank


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
    columns = sizes.measurements
    common, cells = diagram([_plant(r) for r in sizes.ranks], columns, instances=sizes.instances, seed=seed)
    return {
        "version": VERSION,
        **common,
        "pataki_rank": [pataki_rank(kn) for kn in columns],
        "sharp_rank": [generic_rank(kn) for kn in columns],
        "paper_rank": [perturbed_rank(kn) for kn in columns],
        "largest_rank_of_convex_optimum": max(c.optimal_rank for c in cells),
    }


def _plant(rank: int) -> Plant:
    planted = planted_instance("A'", rank, rank + 2, rank + 2)

    def data(measurements: int, rng: np.random.Generator) -> Data:
        return resized(planted, measurements, rng)

    return Plant(np.concatenate([planted.u, planted.v]), planted.weight, data)


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
