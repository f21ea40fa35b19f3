"""The certified solver against two independent oracles, its own optimality conditions, and degenerate problems."""

import cvxpy as cp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sims.convex_problem import ConvexProblem, make_problem
from sims.errors import BadInput
from sims.ntk.features import DenseFeatures
from sims.solvers.nuclear_norm import solve_nuclear_norm
from sims.solvers.solution import Status
from tests.checks import check_solution_is_optimal, close, random_factors
from tests.problems import ALL_LOSSES, dense_twin, random_problem
from tests.strategies import dense_features, seeds
from tests.tolerances import NUMERICAL_RANK, ORACLE_OBJECTIVE, SOLVER_GAP, SPECTRAL_FEASIBILITY
from theory.convex_lora import soft_threshold, spectral_norm
from theory.losses import CROSS_ENTROPY, LOGISTIC, SQUARED, Loss

each_loss = pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)
# (n, k, shapes): one output; several outputs; two layers of different shape; one sample
SIZES = {
    "one output": (6, 1, ((4, 5),)),
    "three outputs": (4, 3, ((3, 4),)),
    "two layers": (5, 2, ((3, 4), (4, 2))),
    "one sample": (1, 2, ((3, 3),)),
}


def clarabel_objective(problem: ConvexProblem, lam: float) -> float:
    """Return the optimal value found by cvxpy with Clarabel at its tightest tolerances."""
    deltas = [cp.Variable(shape) for shape in problem.shapes]
    n, k = problem.n, problem.k
    p = cp.Constant(problem.f0.reshape(-1))
    for layer, delta in zip(problem.layers, deltas):
        p = p + np.asarray(layer.dense()).reshape(n * k, -1) @ cp.vec(delta, order="C")
    if problem.loss is SQUARED:
        data = cp.sum_squares(p - problem.y.reshape(-1)) / 2
    elif problem.loss is LOGISTIC:
        data = cp.sum(cp.logistic(-cp.multiply(problem.y.reshape(-1), p)))
    else:
        rows = cp.reshape(p, (n, k), order="C")
        data = cp.sum(cp.log_sum_exp(rows, axis=1)) - cp.sum(cp.multiply(np.eye(k)[problem.y], rows))
    objective = data / n + lam * sum(cp.normNuc(delta) for delta in deltas)
    accuracy = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
    return float(cp.Problem(cp.Minimize(objective)).solve(solver=cp.CLARABEL, **accuracy))


def fista_objective(problem: ConvexProblem, lam: float, steps: int = 20000) -> float:
    """Return the optimal value by accelerated proximal gradient with restarts, to a tenth of our gap."""
    lipschitz = problem.loss.curvature / problem.n
    gram = sum(np.asarray(layer.gram(layer)).reshape(problem.n * problem.k, -1) for layer in problem.layers)
    step = 1.0 / (lipschitz * float(np.linalg.eigvalsh(gram)[-1]))
    current = [np.zeros(shape) for shape in problem.shapes]
    ahead, momentum, best = current, 1.0, np.inf
    for i in range(steps):
        gradients = problem.data_gradients(problem.predictions(ahead))
        new = [soft_threshold(a - step * g, step * lam) for a, g in zip(ahead, gradients)]
        if i % 10 == 0:
            report = problem.report(new, lam)
            if report.relative_gap <= 0.1 * SOLVER_GAP:
                return report.primal
            if report.primal > best:
                momentum = 1.0
            best = report.primal
        following = 0.5 * (1 + np.sqrt(1 + 4 * momentum**2))
        ahead = [b + (momentum - 1) / following * (b - a) for a, b in zip(current, new)]
        current, momentum = new, following
    raise AssertionError(f"the oracle did not converge: gap {report.relative_gap:.1e}")


