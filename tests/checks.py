"""Assertions shared by the named tests and by tests/mutants, which runs them on deliberately broken code."""

import inspect
from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from sims.convex_problem import ConvexProblem
from sims.ntk import features
from sims.solvers import low_rank_newton, nuclear_norm, rank_reduction
from tests.problems import random_problem
from tests.tolerances import (
    DERIVATIVE,
    FINITE_DIFFERENCE,
    IDENTITY,
    REDUCTION_DRIFT,
    SOLVER_GAP,
    SPECTRAL_FEASIBILITY,
)
from theory import convex_lora, factored_objective, factorisation, rank_thresholds
from theory.losses import SQUARED, Loss

EXACT = IDENTITY["float64"]


def close(actual: object, expected: object, tolerance: float = EXACT) -> None:
    """Assert equality relative to the largest entry (or to one)."""
    expected = np.asarray(expected)
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=0.0, atol=tolerance * scale)


def random_factors(seed: int, problem: ConvexProblem, rank: int) -> low_rank_newton.Factors:
    """Return Gaussian factors of every layer."""
    rng = np.random.default_rng([seed, 1])
    return [(rng.standard_normal((m, rank)), rng.standard_normal((p, rank))) for m, p in problem.shapes]


def check_balanced_factors_attain_the_nuclear_norm(seed: int, shape: tuple[int, int] = (4, 5), rank: int = 2) -> None:
    """F1 and F2: penalty of balanced factors = nuclear norm <= penalty of any other factors."""
    rng = np.random.default_rng(seed)
    delta = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    u, v = factorisation.balanced_factors(delta, rank)
    norm = convex_lora.nuclear_norm(delta)
    close(u @ v.T, delta)
    close(factorisation.factor_penalty(u, v), norm)
    change = rng.standard_normal((rank, rank)) + 2.0 * np.eye(rank)
    other = factorisation.factor_penalty(u @ change, v @ np.linalg.inv(change).T)
    assert other >= norm * (1 - EXACT), f"penalty {other} below the nuclear norm {norm}"


@cache
def _derivatives(objective: Callable[..., Any], code: CodeType, loss: Loss) -> Callable[..., Any]:
    """Return the jitted (gradient, Hessian) of an objective in q; a mutant has another code, so another entry."""

    def value(q: Any, g: Any, f0: Any, y: Any, lam: Any, p: Any) -> Any:
        return objective(g, f0, y, loss, lam, q, p)

    return jax.jit(lambda *args: (jax.grad(value)(*args), jax.hessian(value)(*args)))


def check_factored_gradient_is_the_derivative(loss: Loss, seed: int) -> None:
    """S Q and the Hessian formula against automatic differentiation, on a square matrix (so a transpose shows)."""
    problem = random_problem(seed, loss, n=3, k=2, shapes=((3, 3),))
    rng = np.random.default_rng([seed, 2])
    gradients, q, w = np.asarray(problem.layers[0].dense()), rng.standard_normal((6, 2)), rng.standard_normal((6, 6))
    args = (gradients, problem.f0, problem.y, loss, 0.3, q, w @ w.T)
    objective = factored_objective.objective
    gradient, hessian = _derivatives(objective, inspect.unwrap(objective).__code__, loss)(
        *(jnp.asarray(a) for a in (q, gradients, problem.f0, problem.y, 0.3, w @ w.T))
    )
    close(factored_objective.gradient(*args), gradient, DERIVATIVE["float64"])
    close(factored_objective.hessian(*args), hessian.reshape(12, 12), DERIVATIVE["float64"])


def check_factored_objective_is_the_convex_one_at_balanced_factors(loss: Loss, seed: int) -> None:
    """L(u, v) = data term at u v^T + lam ||u v^T||_*, on a square matrix, from both modules that compute it."""
    problem = random_problem(seed, loss, n=4, k=2, shapes=((4, 4),))
    rng = np.random.default_rng([seed, 3])
    delta, lam = rng.standard_normal((4, 2)) @ rng.standard_normal((2, 4)), 0.7
    u, v = factorisation.balanced_factors(delta, 2)
    expected = problem.loss.value(problem.f0 + np.einsum("nkij,ij->nk", problem.layers[0].dense(), delta), problem.y)
    primal = expected.mean() + lam * np.linalg.norm(delta, "nuc")
    q = np.concatenate([u, v])
    close(factored_objective.objective(problem.layers[0].dense(), problem.f0, problem.y, loss, lam, q), primal)
    close(low_rank_newton.factored_objective(problem, [(u, v)], lam)[0], primal)
    close(problem.report([delta], lam).primal, primal)


