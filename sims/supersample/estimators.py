"""Estimates of the conditional-information bounds from the predictions of retrained models.

All are plug-in estimates with P_U = 1/2 inserted. Because risks are weighted in the same way (each value of U_i counts
1/2 in every row), the bounds hold for the *empirical* channel too: measured gap <= bound is then no matter of luck, and
what the estimates add to the truth is their bias. Its size is shown by the nulls: the same estimate with fresh masks in
the place of those that were trained on, so that the true information is zero.

Kinds. Disintegrated: one channel for each row and supersample, whose information is biased upwards by about
(states - 1) / (2 masks) nats, whatever n is (the mean of its roots need not be too large: the root is concave). Pooled:
one channel from all rows, supersamples and both orientations of the columns, as rows are exchangeable, with a bias that
is smaller by the number of rows. For predictions there are classes^2 states, so that the f-CMI estimate is mostly bias
unless there are very many masks; it is given with its null.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from jaxtyping import Bool, Float, Int

from sims.errors import BadInput
from theory.bounds.conditional import (
    binary_kl_gap_bound,
    pair_information,
    samplewise_bound,
    single_loss_information,
    weighted_risk_bound,
)
from theory.bounds.discrete_information import plug_in_information


@dataclass(frozen=True)
class RowEstimates:
    """What one supersample gives: risks, P(both wrong), and informations (nats) of every row.

    ``train_rows`` and ``population_rows`` (n,) weight both values of the bit by 1/2.
    """

    train_rows: Float[np.ndarray, " n"]
    population_rows: Float[np.ndarray, " n"]
    both_wrong: float
    predictions: Float[np.ndarray, " n"]
    pairs: Float[np.ndarray, " n"]
    differences: Float[np.ndarray, " n"]

    @property
    def train(self) -> float:
        """Mean training error."""
        return float(self.train_rows.mean())

    @property
    def population(self) -> float:
        """Mean error on the examples left out."""
        return float(self.population_rows.mean())


@dataclass(frozen=True)
class Ladder:
    """Risks, gap and bounds of the gap from all supersamples of one learner; ``*_null`` are the floors of estimates.

    ``gaps`` holds the gap of every supersample. ``ld_mi`` and ``binary_kl`` are pooled; ``single_loss`` (nats) is
    JS(Bern(train), Bern(population)); ``weighted_risk`` bounds the population risk, not the gap.
    """

    train: float
    population: float
    gaps: tuple[float, ...]
    f_cmi: float
    e_cmi: float
    ld_cmi: float
    f_cmi_null: float
    e_cmi_null: float
    ld_cmi_null: float
    pooled_information: float
    ld_mi: float
    binary_kl: float
    weighted_risk: float
    single_loss: float

    @property
    def gap(self) -> float:
        """Population minus training error."""
        return self.population - self.train


def row_estimates(
    predictions: Int[np.ndarray, "masks n 2"], labels: Int[np.ndarray, "n 2"], masks: Int[np.ndarray, "masks n"]
) -> RowEstimates:
    """Return risks and per-row informations from the predictions of one model for each mask, on all 2n inputs.

    With all 2^n masks and a deterministic trainer they are exact given the supersample.

    Raises:
        BadInput: a row in which the masks take one value only.
    """
    ones = masks.sum(axis=0)
    if not np.all((ones > 0) & (ones < len(masks))):
        raise BadInput(f"the {len(masks)} masks give a row one value only: balance them, or take more")
    wrong = predictions != labels
    classes = int(max(predictions.max(), labels.max())) + 1
    # codes of the pair of predictions, of the pair of errors, and of their difference
    pairs = 2 * wrong[:, :, 0].astype(np.int64) + wrong[:, :, 1]
    codes = (predictions[:, :, 0] * classes + predictions[:, :, 1], pairs, np.array([1, 2, 0, 1])[pairs])
    found = [
        plug_in_information(_counts(code.astype(np.int64), masks, states))
        for code, states in zip(codes, (classes**2, 4, 3))
    ]
    trained, left_out = _by_bit(wrong, masks)
    return RowEstimates(
        train_rows=trained,
        population_rows=left_out,
        both_wrong=float(_weighted(wrong.all(axis=2), masks).mean()),
        predictions=found[0],
        pairs=found[1],
        differences=found[2],
    )


def ladder(estimates: list[RowEstimates], nulls: list[RowEstimates]) -> Ladder:
    """Return the bounds from the estimates of all supersamples; ``nulls`` are estimates with masks nobody trained on.

    Raises:
        BadInput: an empty list.
    """
    if not estimates or not nulls:
        raise BadInput("no supersample was run: expected at least 1")
    train = float(np.mean([e.train for e in estimates]))
    population = float(np.mean([e.population for e in estimates]))
    pooled = pair_information(train, population, float(np.mean([e.both_wrong for e in estimates])))

    def disintegrated(name: str, of: list[RowEstimates]) -> float:
        return samplewise_bound(np.concatenate([getattr(e, name) for e in of]))

    return Ladder(
        train=train,
        population=population,
        gaps=tuple(e.population - e.train for e in estimates),
        f_cmi=disintegrated("predictions", estimates),
        e_cmi=disintegrated("pairs", estimates),
        ld_cmi=disintegrated("differences", estimates),
        f_cmi_null=disintegrated("predictions", nulls),
        e_cmi_null=disintegrated("pairs", nulls),
        ld_cmi_null=disintegrated("differences", nulls),
        pooled_information=pooled,
        ld_mi=sqrt(2.0 * pooled),
        binary_kl=binary_kl_gap_bound(train, pooled),
        weighted_risk=weighted_risk_bound(train, pooled),
        single_loss=float(single_loss_information(train, population)),
    )


def _counts(
    codes: Int[np.ndarray, "masks n"], masks: Int[np.ndarray, "masks n"], states: int
) -> Int[np.ndarray, "n 2 states"]:
    """Return how often every row had each state with each value of its bit."""
    rows = codes.shape[1]
    places = (np.arange(rows) * 2 + masks) * states + codes
    return np.bincount(places.ravel(), minlength=rows * 2 * states).reshape(rows, 2, states)


def _weighted(values: Bool[np.ndarray, "masks n"], masks: Int[np.ndarray, "masks n"]) -> Float[np.ndarray, " n"]:
    """Return the mean of the two conditional means given U_i = 0 and U_i = 1."""
    ones = masks.sum(axis=0)
    return 0.5 * ((values * masks).sum(axis=0) / ones + (values * (1 - masks)).sum(axis=0) / (len(masks) - ones))


def _by_bit(
    wrong: Bool[np.ndarray, "masks n 2"], masks: Int[np.ndarray, "masks n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return mean errors of the trained and of the left-out column of every row."""
    trained = np.where(masks == 0, wrong[:, :, 0], wrong[:, :, 1])
    left_out = np.where(masks == 0, wrong[:, :, 1], wrong[:, :, 0])
    return _weighted(trained, masks), _weighted(left_out, masks)
