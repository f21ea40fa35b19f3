"""Nuclear norm through factors: statements F1 to F4 of the factorisation lemma."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.checks import (
    EXACT,
    check_balanced_factors_attain_the_nuclear_norm,
    close,
)
from tests.problems import planted_problem
from tests.strategies import matrices, seeds
from theory import factorisation
from theory.planted_families import planted_instance

shapes = st.sampled_from([(4, 5), (5, 3), (1, 4), (3, 3)])


@given(seed=seeds, shape=shapes, rank=st.integers(1, 4))
def test_balanced_factors_attain_the_nuclear_norm_and_no_other_do_better(
    seed: int, shape: tuple[int, int], rank: int
) -> None:
    check_balanced_factors_attain_the_nuclear_norm(seed, shape, rank)


@given(delta=matrices(), extra=st.integers(0, 3))
def test_balanced_factors_are_balanced_and_may_be_padded(delta: np.ndarray, extra: int) -> None:
    u, v = factorisation.balanced_factors(delta, min(delta.shape) + extra)
    assert u.shape[1] == v.shape[1] == min(delta.shape) + extra
    close(u @ v.T, delta)
    close(factorisation.imbalance(u, v), 0.0)


@given(delta=matrices())
def test_factors_without_a_rank_have_one_column_per_singular_value_above_the_tolerance(delta: np.ndarray) -> None:
    s = np.linalg.svd(delta, compute_uv=False)
    u, v = factorisation.balanced_factors(delta, tolerance=EXACT)
    assert u.shape[1] == (s > EXACT * s[0]).sum()
    close(u @ v.T, delta)


@given(seed=seeds, shape=shapes, rank=st.integers(1, 5), skew=st.floats(-3.0, 3.0))
def test_what_is_left_of_the_penalty_is_bounded_by_the_imbalance(
    seed: int, shape: tuple[int, int], rank: int, skew: float
) -> None:
    rng = np.random.default_rng(seed)
    u, v = rng.standard_normal((shape[0], rank)), 10.0**skew * rng.standard_normal((shape[1], rank))
    penalty = float(factorisation.factor_penalty(u, v))
    assert penalty - np.linalg.norm(u @ v.T, "nuc") <= factorisation.penalty_gap(u, v) + EXACT * penalty
    assert factorisation.penalty_gap(*factorisation.rebalanced(u, v)) <= EXACT * penalty


@given(seed=seeds)
def test_a_rank_below_that_of_the_matrix_is_refused(seed: int) -> None:
    delta = np.random.default_rng(seed).standard_normal((3, 4))
    with pytest.raises(ValueError, match=r"delta has rank 3, more than the 2 columns asked for: ask for at least 3"):
        factorisation.balanced_factors(delta, 2)


@given(seed=seeds, shape=shapes, rank=st.integers(0, 6))
def test_rebalancing_keeps_the_product_and_never_raises_the_penalty(
    seed: int, shape: tuple[int, int], rank: int
) -> None:
    rng = np.random.default_rng(seed)
    u, v = rng.standard_normal((shape[0], rank)), rng.standard_normal((shape[1], rank))
    a, b = factorisation.rebalanced(u, v)
    close(a @ b.T, u @ v.T)
    close(factorisation.imbalance(a, b), 0.0)
    assert factorisation.factor_penalty(a, b) <= factorisation.factor_penalty(u, v) * (1 + EXACT)
    close(factorisation.factor_penalty(a, b), np.linalg.norm(u @ v.T, "nuc"))
    lengths = np.linalg.norm(a, axis=0)
    assert (np.diff(lengths) <= EXACT * max(1.0, lengths.max(initial=0.0))).all()


def test_rebalancing_drops_columns_below_the_tolerance_and_all_of_a_zero_product() -> None:
    u, v = np.eye(4)[:, :3] * np.array([1.0, 1e-3, 1e-9]), np.eye(5)[:, :3]
    assert factorisation.rebalanced(u, v, tolerance=1e-6)[0].shape == (4, 2)
    assert factorisation.rebalanced(u, v)[0].shape == (4, 3)
    assert factorisation.rebalanced(0 * u, v)[0].shape == (4, 0)


@given(seed=seeds, shape=shapes)
def test_any_positive_semidefinite_lift_has_at_least_twice_the_nuclear_norm_as_trace(
    seed: int, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    q = rng.standard_normal((sum(shape), rng.integers(1, 5)))
    z = factorisation.lift(q[: shape[0]], q[shape[0] :])
    delta = z[: shape[0], shape[0] :]
    close(delta, q[: shape[0]] @ q[shape[0] :].T)
    close(np.trace(z), 2 * factorisation.factor_penalty(q[: shape[0]], q[shape[0] :]))
    assert np.trace(z) >= 2 * np.linalg.norm(delta, "nuc") * (1 - EXACT)
    assert np.linalg.eigvalsh(z)[0] >= -EXACT * np.linalg.norm(z)


@given(delta=matrices())
def test_the_lift_of_balanced_factors_attains_the_trace_bound(delta: np.ndarray) -> None:
    u, v = factorisation.balanced_factors(delta, min(delta.shape))
    close(np.trace(factorisation.lift(u, v)), 2 * np.linalg.norm(delta, "nuc"))


@given(seed=seeds)
def test_stationary_points_with_weight_decay_are_balanced(seed: int) -> None:
    instance = planted_instance("A", 2, 4, 4)
    problem = planted_problem(instance, noise=0.05, seed=seed)
    from sims.solvers.low_rank_newton import minimise_factors

    rng = np.random.default_rng(seed)
    start = [(rng.standard_normal((4, 2)), rng.standard_normal((4, 2)))]
    end = minimise_factors(problem, start, instance.lam)
    (u, v) = end.factors[0]
    assert end.converged
    close(factorisation.imbalance(u, v), 0.0)


def test_a_stationary_point_reached_without_rebalancing_is_balanced_too() -> None:
    # plain Newton on the gradient S Q: nothing in it knows about balance
    from theory.factored_objective import gradient, hessian
    from theory.losses import SQUARED

    instance = planted_instance("A", 2, 4, 4)
    rng = np.random.default_rng(0)
    q = np.concatenate([instance.u, instance.v])
    q = q + 0.05 * rng.standard_normal(q.shape)
    arguments = (instance.gradients, np.zeros((instance.n, 1)), instance.targets, SQUARED, instance.lam)
    assert factorisation.imbalance(q[:4], q[4:]) > 0.01
    for _ in range(30):
        step = np.linalg.lstsq(hessian(*arguments, q), gradient(*arguments, q).reshape(-1), rcond=1e-9)[0]
        q = q - step.reshape(q.shape)
    assert np.linalg.norm(gradient(*arguments, q)) <= EXACT
    close(factorisation.imbalance(q[:4], q[4:]), 0.0)
