"""Losses: derivatives, conjugates, both array libraries, and predictions of any size."""

from collections.abc import Callable
from functools import cache
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from tests.checks import EXACT, close
from tests.problems import ALL_LOSSES, random_targets
from tests.strategies import seeds
from tests.tolerances import DERIVATIVE, ROUNDING, TAYLOR_SLOPE
from theory.losses import CROSS_ENTROPY, LOGISTIC, SQUARED, Loss, loss_named

N, K = 4, 3
each_loss = pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)


def draw(loss: Loss, seed: int, scale: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Return (predictions, targets)."""
    rng = np.random.default_rng(seed)
    return scale * rng.standard_normal((N, K)), random_targets(rng, loss, N, K)


@cache
def derivatives(loss: Loss) -> Callable[..., Any]:
    """Return the jitted automatic derivatives of the summed value and of the gradient."""
    gradient = jax.grad(lambda p, y: loss.value(p, y).sum())
    return jax.jit(lambda p, y: (gradient(p, y), jax.jacobian(gradient)(p, y)))


@each_loss
@given(seed=seeds)
def test_gradient_and_hessian_are_the_derivatives_of_the_value(loss: Loss, seed: int) -> None:
    p, y = (jnp.asarray(a) for a in draw(loss, seed))
    gradient, jacobian = derivatives(loss)(p, y)
    close(loss.gradient(p, y), gradient, DERIVATIVE["float64"])
    hessian = jnp.stack([jacobian[i, :, i] for i in range(N)])
    close(loss.hessian(p, y), hessian, DERIVATIVE["float64"])


@each_loss
def test_taylor_errors_have_slopes_two_and_three(loss: Loss) -> None:
    p, y = draw(loss, 0, scale=1.0)
    d = np.random.default_rng(1).standard_normal((N, K))
    steps = 2.0 ** -np.arange(5, 10)
    first = (loss.gradient(p, y) * d).sum()
    second = 0.5 * np.einsum("ni,nij,nj", d, loss.hessian(p, y), d)
    value = loss.value(p, y).sum()
    change = np.array([loss.value(p + t * d, y).sum() for t in steps]) - value
    gradient_error = np.abs(change - steps * first)
    slope = np.polyfit(np.log(steps), np.log(gradient_error), 1)[0]
    assert abs(slope - 2) <= TAYLOR_SLOPE
    hessian_error = np.abs(change - steps * first - steps**2 * second)
    if loss is SQUARED:
        assert hessian_error.max() <= EXACT
    else:
        assert np.polyfit(np.log(steps), np.log(hessian_error), 1)[0] >= 3 - TAYLOR_SLOPE


@each_loss
@given(seed=seeds)
def test_fenchel_young_holds_with_equality_exactly_at_the_gradient(loss: Loss, seed: int) -> None:
    p, y = draw(loss, seed)
    other, _ = draw(loss, seed ^ 1)
    z = loss.gradient(p, y)
    close(loss.value(p, y) + loss.conjugate(z, y), (p * z).sum(axis=1))
    assert (loss.value(other, y) + loss.conjugate(z, y) >= (other * z).sum(axis=1) - EXACT).all()


@each_loss
@given(seed=seeds, scale=st.floats(0.0, 1.0))
def test_a_shrunk_dual_point_stays_in_the_domain_of_the_conjugate(loss: Loss, seed: int, scale: float) -> None:
    p, y = draw(loss, seed)
    z = scale * loss.gradient(p, y)
    other, _ = draw(loss, seed ^ 1, scale=30.0)
    assert (loss.value(other, y) + loss.conjugate(z, y) >= (other * z).sum(axis=1) - EXACT * 30).all()


@each_loss
@given(seed=seeds)
def test_numpy_and_jax_agree(loss: Loss, seed: int) -> None:
    p, y = draw(loss, seed, scale=5.0)
    z = 0.5 * loss.gradient(p, y)
    pj, yj = jnp.asarray(p), jnp.asarray(y)
    for name in ("value", "gradient", "hessian"):
        result = getattr(loss, name)(p, y)
        assert isinstance(result, np.ndarray)
        close(getattr(loss, name)(pj, yj), result, ROUNDING["float64"])
    close(loss.conjugate(jnp.asarray(z), yj), loss.conjugate(z, y), ROUNDING["float64"])


@each_loss
@given(seed=seeds)
def test_hessian_is_positive_and_bounded_by_the_curvature(loss: Loss, seed: int) -> None:
    p, y = draw(loss, seed)
    eigenvalues = np.linalg.eigvalsh(loss.hessian(p, y))
    assert eigenvalues.min() >= -EXACT
    assert eigenvalues.max() <= loss.curvature + EXACT


@pytest.mark.parametrize("loss", [LOGISTIC, CROSS_ENTROPY], ids=lambda loss: loss.name)
@given(seed=seeds)
def test_gradient_is_bounded_by_the_lipschitz_constant(loss: Loss, seed: int) -> None:
    p, y = draw(loss, seed, scale=20.0)
    rows = loss.gradient(p, y) if loss is CROSS_ENTROPY else loss.gradient(p, y).reshape(-1, 1)
    assert np.linalg.norm(rows, axis=1).max() <= loss.lipschitz + EXACT


def test_logistic_curvature_and_lipschitz_constants_are_attained() -> None:
    y = np.ones((1, 1))
    assert LOGISTIC.hessian(np.zeros((1, 1)), y)[0, 0, 0] == LOGISTIC.curvature
    assert LOGISTIC.gradient(np.array([[-800.0]]), y)[0, 0] == -LOGISTIC.lipschitz
    p = np.array([[0.0, 800.0, 800.0]])
    assert np.linalg.eigvalsh(CROSS_ENTROPY.hessian(p, np.array([0])))[0, -1] == CROSS_ENTROPY.curvature
    wrong = np.array([[0.0, 800.0]])
    close(np.linalg.norm(CROSS_ENTROPY.gradient(wrong, np.array([0]))), CROSS_ENTROPY.lipschitz)


@pytest.mark.parametrize("size", [40.0, 800.0, 1e8])
def test_logistic_is_finite_and_exact_at_extreme_predictions(size: float) -> None:
    p, y = np.array([[size], [-size]]), np.ones((2, 1))
    value, gradient = LOGISTIC.value(p, y), LOGISTIC.gradient(p, y)
    close(value / size, [0.0, 1.0], ROUNDING["float64"])
    close(gradient, [[0.0], [-1.0]], ROUNDING["float64"])
    assert np.isfinite(LOGISTIC.hessian(p, y)).all()
    assert np.isfinite(LOGISTIC.conjugate(gradient, y)).all()


@pytest.mark.parametrize("size", [40.0, 800.0, 1e8])
def test_cross_entropy_is_finite_and_exact_at_extreme_predictions(size: float) -> None:
    p, y = np.array([[size, 0.0, -size], [size, 0.0, -size]]), np.array([0, 2])
    close(CROSS_ENTROPY.value(p, y) / size, [0.0, 2.0], ROUNDING["float64"])
    gradient = CROSS_ENTROPY.gradient(p, y)
    close(gradient, [[0.0, 0.0, 0.0], [1.0, 0.0, -1.0]], ROUNDING["float64"])
    assert np.isfinite(CROSS_ENTROPY.hessian(p, y)).all()
    assert np.isfinite(CROSS_ENTROPY.conjugate(gradient, y)).all()


@given(seed=seeds, shift=st.floats(-1e3, 1e3))
def test_cross_entropy_sees_only_differences_of_outputs(seed: int, shift: float) -> None:
    p, y = draw(CROSS_ENTROPY, seed)
    close(CROSS_ENTROPY.value(p + shift, y), CROSS_ENTROPY.value(p, y))
    close(CROSS_ENTROPY.gradient(p, y).sum(axis=1), np.zeros(N))
    assert CROSS_ENTROPY.free_outputs(K) == K - 1
    assert SQUARED.free_outputs(K) == K == LOGISTIC.free_outputs(K)


@given(seed=seeds)
def test_two_output_cross_entropy_is_the_logistic_loss_of_the_difference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, labels = rng.standard_normal((N, 2)), rng.integers(0, 2, size=N)
    sign = np.where(labels == 1, 1.0, -1.0)[:, None]
    close(CROSS_ENTROPY.value(p, labels), LOGISTIC.value(p[:, 1:] - p[:, :1], sign))


def test_losses_are_found_by_name_and_unknown_names_are_refused() -> None:
    assert [loss_named(loss.name) for loss in ALL_LOSSES] == list(ALL_LOSSES)
    with pytest.raises(ValueError, match=r"loss 'hinge' is unknown: expected one of squared, logistic, cross_entropy"):
        loss_named("hinge")
