"""Restricted curvature: decomposition, subgradient, bounds and the low-rank lemma, on matrices built for it."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.checks import EXACT, close
from theory.convex_lora import nuclear_norm, spectral_norm
from theory.restricted_curvature import (
    decay_rank_bound,
    decay_window,
    distance_bound,
    escape_direction,
    is_special_regime,
    loudness_bound,
    printed_decay_rank_bound,
    relative_rank,
    smoothness_quotient,
    spectral_split,
    strong_convexity_quotient,
    subgradient_near,
    truncated,
)

seeds = st.integers(0, 2**32 - 1)
SHAPES = ((4, 4), (5, 3), (3, 6))
shapes = st.sampled_from(SHAPES)


def stationary_pair(
    seed: int, shape: tuple[int, int], rank: int, lam: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return X of this rank, a gradient of the form -lam L R^T + S, and S orthogonal to X on both sides."""
    g = np.random.default_rng(seed)
    m, n = shape
    left, right = np.linalg.qr(g.standard_normal((m, m)))[0], np.linalg.qr(g.standard_normal((n, n)))[0]
    values = np.sort(g.uniform(0.5, 3.0, rank))[::-1]
    x = (left[:, :rank] * values) @ right[:, :rank].T
    s = left[:, rank:] @ g.standard_normal((m - rank, n - rank)) @ right[:, rank:].T
    return x, s - lam * left[:, :rank] @ right[:, :rank].T, s


@given(seed=seeds, shape=shapes, rank=st.integers(1, 2))
def test_a_stationary_gradient_splits_without_remainder(seed: int, shape: tuple[int, int], rank: int) -> None:
    x, gradient, s = stationary_pair(seed, shape, rank, 0.3)
    split = spectral_split(x, gradient, 0.3)
    close(split.orthogonal, s)
    close(split.mismatch, 0.0)
    close(split.top[1], spectral_norm(s))
    assert [split.sigma(i) > 0 for i in (0, 1, rank, rank + 1)] == [True, True, True, False]
    # any other gradient leaves something
    assert spectral_split(x, gradient + x, 0.3).mismatch > 0.1


@given(seed=seeds, shape=shapes, rank=st.integers(1, 2))
def test_the_escape_direction_is_a_move_of_the_factors_with_the_stated_norm(
    seed: int, shape: tuple[int, int], rank: int
) -> None:
    x, gradient, _ = stationary_pair(seed, shape, rank, 0.3)
    split = spectral_split(x, gradient, 0.3)
    h = escape_direction(split)
    close((h**2).sum(), 2 * split.sigma(rank) ** 2)
    # U X + X V with U = -a u_r^T and V = v_r b^T
    a, _, b = split.top
    close(h, -np.outer(a, split.left[:, -1]) @ x + x @ np.outer(split.right[:, -1], b))


@given(seed=seeds, shape=shapes, rank=st.integers(0, 2))
def test_the_subgradient_is_one_and_the_closest(seed: int, shape: tuple[int, int], rank: int) -> None:
    lam = 0.7
    x, gradient, s = stationary_pair(seed, shape, rank, lam)
    split = spectral_split(x, gradient, lam)
    g, dual = subgradient_near(split, lam)
    close(g + gradient, dual)
    assert spectral_norm(g) <= lam * (1 + EXACT)
    close((g * x).sum(), lam * nuclear_norm(x))
    close(spectral_norm(dual), max(0.0, spectral_norm(s) - lam))


@given(seed=seeds, shape=shapes)
def test_quotients_of_a_quadratic_lie_between_its_extreme_eigenvalues(seed: int, shape: tuple[int, int]) -> None:
    g = np.random.default_rng(seed)
    size = shape[0] * shape[1]
    root = g.standard_normal((size, size))
    hessian = root @ root.T
    x, y = g.standard_normal((2, *shape))
    low, *_, high = np.linalg.eigvalsh(hessian)
    gradients = [(hessian @ z.reshape(-1)).reshape(shape) for z in (x, y)]
    alpha = strong_convexity_quotient(*gradients, x, y)
    beta = smoothness_quotient(float(x.reshape(-1) @ hessian @ x.reshape(-1)), x)
    assert low * (1 - EXACT) <= alpha <= high * (1 + EXACT)
    assert low * (1 - EXACT) <= beta <= high * (1 + EXACT)
    # the same step twice as long has the same quotient
    close(strong_convexity_quotient(*(2 * z for z in gradients), 2 * x, 2 * y), alpha)


def test_regimes() -> None:
    assert is_special_regime(1.0, 1.9)
    assert not is_special_regime(1.0, 2.1)
    assert not is_special_regime(0.0, 0.0)