@each_loss
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fraction", [0.05, 0.5])
def test_objective_agrees_with_clarabel(loss: Loss, size: str, fraction: float) -> None:
    n, k, shapes = SIZES[size]
    problem = random_problem(7, loss, n=n, k=k, shapes=shapes)
    lam = fraction * problem.lambda_max()
    solution = solve_nuclear_norm(problem, lam)
    assert solution.converged
    oracle = clarabel_objective(problem, lam)
    assert abs(solution.stats["primal"] - oracle) <= ORACLE_OBJECTIVE * max(1.0, abs(oracle))
    gradients = problem.data_gradients(problem.predictions([u @ v.T for u, v in solution.value]))
    assert max(spectral_norm(g) for g in gradients) <= lam * (1 + SPECTRAL_FEASIBILITY)


@each_loss
@pytest.mark.parametrize("size", ["three outputs", "two layers"])
def test_objective_agrees_with_proximal_gradient_steps(loss: Loss, size: str) -> None:
    n, k, shapes = SIZES[size]
    problem = random_problem(3, loss, n=n, k=k, shapes=shapes)
    lam = 0.2 * problem.lambda_max()
    oracle = fista_objective(problem, lam)
    assert abs(solve_nuclear_norm(problem, lam).stats["primal"] - oracle) <= 2 * SOLVER_GAP * max(1.0, oracle)


@each_loss
@pytest.mark.parametrize("size", SIZES)
@settings(max_examples=8)
@given(seed=seeds, exponent=st.floats(-3.0, -0.05))
def test_solution_meets_every_optimality_condition(loss: Loss, size: str, seed: int, exponent: float) -> None:
    n, k, shapes = SIZES[size]
    problem = random_problem(seed, loss, n=n, k=k, shapes=shapes)
    check_solution_is_optimal(problem, 10.0**exponent * problem.lambda_max())


@each_loss
@pytest.mark.parametrize("t", [1, 3])
def test_factored_features_give_the_solution_of_their_dense_twin(loss: Loss, t: int) -> None:
    problem = random_problem(5, loss, n=6, k=2, shapes=((4, 5), (3, 4)), positions=t)
    lam = 0.1 * problem.lambda_max()
    mine = check_solution_is_optimal(problem, lam)
    other = check_solution_is_optimal(dense_twin(problem), lam)
    predictions = [problem.predictions_low_rank(f) for f in (mine, other)]
    # predictions are unique for strictly convex losses; half the squared root of the gap bounds their distance
    close(predictions[0], predictions[1], float(np.sqrt(SOLVER_GAP)))


