"""The factored objective: derivatives, lift, gauge."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from tests.checks import (
    EXACT,
    check_factored_gradient_is_the_derivative,
    check_factored_objective_is_the_convex_one_at_balanced_factors,
    close,
)
from tests.problems import ALL_LOSSES, random_problem
from tests.strategies import seeds
from tests.tolerances import TAYLOR_SLOPE
from theory import factored_objective as lora
from theory.losses import Loss

each_loss = pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)


def instance(loss: Loss, seed: int, lam: float = 0.3, rank: int = 2) -> tuple:
    """Return the arguments (gradients, f0, y, loss, lam, q, P) of one 3 x 4 layer."""
    problem = random_problem(seed, loss, n=4, k=2, shapes=((3, 4),))
    rng = np.random.default_rng([seed, 9])
    w = rng.standard_normal((7, 7))
    q = rng.standard_normal((7, rank))
    return np.asarray(problem.layers[0].dense()), problem.f0, problem.y, loss, lam, q, 0.1 * w @ w.T


@each_loss
@given(seed=seeds)
def test_gradient_and_hessian_are_the_derivatives_of_the_objective(loss: Loss, seed: int) -> None:
    check_factored_gradient_is_the_derivative(loss, seed)


@each_loss
@given(seed=seeds)
def test_objective_at_balanced_factors_is_the_convex_objective(loss: Loss, seed: int) -> None:
    check_factored_objective_is_the_convex_one_at_balanced_factors(loss, seed)


@each_loss
def test_taylor_errors_have_slopes_two_and_three(loss: Loss) -> None:
    *front, q, perturbation = instance(loss, 0)
    way = np.random.default_rng(1).standard_normal(q.shape)
    way /= np.linalg.norm(way)
    steps = 2.0 ** -np.arange(5, 10)
    first = (lora.gradient(*front, q, perturbation) * way).sum()
    second = 0.5 * (lora.hessian_product(*front, q, way, perturbation) * way).sum()
    change = np.array([lora.objective(*front, q + t * way, perturbation) for t in steps])
    change = change - lora.objective(*front, q, perturbation)

    def slope(errors: np.ndarray) -> float:
        return float(np.polyfit(np.log(steps), np.log(np.abs(errors)), 1)[0])

    assert abs(slope(change - steps * first) - 2) <= TAYLOR_SLOPE
    assert abs(slope(change - steps * first - steps**2 * second) - 3) <= TAYLOR_SLOPE


@each_loss
@given(seed=seeds)
def test_hessian_product_is_the_hessian_times_the_direction_and_the_matrix_is_symmetric(loss: Loss, seed: int) -> None:
    *front, q, perturbation = instance(loss, seed)
    way = np.random.default_rng(seed).standard_normal(q.shape)
    hessian = lora.hessian(*front, q, perturbation)
    product = lora.hessian_product(*front, q, way, perturbation)
    close(product.reshape(-1), hessian @ way.reshape(-1))
    close(hessian, hessian.T)


@each_loss
@given(seed=seeds)
def test_hessian_form_is_the_lifted_one(loss: Loss, seed: int) -> None:
    """Hess[D]^2 = tr(D^T S D) + D^2 l [A_Q D, A_Q D], with S built from scratch."""
    g, f0, y, _, lam, q, perturbation = instance(loss, seed)
    n = g.shape[0]
    way = np.random.default_rng(seed).standard_normal(q.shape)
    p = f0 + np.einsum("nkij,ij->nk", g, q[:3] @ q[3:].T)
    gradient = np.einsum("nkij,nk->ij", g, loss.gradient(p, y)) / n
    s = lam * np.eye(7) + 2 * perturbation
    s[:3, 3:] += gradient
    s[3:, :3] += gradient.T
    change = np.einsum("nkij,ij->nk", g, way[:3] @ q[3:].T + q[:3] @ way[3:].T)
    curvature = np.einsum("nk,nkl,nl", change, loss.hessian(p, y), change) / n
    expected = np.trace(way.T @ s @ way) + curvature
    hessian = lora.hessian(g, f0, y, loss, lam, q, perturbation)
    close(way.reshape(-1) @ hessian @ way.reshape(-1), expected)
    close(lora.gradient(g, f0, y, loss, lam, q, perturbation), s @ q)
    close(lora.prediction_jacobian(g, q) @ way.reshape(-1), change.reshape(-1))


@each_loss
@given(seed=seeds)
def test_objective_is_the_lifted_one_which_is_linear_in_the_lift_at_fixed_predictions(loss: Loss, seed: int) -> None:
    g, f0, y, _, lam, q, perturbation = instance(loss, seed)
    z = q @ q.T
    p = f0 + np.einsum("nkij,ij->nk", g, z[:3, 3:])
    lifted = loss.value(p, y).mean() + 0.5 * lam * np.trace(z) + (perturbation * z).sum()
    close(lora.objective(g, f0, y, loss, lam, q, perturbation), lifted)
    close(lora.predictions(g, f0, q), p)


@each_loss
@pytest.mark.parametrize(("weight_decay", "dimension"), [(True, 3), (False, 9)])
@given(seed=seeds)
def test_objective_is_constant_along_the_gauge_and_the_gauge_is_flat_at_a_critical_point(
    loss: Loss, weight_decay: bool, dimension: int, seed: int
) -> None:
    g, f0, y, _, _, q, _ = instance(loss, seed, rank=3)
    lam = 0.3 if weight_decay else 0.0
    u, v = lora.split(q, 3)
    gauge = lora.gauge_directions(u, v, weight_decay=weight_decay)
    assert np.linalg.matrix_rank(gauge) == dimension
    gradient = lora.gradient(g, f0, y, loss, lam, q).reshape(-1)
    close(gradient @ gauge, np.zeros(gauge.shape[1]))
    # predictions do not move, so H = S (x) I on the gauge, and S (x) I kills it wherever S Q = 0
    close(lora.prediction_jacobian(g, q) @ gauge, np.zeros((g.shape[0] * g.shape[1], dimension)))
    hessian = lora.hessian(g, f0, y, loss, lam, q)
    s = lora.stationarity_matrix(lora.data_gradient(g, f0, y, loss, q), lam)
    leftover = hessian @ gauge - np.kron(s, np.eye(3)) @ gauge
    close(leftover, np.zeros(leftover.shape), EXACT * max(1.0, float(np.abs(hessian).max())))


def test_a_single_column_has_no_rotations_and_one_rescaling() -> None:
    u, v = np.ones((3, 1)), np.ones((4, 1))
    assert lora.gauge_directions(u, v, weight_decay=True).shape == (7, 0)
    close(lora.gauge_directions(u, v, weight_decay=False)[:, 0], [1.0] * 3 + [-1.0] * 4)


@pytest.mark.parametrize("weight_decay", [True, False])
def test_gauge_directions_accept_jax_arrays_like_every_other_function(weight_decay: bool) -> None:
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal((3, 2)), rng.standard_normal((4, 2))
    expected = lora.gauge_directions(u, v, weight_decay=weight_decay)
    close(lora.gauge_directions(jnp.asarray(u), jnp.asarray(v), weight_decay=weight_decay), expected)
