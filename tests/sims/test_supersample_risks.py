"""Risks and pooled information of a supersample: both values of the bit count one half, whatever the masks are."""

from dataclasses import replace

import numpy as np
from hypothesis import given

from sims.enumeration import enumerate_learner, majority_learner
from sims.supersample.estimators import RowEstimates, ladder, row_estimates
from sims.supersample.masks import all_masks, trained_columns
from tests.checks import close
from tests.strategies import seeds
from theory.bounds.conditional import binary_kl_risk_bound, pair_information


@given(seed=seeds)
def test_risks_are_means_of_the_two_conditional_means(seed: int) -> None:
    """Written out with loops, on masks that are not balanced."""
    rng = np.random.default_rng(seed)
    masks = np.array([[0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 0], [0, 1, 1]])
    labels, predictions = rng.integers(0, 3, (3, 2)), rng.integers(0, 3, (5, 3, 2))
    trained, left_out, both = np.zeros((3, 3))
    for row in range(3):
        for bit in (0, 1):
            chosen = [k for k in range(5) if masks[k, row] == bit]
            for k in chosen:
                wrong = predictions[k, row] != labels[row]
                trained[row] += 0.5 * wrong[bit] / len(chosen)
                left_out[row] += 0.5 * wrong[1 - bit] / len(chosen)
                both[row] += 0.5 * (wrong[0] and wrong[1]) / len(chosen)
    found = row_estimates(predictions, labels, masks)
    close(found.train_rows, trained)
    close(found.population_rows, left_out)
    close([found.train, found.population, found.both_wrong], [trained.mean(), left_out.mean(), both.mean()])


def test_pooled_information_from_all_masks_is_the_exact_unconditional_one() -> None:
    """Majority of three bits; every supersample of the enumeration, repeated as often as it is likely."""
    exact = enumerate_learner(majority_learner(3, 0.5))  # fair bits: all supersamples are equally likely
    masks, estimates = all_masks(3), []
    assert np.ptp(exact.weights) == 0.0
    for number in range(len(exact.weights)):
        labels = ((number >> np.arange(6)[::-1]) & 1).reshape(3, 2)
        votes = np.array([trained_columns(labels, mask).sum() >= 2 for mask in masks]).astype(np.int64)
        estimates.append(row_estimates(np.broadcast_to(votes[:, None, None], (8, 3, 2)).copy(), labels, masks))
    found = ladder(estimates, estimates)
    close(found.pooled_information, float(exact.pairs_unconditional.mean()))
    # control: without the pairs of which both are wrong it would be another number
    assert pair_information(found.train, found.population, 0.0) < 0.9 * found.pooled_information


def _rows(rng: np.random.Generator) -> RowEstimates:
    """Estimates whose informations have nothing to do with one another."""
    labels, masks = rng.integers(0, 3, (4, 2)), np.repeat(np.array([[0], [1], [1], [0], [1]]), 4, axis=1)
    made = row_estimates(rng.integers(0, 3, (5, 4, 2)), labels, masks)
    return replace(made, predictions=rng.random(4), pairs=rng.random(4), differences=rng.random(4))


@given(seed=seeds)
def test_every_rung_of_the_ladder_is_made_of_its_own_informations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs, nulls = [_rows(rng) for _ in range(3)], [_rows(rng) for _ in range(2)]
    found = ladder(runs, nulls)

    def mean_root(of: list[RowEstimates], name: str) -> float:
        return float(np.mean([np.sqrt(2 * nats) for one in of for nats in getattr(one, name)]))

    close([found.f_cmi, found.f_cmi_null], [mean_root(runs, "predictions"), mean_root(nulls, "predictions")])
    close([found.e_cmi, found.e_cmi_null], [mean_root(runs, "pairs"), mean_root(nulls, "pairs")])
    close([found.ld_cmi, found.ld_cmi_null], [mean_root(runs, "differences"), mean_root(nulls, "differences")])
    train, population, both = (
        np.mean([getattr(one, name) for one in runs]) for name in ("train", "population", "both_wrong")
    )
    pooled = pair_information(float(train), float(population), float(both))
    close([found.train, found.population, found.pooled_information], [train, population, pooled])
    close([found.weighted_risk, found.binary_kl], [2 * train + 3 * pooled, binary_kl_risk_bound(train, pooled) - train])
