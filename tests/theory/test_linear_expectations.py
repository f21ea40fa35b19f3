"""Means over a random frozen factor: exact laws, the order of leverages, and the corrected theorem on fit."""

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.integrate import quad

from sims.haar import captured_a_only, captured_b_only
from tests.checks import close
from tests.strategies import seeds
from tests.theory.linear_problems import SHAPES, haar_rows, standard_errors
from tests.tolerances import CLOSED_FORM, GAUGE_ZERO, MONTE_CARLO
from theory.captured_fit import mean_captured_a_only, mean_captured_b_only_isotropic
from theory.linear_adapters import excess_risk, fit_a_only, fit_b_only
from theory.whitened_form import input_projector

DRAWS = 2000


def _leverages(sigma: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Diagonals of projectors on the row spaces of Q Sigma^(1/2), Sigma = diag(sigma) of rank >= r, Q (..., r, d)."""
    right = np.linalg.svd(q * np.sqrt(sigma), full_matrices=False)[2]
    return (right**2).sum(axis=-2)


def _captured(delta: np.ndarray, sigma: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Captured parts of B-only for many frozen factors, by the printed trace."""
    x = q @ sigma @ delta.T
    return np.einsum("nro,nro->n", x, np.linalg.solve(q @ sigma @ np.swapaxes(q, 1, 2), x))


@pytest.mark.parametrize(("d_out", "d_in", "r"), SHAPES)
@settings(max_examples=5)
@given(seed=seeds)
def test_p8_a_random_b_captures_r_over_d_out_on_average(d_out: int, d_in: int, r: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    delta, root = rng.standard_normal((d_out, d_in)), rng.standard_normal((d_in, d_in))
    sigma = root @ root.T
    u = haar_rows(rng, DRAWS, r, d_out)
    draws = (((u @ delta) @ sigma) * (u @ delta)).sum(axis=(1, 2))
    close(draws[0], fit_a_only(delta, sigma, u[0].T).captured, CLOSED_FORM)
    total = excess_risk(delta, np.zeros_like(delta), sigma)
    assert abs(standard_errors(draws, mean_captured_a_only(total, d_out, r))) <= MONTE_CARLO
    close(mean_captured_a_only(total, d_out, r), r / d_out * total, CLOSED_FORM)


@pytest.mark.parametrize(("d_out", "d_in", "r"), SHAPES)
@settings(max_examples=5)
@given(seed=seeds)
def test_p9_isotropic_inputs_tie_at_equal_parameter_budget(d_out: int, d_in: int, r: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    delta, sigma = rng.standard_normal((d_out, d_in)), 2.5 * np.eye(d_in)
    total = excess_risk(delta, np.zeros_like(delta), sigma)
    q = haar_rows(rng, DRAWS, r, d_in)
    draws = _captured(delta, sigma, q)
    close(draws[0], fit_b_only(delta, sigma, q[0]).captured, CLOSED_FORM)
    assert abs(standard_errors(draws, r / d_in * total)) <= MONTE_CARLO
    close(mean_captured_b_only_isotropic(total, d_in, r), r / d_in * total, CLOSED_FORM)


@pytest.mark.parametrize(("d_out", "d_in", "r_b", "r_a"), [(4, 8, 2, 1), (9, 6, 2, 3), (6, 9, 6, 4), (7, 7, 3, 3)])
@settings(max_examples=5)
@given(seed=seeds)
def test_p9_at_equal_parameter_budget_both_factors_capture_the_same(
    d_out: int, d_in: int, r_b: int, r_a: int, seed: int
) -> None:
    """r_B d_out = r_A d_in scalars, white inputs: equal means; at equal rank the means differ unless square."""
    assert r_b * d_out == r_a * d_in
    rng = np.random.default_rng(seed)
    delta, sigma = rng.standard_normal((d_out, d_in)), 0.5 * np.eye(d_in)
    total = excess_risk(delta, np.zeros_like(delta), sigma)
    b_only = captured_b_only(delta, sigma, haar_rows(rng, DRAWS, r_b, d_in))

    def a_only(rank: int) -> np.ndarray:
        return captured_a_only(delta, sigma, np.swapaxes(haar_rows(rng, DRAWS, rank, d_out), 1, 2))

    assert abs(standard_errors(b_only - a_only(r_a), 0.0, scale=total)) <= MONTE_CARLO
    predicted = mean_captured_b_only_isotropic(total, d_in, r_b), mean_captured_a_only(total, d_out, r_a)
    close(predicted[0], predicted[1], CLOSED_FORM)
    other = min(r_b, d_out)
    if d_out != d_in:
        unequal = standard_errors(b_only - a_only(other), 0.0, scale=total)
        assert np.sign(unequal) == np.sign(r_b / d_in - other / d_out)
        assert abs(unequal) > MONTE_CARLO


@given(seed=seeds, d=st.sampled_from([2, 3, 5, 8]), kind=st.sampled_from(["generic", "ties", "singular", "wide"]))
def test_p11_mean_leverages_are_ordered_like_the_variances(seed: int, d: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    r = int(rng.integers(1, d))
    sigma = np.sort(rng.uniform(0.1, 2.0, d))[::-1]
    if kind == "ties":
        sigma = np.repeat(sigma[::2], 2)[:d]
    elif kind == "wide":
        sigma = sigma * 10.0 ** -np.arange(d)
    elif kind == "singular":
        sigma[max(r, d - 2) :] = 0.0  # at least r positive ones are left
    q = haar_rows(rng, DRAWS, r, d)
    p = _leverages(sigma, q)
    for one, factor in zip(p[:10], q):
        close(np.diagonal(input_projector(np.diag(sigma), factor)), one, GAUGE_ZERO)
    close(p.sum(axis=1), np.full(DRAWS, float(r)), CLOSED_FORM)
    assert p.min() >= -CLOSED_FORM
    assert p.max() <= 1 + CLOSED_FORM
    for i in range(d - 1):
        assert standard_errors(p[:, i] - p[:, i + 1], 0.0, scale=1.0) >= -MONTE_CARLO


@given(s1=st.sampled_from([1.0, 4.0, 30.0]), s2=st.sampled_from([0.1, 1.0, 2.0]))
def test_p11_in_two_dimensions_the_mean_leverage_is_the_ratio_of_roots(s1: float, s2: float) -> None:
    def leverage(angle: float) -> float:
        return float(input_projector(np.diag([s1, s2]), np.array([[np.cos(angle), np.sin(angle)]]))[0, 0])

    mean = quad(leverage, 0.0, np.pi)[0] / np.pi
    close(mean, s1**0.5 / (s1**0.5 + s2**0.5), CLOSED_FORM)


@given(seed=seeds, d=st.sampled_from([2, 3, 4, 5]), singular=st.booleans())
def test_p12_aligned_targets_favour_b_only_for_every_draw_averaged_over_permutations(
    seed: int, d: int, *, singular: bool
) -> None:
    """A Haar Q has exchangeable columns, and the average over their permutations obeys the theorem draw by draw."""
    rng = np.random.default_rng(seed)
    r = int(rng.integers(1, d))
    sigma = np.sort(rng.exponential(size=d))[::-1]
    if singular:
        sigma[max(r, d - 1) :] = 0.0
    m = np.sort(sigma * rng.exponential(size=d))[::-1] * (sigma > 0)
    q = haar_rows(rng, 20, r, d)
    orders = np.array(list(itertools.permutations(range(d))))
    p = _leverages(sigma, q[:, :, orders].transpose(0, 2, 1, 3)).mean(axis=1)
    slack = CLOSED_FORM * max(1.0, float(m.sum()))
    assert ((p @ m) >= r / d * m.sum() - slack).all()
    assert ((p @ m[::-1]) <= r / d * m.sum() + slack).all()
    assert (np.diff(p, axis=1) <= CLOSED_FORM).all()


@settings(max_examples=10)
@given(seed=seeds, shape=st.sampled_from([(8, 8, 2), (12, 8, 3), (10, 10, 9)]))
def test_p12_aligned_targets_favour_b_only_in_expectation(seed: int, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(seed)
    d_out, d_in, r = shape
    values = np.sort(rng.exponential(size=d_in))[::-1]
    vectors = haar_rows(rng, 1, d_in, d_in)[0]
    sigma = vectors @ np.diag(values) @ vectors.T
    delta = haar_rows(rng, 1, d_in, d_out)[0].T * 3.0  # Delta^T Delta = 9 I
    draws = _captured(delta, sigma, haar_rows(rng, DRAWS, r, d_in))
    total = excess_risk(delta, np.zeros_like(delta), sigma)
    assert standard_errors(draws, r / d_in * total) >= -MONTE_CARLO
    assert r / d_in * total >= r / d_out * total
    # the change on the lowest variances alone: the opposite, strictly
    low = haar_rows(rng, 1, 1, d_out)[0].T @ vectors[:, -1:].T
    m = float(values[-1])
    assert standard_errors(_captured(low, sigma, haar_rows(rng, DRAWS, r, d_in)), r / d_in * m) <= MONTE_CARLO


def test_iid_entries_of_the_change_need_a_zero_mean() -> None:
    """Entries N(0, 1) obey the theorem on average over the change; entries N(5, 1) lie along the least variance."""
    rng = np.random.default_rng(0)
    d, r = 8, 2
    values = np.linspace(3.0, 0.2, d)
    ones = np.full((1, d), d**-0.5)
    rest = haar_rows(rng, 1, d, d)[0]
    basis = np.linalg.qr(np.concatenate([ones, rest]).T)[0].T  # rows: (1, ..., 1)/sqrt d first
    sigma = basis.T @ np.diag(values[::-1]) @ basis
    sigma = 0.5 * (sigma + sigma.T)
    for mean, sign in ((0.0, 1.0), (5.0, -1.0)):
        fractions = []
        for _ in range(400):
            delta = mean + rng.standard_normal((d, d))
            total = excess_risk(delta, np.zeros((d, d)), sigma)
            fractions.append(_captured(delta, sigma, haar_rows(rng, 5, r, d)).mean() * d / (r * total))
        assert sign * standard_errors(np.array(fractions), 1.0) >= MONTE_CARLO
