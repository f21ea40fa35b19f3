"""What the conditional-information claims are checked on: enumerated learners, and adapters retrained on every mask.

Both are exact. Enumerated learners list all samples and supersamples. Real adapters are ridge-trained heads on frozen
random features of a data set; for a fixed supersample of a few rows all 2^n masks are trained on, so that risks and
informations given that supersample hold no estimate. (Most bounds are statements for every fixed supersample.)
"""

from dataclasses import dataclass
from functools import cache
from math import log

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level, vectors
from sims.data import load
from sims.enumeration import Enumeration, FiniteLearner, enumerate_learner, majority_learner, random_learner
from sims.supersample.estimators import RowEstimates, row_estimates
from sims.supersample.masks import all_masks
from sims.supersample.protocol import Supersample, draw_supersample
from sims.supersample.relu_features import relu_features
from sims.supersample.ridge_heads import Adapter, RidgeHeads
from sims.used import remembered
from theory.bounds.discrete_information import mutual_information

ROUNDING = 1e-12  # absolute: sums of at most some thousand terms of size one, square roots of informations above
ROOT_ROUNDING = 1e-7  # square root of the rounding of an information that is zero
MAJORITIES = ((1, 0.5), (3, 0.5), (3, 0.3), (5, 0.5), (5, 0.2))
SUPERSAMPLE = ("loss in [0, 1]", "i.i.d. examples", "U independent fair bits")  # what the claims assume
_WIDTH = 32


@dataclass(frozen=True)
class Enumerated:
    """An enumerated learner with its name."""

    name: str
    learner: FiniteLearner
    exact: Enumeration


@dataclass(frozen=True)
class Retrained:
    """A learner trained on all masks of one supersample: informations of the rows and of all predictions, in nats."""

    name: str
    samples: int
    rows: RowEstimates
    information: float

    @property
    def gap(self) -> float:
        """Mean error left out minus mean training error, given the supersample."""
        return self.rows.population - self.rows.train