def test_distance_bound_by_hand() -> None:
    # 1 - 2 * 1 * 1 / (8 * 0.5) = 1/2
    close(distance_bound(3.0, 1.0, 8.0, 1.0, 0.5), 3.0 * 2**0.5)
    close(distance_bound(3.0, 0.0, 8.0, 1.0, 0.5), 3.0)
    assert distance_bound(3.0, 1.0, 8.0, 2.0, 0.5) == np.inf  # sigma_r <= (2 alpha / beta) sigma_r*: impossible
    assert distance_bound(3.0, 1.0, 8.0, 2.0, 0.0) == np.inf


@given(tail=st.floats(0.1, 10), alpha=st.floats(0.01, 1), step=st.floats(0.01, 1))
def test_more_convexity_pushes_spurious_points_away(tail: float, alpha: float, step: float) -> None:
    assert distance_bound(tail, alpha + step, 5.0, 1.0, 0.9) >= distance_bound(tail, alpha, 5.0, 1.0, 0.9) >= tail


def test_loudness_bound_by_hand_and_its_domain() -> None:
    values = np.array([2.0, 1.0, 1.0, 0.0])
    # tail^2 = 2, 1 - 2 * 0.5 * 2 / (4 * 1) = 1/2
    close(loudness_bound(values, 3, 1, 0.5, 4.0, 0.25), 2.0 - 0.25)
    for rank, star in ((1, 1), (3, 0), (5, 1)):
        with pytest.raises(ValueError, match=rf"ranks r\* = {star}, r = {rank} with 4 values"):
            loudness_bound(values, rank, star, 0.5, 4.0, 0.25)


@given(seed=seeds, shape=shapes, rank=st.integers(0, 3))
def test_truncation_is_the_best_approximation(seed: int, shape: tuple[int, int], rank: int) -> None:
    g = np.random.default_rng(seed)
    x = g.standard_normal(shape)
    near = truncated(x, rank)
    assert np.linalg.matrix_rank(near) == rank
    other = g.standard_normal((shape[0], rank)) @ g.standard_normal((rank, shape[1]))
    assert np.linalg.norm(x - near) <= np.linalg.norm(x - other)


@given(batch=st.integers(1, 16), epsilon=st.floats(0.001, 0.999), decay=st.floats(0.001, 0.999))
def test_decay_bound_is_the_number_of_steps_that_matter_times_the_batch(
    batch: int, epsilon: float, decay: float
) -> None:
    window = decay_window(epsilon, 1.0, decay)
    assert (1 - decay) ** window <= epsilon / 4 * (1 + EXACT)
    assert (1 - decay) ** (window - 1) > epsilon / 4 * (1 - EXACT)
    assert decay_rank_bound(batch, epsilon, 1.0, decay) == batch * window
    assert window - 1 < printed_decay_rank_bound(1, epsilon, 1.0, decay) <= window
    close(
        printed_decay_rank_bound(batch, epsilon, 1.0, decay), batch * printed_decay_rank_bound(1, epsilon, decay, 1.0)
    )


def test_steps_are_whole() -> None:
    assert decay_rank_bound(1, 0.0404, 1.0, 0.9) == 2
    assert 1.99 < printed_decay_rank_bound(1, 0.0404, 1.0, 0.9) < 2


@pytest.mark.parametrize(("batch", "epsilon", "decay"), [(0, 0.1, 0.1), (1, 0.0, 0.1), (1, 0.1, 0.0), (1, 0.1, 1.0)])
def test_decay_bound_refuses_what_it_cannot_mean(batch: int, epsilon: float, decay: float) -> None:
    with pytest.raises(ValueError, match=f"batch {batch}, epsilon {epsilon}, step"):
        decay_rank_bound(batch, epsilon, 1.0, decay)
    with pytest.raises(ValueError, match=f"batch {batch}, epsilon {epsilon}, step"):
        printed_decay_rank_bound(batch, epsilon, 1.0, decay)


@given(seed=seeds, epsilon=st.floats(0.01, 0.9))
def test_relative_rank_is_the_smallest_that_approximates(seed: int, epsilon: float) -> None:
    g = np.random.default_rng(seed)
    x = g.standard_normal((6, 5)) * np.geomspace(1, 1e-3, 5)
    values = np.linalg.svd(x, compute_uv=False)
    for spectral, order in ((False, "fro"), (True, 2)):
        rank = relative_rank(values, epsilon, spectral=spectral)
        error = [np.linalg.norm(x - truncated(x, k), order) / np.linalg.norm(x, order) for k in range(6)]
        assert error[rank] < epsilon
        assert rank == 0 or error[rank - 1] >= epsilon
