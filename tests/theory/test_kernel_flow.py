"""Closed forms of training in function space, and of the kernel of B-only training over a random A."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from tests.checks import EXACT, close
from tests.strategies import dense_features, seeds
from theory.kernel_flow import descent_residuals, flow_predictions, flow_residuals
from theory.lora_kernels import expected_projected_kernel, projected_kernel_variance, relative_deviation

_INTEGRATOR = 1e-6  # what DOP853 at rtol 1e-10 keeps with a margin of four decades


def linear_model(seed: int, rank: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Jacobians at 5 training and 3 other points (rank < 5 makes the kernel singular), and a residual."""
    rng = np.random.default_rng(seed)
    j = rng.standard_normal((8, rank))
    return j[:5], j[5:], rng.standard_normal(5)


@given(seed=seeds, time=st.floats(0.0, 5.0), rank=st.sampled_from([2, 6]))
def test_flow_is_the_matrix_exponential(seed: int, time: float, rank: int) -> None:
    j, _, residual = linear_model(seed, rank)
    (closed,) = flow_residuals(j @ j.T, residual, [time], 5)
    close(closed, expm(-time / 5 * (j @ j.T)) @ residual)


def test_flow_is_the_integrated_gradient_flow_on_the_parameters() -> None:
    j, other, residual = linear_model(0)
    flow = solve_ivp(lambda t, w: -j.T @ (residual + j @ w) / 5, (0, 3), np.zeros(6), "DOP853", rtol=1e-10, atol=1e-12)
    w = flow.y[:, -1]
    close(residual + j @ w, flow_residuals(j @ j.T, residual, [3.0], 5)[0], _INTEGRATOR)
    close(other @ w, flow_predictions(other @ j.T, j @ j.T, residual, 3.0, 5), _INTEGRATOR)


@given(seed=seeds, rank=st.sampled_from([2, 6]), steps=st.integers(0, 30))
def test_descent_is_repeated_steps(seed: int, rank: int, steps: int) -> None:
    j, _, residual = linear_model(seed, rank)
    kernel = j @ j.T
    step = 2.0 / np.linalg.eigvalsh(kernel)[-1]
    w = np.zeros(rank)
    for _ in range(steps):
        w = w - step * j.T @ (residual + j @ w) / 5
    close(descent_residuals(kernel, residual, step, [steps], 5)[0], residual + j @ w)


@given(seed=seeds, rank=st.sampled_from([2, 6]), time=st.floats(0.0, 10.0))
def test_predictions_at_the_training_points_are_the_residuals(seed: int, rank: int, time: float) -> None:
    j, _, residual = linear_model(seed, rank)
    kernel = j @ j.T
    change = flow_predictions(kernel, kernel, residual, time, 5)
    close(residual + change, flow_residuals(kernel, residual, [time], 5)[0])


@given(seed=seeds, time=st.floats(0.0, 4.0), scale=st.sampled_from([0.1, 3.0]))
def test_scaling_the_kernel_is_scaling_time_and_the_flow_composes(seed: int, time: float, scale: float) -> None:
    j, _, residual = linear_model(seed)
    kernel = j @ j.T
    (one,) = flow_residuals(scale * kernel, residual, [time], 5)
    close(one, flow_residuals(kernel, residual, [scale * time], 5)[0])
    (half,) = flow_residuals(kernel, residual, [0.5 * time], 5)
    close(flow_residuals(kernel, half, [0.5 * time], 5)[0], flow_residuals(kernel, residual, [time], 5)[0])
    assert np.linalg.norm(half) <= np.linalg.norm(residual) * (1 + EXACT)


def test_bad_kernels_and_times_are_refused() -> None:
    with pytest.raises(ValueError, match="the kernel is not symmetric: entries differ by"):
        flow_residuals(np.array([[1.0, 0.5], [0.0, 1.0]]), np.ones(2), [1.0], 1)
    with pytest.raises(ValueError, match=r"time -1\.0 is negative: expected times >= 0"):
        flow_residuals(np.eye(2), np.ones(2), [1.0, -1.0], 1)


@pytest.mark.parametrize("rank", [1, 3])
def test_mean_and_variance_over_all_sign_matrices_are_exact(rank: int) -> None:
    """With signs the expectation over A is a finite average: no sampling."""
    rng = np.random.default_rng(0)
    g = rng.standard_normal((4, 2, 3))
    bits = np.array(np.meshgrid(*[[-1.0, 1.0]] * (3 * rank))).reshape(3 * rank, -1).T
    factors = bits.reshape(-1, rank, 3) / rank**0.5
    projected = np.einsum("qmp,srp->sqmr", g, factors).reshape(len(factors), 4, -1)
    kernels = projected @ np.swapaxes(projected, 1, 2)
    full = np.einsum("qmp,smp->qs", g, g)
    close(kernels.mean(axis=0), expected_projected_kernel(full, rank))
    variance = projected_kernel_variance(g, rank, excess_kurtosis=-2.0)
    close(kernels.var(axis=0), variance)
    root = np.sqrt(((kernels - full) ** 2).sum(axis=(1, 2)).mean()) / np.linalg.norm(full)
    close(root, relative_deviation(full, variance))


@given(g=dense_features(), rank=st.integers(1, 5), scale=st.sampled_from([0.5, 2.0]))
def test_variance_is_symmetric_scales_and_has_the_rate_of_the_rank(g: np.ndarray, rank: int, scale: float) -> None:
    features = g.reshape(-1, *g.shape[2:])
    variance = projected_kernel_variance(features, rank)
    close(variance, variance.T)
    close(projected_kernel_variance(features, 1), rank * variance)
    close(projected_kernel_variance(scale * features, rank), scale**4 * variance)
    close(projected_kernel_variance(features, rank, entry_variance=scale / rank), scale**2 * variance)
    assert (projected_kernel_variance(features, rank, excess_kurtosis=-2.0) <= variance + EXACT).all()


def test_gaussian_variance_of_rank_one_features_is_the_textbook_formula() -> None:
    """One quadratic form: Var (x.a)(y.a) = |x|^2 |y|^2 + (x.y)^2 for standard normal a."""
    x, y = np.random.default_rng(1).standard_normal((2, 4))
    features = np.stack([x[None], y[None]])
    close(projected_kernel_variance(features, 1)[0, 1], x @ x * (y @ y) + (x @ y) ** 2)


def test_zero_variance_is_zero_deviation_and_bad_numbers_are_refused() -> None:
    full = np.eye(3)
    assert relative_deviation(full, np.zeros((3, 3))) == 0.0
    with pytest.raises(ValueError, match="rank 0: expected at least 1"):
        expected_projected_kernel(full, 0)
    with pytest.raises(ValueError, match=r"entry variance -1\.0: expected a number >= 0"):
        projected_kernel_variance(np.ones((1, 2, 2)), 1, entry_variance=-1.0)
    with pytest.raises(ValueError, match=r"excess kurtosis -3\.0: expected at least -2"):
        projected_kernel_variance(np.ones((1, 2, 2)), 1, excess_kurtosis=-3.0)
