"""Pataki-Barvinok reduction: final budget, exact invariance, several layers, softmax, and critical points."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sims.solvers.rank_reduction import measurement_map, reduce_rank
from tests.checks import EXACT, check_rank_reduction, close, overparametrised_optimum, random_factors
from tests.problems import ALL_LOSSES, planted_problem, random_problem
from tests.strategies import seeds
from tests.tolerances import REDUCTION_DRIFT
from theory import factored_objective as lora
from theory.factorisation import factor_penalty
from theory.losses import CROSS_ENTROPY, SQUARED, Loss
from theory.planted_families import planted_instance
from theory.rank_thresholds import pataki_rank, rank_budget

each_loss = pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)


@each_loss
@settings(max_examples=10)
@given(seed=seeds, n=st.integers(1, 5), k=st.integers(1, 3))
def test_an_optimum_is_reduced_to_the_budget_without_changing_it(loss: Loss, seed: int, n: int, k: int) -> None:
    problem, lam, factors = overparametrised_optimum(seed, loss, n=n, k=k, shapes=((4, 4),))
    check_rank_reduction(problem, lam, factors)


@each_loss
@settings(max_examples=6)
@given(seed=seeds)
def test_the_budget_is_shared_by_all_layers(loss: Loss, seed: int) -> None:
    problem, lam, factors = overparametrised_optimum(seed, loss, n=4, k=2, shapes=((3, 4), (4, 3)))
    check_rank_reduction(problem, lam, factors)


def test_softmax_needs_one_output_less_per_sample() -> None:
    """Rank 3 (budget 6) may survive KN = 6 but not (K-1)N = 3."""
    problem = random_problem(0, CROSS_ENTROPY, n=3, k=2, shapes=((5, 5),))
    u, v = (f[:, :3] for f in random_factors(0, problem, 3)[0])
    reduced = reduce_rank(problem, [(u, v)])
    assert reduced.factors[0][0].shape[1] <= pataki_rank(3)
    differences = [np.diff(problem.predictions_low_rank(f)) for f in ([(u, v)], reduced.factors)]
    close(differences[1], differences[0], REDUCTION_DRIFT)


@given(seed=seeds)
def test_predictions_never_change_even_away_from_stationary_points(seed: int) -> None:
    problem = random_problem(seed, SQUARED, n=4, shapes=((5, 5),))
    factors = random_factors(seed, problem, 5)
    reduced = reduce_rank(problem, factors)
    assert rank_budget([u.shape[1] for u, _ in reduced.factors]) <= 4
    close(problem.predictions_low_rank(reduced.factors), problem.predictions_low_rank(factors), REDUCTION_DRIFT)


@given(seed=seeds)
def test_factors_within_the_budget_of_generic_features_are_left_alone(seed: int) -> None:
    problem = random_problem(seed, SQUARED, n=6, shapes=((5, 5),))
    factors = random_factors(seed, problem, 3)
    reduced = reduce_rank(problem, factors)
    assert reduced.budgets == (6,)
    np.testing.assert_array_equal(reduced.factors[0][0], factors[0][0])


def test_factors_without_columns_are_left_alone() -> None:
    problem = random_problem(0, shapes=((4, 5), (3, 3)))
    empty = [(np.zeros((m, 0)), np.zeros((p, 0))) for m, p in problem.shapes]
    reduced = reduce_rank(problem, empty)
    assert reduced.budgets == (0,)
    assert (reduced.prediction_drift, reduced.trace_drift) == (0.0, 0.0)


@given(seed=seeds, rank=st.integers(1, 3))
def test_measurement_map_is_the_change_of_predictions_along_symmetric_matrices(seed: int, rank: int) -> None:
    problem = random_problem(seed, SQUARED, n=4, k=2, shapes=((4, 5),))
    ((u, v),) = factors = random_factors(seed, problem, rank)
    b = np.random.default_rng(seed).standard_normal((rank, rank))
    b = b + b.T
    i, j = np.triu_indices(rank)
    coordinates = b[i, j] * np.where(i == j, 1.0, np.sqrt(2.0))
    close(np.linalg.norm(coordinates), np.linalg.norm(b))
    change = problem.predictions([u @ b @ v.T]) - problem.f0
    close(measurement_map(problem, factors) @ coordinates, change.reshape(-1))


@pytest.mark.parametrize("rank", [3, 4, 5])
def test_reducing_the_planted_point_of_family_b_exposes_the_way_down(rank: int) -> None:
    """The deterministic escape: same value, still critical, and a Hessian eigenvalue -1 opens at lower rank."""
    instance = planted_instance("B", rank)
    problem = planted_problem(instance)
    reduced = reduce_rank(problem, [(instance.u, instance.v)])
    ((u, v),) = reduced.factors
    assert u.shape[1] < rank
    padding = rank - u.shape[1]
    q = np.concatenate([np.pad(u, ((0, 0), (0, padding))), np.pad(v, ((0, 0), (0, padding)))])
    arguments = (instance.gradients, problem.f0, problem.y, SQUARED, instance.lam, q)
    close(instance.n * lora.objective(*arguments), instance.value, REDUCTION_DRIFT)
    assert np.linalg.norm(lora.gradient(*arguments)) <= EXACT
    close(np.linalg.eigvalsh(instance.n * lora.hessian(*arguments))[0], -1.0)
    close(factor_penalty(u, v), factor_penalty(instance.u, instance.v), REDUCTION_DRIFT)
