"""Claims that need no linearisation: verdicts, controls, steps on instances with known constants, the experiment."""

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check.claims.kkr_l1_printed import counterexample
from proofs_check.curved_instances import constants, ridge, ridge_problem, ridge_rows, spectrum_quadratic
from proofs_check.decayed_cycle import limit_cycle
from proofs_check.exact import SquaredProblem
from proofs_check.execute import run_claim
from proofs_check.experiments.fails_loudly import fails_loudly
from proofs_check.restricted_curvature_search import (
    SAME,
    alternative,
    curved_survey,
    local_constants,
    proof_steps,
)
from tests.checks import EXACT, close
from tests.tolerances import GAUGE_ZERO, HESSIAN_NEGATIVITY, PRINTED_DIGITS, STATIONARITY
from theory.planted_families import planted_instance
from theory.restricted_curvature import decay_rank_bound, printed_decay_rank_bound

EXPECTED = dict.fromkeys(("KKR-T1", "KKR-C1", "KKR-T2", "KKR-L1"), ("holds", "fails"))
EXPECTED["KKR-L1-PRINTED"] = ("fails", "holds")


@pytest.mark.parametrize("ident", EXPECTED)
@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=3)
def test_verdicts_are_as_registered(ident: str, seed: int) -> None:
    row = run_claim(ident, "smoke", seed, "digits")
    assert not row["error"]
    assert (row["expected"], row["negative_control"]["expected"]) == EXPECTED[ident]
    assert (row["verdict"], row["negative_control"]["verdict"]) == EXPECTED[ident], row["measurements"][:3]


@given(q=st.fractions("1/50", "49/50", max_denominator=100), samples=st.integers(1, 12))
@settings(deadline=None)
def test_the_limit_on_orthogonal_samples_is_that_of_running_sgd(q: Fraction, samples: int) -> None:
    cycle = limit_cycle(q, samples)
    assert cycle.steady
    step, coefficients = 0.5, np.zeros(samples)
    for t in range(60 * samples):
        slope = coefficients[t % samples] - 1.0
        coefficients *= float(q)
        coefficients[t % samples] -= step * slope
    close(np.sort(coefficients)[::-1], [float(v) for v in cycle.values])


@given(
    q=st.fractions("1/100", "99/100", max_denominator=200),
    epsilon=st.fractions("1/1000", "999/1000", max_denominator=1000),
    samples=st.integers(1, 30),
)
@settings(deadline=None)
def test_whole_steps_suffice_at_every_decay_and_the_printed_count_up_to_three_quarters(
    q: Fraction, epsilon: Fraction, samples: int
) -> None:
    needed = limit_cycle(q, samples).rank_within(epsilon)
    assert needed <= decay_rank_bound(1, float(epsilon), 1.0, float(1 - q))
    if 1 - q <= Fraction(3, 4):
        assert needed <= printed_decay_rank_bound(1, float(epsilon), 1.0, float(1 - q)) * (1 + EXACT)


@pytest.mark.parametrize(("epsilon", "samples", "needed"), [("1/2", 1, 1), ("101/2500", 3, 2)])
def test_the_printed_count_is_too_small_at_strong_decay(epsilon: str, samples: int, needed: int) -> None:
    small, q = Fraction(epsilon), Fraction(1, 10)
    assert limit_cycle(q, samples).rank_within(small) == needed
    measurement, _ = counterexample(q, needed, small, samples)
    assert measurement.trusted
    assert not measurement.satisfied
    assert decay_rank_bound(1, float(small), 1.0, 0.9) == needed


def test_nothing_is_refuted_where_the_printed_count_suffices() -> None:
    measurement, _ = counterexample(Fraction(1, 2), 2, Fraction(1, 2), 4)
    assert not measurement.trusted


@cache
def family_b() -> Any:
    return curved_survey(ridge("B", 3, 4, 4, 1 / 32), 3, starts=8, seed=0)


def test_a_quadratic_of_known_spectrum_has_the_stated_constants() -> None:
    instance = spectrum_quadratic(3, [(4, 5)], 7.0)
    assert instance.alpha is not None
    assert instance.beta is not None
    close([instance.alpha, *instance.beta], [1.0, 7.0])
    two = spectrum_quadratic(3, [(4, 5), (2, 3)], 7.0)
    assert two.alpha is not None
    assert two.beta is not None
    assert two.alpha <= min(two.beta) <= max(two.beta) <= 7.0


def test_the_ridge_is_the_smallest_eigenvalue_where_features_do_not_reach() -> None:
    features, _, _, _ = ridge_rows("B", 3, 4, 4, 0.25, 2.0)
    alpha, (beta,) = constants(features.reshape(len(features), -1), [(4, 4)])
    close(alpha, 0.0625)
    assert beta >= 12.0


