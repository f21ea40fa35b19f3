"""The generalisation bound: its algebra, monotonicity, equivariance, and what it refuses."""

from math import log, sqrt
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.checks import EXACT, close
from tests.strategies import seeds
from theory.capacity import rademacher_frobenius, rademacher_nuclear
from theory.convex_lora import nuclear_norm, spectral_norm
from theory.generalisation import PRINTED_CONSTANTS, GeneralisationBound, euclidean_lipschitz, generalisation_bound
from theory.losses import CROSS_ENTROPY, LOGISTIC, SQUARED

positive = st.floats(0.05, 20.0)
slacks = st.floats(0.0, 3.0)
failures = st.floats(1e-6, 0.9)


def bound(**changes: Any) -> GeneralisationBound:
    settings = {"samples": 1000, "outputs": 3, "feature_norm": 1.5, "true_norm": 2.0, "failure": 0.05, "slack": 0.1}
    return generalisation_bound(CROSS_ENTROPY, **(settings | changes))


@given(norm=positive, true=positive, slack=slacks, failure=failures)
def test_constants_are_the_written_formulas(norm: float, true: float, slack: float, failure: float) -> None:
    b = bound(feature_norm=norm, true_norm=true, slack=slack, failure=failure)
    kappa = sqrt(2) * sqrt(3) * sqrt(2) * norm * (2 + sqrt(log(1 / failure))) / sqrt(1000)
    close(b.kappa, kappa)
    close(b.weight_decay, (2 + slack) * kappa)
    close(b.radius, (2 + slack) ** 2 / (1 + slack) * true)
    close(b.excess_risk, kappa * true * (2 + slack) * (3 + 3 * slack + slack**2) / (1 + slack))


@given(true=positive, slack=slacks)
def test_the_two_identities_of_the_proof(true: float, slack: float) -> None:
    b = bound(true_norm=true, slack=slack)
    # the radius is where (lam - kappa) D = (2 + eps) lam ||delta_true||, and the bound is that of the worst norm, 0
    close((b.weight_decay - b.kappa) * b.radius, (2 + slack) * b.weight_decay * true)
    close(b.excess_risk_given_norm(0.0), b.excess_risk)
    assert b.excess_risk_given_norm(0.5 * true) < b.excess_risk


def test_small_slack_gives_six_kappa_and_the_printed_form_four() -> None:
    b = bound(slack=0.0)
    close(b.excess_risk, 6 * b.kappa * 2.0)
    low, high = PRINTED_CONSTANTS
    close(b.printed_excess_risk(low), 4 * b.kappa * 2.0)
    close(b.printed_excess_risk(high), sqrt(2) * b.printed_excess_risk(low))
    close(b.printed_weight_decay(low), b.weight_decay)
    assert b.printed_excess_risk(low) < b.excess_risk


@given(smaller=st.integers(1, 10**6), factor=st.integers(2, 1000))
def test_the_bound_falls_like_one_over_the_root_of_the_sample_size(smaller: int, factor: int) -> None:
    small, large = bound(samples=smaller), bound(samples=smaller * factor)
    assert large.excess_risk < small.excess_risk
    close(small.excess_risk / large.excess_risk, sqrt(factor))
    assert large.radius == small.radius


@given(scale=positive)
def test_rescaling_features_and_update_against_each_other_changes_no_risk_bound(scale: float) -> None:
    plain, scaled = bound(), bound(feature_norm=1.5 * scale, true_norm=2.0 / scale)
    close(scaled.excess_risk, plain.excess_risk)
    close(scaled.radius * scale, plain.radius)
    close(scaled.weight_decay, plain.weight_decay * scale)


@given(first=failures, second=failures)
def test_a_smaller_failure_probability_costs_more(first: float, second: float) -> None:
    small, large = sorted((first, second))
    assert bound(failure=small).excess_risk >= bound(failure=large).excess_risk


@given(slack=st.floats(0.01, 3.0), norm=positive)
def test_the_allowed_perturbation_costs_exactly_the_slack(slack: float, norm: float) -> None:
    b = bound(slack=slack)
    close(2.0 * b.perturbation_norm(norm) * norm, slack * b.weight_decay * 2.0)


