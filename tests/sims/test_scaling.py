"""Units: a rescaled problem is the same problem, bit for bit, and verdicts do not change with the scale of the data."""

from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sims.convex_problem import ConvexProblem, make_problem
from sims.errors import BadInput
from sims.ntk.features import DenseFeatures, FactoredFeatures
from sims.scaling import normalised, without_loss
from sims.solve import solve
from sims.solvers.solution import Status
from tests.problems import ALL_LOSSES, random_problem
from tests.strategies import seeds
from theory.losses import SQUARED, Loss


def rescaled(problem: ConvexProblem, features: float, targets: float) -> ConvexProblem:
    """Return the problem with features and targets multiplied."""
    layers = [DenseFeatures(features * np.asarray(layer.dense())) for layer in problem.layers]
    y = targets * problem.y if problem.loss.name == "squared" else problem.y
    return make_problem(layers, targets * problem.f0, y, problem.loss)


@settings(max_examples=20)
@given(seed=seeds, k=st.integers(-100, 100), j=st.integers(-50, 50))
def test_normalising_undoes_every_power_of_four(seed: int, k: int, j: int) -> None:
    problem = random_problem(seed, SQUARED, k=2, shapes=((3, 4),))
    lam = Fraction(1, 7)
    one, one_lam, _ = normalised(problem, lam)
    there = rescaled(problem, 4.0**k, 4.0**j)
    other, other_lam, units = normalised(there, lam * Fraction(4) ** (k + j))
    np.testing.assert_array_equal(one.layers[0].dense(), other.layers[0].dense())
    np.testing.assert_array_equal(one.y, other.y)
    assert one_lam == other_lam
    assert without_loss(there, other, units)


@pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)
@settings(max_examples=10)
@given(seed=seeds, k=st.integers(-100, 100))
def test_solve_gives_the_same_answer_in_every_unit(loss: Loss, seed: int, k: int) -> None:
    problem = random_problem(seed, loss, n=5, k=2, shapes=((3, 4),))
    lam = 0.1 * problem.lambda_max()
    one = solve(problem, lam)
    other = solve(rescaled(problem, 4.0**k, 1.0), lam * 4.0**k)
    assert (one.status, one.ranks) == (other.status, other.ranks)
    assert one.certificate.relative_gap == other.certificate.relative_gap
    np.testing.assert_array_equal(one.factors[0][0], other.factors[0][0] * 2.0**k)


def test_factored_features_are_rescaled_without_overflow() -> None:
    g = np.random.default_rng(0)
    features = FactoredFeatures(1e200 * g.standard_normal((4, 1, 1, 3)), 1e200 * g.standard_normal((4, 1, 2)))
    scaled, _, _ = normalised(make_problem([features], np.zeros((4, 1)), np.ones(4), SQUARED), Fraction(0))
    assert 0 < np.abs(np.asarray(scaled.layers[0].dense())).max() < 100


def test_huge_finite_features_are_solved() -> None:
    g = np.random.default_rng(0)
    problem = make_problem(
        [DenseFeatures(1e150 * g.standard_normal((4, 1, 2, 3)))], np.zeros((4, 1)), g.standard_normal(4), SQUARED
    )
    assert solve(problem, 1e140).status is Status.OPTIMAL
    # residuals of relative size 1e-150 do not exist in float64: the answer says so
    far = solve(problem, 0.1)
    assert far.status is Status.INACCURATE
    assert far.certificate.gap >= 0


def test_a_lambda_that_vanishes_beside_the_data_is_refused() -> None:
    g = np.random.default_rng(0)
    features = DenseFeatures(1e300 * g.standard_normal((4, 1, 2, 3)))
    problem = make_problem([features], np.zeros((4, 1)), 1e200 * g.standard_normal(4), SQUARED)
    with pytest.raises(BadInput, match="times smaller than the data"):
        solve(problem, 1e-20)


def test_an_objective_beyond_float64_is_refused() -> None:
    g = np.random.default_rng(0)
    features = DenseFeatures(g.standard_normal((4, 1, 2, 3)))
    problem = make_problem([features], np.zeros((4, 1)), 1e200 * g.standard_normal(4), SQUARED)
    with pytest.raises(BadInput, match="does not fit into float64"):
        solve(problem, 1e200)