def check_factored_features_equal_dense(seed: int, positions: int, size: int = 4) -> None:
    """Every method of both representations against einsum on the dense tensor, on a square matrix."""
    rng = np.random.default_rng(seed)
    n, k, m, p, r = 3, 2, size, size, 2
    signal, activation = rng.standard_normal((n, k, positions, m)), rng.standard_normal((n, positions, p))
    g = np.einsum("nkti,ntj->nkij", signal, activation)
    delta, u, v = rng.standard_normal((m, p)), rng.standard_normal((m, r)), rng.standard_normal((p, r))
    y, mixing = rng.standard_normal((n, k)), rng.standard_normal((k, 3))
    for made in (features.FactoredFeatures(signal, activation), features.DenseFeatures(g)):
        assert (made.n, made.k, made.d_out, made.d_in, made.shape) == (n, k, m, p, (m, p)), "sizes"
        close(made.dense(), g)
        close(made.apply(delta), np.einsum("nkij,ij->nk", g, delta))
        close(made.apply_low_rank(u, v), np.einsum("nkij,ir,jr->nk", g, u, v))
        close(made.adjoint(y), np.einsum("nkij,nk->ij", g, y))
        close((made.apply(delta) * y).sum(), (delta * made.adjoint(y)).sum())
        close(made.gram(made), np.einsum("nkij,mlij->nkml", g, g))
        close(made.project_input(v.T).dense(), np.einsum("nkij,jr->nkir", g, v))
        close(made.project_output(u).dense(), np.einsum("nkij,ir->nkrj", g, u))
        close(made.mix_outputs(mixing).dense(), np.einsum("nkij,kq->nqij", g, mixing))


def check_factor_gram_is_the_jacobian_gram(seed: int, positions: int, size: int = 4) -> None:
    """J (W (x) I) J^T against the explicit Jacobian."""
    rng = np.random.default_rng(seed)
    n, k, d, r = 3, 2, 2 * size, 2
    made = features.FactoredFeatures(
        rng.standard_normal((n, k, positions, size)), rng.standard_normal((n, positions, size))
    )
    u, v, w = rng.standard_normal((size, r)), rng.standard_normal((size, r)), rng.standard_normal((d, d))
    metric = w + w.T
    g = made.dense()
    jacobian = np.concatenate([g @ v, np.swapaxes(g, 2, 3) @ u], axis=2).reshape(n * k, d * r)
    expected = jacobian @ np.kron(metric, np.eye(r)) @ jacobian.T
    close(made.factor_gram(u, v, metric), expected)
    close(features.DenseFeatures(g).factor_gram(u, v, metric), expected)


def check_soft_threshold_is_the_proximal_point(seed: int, shape: tuple[int, int] = (4, 5)) -> None:
    """X = prox(A) satisfies A - X in threshold * subdifferential of the nuclear norm at X: optimality, both halves."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal(shape)
    threshold = float(rng.uniform(0.2, 0.9)) * convex_lora.spectral_norm(matrix)
    point = convex_lora.soft_threshold(matrix, threshold)
    pull = matrix - point
    top = np.linalg.norm(pull, 2)
    assert top <= threshold * (1 + EXACT), f"pull {top} above the threshold {threshold}"
    close((pull * point).sum(), threshold * np.linalg.norm(point, "nuc"))


def check_data_gradient_is_the_derivative(loss: Loss, seed: int) -> None:
    """Gradient of (1/n) sum_i l with respect to every layer, by central differences along a random direction."""
    problem = random_problem(seed, loss, n=5, k=2, shapes=((3, 4), (4, 4)))
    rng = np.random.default_rng([seed, 4])
    deltas = [rng.standard_normal(s) for s in problem.shapes]
    ways = [rng.standard_normal(s) for s in problem.shapes]
    step = float(np.finfo(float).eps ** (1 / 3))

    def value(t: float) -> float:
        moved = problem.predictions([d + t * w for d, w in zip(deltas, ways)])
        return float(loss.value(moved, problem.y).mean())

    slope = (value(step) - value(-step)) / (2 * step)
    gradients = problem.data_gradients(problem.predictions(deltas))
    close(sum((g * w).sum() for g, w in zip(gradients, ways)), slope, FINITE_DIFFERENCE["float64"])


def check_dual_never_exceeds_the_primal(loss: Loss, seed: int) -> None:
    """Weak duality between any two points: the dual value made at one is below the primal value at the other."""
    problem = random_problem(seed, loss, n=5, k=2, shapes=((3, 4), (4, 2)))
    rng = np.random.default_rng([seed, 5])
    lam = 0.3 * problem.lambda_max()
    points = [[t * rng.standard_normal(s) for s in problem.shapes] for t in (0.0, 1e-3, 0.1, 1.0, 5.0)]
    reports = [problem.report(point, lam) for point in points]
    best = min(report.primal for report in reports)
    for report in reports:
        assert report.dual <= best + EXACT * max(1.0, abs(best)), f"dual {report.dual} above the primal {best}"


def check_solution_is_optimal(problem: ConvexProblem, lam: float) -> low_rank_newton.Factors:
    """Gap, KKT and objective, recomputed here with dense numpy formulas, nothing taken from the package's report."""
    solution = nuclear_norm.solve_nuclear_norm(problem, lam)
    assert solution.converged, solution.stats
    deltas = [u @ v.T for u, v in solution.value]
    dense = [np.asarray(layer.dense()) for layer in problem.layers]
    predictions = problem.f0 + sum(np.einsum("nkij,ij->nk", g, d) for g, d in zip(dense, deltas))
    z = problem.loss.gradient(predictions, problem.y)
    gradients = [np.einsum("nkij,nk->ij", g, z) / problem.n for g in dense]
    norms = [float(np.linalg.norm(d, "nuc")) for d in deltas]
    top = max(float(np.linalg.norm(g, 2)) for g in gradients)
    primal = float(problem.loss.value(predictions, problem.y).mean()) + lam * sum(norms)
    scaled = min(1.0, lam / top) * z if top > 0 else z
    dual = float(((scaled * problem.f0).sum(axis=1) - problem.loss.conjugate(scaled, problem.y)).mean())
    scale = max(1.0, abs(primal))
    assert -EXACT * scale <= primal - dual <= SOLVER_GAP * scale, f"primal {primal}, dual {dual}"
    assert top <= lam * (1 + SPECTRAL_FEASIBILITY), f"gradient norm {top} above lambda {lam}"
    alignment = sum(float((g * d).sum()) + lam * s for g, d, s in zip(gradients, deltas, norms))
    assert abs(alignment) <= 2 * SOLVER_GAP * scale, f"gradient and solution are misaligned by {alignment}"
    close(solution.stats["primal"], primal)
    return solution.value


