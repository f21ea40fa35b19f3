"""Alternating sweeps: monotone, exact in one factor for the squared loss; and the pairs that they start from."""

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sims.solvers.alternating import alternating_sweeps
from sims.solvers.low_rank_newton import factored_objective
from sims.solvers.nuclear_norm import leading_pairs
from tests.checks import close, random_factors
from tests.problems import ALL_LOSSES, random_problem
from tests.strategies import seeds
from tests.tolerances import SOLVER_GAP
from theory.losses import SQUARED, Loss


@pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)
@given(seed=seeds, positions=st.integers(0, 2))
def test_the_objective_falls_with_every_sweep(loss: Loss, seed: int, positions: int) -> None:
    problem = random_problem(seed, loss, n=5, k=2, shapes=((3, 4), (4, 2)), positions=positions)
    lam = 0.2 * problem.lambda_max()
    factors = random_factors(seed, problem, 2)
    values = [factored_objective(problem, factors, lam)[0]]
    for _ in range(4):
        factors = alternating_sweeps(problem, factors, lam, max_sweeps=1)
        values.append(factored_objective(problem, factors, lam)[0])
    assert all(after <= before + SOLVER_GAP for before, after in itertools.pairwise(values))
    assert values[-1] < values[0]


def test_with_one_factor_fixed_a_sweep_is_ridge_regression() -> None:
    # one column and a shorter side of one: v is a number, and balancing fixes its size afterwards
    problem = random_problem(3, SQUARED, n=6, shapes=((4, 1),))
    lam = 0.1 * problem.lambda_max()
    design = np.asarray(problem.layers[0].dense()).reshape(6, 4)
    u, v = np.ones((4, 1)), np.full((1, 1), 2.0)
    gram = v[0, 0] ** 2 * design.T @ design / 6 + lam * np.eye(4)
    ridge = np.linalg.solve(gram, v[0, 0] * design.T @ (problem.y - problem.f0) / 6)
    best, _ = factored_objective(problem, [(ridge, v)], lam)
    (swept,) = alternating_sweeps(problem, [(u, v)], lam, max_sweeps=1)
    assert factored_objective(problem, [swept], lam)[0] <= best
    # the half sweep over v that follows is exact too: v = <X u, y> / (|X u|^2 + n lam), up to balancing
    image = design @ ridge
    number = float((image * (problem.y - problem.f0)).sum() / ((image**2).sum() + 6 * lam))
    close(swept[0] @ swept[1].T, number * ridge)


@given(seed=seeds, shape=st.sampled_from([(4, 4), (3, 6), (6, 3), (1, 5)]), count=st.integers(1, 8))
def test_leading_pairs_are_the_largest_singular_triples(seed: int, shape: tuple[int, int], count: int) -> None:
    matrix = 1e-3 * np.random.default_rng(seed).standard_normal(shape)
    left, sigma, right = leading_pairs(matrix, count)
    kept = min(count, *shape)
    expected = np.linalg.svd(matrix, compute_uv=False)[:kept]
    close(sigma, expected[: sigma.size])
    close(matrix @ right, left * sigma)
    close(left.T @ left, np.eye(sigma.size))


def test_leading_pairs_of_zero_and_of_low_rank() -> None:
    assert leading_pairs(np.zeros((3, 2)), 2)[1].size == 0
    left, sigma, right = leading_pairs(np.outer([1.0, 2.0, 2.0], [3.0, 4.0]), 2)
    close(sigma, [15.0])
    close(np.abs(left[:, 0]), np.array([1.0, 2.0, 2.0]) / 3)
    close(np.abs(right[:, 0]), np.array([0.6, 0.8]))
