"""Convex problem formulas: norms, the proximal point, duality and the optimality report."""

import numpy as np
import pytest
from hypothesis import given

from tests.checks import EXACT, check_dual_never_exceeds_the_primal, check_soft_threshold_is_the_proximal_point, close
from tests.problems import ALL_LOSSES, random_problem
from tests.strategies import matrices, seeds
from theory import convex_lora
from theory.losses import SQUARED, Loss

each_loss = pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)


@given(delta=matrices())
def test_norms_are_those_of_numpy(delta: np.ndarray) -> None:
    close(convex_lora.nuclear_norm(delta), np.linalg.norm(delta, "nuc"))
    close(convex_lora.spectral_norm(delta), np.linalg.norm(delta, 2))


def test_norms_of_empty_matrices_are_zero() -> None:
    assert convex_lora.spectral_norm(np.zeros((3, 0))) == convex_lora.nuclear_norm(np.zeros((3, 0))) == 0.0


@given(seed=seeds)
def test_soft_threshold_is_the_proximal_point(seed: int) -> None:
    check_soft_threshold_is_the_proximal_point(seed)


@given(matrix=matrices())
def test_soft_threshold_shrinks_every_singular_value(matrix: np.ndarray) -> None:
    expected = np.maximum(np.linalg.svd(matrix, compute_uv=False) - 0.7, 0.0)
    close(np.linalg.svd(convex_lora.soft_threshold(matrix, 0.7), compute_uv=False), expected)
    close(convex_lora.soft_threshold(matrix, 0.0), matrix)


@each_loss
@given(seed=seeds)
def test_dual_never_exceeds_the_primal(loss: Loss, seed: int) -> None:
    check_dual_never_exceeds_the_primal(loss, seed)


@given(seed=seeds)
def test_feasible_scale_is_the_largest_that_keeps_the_constraint(seed: int) -> None:
    tops = np.random.default_rng(seed).uniform(0, 3, size=3).tolist()
    scale = convex_lora.feasible_scale(tops, 1.0)
    assert 0 < scale <= 1
    assert max(tops) * scale <= 1 + EXACT
    assert scale == 1.0 or max(tops) * scale >= 1 - EXACT
    assert convex_lora.feasible_scale([], 1.0) == convex_lora.feasible_scale([0.0], 0.0) == 1.0


@each_loss
@given(seed=seeds)
def test_zero_is_optimal_exactly_from_lambda_max_on(loss: Loss, seed: int) -> None:
    problem = random_problem(seed, loss, k=2, shapes=((3, 4), (2, 2)))
    zeros = [np.zeros(shape) for shape in problem.shapes]
    top = problem.lambda_max()
    tops = [convex_lora.spectral_norm(g) for g in problem.data_gradients(problem.f0)]
    assert top == convex_lora.lambda_max(tops) == max(tops)
    at, below = problem.report(zeros, top), problem.report(zeros, 0.9 * top)
    assert abs(at.gap) <= EXACT * max(1.0, abs(at.primal))
    assert at.spectral_norm_ratio <= 1.0
    assert below.gap > 0
    assert below.spectral_norm_ratio > 1.0
    close(at.alignment, 0.0)
    assert convex_lora.lambda_max([]) == 0.0


def test_report_of_a_one_entry_problem_is_the_hand_computation() -> None:
    # (x - 2)^2 / 2 + 0.5 |x|: optimum 1.5, value 0.125 + 0.75
    one = np.ones((1, 1))
    report = convex_lora.optimality_report(SQUARED, 1.5 * one, 0 * one, 2 * one, [-0.5 * one], [1.5 * one], 0.5)
    assert (report.primal, report.dual, report.gap, report.relative_gap) == (0.875, 0.875, 0.0, 0.0)
    assert (report.spectral_norm_ratio, report.alignment) == (1.0, 0.0)
    # x = 1: gradient -1, feasible dual -0.5
    worse = convex_lora.optimality_report(SQUARED, one, 0 * one, 2 * one, [-one], [one], 0.5)
    assert (worse.primal, worse.dual, worse.spectral_norm_ratio, worse.alignment) == (1.0, 0.875, 2.0, -0.5)


def test_relative_gap_is_relative_to_the_objective_whatever_its_size() -> None:
    small = convex_lora.OptimalityReport(primal=0.5, dual=0.25, spectral_norm_ratio=1.0, alignment=0.0)
    large = convex_lora.OptimalityReport(primal=100.0, dual=50.0, spectral_norm_ratio=1.0, alignment=0.0)
    assert (small.relative_gap, large.relative_gap) == (0.5, 0.5)
    assert convex_lora.relative_gap(0.0, 0.0) == 0.0
    assert convex_lora.relative_gap(1e-30, 0.0) == np.inf
    assert convex_lora.relative_gap(-1.0, 2.0) == -0.5


def test_ratio_without_weight_decay_is_infinite() -> None:
    one = np.ones((1, 1))
    assert convex_lora.optimality_report(SQUARED, one, one, one, [one], [one], 0.0).spectral_norm_ratio == np.inf
