"""The protocol: k1 supersamples, k2 masks each, one training for every mask, all 2n inputs evaluated after each.

A trainer is any batched callable (x, y, masks) -> predictions on all 2n inputs, so that closed forms and trained
networks are run alike. What it draws itself (frozen factors, initialisations, the order of batches) must not depend on
the data or the masks; drawn once for a supersample it is conditioned on, drawn anew for every mask it is averaged over.
Both are valid, and conditioning can only raise the information. A factor made from the data would need the data of all
masks: then the bounds do not hold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Num

from sims.errors import BadInput
from sims.supersample.estimators import Ladder, RowEstimates, ladder, row_estimates
from sims.supersample.masks import balanced_masks

# (x (n, 2, ...), y (n, 2), masks (k, n)) -> labels (k, n, 2), or several adapters' labels by name
Predictions = Int[np.ndarray, "masks n 2"]
Trainer = Callable[
    [Num[np.ndarray, "n 2 ..."], Int[np.ndarray, "n 2"], Int[np.ndarray, "masks n"]], Mapping[str, Predictions]
]


@dataclass(frozen=True)
class Supersample:
    """Inputs (n, 2, ...) and labels (n, 2) of 2n examples."""

    x: Num[np.ndarray, "n 2 ..."]
    y: Int[np.ndarray, "n 2"]


def single(
    name: str,
    predict: Callable[[Num[np.ndarray, "n 2 ..."], Int[np.ndarray, "n 2"], Int[np.ndarray, "masks n"]], Predictions],
) -> Trainer:
    """Return the trainer of one named learner from a callable that returns its predictions alone."""

    def train(
        x: Num[np.ndarray, "n 2 ..."], y: Int[np.ndarray, "n 2"], masks: Int[np.ndarray, "masks n"]
    ) -> Mapping[str, Predictions]:
        return {name: predict(x, y, masks)}

    return train


def draw_supersample(
    rng: np.random.Generator, x: Num[np.ndarray, "pool ..."], y: Int[np.ndarray, " pool"], rows: int
) -> Supersample:
    """Return 2 * rows distinct examples of a pool, in random order.

    Drawn without replacement: given the supersample the bounds hold exactly all the same (only the bits need be fair
    and independent of it); that its examples are i.i.d. is what makes the left-out error one of the population.

    Raises:
        BadInput: no row, or a pool of fewer than 2 * rows examples.
    """
    if rows < 1 or 2 * rows > len(x):
        raise BadInput(f"{rows} rows need {2 * rows} examples and the pool has {len(x)}: choose 1 to {len(x) // 2}")
    chosen = rng.permutation(len(x))[: 2 * rows].reshape(rows, 2)
    return Supersample(x[chosen], y[chosen])


def run_protocol(
    make_supersample: Callable[[np.random.Generator], Supersample],
    make_trainer: Callable[[np.random.Generator], Trainer],
    *,
    supersamples: int,
    masks: int,
    seed: int,
) -> dict[str, Ladder]:
    """Return the ladder of bounds of every learner that the trainer runs; supersample s uses the seed (seed, s).

    ``make_trainer`` is called once for each supersample, with a generator of its own: frozen factors that it draws are
    conditioned on.

    Raises:
        BadInput: no supersample, fewer than two masks, or predictions of the wrong shape.
    """
    if supersamples < 1:
        raise BadInput(f"{supersamples} supersamples: expected at least 1")
    found: dict[str, tuple[list[RowEstimates], list[RowEstimates]]] = {}
    for number in range(supersamples):
        data, factors, bits, null = (np.random.default_rng(s) for s in np.random.SeedSequence([seed, number]).spawn(4))
        drawn = make_supersample(data)
        rows = len(drawn.y)
        chosen, unused = balanced_masks(bits, rows, masks), balanced_masks(null, rows, masks)
        for name, predictions in make_trainer(factors)(drawn.x, drawn.y, chosen).items():
            if predictions.shape != (masks, rows, 2):
                raise BadInput(f"{name} predicted shape {predictions.shape}: expected {(masks, rows, 2)}")
            estimates, nulls = found.setdefault(name, ([], []))
            estimates.append(row_estimates(predictions, drawn.y, chosen))
            nulls.append(row_estimates(predictions, drawn.y, unused))
    return {name: ladder(*both) for name, both in found.items()}