@pytest.mark.parametrize("rank", [3, 4])
def test_a_ridge_leaves_a_strict_spurious_minimum_above_the_linearised_threshold(rank: int) -> None:
    problem, u, v = ridge_problem("B", rank, rank + 1, rank + 1, 1 / 32)
    facts = SquaredProblem(problem, Fraction(1, problem.n)).facts(u, v)
    assert facts.stationary
    assert facts.hessian_inertia[1:] == (rank * (rank - 1) // 2, 0)
    assert facts.s_inertia[2] > 0
    assert rank * (rank + 1) // 2 > planted_instance("B", rank).n


@pytest.mark.parametrize(
    ("eps", "spurious", "best"), [(0.001, 3.5015, 1.8765), (0.01, 3.5150, 1.8903), (0.1, 3.6452, 2.0244)]
)
def test_values_with_an_unshifted_target_are_those_found_by_hand(eps: float, spurious: float, best: float) -> None:
    """Family B, r = 3, plus (eps/2)||X||^2: X = s^2 I on the planted block with s^2 = 3/(3 + eps), or x a b^T."""
    made = planted_instance("B", 3)
    planted, target = made.u @ made.v.T, made.targets[0, 0]
    far = np.zeros((4, 4))
    far[3, 3] = 1.0

    def value(x: np.ndarray) -> float:
        residuals = (made.gradients[:, 0] * x).sum(axis=(1, 2)) - made.targets[:, 0]
        return float(0.5 * (residuals**2).sum() + 0.5 * eps * (x**2).sum() + np.linalg.norm(x, "nuc"))

    close(value(3.0 / (3.0 + eps) * planted), spurious, PRINTED_DIGITS)
    close(value((2 * target - 1.0) / (4.0 + eps) * far), best, PRINTED_DIGITS)


def test_family_b_with_a_ridge_fails_loudly() -> None:
    found = family_b()
    assert found.trusted
    assert found.rejected == 0
    others = [p for p in found.points if not found.is_star(p)]
    assert others
    assert len(others) < len(found.points)
    alpha, beta = found.instance.alpha, found.instance.beta
    for (x,) in others:
        assert np.linalg.matrix_rank(x, tol=GAUGE_ZERO) == 3
        assert np.linalg.norm(x) > np.linalg.norm(found.star[0])
        assert alternative(found, (x,), alpha, beta) >= 1.0
    # constants that are too good would forbid these points: the test of the alternative can fail
    assert all(alternative(found, p, 1.0, (1.5,)) < 1.0 for p in others)


def test_steps_hold_at_second_order_points_and_not_elsewhere() -> None:
    found = family_b()
    for point in found.points:
        assert all(step.satisfied for step in proof_steps(found, point))
    broken = [step for step in proof_steps(found, (np.diag([1.0, 1.0, 0.9, 0.0]),)) if not step.satisfied]
    assert any(step.name.startswith("K1") for step in broken)
    # a stationary point of lower rank that is no second-order point: the second step fails
    saddle = [step for step in proof_steps(found, (np.diag([1.5, 1.5, 0.0, 0.0]),)) if not step.satisfied]
    assert any(step.name.startswith("K2") for step in saddle)


def test_local_constants_lie_inside_the_proved_ones() -> None:
    found = family_b()
    for point in found.points:
        if not found.is_star(point):
            alpha, (beta,) = local_constants(found, point)
            assert alpha >= found.instance.alpha * (1 - STATIONARITY)
            assert beta <= found.instance.beta[0] * (1 + STATIONARITY)


def test_in_the_special_regime_every_point_is_the_minimiser() -> None:
    found = curved_survey(spectrum_quadratic(5, [(4, 4)], 1.8, ratio=0.1), 3, starts=8, seed=1)
    assert found.trusted
    assert found.others == 0
    assert max(found.distance(p) for p in found.points) <= SAME


@cache
def experiment() -> dict[str, Any]:
    return fails_loudly("smoke", 0, "digits")


def test_sampled_constants_are_nested_in_the_rank() -> None:
    table = experiment()["table"]
    assert [row["rank"] for row in table] == sorted({row["rank"] for row in table})
    assert np.all(np.diff([row["alpha_nested"] for row in table]) <= 0)
    assert np.all(np.diff([row["beta_nested"] for row in table]) >= 0)
    for row in table:
        assert row["alpha_nested"] <= row["alpha"] <= row["beta"] <= row["beta_nested"]


def test_starts_of_lora_end_at_one_point_and_large_ones_stopped_early_are_loud() -> None:
    result = experiment()
    assert result["star_gradient_over_lambda"] <= 1.0 + SAME * 100
    for end in result["ends"]["long"]["small"]:
        assert end["convexity"] is None  # X* itself
        assert end["rank"] == result["star_rank"]
    for end in result["ends"]["short"]["large"]:
        assert end["rank"] == result["lora_rank"]
        assert end["norm"] > 2 * result["star_norm"]
    for budget in result["ends"].values():
        assert all(end["min_eigenvalue"] <= HESSIAN_NEGATIVITY for kind in budget.values() for end in kind)
