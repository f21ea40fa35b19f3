"""Counts, Rademacher suprema and the exponent-2 bound against their definitions; the instances above the ratio."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.checks import EXACT, close
from theory.capacity import (
    TYPICAL_CONSTANT,
    capacity_rank,
    capacity_ratio,
    exponent_two_bound,
    factor_kernel,
    logistic_derivative_bound,
    manifold_dimension,
    rademacher_frobenius,
    rademacher_nuclear,
    worst_case_constant,
)
from theory.losses import LOGISTIC
from theory.planted_capacity import capacity_instance

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 40)


@given(seed=seeds, m=st.integers(1, 6), n=st.integers(1, 6))
def test_manifold_dimension_is_the_rank_of_the_tangent_map(seed: int, m: int, n: int) -> None:
    g = np.random.default_rng(seed)
    for rank in range(min(m, n) + 1):
        u, v = g.standard_normal((m, rank)), g.standard_normal((n, rank))
        tangent = np.concatenate([np.kron(np.eye(m), v), np.kron(u, np.eye(n))], axis=1)
        assert manifold_dimension(rank, m, n) == (np.linalg.matrix_rank(tangent) if rank else 0)


def test_rank_outside_the_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rank 4 with shape 3 x 5: expected 0\.\.3"):
        manifold_dimension(4, 3, 5)


@given(q=st.integers(1, 400), m=sizes, n=sizes)
def test_capacity_rank_is_the_smallest_above_the_ratio(q: int, m: int, n: int) -> None:
    rank = capacity_rank(q, m, n)
    ratios = [capacity_ratio(r, q, m, n) for r in range(1, min(m, n) + 1)]
    if rank is None:
        assert max(ratios) <= TYPICAL_CONSTANT
    else:
        assert ratios[rank - 1] > TYPICAL_CONSTANT
        assert all(ratio <= TYPICAL_CONSTANT for ratio in ratios[: rank - 1])


@given(q=st.integers(1, 400), m=sizes, n=sizes)
def test_the_worst_case_constant_is_the_interpolation_count(q: int, m: int, n: int) -> None:
    for rank in range(1, min(m, n) + 1):
        constant = worst_case_constant(rank, m, n)
        assert 1 <= constant < 2
        # compared as whole numbers: ratio >= constant iff KN <= r max(m, n)
        assert (manifold_dimension(rank, m, n) * max(m, n) * rank >= manifold_dimension(rank, m, n) * q) == (
            q <= rank * max(m, n)
        )
        close(capacity_ratio(rank, rank * max(m, n), m, n), constant)


@given(seed=seeds, rank=st.integers(1, 4))
def test_rademacher_suprema_are_attained_and_not_exceeded(seed: int, rank: int) -> None:
    g = np.random.default_rng(seed)
    matrix = g.standard_normal((4, 5))
    left, s, right = np.linalg.svd(matrix)
    best = (left[:, :rank] * s[:rank]) @ right[:rank]
    close((best * matrix).sum() / np.linalg.norm(best), rademacher_frobenius(s, rank))
    close((np.outer(left[:, 0], right[0]) * matrix).sum(), rademacher_nuclear(s, rank))
    delta = g.standard_normal((4, rank)) @ g.standard_normal((rank, 5))
    inner = (delta * matrix).sum()
    assert inner / np.linalg.norm(delta) <= rademacher_frobenius(s, rank)
    assert inner / np.linalg.norm(delta, "nuc") <= rademacher_nuclear(s, rank)


@given(seed=seeds)
def test_the_rank_enters_under_one_norm_and_not_under_the_other(seed: int) -> None:
    s = np.sort(np.random.default_rng(seed).uniform(0.1, 1.0, 6))[::-1]
    frobenius = [rademacher_frobenius(s, r, 2.0) for r in range(1, 7)]
    assert np.all(np.diff(frobenius) > 0)
    assert all(value <= (r + 1) ** 0.5 * frobenius[0] * (1 + EXACT) for r, value in enumerate(frobenius))
    assert {rademacher_nuclear(s, r, 2.0) for r in range(1, 7)} == {2.0 * s[0]}
    assert rademacher_nuclear(s, 0) == rademacher_frobenius(s, 0) == 0.0


@given(seed=seeds, ceiling=st.floats(0.1, 20.0))
def test_logistic_derivatives_are_bounded_below_by_the_losses(seed: int, ceiling: float) -> None:
    losses = np.random.default_rng(seed).uniform(0.0, ceiling, 8)
    margins = -np.log(np.expm1(losses))[:, None]
    ones = np.ones_like(margins)
    close(LOGISTIC.value(margins, ones), losses)
    derivative = np.abs(LOGISTIC.gradient(margins, ones)[:, 0])
    bound = logistic_derivative_bound(losses, ceiling)
    assert np.all(derivative >= bound * (1 - EXACT))
    close(logistic_derivative_bound(np.array([ceiling]), ceiling), -np.expm1(-ceiling))


@given(seed=seeds)
def test_exponent_two_bound_holds_for_any_jacobian(seed: int) -> None:
    g = np.random.default_rng(seed)
    jacobian, margins = g.standard_normal((4, 9)), 2.0 * g.standard_normal((4, 1))
    ones = np.ones_like(margins)
    z = LOGISTIC.gradient(margins, ones)[:, 0] / 4
    losses = LOGISTIC.value(margins, ones)
    kernel = factor_kernel(jacobian)
    square = float(((jacobian.T @ z) ** 2).sum())
    close(square, z @ kernel @ z)
    smallest = float(np.linalg.eigvalsh(kernel)[0])
    bound = exponent_two_bound(smallest, float(losses.mean()), float(losses.max()), 4)
    assert square >= bound
    close(exponent_two_bound(smallest, 2 * float(losses.mean()), float(losses.max()), 4), 4 * bound)


@pytest.mark.parametrize(("rank", "m", "p"), [(1, 4, 4), (1, 3, 5), (2, 6, 6), (3, 5, 7)])
def test_planted_point_and_interpolant_predict_what_is_said(rank: int, m: int, p: int) -> None:
    made = capacity_instance(rank, m, p)
    assert made.n == rank * p + 1
    residuals = [
        (made.gradients[:, 0] * (u @ v.T)).sum(axis=(1, 2)) - made.targets[:, 0]
        for u, v in ((made.u, made.v), (made.best_u, made.best_v))
    ]
    assert np.all(residuals[1] == 0)  # dyadic numbers: exactly
    assert 0.5 * (residuals[0] ** 2).sum() == made.value == 0.5
    gradient = np.tensordot(residuals[0], made.gradients[:, 0], axes=1)
    assert np.all(gradient @ made.v == 0)
    assert np.all(gradient.T @ made.u == 0)
    assert np.linalg.matrix_rank(made.best_u @ made.best_v.T) == rank


def test_shapes_without_room_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rank 2, shape 3 x 4: expected 1 <= rank <= d_out - 2"):
        capacity_instance(2, 3, 4)