@given(seed=seeds, outputs=st.integers(1, 5))
def test_losses_are_lipschitz_with_the_stated_constant(seed: int, outputs: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = 5.0 * rng.standard_normal((2, 50, outputs))
    signs = rng.choice([-1.0, 1.0], (50, outputs))
    labels = rng.integers(0, outputs, 50)
    for loss, y in ((LOGISTIC, signs), (CROSS_ENTROPY, labels)):
        change = np.abs(loss.value(p, y) - loss.value(q, y))
        assert (change <= euclidean_lipschitz(loss, outputs) * np.linalg.norm(p - q, axis=1) * (1 + EXACT)).all()


def test_lipschitz_constants_are_attained() -> None:
    far = np.array([[-50.0, -50.0, -50.0]])
    close(np.linalg.norm(LOGISTIC.gradient(far, np.ones((1, 3)))), euclidean_lipschitz(LOGISTIC, 3))
    wrong = np.array([[-50.0, 50.0, -50.0]])
    close(np.linalg.norm(CROSS_ENTROPY.gradient(wrong, np.array([0]))), euclidean_lipschitz(CROSS_ENTROPY, 3))


def test_the_squared_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="the squared loss is not Lipschitz"):
        generalisation_bound(SQUARED, samples=10, outputs=1, feature_norm=1.0, true_norm=1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": 0}, "0 samples: expected at least 1"),
        ({"outputs": 0}, "0 outputs: expected at least 1"),
        ({"failure": 0.0}, r"failure probability 0\.0 is out of range"),
        ({"failure": 1.0}, r"failure probability 1\.0 is out of range"),
        ({"feature_norm": -1.0}, r"feature norm -1\.0: expected a finite number >= 0"),
        ({"true_norm": float("inf")}, "norm of the true minimiser inf: expected a finite number >= 0"),
        ({"slack": float("nan")}, "slack nan: expected a finite number >= 0"),
    ],
)
def test_bad_numbers_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bound(**changes)


def test_no_perturbation_is_defined_for_a_zero_optimum() -> None:
    with pytest.raises(ValueError, match=r"nuclear norm 0\.0 of the regularised optimum: expected a positive number"):
        bound().perturbation_norm(0.0)


@given(seed=seeds, rank=st.integers(1, 4), radius=positive)
def test_suprema_over_norm_balls_are_attained_and_never_exceeded(seed: int, rank: int, radius: float) -> None:
    """Frobenius ball of rank r: radius times the norm of the top r singular values. Nuclear ball: the top one alone."""
    rng = np.random.default_rng(seed)
    features, signs = rng.standard_normal((6, 4, 5)), rng.choice([-1.0, 1.0], 6)
    total = np.einsum("q,qmp->mp", signs, features)
    left, sigma, right = np.linalg.svd(total, full_matrices=False)
    best = (left[:, :rank] * sigma[:rank]) @ right[:rank]
    frobenius, nuclear = rademacher_frobenius(sigma, rank, radius), rademacher_nuclear(sigma, rank, radius)
    close((total * best).sum() * radius / np.linalg.norm(best), frobenius)
    close((total * np.outer(left[:, 0], right[0])).sum() * radius, nuclear)
    close(nuclear, radius * spectral_norm(total))
    for _ in range(20):
        delta = rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 5))
        inner = float((total * delta).sum())
        assert inner * radius / np.linalg.norm(delta) <= frobenius * (1 + EXACT)
        assert inner * radius / nuclear_norm(delta) <= nuclear * (1 + EXACT)


@given(seed=seeds)
def test_rank_matters_under_the_frobenius_norm_only(seed: int) -> None:
    sigma = np.sort(np.random.default_rng(seed).random(5))[::-1]
    frobenius = [rademacher_frobenius(sigma, r) for r in range(1, 6)]
    assert np.all(np.diff(frobenius) >= 0)
    # at most sqrt r times the rank-one value, with equality when all singular values agree
    assert all(value <= sqrt(r) * frobenius[0] * (1 + EXACT) for r, value in enumerate(frobenius, 1))
    close([rademacher_frobenius(np.ones(5), r) for r in range(1, 6)], np.sqrt(np.arange(1, 6)))
    assert len({rademacher_nuclear(sigma, r) for r in range(1, 6)}) == 1
