"""Rademacher complexity of one-factor adapters against enumeration of all signs; moments over frozen factors."""

from itertools import product
from math import log, sqrt

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.checks import EXACT, close
from tests.strategies import orthonormal_columns, seeds
from tests.tolerances import MONTE_CARLO
from theory.bounds import rademacher as rad

SIZES = st.sampled_from([(1, 3, 2), (4, 5, 1), (6, 4, 3), (7, 3, 3)])


def signs(n: int) -> np.ndarray:
    return np.array(list(product([-1.0, 1.0], repeat=n)))


@given(seed=seeds, sizes=SIZES, beta=st.sampled_from([0.5, 3.0]))
def test_complexity_lies_between_the_companion_bounds(seed: int, sizes: tuple[int, int, int], beta: float) -> None:
    rng, (n, d, r) = np.random.default_rng(seed), sizes
    projected = rng.standard_normal((n, d)) @ orthonormal_columns(rng, d, r)
    # the supremum over ||b|| <= beta of <b, v> is beta ||v||
    exact = beta / n * np.linalg.norm(signs(n) @ projected, axis=1).mean()
    assert exact <= rad.b_only_rademacher(projected, beta) * (1 + EXACT)
    assert exact >= rad.b_only_rademacher_lower(projected, beta) * (1 - EXACT)


def test_both_companions_are_attained() -> None:
    equal = np.array([[1.0, 2.0], [1.0, 2.0]])
    close(rad.b_only_rademacher_lower(equal, 1.0), 0.5 * np.linalg.norm(signs(2) @ equal, axis=1).mean())
    orthogonal = np.eye(3)
    close(rad.b_only_rademacher(orthogonal, 1.0), np.linalg.norm(signs(3) @ orthogonal, axis=1).mean() / 3)


@given(seed=seeds, sizes=SIZES)
def test_a_only_complexity_by_enumeration(seed: int, sizes: tuple[int, int, int]) -> None:
    rng, (n, d, r) = np.random.default_rng(seed), sizes
    inputs, readout, frozen = rng.standard_normal((n, d)), rng.standard_normal(5), orthonormal_columns(rng, 5, r)
    # sup over ||A||_F <= beta of sum_i eps_i c^T U A x_i is beta ||(U^T c) (sum_i eps_i x_i)^T||_F
    sums = signs(n) @ inputs
    exact = 2.0 / n * np.mean([np.linalg.norm(np.outer(frozen.T @ readout, s)) for s in sums])
    assert exact <= rad.a_only_rademacher(inputs, frozen, readout, 2.0) * (1 + EXACT)
    close(
        rad.a_only_rademacher(inputs[:1], frozen, readout, 2.0),
        2 * np.linalg.norm(frozen.T @ readout) * np.linalg.norm(inputs[0]),
    )


@given(seed=seeds, outputs=st.integers(1, 3))
def test_vector_outputs_cost_root_two_and_the_root_of_the_outputs(seed: int, outputs: int) -> None:
    rng, n = np.random.default_rng(seed), 3
    projected = rng.standard_normal((n, 2))
    sums = [e.reshape(n, outputs).T @ projected for e in signs(n * outputs)]
    exact = sqrt(2) / n * np.mean([np.linalg.norm(s) for s in sums])  # after contraction
    assert exact <= rad.vector_output_factor(outputs) * rad.b_only_rademacher(projected, 1.0) * (1 + EXACT)


@given(seed=seeds, sizes=SIZES)
def test_mean_over_frozen_factors_whose_projectors_average_to_the_identity(
    seed: int, sizes: tuple[int, int, int]
) -> None:
    rng, (n, d, r) = np.random.default_rng(seed), sizes
    inputs, basis = rng.standard_normal((n, d)), orthonormal_columns(rng, d, d)
    values = [rad.b_only_rademacher(inputs @ np.roll(basis, k, axis=1)[:, :r], 1.5) for k in range(d)]
    mean = rad.b_only_rademacher_mean(inputs, r, 1.5)
    close(np.mean(np.square(values)), mean**2)
    assert np.mean(values) <= mean * (1 + EXACT)
    close(rad.b_only_rademacher_mean(inputs, d, 1.5), rad.b_only_rademacher(inputs, 1.5))