def check_rank_reduction(problem: ConvexProblem, lam: float, factors: low_rank_newton.Factors) -> None:
    """Budget at most the effective KN, predictions, trace and objective unchanged, one column lost at every step."""
    steps, original = [], rank_reduction.null_direction
    columns = sum(u.shape[1] for u, _ in factors)

    def counted(*args: object) -> object:
        steps.append(1)
        assert len(steps) <= columns + 1, "a step lost no column"
        return original(*args)  # type: ignore[arg-type]

    with mock.patch.object(rank_reduction, "null_direction", counted):
        reduced = rank_reduction.reduce_rank(problem, factors)
    ranks = [u.shape[1] for u, _ in reduced.factors]
    budget = rank_thresholds.rank_budget(ranks)
    assert budget <= problem.n * problem.loss.free_outputs(problem.k), f"budget {budget} above the count"
    assert budget <= problem.measurements, f"budget {budget} above the effective count {problem.measurements}"
    assert reduced.budgets[-1] == budget, f"reported budgets {reduced.budgets}, final {budget}"
    assert all(a > b for a, b in zip(reduced.budgets, reduced.budgets[1:])), f"budgets {reduced.budgets}"
    before, after = ([u @ v.T for u, v in f] for f in (factors, reduced.factors))
    close(problem.predictions(after), problem.predictions(before), REDUCTION_DRIFT)
    start, end = problem.report(before, lam).primal, problem.report(after, lam).primal
    assert abs(end - start) <= REDUCTION_DRIFT * max(1.0, abs(start)), f"objective moved from {start} to {end}"
    drift = max(reduced.prediction_drift, reduced.trace_drift)
    assert drift <= REDUCTION_DRIFT, f"reported drift {drift}"


def overparametrised_optimum(seed: int, loss: Loss = SQUARED, **sizes: object) -> tuple[ConvexProblem, float, list]:
    """Return (problem, lam, factors) of an optimum that is not of least rank: every feature comes twice, mirrored.

    With block-diagonal copies G (+) G the optimum delta / 2 (+) delta / 2 has twice the rank it needs.
    """
    problem = random_problem(seed, loss, **sizes)  # type: ignore[arg-type]
    lam = 0.2 * problem.lambda_max()
    factors = nuclear_norm.solve_nuclear_norm(problem, lam).value
    layers, doubled = [], []
    for layer, (u, v) in zip(problem.layers, factors):
        g = np.asarray(layer.dense())
        n, k, m, p = g.shape
        wide = np.zeros((n, k, 2 * m, 2 * p))
        wide[:, :, :m, :p] = wide[:, :, m:, p:] = g
        layers.append(features.DenseFeatures(wide))
        doubled.append(tuple(np.kron(np.eye(2), part) * np.sqrt(0.5) for part in (u, v)))
    return ConvexProblem(tuple(layers), problem.f0, problem.y, loss), lam, doubled