@pytest.mark.parametrize("loss", [SQUARED, CROSS_ENTROPY], ids=lambda loss: loss.name)
@settings(max_examples=15)
@given(g=dense_features(), seed=seeds)
def test_zero_repeated_and_dead_features_are_solved_too(loss: Loss, g: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k = g.shape[:2]
    if loss is CROSS_ENTROPY and k == 1:
        g, k = np.concatenate([g, -g], axis=1), 2
    y = rng.integers(0, k, size=n) if loss is CROSS_ENTROPY else rng.standard_normal((n, k))
    problem = make_problem([DenseFeatures(g)], 0.1 * rng.standard_normal((n, k)), y, loss)
    check_solution_is_optimal(problem, max(0.1 * problem.lambda_max(), NUMERICAL_RANK))


@each_loss
def test_at_and_above_lambda_max_the_solution_is_exactly_zero(loss: Loss) -> None:
    problem = random_problem(1, loss, k=2)
    for factor in (1.0, 1.0 + 1e-12, 1.001, 100.0):
        solution = solve_nuclear_norm(problem, factor * problem.lambda_max())
        assert solution.status is Status.OPTIMAL
        assert [u.shape[1] for u, _ in solution.value] == [0]


@each_loss
@pytest.mark.parametrize("below", [1e-1, 1e-3, 1e-5, 1e-6])
def test_just_below_lambda_max_the_solution_is_optimal(loss: Loss, below: float) -> None:
    problem = random_problem(1, loss, k=2)
    check_solution_is_optimal(problem, (1 - below) * problem.lambda_max())


@each_loss
def test_tiny_lambda_is_solved_to_the_same_gap(loss: Loss) -> None:
    problem = random_problem(2, loss, n=6, k=2, shapes=((4, 4),))
    check_solution_is_optimal(problem, 1e-5 * problem.lambda_max())


def test_tied_singular_values_are_solved() -> None:
    # gradient at zero is the identity: every singular value passes the threshold at once
    g = np.eye(16).reshape(16, 1, 4, 4)
    y = 16.0 * np.eye(4).reshape(16, 1)
    problem = make_problem([DenseFeatures(g)], np.zeros((16, 1)), y, SQUARED)
    (factors,) = check_solution_is_optimal(problem, 0.25)
    close(factors[0] @ factors[1].T, 12.0 * np.eye(4), float(np.sqrt(SOLVER_GAP)))


def test_matrix_denoising_is_singular_value_soft_thresholding() -> None:
    target = np.random.default_rng(0).standard_normal((4, 3))
    g = np.eye(12).reshape(12, 1, 4, 3)
    problem = make_problem([DenseFeatures(g)], np.zeros((12, 1)), target.reshape(12, 1), SQUARED)
    (factors,) = check_solution_is_optimal(problem, 0.05)
    close(factors[0] @ factors[1].T, soft_threshold(target, 0.05 * 12), float(np.sqrt(SOLVER_GAP)))


@settings(max_examples=10)
@given(seed=seeds, scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_scaling_features_and_lambda_together_changes_nothing_but_the_scale(seed: int, scale: float) -> None:
    problem = random_problem(seed, SQUARED, n=5, shapes=((3, 4),))
    lam = 0.2 * problem.lambda_max()
    scaled = make_problem([DenseFeatures(scale * problem.layers[0].dense())], problem.f0, problem.y, SQUARED)
    one, other = (solve_nuclear_norm(*pair).stats["primal"] for pair in ((problem, lam), (scaled, scale * lam)))
    assert abs(one - other) <= 2 * SOLVER_GAP * max(1.0, one)


def test_an_impossible_tolerance_is_reported_and_never_called_optimal() -> None:
    problem = random_problem(0, LOGISTIC, n=6, shapes=((4, 4),))
    solution = solve_nuclear_norm(problem, 0.1 * problem.lambda_max(), tol=1e-30)
    assert solution.status in (Status.STALLED, Status.MAX_STEPS)
    assert not solution.converged
    assert solution.stats["relative_gap"] <= SOLVER_GAP


def test_too_few_rounds_are_reported_as_such() -> None:
    problem = random_problem(0, SQUARED, n=8, shapes=((5, 5),))
    solution = solve_nuclear_norm(problem, 0.01 * problem.lambda_max(), max_rounds=1, max_steps=1)
    assert solution.status is Status.MAX_STEPS


@pytest.mark.parametrize("lam", [0.0, -1.0, float("nan"), float("inf")])
def test_a_lambda_that_is_not_positive_and_finite_is_refused(lam: float) -> None:
    with pytest.raises(BadInput, match=rf"lambda {lam} is not positive: expected a finite number > 0"):
        solve_nuclear_norm(random_problem(0), lam)


@each_loss
@given(seed=seeds)
def test_no_random_candidate_beats_the_solution(loss: Loss, seed: int) -> None:
    problem = random_problem(11, loss, k=2, shapes=((3, 4),))
    lam = 0.1 * problem.lambda_max()
    best = OPTIMA.setdefault(loss.name, solve_nuclear_norm(problem, lam).stats["primal"])
    for scale in (1e-3, 0.1, 1.0):
        deltas = [scale * u @ v.T for u, v in random_factors(seed, problem, 2)]
        assert problem.report(deltas, lam).primal >= best - SOLVER_GAP * max(1.0, best)


OPTIMA: dict[str, float] = {}
