"""The whole solve: exact zero, rank reduction, rank limit, lam = 0, and refusals."""

import json

import numpy as np
import pytest
from hypothesis import given, settings

from sims.convex_problem import make_problem
from sims.errors import BadInput
from sims.ntk.features import DenseFeatures
from sims.solve import numerical_rank, solve
from sims.solvers.solution import Status
from tests.checks import EXACT, close
from tests.problems import ALL_LOSSES, random_problem
from tests.strategies import seeds
from tests.tolerances import SOLVER_GAP
from theory.losses import CROSS_ENTROPY, LOGISTIC, SQUARED, Loss
from theory.rank_thresholds import generic_rank, pataki_rank, rank_budget

each_loss = pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)


@each_loss
@settings(max_examples=8)
@given(seed=seeds)
def test_solution_is_certified_and_within_the_rank_budget(loss: Loss, seed: int) -> None:
    problem = random_problem(seed, loss, n=4, k=2, shapes=((4, 5), (3, 3)))
    lam = 0.05 * problem.lambda_max()
    solution = solve(problem, lam)
    assert solution.status is Status.OPTIMAL
    assert solution.certificate.relative_gap <= SOLVER_GAP
    assert rank_budget(solution.ranks) <= problem.measurements
    again = problem.report(solution.deltas, lam)
    close([solution.certificate.primal, solution.certificate.dual], [again.primal, again.dual])
    assert solution.ranks == [u.shape[1] for u, _ in solution.factors]


@each_loss
@pytest.mark.parametrize("factor", [1.0, 1.5, 1e6])
def test_from_lambda_max_on_the_answer_is_exactly_zero(loss: Loss, factor: float) -> None:
    problem = random_problem(0, loss, k=2)
    solution = solve(problem, factor * problem.lambda_max())
    assert solution.status is Status.OPTIMAL
    assert solution.ranks == [0]
    assert not solution.deltas[0].any()
    assert abs(solution.certificate.gap) <= EXACT


def test_zero_features_have_the_zero_solution_for_every_lambda() -> None:
    problem = make_problem([DenseFeatures(np.zeros((3, 1, 2, 2)))], np.zeros((3, 1)), np.ones(3), SQUARED)
    for lam in (0.0, 0.1):
        solution = solve(problem, lam)
        assert (solution.status, solution.ranks, solution.measurements) == (Status.OPTIMAL, [0], 0)
        close(solution.certificate.primal, 0.5)


@each_loss
def test_a_rank_limit_below_the_optimum_is_kept_and_reported_with_its_true_gap(loss: Loss) -> None:
    problem = random_problem(1, loss, n=12, k=2, shapes=((6, 6),))
    lam = 0.01 * problem.lambda_max()
    free = solve(problem, lam)
    assert free.ranks[0] > 1
    for limit in (0, 1):
        limited = solve(problem, lam, max_rank=limit)
        assert limited.status is Status.RANK_LIMITED
        assert limited.ranks[0] <= limit
        assert limited.certificate.gap > SOLVER_GAP
        assert limited.certificate.primal >= free.certificate.primal
        assert limited.certificate.dual <= free.certificate.primal + EXACT
    enough = solve(problem, lam, max_rank=free.ranks[0])
    assert enough.status is Status.OPTIMAL


@settings(max_examples=10)
@given(seed=seeds)
def test_without_weight_decay_the_squared_loss_is_interpolated_or_fitted_by_least_squares(seed: int) -> None:
    wide = random_problem(seed, SQUARED, n=5, k=2, shapes=((4, 5),))
    solution = solve(wide, 0.0)
    assert solution.status is Status.OPTIMAL
    close(wide.predictions(solution.deltas), wide.y, float(np.sqrt(SOLVER_GAP)))
    assert rank_budget(solution.ranks) <= wide.measurements
    narrow = random_problem(seed, SQUARED, n=12, k=1, shapes=((2, 3),))
    matrix = np.asarray(narrow.layers[0].dense()).reshape(12, 6)
    _, residual, *_ = np.linalg.lstsq(matrix, (narrow.y - narrow.f0).reshape(-1))
    fitted = solve(narrow, 0.0)
    assert fitted.status is Status.OPTIMAL
    close(fitted.certificate.primal, residual[0] / 24)
    assert fitted.report()["spectral_norm_ratio"] is None


def test_without_reduction_the_optimum_is_the_same() -> None:
    problem = random_problem(4, SQUARED, n=5, shapes=((4, 4),))
    lam = 0.05 * problem.lambda_max()
    raw, reduced = solve(problem, lam, reduce=False), solve(problem, lam)
    close(raw.certificate.primal, reduced.certificate.primal, SOLVER_GAP)


def test_report_has_the_numbers_of_the_command_and_is_json() -> None:
    problem = random_problem(0, CROSS_ENTROPY, n=4, k=3, shapes=((4, 5),))
    numbers = json.loads(json.dumps(solve(problem, 0.1 * problem.lambda_max()).report()))
    assert set(numbers) == {
        "status",
        "primal",
        "dual",
        "gap",
        "relative_gap",
        "rank",
        "spectral_norm_ratio",
        "rank_existence",
        "rank_no_spurious",
        "n_measurements",
        "seconds",
        "reason",
    }
    assert numbers["n_measurements"] == 8
    assert (numbers["rank_existence"], numbers["rank_no_spurious"]) == (pataki_rank(8), generic_rank(8))
    assert numbers["status"] == "optimal"


def test_numerical_rank_counts_singular_values_of_the_product() -> None:
    u, v = np.eye(4)[:, :3] * np.array([1.0, 1e-3, 1e-9]), np.eye(5)[:, :3]
    assert numerical_rank(u, v) == 2
    assert numerical_rank(u, 0 * v) == numerical_rank(u[:, :0], v[:, :0]) == 0
    assert numerical_rank(np.ones((4, 6)), np.ones((5, 6))) == 1


@pytest.mark.parametrize("lam", [-1.0, float("nan"), float("inf")])
def test_a_negative_or_infinite_lambda_is_refused(lam: float) -> None:
    with pytest.raises(BadInput, match=rf"lambda {lam} is negative or not finite: expected a number >= 0"):
        solve(random_problem(0), lam)


@pytest.mark.parametrize("tol", [0.0, -1e-9, float("nan")])
def test_a_tolerance_that_is_not_positive_is_refused(tol: float) -> None:
    with pytest.raises(BadInput, match=rf"tolerance {tol} is not positive: expected a relative gap"):
        solve(random_problem(0), 0.1, tol=tol)


@pytest.mark.parametrize("rank", [-1, 5])
def test_a_rank_limit_outside_the_matrix_is_refused(rank: int) -> None:
    with pytest.raises(BadInput, match=rf"max rank {rank} is out of range: expected 0\.\.4 = min\(d_out, d_in\)"):
        solve(random_problem(0), 0.1, max_rank=rank)


@pytest.mark.parametrize("loss", [LOGISTIC, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_lambda_zero_is_refused_where_the_infimum_need_not_be_attained(loss: Loss) -> None:
    with pytest.raises(BadInput, match=rf"lambda 0 with the {loss.name} loss: .* use lambda > 0"):
        solve(random_problem(0, loss), 0.0)
