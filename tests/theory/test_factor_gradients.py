"""Gradients of the factors against automatic differentiation of a network, stationarity, and mean squared norms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from tests.checks import close
from tests.strategies import orthonormal_columns, seeds, symmetric_with_spectrum
from tests.theory.linear_problems import haar_rows, standard_errors
from tests.tolerances import CLOSED_FORM, DERIVATIVE, MONTE_CARLO
from theory.factor_gradients import (
    gradient_a,
    gradient_b,
    mean_squared_gradient_a,
    mean_squared_gradient_b,
    stationarity_a,
    stationarity_b,
)
from theory.linear_adapters import fit_a_only, fit_b_only


@given(seed=seeds)
@settings(max_examples=5)
def test_factor_gradients_are_the_derivatives_of_a_network(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w0, head = rng.standard_normal((7, 5)), rng.standard_normal((4, 5)), rng.standard_normal((3, 4))
    b, a, scale = rng.standard_normal((4, 2)), rng.standard_normal((2, 5)), 2.0
    labels = rng.integers(0, 3, 7)

    def loss(weight: jax.Array) -> jax.Array:
        logits = jnp.tanh(jnp.asarray(x) @ weight.T) @ jnp.asarray(head).T
        return -jnp.mean(jax.nn.log_softmax(logits)[np.arange(7), labels])

    def adapted(b: jax.Array, a: jax.Array) -> jax.Array:
        return loss(jnp.asarray(w0) + scale * (b @ a))

    weight = jnp.asarray(w0 + scale * (b @ a))
    by_b, by_a = jax.grad(adapted, argnums=(0, 1))(jnp.asarray(b), jnp.asarray(a))
    whole = np.asarray(jax.grad(loss)(weight))
    close(gradient_b(whole, a, scale), by_b, DERIVATIVE["float64"])
    close(gradient_a(whole, b, scale), by_a, DERIVATIVE["float64"])


@given(seed=seeds)
def test_optimal_single_factors_are_stationary_while_the_full_gradient_is_not_zero(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sigma = symmetric_with_spectrum(rng, [4.0, 2.0, 1.0, 0.5, 0.25])
    delta = rng.standard_normal((4, 5))
    q, u = orthonormal_columns(rng, 5, 2).T, orthonormal_columns(rng, 4, 2)
    for fit, stationary, other in (
        (fit_b_only(delta, sigma, q), lambda g: stationarity_b(g, q), lambda g: stationarity_a(g, u)),
        (fit_a_only(delta, sigma, u), lambda g: stationarity_a(g, u), lambda g: stationarity_b(g, q)),
    ):
        g = (fit.update - delta) @ sigma  # half the gradient of the population risk
        assert stationary(g) <= CLOSED_FORM * np.linalg.norm(delta) / np.linalg.norm(g)
        assert np.linalg.norm(g) > CLOSED_FORM
        assert other(g) > CLOSED_FORM
    exact = np.zeros((4, 5))  # an adapter that fits exactly: the full gradient vanishes as well
    assert stationarity_b(exact, q) == stationarity_a(exact, u) == 0.0


@given(seed=seeds)
def test_stationarity_is_the_seen_fraction_of_the_gradient_whatever_the_size_of_the_factor(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = orthonormal_columns(rng, 4, 3), orthonormal_columns(rng, 5, 3)
    gradient = (left * [3.0, 2.0, 1.0]) @ right.T
    for size in (1e-3, 1.0, 40.0):
        # all of the gradient, and what its first two singular directions hold
        assert abs(stationarity_b(gradient, size * right.T) - 1) <= CLOSED_FORM
        assert abs(stationarity_a(gradient, size * left) - 1) <= CLOSED_FORM
        close(stationarity_b(gradient, size * right[:, :2].T), np.sqrt(13 / 14), CLOSED_FORM)
        close(stationarity_a(gradient, size * left[:, :2]), np.sqrt(13 / 14), CLOSED_FORM)
    # a factor of several sizes sees less than its largest direction alone could
    uneven = right * [1.0, 0.5, 0.5]
    close(stationarity_b(gradient, uneven.T), np.sqrt((9 + 1 + 0.25) / 14), CLOSED_FORM)


@pytest.mark.parametrize(("d_out", "d_in", "r"), [(48, 96, 6), (5, 3, 2), (2, 9, 1)])
@settings(max_examples=4)
@given(seed=seeds)
def test_p14_mean_squared_gradient_norms(d_out: int, d_in: int, r: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    g, x, scale = rng.standard_normal(d_out), 3.0 * rng.standard_normal(d_in), 2.0
    whole = np.outer(g, x)
    haar = haar_rows(rng, 1000, r, d_in)
    gaussian = rng.standard_normal((1000, r, d_in)) / d_in**0.5
    for q in (haar, gaussian):
        draws = np.array([np.sum(gradient_b(whole, one, scale) ** 2) for one in q])
        assert abs(standard_errors(draws, mean_squared_gradient_b(g, x, r, scale))) <= MONTE_CARLO
    if r <= d_out:
        u = np.swapaxes(haar_rows(rng, 1000, r, d_out), 1, 2)
        draws = np.array([np.sum(gradient_a(whole, one, scale) ** 2) for one in u])
        assert abs(standard_errors(draws, mean_squared_gradient_a(g, x, r, scale))) <= MONTE_CARLO


def test_fractions_of_the_squared_norm_for_a_layer_of_48_by_96() -> None:
    g, x = np.eye(48)[0], np.eye(96)[0]
    close(mean_squared_gradient_b(g, x, 6), 0.0625)
    close(mean_squared_gradient_a(g, x, 6), 0.125)
    with pytest.raises(ValueError, match=r"rank 97: expected 1 to 96, the side of the frozen factor"):
        mean_squared_gradient_b(g, x, 97)
    with pytest.raises(ValueError, match=r"rank 0: expected 1 to 48"):
        mean_squared_gradient_a(g, x, 0)
    with pytest.raises(ValueError, match=r"the input holds entries that are not finite"):
        mean_squared_gradient_b(g, x * np.nan, 6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_gradient_is_not_stationary(bad: float) -> None:
    gradient = np.where(np.eye(3) > 0, bad, 0.0)
    for measure in (lambda g: stationarity_b(g, np.eye(3)[:1]), lambda g: stationarity_a(g, np.eye(3)[:, :1])):
        with pytest.raises(ValueError, match="the gradient holds entries that are not finite"):
            measure(gradient)
