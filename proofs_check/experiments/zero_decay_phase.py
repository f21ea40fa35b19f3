"""Where spurious local minima exist without weight decay: rank r against KN measurements, squared loss, lam = 0.

Instances are family C (planted second-order point of rank r, KN = r max(m, n) + 1, convex optimum 0), brought to any
KN: the measurements that pin the planted block are deleted first, down to those of family C0, then the others; or
features are added that vanish on the planted spans, with target 0. Noise and starts are those of `landscape_phase`.

All ranks have the same m x m matrices, so that r max(m, n) is a straight line. Beyond r(m+n) - r^2 = KN rank r cannot
interpolate generic targets: a spurious point there may be best within its rank. Where a run is 'spurious', its loss is
certified above the convex optimum.

Sizes: ``smoke`` 3 x 3, ranks 1-2, KN 1-8, one instance; ``quick`` 5 x 5, ranks 1-4, KN 1-24, 3 instances of 8 + 8
starts a cell; ``full`` 6 x 6, ranks 1-5, KN 1-35, 6 instances.
Theory: Theorem Z (none for KN <= r max(m, n)) and its sharpness; arXiv 2605.03724 asks for r(m+n) - r^2 > 1.35 KN.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from proofs_check.experiments._cells import Data, Plant, diagram
from proofs_check.experiments._levels import sizes_at
from theory.capacity import TYPICAL_CONSTANT, manifold_dimension
from theory.planted_zero_decay import ZeroDecayInstance, zero_decay_instance


@dataclass(frozen=True)
class Sizes:
    """Side of the matrices, ranks, values of KN, and instances a cell."""

    side: int
    ranks: tuple[int, ...]
    measurements: tuple[int, ...]
    instances: int


VERSION = 1  # of the layout of the result, which the figure checks
SIZES = {
    "smoke": Sizes(3, (1, 2), tuple(range(1, 9)), 1),
    "quick": Sizes(5, (1, 2, 3, 4), tuple(range(1, 25)), 3),
    "full": Sizes(6, (1, 2, 3, 4, 5), tuple(range(1, 36)), 6),
}


def zero_decay_phase(level: str, seed: int, data: str) -> dict[str, Any]:  # noqa: ARG001
    """Return counts of outcomes for every setting, rank and KN, and the KN of the thresholds for every rank."""
    sizes = sizes_at(level, SIZES)
    side, ranks = sizes.side, sizes.ranks
    plants = [_plant(rank, side) for rank in ranks]
    common, _ = diagram(plants, sizes.measurements, instances=sizes.instances, seed=seed)
    return {
        "version": VERSION,
        **common,
        "side": side,
        # the largest KN that the condition lets pass
        "generic_count": [rank * side for rank in ranks],
        "capacity_count": [manifold_dimension(rank, side, side) / TYPICAL_CONSTANT for rank in ranks],
        "capacity_constant": TYPICAL_CONSTANT,
        "interpolation_count": [manifold_dimension(rank, side, side) for rank in ranks],
    }


def _plant(rank: int, side: int) -> Plant:
    planted = zero_decay_instance("C", rank, side, side)

    def data(measurements: int, rng: np.random.Generator) -> Data:
        return resized_without_decay(planted, measurements, rng)

    return Plant(np.concatenate([planted.u, planted.v]), 0.0, data)


def resized_without_decay(
    planted: ZeroDecayInstance, measurements: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "q 1 m p"], Float[np.ndarray, "q 1"]]:
    """Return features and targets of family C with this number of measurements.

    Those of family C0 come first, which suffice for a flat spurious minimum with exact features. New features are
    Gaussian off the planted block (first r rows and columns), with target 0: the planted point predicts them exactly.
    """
    _, _, m, p = planted.gradients.shape
    rank = planted.u.shape[1]
    pinned = rank * (rank + p - m)  # measurements of the planted block, which family C has and C0 has not
    order = np.roll(np.arange(planted.n), -pinned)[:measurements]
    added = max(0, measurements - planted.n)
    new = rng.standard_normal((added, 1, m, p))
    new[:, :, :rank, :rank] = 0.0
    features = np.concatenate([planted.gradients[order], new])
    return features, np.concatenate([planted.targets[order], np.zeros((added, 1))])
