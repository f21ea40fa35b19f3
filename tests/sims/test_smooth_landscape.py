"""Smooth landscapes, training, decayed SGD and sampled curvature, on problems with known answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sims.errors import BadInput
from sims.landscape.decayed_sgd import batches, decayed_sgd
from sims.landscape.descent import train_factors
from sims.landscape.restricted_curvature import sample_curvature
from sims.landscape.smooth import second_order_residuals, smooth_stationary_points
from sims.landscape.smooth_losses import NetworkLoss, network_landscape, quadratic_landscape
from sims.networks import random_mlp
from sims.ntk.tangents import tangent_features
from tests.checks import close
from tests.tolerances import FINITE_DIFFERENCE, HESSIAN_NEGATIVITY, STATIONARITY
from theory.convex_lora import soft_threshold
from theory.losses import CROSS_ENTROPY, SQUARED

SHAPE = (3, 4)


def denoising(seed: int, lam: float):
    """Return ||X - T||^2 / 2 as a landscape, and its minimiser with lam ||X||_*: soft thresholding."""
    target = np.random.default_rng(seed).standard_normal(SHAPE)
    return quadratic_landscape(np.eye(12), target.reshape(-1), [SHAPE], lam), soft_threshold(target, lam)


@pytest.mark.parametrize("seed", range(3))
def test_denoising_ends_at_the_proximal_point(seed: int) -> None:
    landscape, star = denoising(seed, 0.3)
    starts = np.random.default_rng(seed).standard_normal((5, landscape.unknowns(3)))
    found = smooth_stationary_points(landscape, 3, starts)
    assert found.accepted.all()
    for q in found.q:
        ((a, b),) = landscape.factors(q, 3)
        close(a @ b.T, star, STATIONARITY)
    norms, lowest = second_order_residuals(landscape, 3, found.q)
    assert norms.max() <= STATIONARITY
    assert lowest.min() >= -HESSIAN_NEGATIVITY
    # a start is none of that
    assert second_order_residuals(landscape, 3, starts)[0].min() > STATIONARITY


def test_strict_saddles_are_left() -> None:
    landscape, star = denoising(0, 0.3)
    found = smooth_stationary_points(landscape, 3, np.zeros((1, landscape.unknowns(3))))
    ((a, b),) = landscape.factors(found.q[0], 3)
    assert found.accepted.all()
    close(a @ b.T, star, STATIONARITY)


def test_several_matrices_are_solved_together() -> None:
    rng = np.random.default_rng(1)
    shapes = [(3, 3), (2, 4)]
    targets = [rng.standard_normal(s) for s in shapes]
    flat = np.concatenate([t.reshape(-1) for t in targets])
    landscape = quadratic_landscape(np.eye(17), flat, shapes, 0.2)
    found = smooth_stationary_points(landscape, 2, rng.standard_normal((3, landscape.unknowns(2))))
    assert found.accepted.all()
    for (a, b), target in zip(landscape.factors(found.q[0], 2), targets, strict=True):
        expected = soft_threshold(target, 0.2)
        u, s, v = np.linalg.svd(expected)
        close(a @ b.T, (u[:, :2] * s[:2]) @ v[:2], STATIONARITY)


def test_training_reaches_the_same_point() -> None:
    landscape, star = denoising(2, 0.3)
    starts = np.random.default_rng(3).standard_normal((2, landscape.unknowns(3)))
    for q in train_factors(landscape, 3, starts, steps=4000):
        ((a, b),) = landscape.factors(q, 3)
        close(a @ b.T, star, STATIONARITY)


def test_a_tall_quadratic_keeps_gradient_and_curvature() -> None:
    rng = np.random.default_rng(4)
    matrix, target = rng.standard_normal((20, 12)), rng.standard_normal(20)
    landscape = quadratic_landscape(matrix, target, [SHAPE], 0.1)
    x, h = rng.standard_normal((2, *SHAPE))
    (gradient,) = landscape.gradients([x])
    close(gradient, (matrix.T @ (matrix @ x.reshape(-1) - target)).reshape(SHAPE))
    close(landscape.curvature([x], [h]), ((matrix @ h.reshape(-1)) ** 2).sum())


def test_network_gradient_at_zero_is_that_of_the_tangent_features() -> None:
    rng = np.random.default_rng(5)
    network = random_mlp((5, 4, 3, 2), key=jax.random.key(0), activation="tanh")
    x, y = rng.standard_normal((6, 5)), rng.integers(0, 2, 6)
    landscape = network_landscape(network, x, y, CROSS_ENTROPY, (1,), 0.1)
    assert landscape.shapes == ((3, 4),)
    (features,) = tangent_features(network, jnp.asarray(x), layers=(1,))
    z = CROSS_ENTROPY.gradient(np.asarray(network(jnp.asarray(x))), y) / 6
    zero = np.zeros((3, 4))
    close(landscape.gradients([zero])[0], features.adjoint(jnp.asarray(z)))
    h = rng.standard_normal((3, 4))
    step = float(np.finfo(float).eps ** (1 / 4))
    values = [landscape.value([t * h]) for t in (step, 0.0, -step)]
    second = (values[0] - 2 * values[1] + values[2]) / step**2
    close(landscape.curvature([zero], [h]), second, FINITE_DIFFERENCE["float32"])


def test_equal_network_losses_share_their_code() -> None:
    assert NetworkLoss((1,), SQUARED) == NetworkLoss((1,), SQUARED)
    assert len({NetworkLoss((1,), SQUARED), NetworkLoss((1,), SQUARED), NetworkLoss((0,), SQUARED)}) == 2


def test_wrong_starts_are_refused() -> None:
    landscape, _ = denoising(0, 0.3)
    with pytest.raises(BadInput, match=r"starts have shape \(2, 5\): expected \(count, 14\)"):
        smooth_stationary_points(landscape, 2, np.zeros((2, 5)))
    with pytest.raises(BadInput, match=r"starts have shape \(2, 5\) and steps is 9"):
        train_factors(landscape, 2, np.zeros((2, 5)), steps=9)


def mean_square(data, updates):
    model, inputs, targets = data
    return 0.5 * (((inputs * updates[0][None]).sum(axis=(1, 2)) - targets) ** 2).mean() + 0.0 * model


def test_decayed_sgd_is_the_written_recursion() -> None:
    rng = np.random.default_rng(6)
    g, y, x = rng.standard_normal((7, *SHAPE)), rng.standard_normal(7), rng.standard_normal(SHAPE)
    order = batches(7, 2, 5, seed=0)
    data = (jnp.zeros(()), jnp.asarray(g), jnp.asarray(y))
    last = decayed_sgd(mean_square, data, x, order, step=0.1, lam=0.5, keep=2)
    path = [x]
    for index in order:
        residual = (g[index] * path[-1]).sum(axis=(1, 2)) - y[index]
        gradient = np.tensordot(residual, g[index], axes=1) / 2
        path.append((1 - 0.05) * path[-1] - 0.1 * gradient)
    close(last, np.array(path[-3:]))


def test_batches_visit_every_sample_once_an_epoch() -> None:
    order = batches(10, 3, 9, seed=1)
    assert order.shape == (9, 3)
    for epoch in order.reshape(3, 9):
        assert len(set(epoch)) == 9
    assert not np.array_equal(order[:3], order[3:6])


@pytest.mark.parametrize("rank", [2, 4])
def test_sampled_curvature_of_a_quadratic_lies_in_its_spectrum(rank: int) -> None:
    rng = np.random.default_rng(7)
    frame = np.linalg.qr(rng.standard_normal((16, 16)))[0]
    matrix = np.linspace(1.0, 3.0, 16)[:, None] ** 0.5 * frame
    landscape = quadratic_landscape(matrix, rng.standard_normal(16), [(4, 4)], 0.1)
    star = np.outer(*rng.standard_normal((2, 4)))
    sample = sample_curvature(landscape, star, rank=rank, radius=2.0, samples=60, seed=0)
    assert 1.0 <= sample.alpha <= sample.convexity.max() <= 3.0
    assert 1.0 <= sample.smoothness.min() <= sample.beta <= 3.0
    assert sample.distance.min() > 0
    assert sample.distance.max() <= 2.0
    again = sample_curvature(landscape, star, rank=rank, radius=2.0, samples=60, seed=0)
    assert again.alpha == sample.alpha


def test_curvature_is_sampled_for_one_matrix_of_enough_rank() -> None:
    landscape, star = denoising(0, 0.01)
    with pytest.raises(BadInput, match="rank 1 is below that of X"):
        sample_curvature(landscape, star, rank=1, radius=1.0, samples=2, seed=0)
    two = quadratic_landscape(np.eye(8), np.ones(8), [(2, 2), (2, 2)], 0.1)
    with pytest.raises(BadInput, match="2 matrices: restricted curvature is sampled for one"):
        sample_curvature(two, np.eye(2), rank=2, radius=1.0, samples=2, seed=0)
