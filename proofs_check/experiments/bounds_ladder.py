"""Generalisation gaps of adapters of a head, beside the bounds that retraining on supersamples gives.

A head of K outputs on 512 frozen random ReLU features, one-hot targets, ridge 1, closed form. Adapters: the full head,
BA ('lora', the best head of rank r), B alone (A frozen with orthonormal rows) and A alone (B frozen with orthonormal
columns). For every number of samples n: k1 supersamples, each with its own features and frozen factors; k2 trainings on
balanced masks; errors of the 0-1 loss on all 2n inputs after each training.

In each cell: training error, error on the examples left out, their difference, and bounds of it. Disintegrated: f-CMI
(pairs of predictions), e-CMI (pairs of losses), ld-CMI (differences), each with its null, the value that the estimate
has when the masks tell nothing. Pooled over rows: square root (`ld_mi`) and binary kl of the same information. The last
one, `parameter_count`, is the bound of a quantised adapter of one bit a parameter: a comparison of scale only, as these
adapters are not quantised.

``gaps`` holds the difference of every supersample. It spreads most for A alone at low rank, which sees only r drawn
directions of the outputs: at n = 500, r = 4 on Fashion-MNIST, nine frozen B of ten have gaps from 0.20 to 0.46, mean
0.33 (2000 of them), so that five supersamples leave a standard error of 0.04.

Sizes (n: k1, k2): ``smoke`` 50: 1, 16; ``quick`` 100: 2, 100 and 500: 1, 50; ``full`` 100: 5, 200; 500: 5, 200 and
2000: 5, 100. Numbers of samples that the data set is too small for are left out.
Theory: theory.bounds.conditional; protocol: sims.supersample.protocol.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from proofs_check.experiments._levels import sizes_at
from sims import data as data_sets
from sims.errors import CannotServe
from sims.supersample.protocol import Supersample, draw_supersample, run_protocol
from sims.supersample.relu_features import relu_features
from sims.supersample.ridge_heads import Adapter, RidgeHeads
from theory.bounds.conditional import CAP
from theory.bounds.discrete_information import binary_null_floor
from theory.bounds.parameter_count import mutual_information_bound

VERSION = 1  # of the layout of the result, which the figure checks
WIDTH, RIDGE, BITS = 512, 1.0, 1


@dataclass(frozen=True)
class Sizes:
    """Rows (n, k1, k2), features, and ranks of B-only, and of A-only and BA."""

    rows: tuple[tuple[int, int, int], ...]
    width: int
    b_ranks: tuple[int, ...]
    ranks: tuple[int, ...]


SIZES = {
    "smoke": Sizes(((50, 1, 16),), 64, (2, 8), (2,)),
    "quick": Sizes(((100, 2, 100), (500, 1, 50)), WIDTH, (2, 8, 32, 128), (2, 4, 8)),
    "full": Sizes(((100, 5, 200), (500, 5, 200), (2000, 5, 100)), WIDTH, (2, 8, 32, 128), (2, 4, 8)),
}


def bounds_ladder(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return, for every number of samples, the cells of all adapters; raises BadInput for data without classes."""
    sizes = sizes_at(level, SIZES)
    loaded = data_sets.load(data, seed=seed)
    if loaded.classes < 2:
        raise CannotServe(f"{data} has no classes: the 0-1 loss needs at least two, use 'digits'")
    pool, labels = loaded.x_train, loaded.y_train.astype(np.int64)
    adapters = (
        Adapter("full"),
        *(Adapter("lora", rank) for rank in sizes.ranks if rank < loaded.classes),
        *(Adapter("b-only", rank) for rank in sizes.b_ranks if rank <= sizes.width),
        *(Adapter("a-only", rank) for rank in sizes.ranks if rank < loaded.classes),
    )
    rows = [row for row in sizes.rows if 2 * row[0] <= len(pool)]
    if not rows:
        raise CannotServe(f"{data} has {len(pool)} training examples: expected at least {2 * sizes.rows[0][0]}")
    return {
        "version": VERSION,
        "data": data,
        "width": sizes.width,
        "ridge": RIDGE,
        "bits": BITS,
        "cap": CAP,
        "rows": [_row(row, pool, labels, adapters, loaded.classes, sizes.width, seed) for row in rows],
        "left_out": [row[0] for row in sizes.rows if row not in rows],
    }


def _row(
    row: tuple[int, int, int],
    pool: np.ndarray,
    labels: np.ndarray,
    adapters: tuple[Adapter, ...],
    classes: int,
    width: int,
    seed: int,
) -> dict[str, Any]:
    samples, supersamples, masks = row

    def make_supersample(rng: np.random.Generator) -> Supersample:
        drawn = draw_supersample(rng, pool, labels, samples)
        return Supersample(relu_features(rng, pool, width)(drawn.x), drawn.y)

    def make_trainer(rng: np.random.Generator) -> RidgeHeads:
        return RidgeHeads(rng, adapters, features=width, classes=classes, ridge=RIDGE)

    ladders = run_protocol(make_supersample, make_trainer, supersamples=supersamples, masks=masks, seed=seed)
    cells = []
    for adapter in adapters:
        found = ladders[adapter.name]
        parameters = adapter.parameters(width, classes)
        cells.append(
            {
                "adapter": adapter.kind,
                "rank": adapter.rank,
                "parameters": parameters,
                **{key: list(value) if isinstance(value, tuple) else value for key, value in asdict(found).items()},
                "gap": found.gap,
                "parameter_count": mutual_information_bound(parameters, BITS, samples),
            }
        )
    # of a row whose examples are wrong half of the time; one that is never wrong has none
    floor = binary_null_floor(0.5, masks)
    return {
        "samples": samples,
        "supersamples": supersamples,
        "masks": masks,
        "fair_null_information": floor[0],
        "fair_null_bound": floor[1],
        "cells": cells,
    }