@given(seed=seeds, sizes=SIZES)
def test_mean_of_a_only_over_frozen_columns_whose_projectors_average_to_the_identity(
    seed: int, sizes: tuple[int, int, int]
) -> None:
    rng, (n, d_out, r) = np.random.default_rng(seed), sizes
    inputs, readout, basis = (
        rng.standard_normal((n, 3)),
        rng.standard_normal(d_out),
        orthonormal_columns(rng, d_out, d_out),
    )
    values = [rad.a_only_rademacher(inputs, np.roll(basis, k, axis=1)[:, :r], readout, 1.5) for k in range(d_out)]
    mean = rad.a_only_rademacher_mean(inputs, r, readout, 1.5)
    close(np.mean(np.square(values)), mean**2)
    assert np.mean(values) <= mean * (1 + EXACT)
    close(rad.a_only_rademacher_mean(inputs, d_out, readout, 1.5), rad.a_only_rademacher(inputs, basis, readout, 1.5))


def test_the_bound_fluctuates_over_frozen_factors_as_one_over_the_root_of_the_rank() -> None:
    """1000 frozen factors, variances k^-1: the relative spread halves with four times the rank, the absolute does not.

    Where all directions have the same variance, the bound is the same for every frozen factor.
    """
    rng, d, draws = np.random.default_rng(0), 256, 1000
    inputs = np.diag(np.arange(1.0, d + 1) ** -0.5)
    spreads = []
    for rank in (1, 4, 16):
        frozen = np.linalg.qr(rng.standard_normal((draws, d, rank)))[0]
        values = np.array([rad.b_only_rademacher(inputs @ q, 1.0) for q in frozen])
        spreads.append((values.std() / values.mean(), values.std()))
        flat = [rad.b_only_rademacher(q, 1.0) for q in frozen[:10]]
        close(flat, np.full(10, np.sqrt(rank) / d))
    relative, absolute = np.array(spreads).T
    error = MONTE_CARLO / np.sqrt(2 * draws)  # relative, of a standard deviation of nearly Gaussian draws
    assert np.all(np.abs(relative[:-1] / relative[1:] / 2.0 - 1.0) <= 2.0 * error)
    assert np.all(np.abs(absolute[:-1] / absolute[1:] - 1.0) <= 2.0 * error)


@given(rank=st.integers(1, 30), extra=st.integers(0, 30))
def test_spread_is_that_of_the_beta_law(rank: int, extra: int) -> None:
    d = rank + extra
    a, b = rank / 2, extra / 2
    variance = a * b / ((a + b) ** 2 * (a + b + 1)) if extra else 0.0
    close(rad.projection_spread(rank, d), sqrt(variance) / (a / (a + b)))


def test_relative_spread_falls_as_the_root_of_the_rank_far_below_the_width() -> None:
    close(rad.projection_spread(4, 10**6) / rad.projection_spread(1, 10**6), 0.5, 1e-5)


@given(n=st.integers(1, 10**6), delta=st.floats(1e-6, 0.99), lipschitz=st.floats(0.0, 5.0))
def test_certificate_is_the_mean_bound_plus_the_confidence_term(n: int, delta: float, lipschitz: float) -> None:
    close(
        rad.uniform_gap(0.2, lipschitz, n, delta) - rad.uniform_gap_mean(0.2, lipschitz),
        3 * sqrt(log(2 / delta) / 2 / n),
    )
    close(rad.uniform_gap_mean(0.2, lipschitz), 0.4 * lipschitz)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rad.uniform_gap(0.1, 1.0, 10, 1.0), "delta 1.0: expected a number strictly between 0 and 1"),
        (lambda: rad.uniform_gap(0.1, 1.0, 10, 0.1, (0.0, 2.0)), r"loss range \(0.0, 2.0\).* needs a loss in \[0, 1\]"),
        (lambda: rad.uniform_gap(0.1, 1.0, 0, 0.1), "0 samples"),
        (lambda: rad.uniform_gap_mean(-0.1, 1.0), "complexity -0.1"),
        (lambda: rad.b_only_rademacher(np.zeros((0, 2)), 1.0), "0 samples"),
        (lambda: rad.b_only_rademacher(np.zeros((3, 2)), -1.0), "norm -1.0"),
        (lambda: rad.b_only_rademacher_mean(np.zeros((3, 2)), 3, 1.0), "rank 3: expected 1 to 2"),
        (lambda: rad.a_only_rademacher_mean(np.zeros((3, 2)), 5, np.ones(4), 1.0), "rank 5: expected 1 to 4"),
        (lambda: rad.projection_spread(0, 5), "rank 0"),
        (lambda: rad.vector_output_factor(0), "0 outputs"),
    ],
)
def test_impossible_settings_are_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