@cache
def enumerated(level: Level, seed: int) -> tuple[Enumerated, ...]:
    """Return the majority of the oracle's sizes, and random channels with 0-1 and with real losses."""
    found = []
    for samples, probability in MAJORITIES[: by_level(level, 3, 5, 5)]:
        learner = majority_learner(samples, probability)
        name = f"majority of {samples}, P(1) = {probability}"
        found.append(Enumerated(name, learner, enumerate_learner(learner)))
    for trial in range(by_level(level, 4, 24, 200)):
        binary, (samples, symbols) = trial % 2 == 0, ((2, 2), (3, 2), (2, 3), (1, 4))[trial // 2 % 4]
        rng = np.random.default_rng([seed, trial])
        learner = random_learner(rng, samples=samples, symbols=symbols, hypotheses=4, binary=binary)
        name = f"random channel {trial}, n = {samples}, {symbols} symbols, {'0-1' if binary else 'real'} loss, {seed}"
        found.append(Enumerated(name, learner, enumerate_learner(learner)))
    return tuple(found)


@cache
def interpolating(level: Level, seed: int) -> tuple[Enumerated, ...]:
    """Return random channels that never err on their sample, 0-1 loss."""
    found = []
    for trial in range(by_level(level, 4, 16, 100)):
        samples, symbols = ((1, 2), (2, 3), (3, 2), (2, 4))[trial % 4]
        rng = np.random.default_rng([seed, 1, trial])
        learner = random_learner(rng, samples=samples, symbols=symbols, hypotheses=0, interpolating=True)
        name = f"interpolating channel {trial}, n = {samples}, {symbols} symbols, seed {seed}"
        found.append(Enumerated(name, learner, enumerate_learner(learner)))
    return tuple(found)


@remembered(maxsize=None)
def retrained(level: Level, seed: int, data: str) -> tuple[Retrained, ...]:
    """Return heads with full, BA, B-only and A-only adapters, trained on all masks of supersamples of the data."""
    data, rows = vectors(data), by_level(level, 6, 8, 10)
    masks, found = all_masks(rows), []
    for trial in range(by_level(level, 1, 3, 10)):
        drawn, heads = _heads(data, seed, trial, rows)
        for name, predictions in heads(drawn.x, drawn.y, masks).items():
            found.append(
                Retrained(
                    f"{data}: {name} head, all {len(masks)} masks of {rows} rows, supersample {trial}, seed {seed}",
                    rows,
                    row_estimates(predictions, drawn.y, masks),
                    _entropy(predictions),
                )
            )
    return tuple(found)


def memory(masks: np.ndarray, name: str) -> Retrained:
    """Return a learner that is right on what it was trained on and wrong on all else, on examples that are distinct.

    Its gap is one, the largest there is, under any masks.
    """
    rows = masks.shape[1]
    left_out = np.stack([masks == 1, masks == 0], axis=2).astype(np.int64)  # the label is 0, and 1 is wrong
    estimates = row_estimates(left_out, np.zeros((rows, 2), dtype=np.int64), masks)
    return Retrained(f"memory of {rows} examples, {name}", rows, estimates, _entropy(left_out))


@remembered(maxsize=None)
def trained_on_both_columns(seed: int, data: str) -> tuple[tuple[Retrained, float], ...]:
    """Return the heads of `retrained` after training on all 2n examples, each with its error on as many new ones.

    The mask does nothing any more, and the examples that it leaves out are not left out.
    """
    data, rows, masks = vectors(data), 6, all_masks(6)
    drawn, heads = _heads(data, seed, 0, 2 * rows)  # first column: the supersample; second: new examples
    found = []
    for name, predictions in heads(drawn.x, drawn.y, np.zeros((1, 2 * rows), dtype=np.int64)).items():
        known = np.broadcast_to(predictions[:, :, 0].reshape(1, rows, 2), (len(masks), rows, 2)).copy()
        estimates = row_estimates(known, drawn.y[:, 0].reshape(rows, 2), masks)
        error = float((predictions[0, :, 1] != drawn.y[:, 1]).mean())
        described = f"{data}: {name} head trained on both columns of {rows} rows, seed {seed}"
        found.append((Retrained(described, rows, estimates, _entropy(known)), error))
    return tuple(found)


def _heads(data: str, seed: int, trial: int, rows: int) -> tuple[Supersample, RidgeHeads]:
    """Return features and labels of a supersample, and untrained heads with their frozen factors.

    Labels of a regression set are whether the target is above its median.
    """
    pool = load(data, seed=seed)
    if pool.classes:
        labels, classes = pool.y_train.astype(np.int64), pool.classes
    else:
        labels, classes = (pool.y_train[:, 0] > np.median(pool.y_train)).astype(np.int64), 2
    kinds = (Adapter("full"), Adapter("lora", 1), Adapter("b-only", 2), Adapter("b-only", 8), Adapter("a-only", 1))
    rng = np.random.default_rng([seed, 2, trial])
    drawn = draw_supersample(rng, pool.x_train, labels, rows)
    x = relu_features(rng, pool.x_train, _WIDTH)(drawn.x)
    return Supersample(x, drawn.y), RidgeHeads(rng, kinds, features=_WIDTH, classes=classes)


def _entropy(predictions: np.ndarray) -> float:
    """Return I(all predictions; U) in nats for uniform masks, each of which determines the predictions."""
    _, counts = np.unique(predictions.reshape(len(predictions), -1), axis=0, return_counts=True)
    return float(log(len(predictions)) - (counts * np.log(counts)).sum() / len(predictions))


def below(name: str, smaller: float, larger: float, instance: str, tolerance: float = ROUNDING) -> Measurement:
    """Return the measurement 'smaller <= larger' up to rounding."""
    return Measurement(name, smaller, larger, "<=", tolerance, instance)


def gap_below(name: str, gap: float, bound: float, instance: str) -> Measurement:
    """Return the measurement '|gap| <= bound' for a bound that is the root of an information."""
    return below(name, abs(gap), bound, instance, ROOT_ROUNDING)


def evidence(measurements: list[Measurement], seed: int) -> Evidence:
    """Return the evidence from all measurements, its instances counted by name."""
    return Evidence(tuple(measurements), len({m.instance for m in measurements}), seeds=(seed,))


def data_dependent_masks(probability: float) -> tuple[float, float]:
    """Return (|gap|, I(F; U | Z)) of the constant prediction 0 on one row of bits whose larger one is trained on.

    Ties are broken by a fair coin. The constant learner reveals nothing, whatever the bits depend on.
    """
    p = np.array([1.0 - probability, probability])
    gap, information = 0.0, 0.0
    for first in (0, 1):
        for second in (0, 1):
            weight = p[first] * p[second]
            chosen = 0.5 if first == second else float(second > first)  # P(U = 1 | Z)
            train, left_out = chosen * second + (1 - chosen) * first, chosen * first + (1 - chosen) * second
            gap += weight * (left_out - train)
            # both values of the bit lead to the same prediction
            information += weight * float(mutual_information(np.array([[1.0 - chosen], [chosen]])))
    return abs(gap), information
