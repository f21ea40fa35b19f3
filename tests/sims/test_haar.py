"""Batched draws of frozen factors and captured fits against the closed forms, draw by draw and in law."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import ks_2samp

from sims import haar
from sims.errors import BadInput
from sims.haar import (
    INVARIANT_ROWS,
    ROWS,
    captured_a_only,
    captured_b_only,
    captured_fits,
    frozen_rows,
    orthonormal_rows,
    spectral_captured_fits,
)
from tests.checks import close
from tests.strategies import symmetric_with_spectrum
from tests.theory.linear_problems import Case, cases, standard_errors
from tests.tolerances import CLOSED_FORM, KOLMOGOROV_SMIRNOV, MONTE_CARLO
from theory.captured_fit import mean_captured_a_only
from theory.linear_adapters import fit_a_only, fit_b_only


@given(case=cases(), rows=st.sampled_from(ROWS))
def test_every_draw_is_the_closed_form(case: Case, rows: str) -> None:
    d_out, r = case.u.shape
    total = float(np.trace(case.delta @ case.sigma @ case.delta.T))
    q = frozen_rows(case.rng, 5, r, len(case.sigma), rows)
    u = np.swapaxes(frozen_rows(case.rng, 5, r, d_out, rows), 1, 2)
    b_only = [fit_b_only(case.delta, case.sigma, a).captured for a in q]
    a_only = [fit_a_only(case.delta, case.sigma, b).captured for b in u]
    np.testing.assert_allclose(captured_b_only(case.delta, case.sigma, q), b_only, rtol=0, atol=CLOSED_FORM * total)
    np.testing.assert_allclose(captured_a_only(case.delta, case.sigma, u), a_only, rtol=0, atol=CLOSED_FORM * total)


def test_dependent_and_zero_rows_count_once_or_not_at_all() -> None:
    rng = np.random.default_rng(0)
    delta, sigma = rng.standard_normal((4, 6)), symmetric_with_spectrum(rng, [6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    q = rng.standard_normal((4, 3, 6))
    q[1, 2] = q[1, 0] - 3 * q[1, 1]
    q[2, 2] = 0.0
    q[3, 1:] = q[3, 0] + 1e-9 * q[3, 1:]
    found = captured_b_only(delta, sigma, q)
    close(found[:3], [fit_b_only(delta, sigma, a).captured for a in q[:3]], CLOSED_FORM)
    # nearly dependent rows still span three directions, to half of the digits
    near = fit_b_only(delta, sigma, q[3])
    assert not near.pseudo_inverse
    assert abs(found[3] - near.captured) <= 1e3 * CLOSED_FORM**0.5 * near.captured
    close(captured_b_only(delta, sigma, 0 * q), np.zeros(4))


def test_nearly_dependent_rows_keep_their_digits_where_a_factorisation_would_lose_them() -> None:
    """Rows 1e-5 apart: their Gram matrix has a factor, whose solve is right to six digits only."""
    rng = np.random.default_rng(3)
    delta, sigma = rng.standard_normal((4, 6)), symmetric_with_spectrum(rng, [6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    near = rng.standard_normal((20, 2, 6))
    near[:, 1] = near[:, 0] + 1e-5 * near[:, 1]
    expected = [fit_b_only(delta, sigma, a).captured for a in near]
    np.testing.assert_allclose(captured_b_only(delta, sigma, near), expected, rtol=CLOSED_FORM)


@settings(max_examples=8)
@given(case=cases(), rows=st.sampled_from(INVARIANT_ROWS))
def test_draws_in_the_eigenbasis_have_the_law_of_draws_in_the_coordinates_given(case: Case, rows: str) -> None:
    d_out, r = case.u.shape
    total = float(np.trace(case.delta @ case.sigma @ case.delta.T))
    fits = captured_fits(case.delta, case.sigma, r, 2000, seed=1, rows=rows)
    q = frozen_rows(case.rng, 2000, r, len(case.sigma), rows)
    u = np.swapaxes(frozen_rows(case.rng, 2000, r, d_out, rows), 1, 2)
    for one, other in (
        (fits.b_only, captured_b_only(case.delta, case.sigma, q)),
        (fits.a_only, captured_a_only(case.delta, case.sigma, u)),
    ):
        grid = 10 * CLOSED_FORM * total  # laws at one point are equal up to rounding
        assert ks_2samp(np.round(one / grid), np.round(other / grid), method="asymp").pvalue > KOLMOGOROV_SMIRNOV


def test_a_diagonal_gram_matrix_takes_the_short_way_to_the_same_numbers() -> None:
    rng = np.random.default_rng(0)
    spectrum, square = np.array([5.0, 3.0, 2.0, 1.0, 0.5]), np.array([1.0, 0.0, 2.0, 1.0, 3.0])
    turn = np.linalg.qr(rng.standard_normal((7, 7)))[0][:, :5]
    weights = spectrum * square
    short = spectral_captured_fits(
        spectrum[::-1], weights[::-1], np.sort(np.append(weights, [0, 0]))[::-1], 2, 50, seed=4
    )
    long = captured_fits(turn * np.sqrt(square), np.diag(spectrum), 2, 50, seed=4)
    close(long.b_only, short.b_only, CLOSED_FORM)
    close(long.a_only, short.a_only, CLOSED_FORM)


@given(case=cases(), rows=st.sampled_from(ROWS))
def test_parts_lie_between_zero_and_t_and_the_seed_decides(case: Case, rows: str) -> None:
    r = case.u.shape[1]
    total = float(np.trace(case.delta @ case.sigma @ case.delta.T))
    fits = captured_fits(case.delta, case.sigma, r, 20, seed=7, rows=rows)
    for captured in (fits.b_only, fits.a_only):
        assert captured.shape == (20,)
        assert np.all((captured >= 0) & (captured <= total * (1 + CLOSED_FORM)))
    again = captured_fits(case.delta, case.sigma, r, 20, seed=7, rows=rows)
    assert np.array_equal(fits.b_only, again.b_only)
    assert np.array_equal(fits.a_only, again.a_only)


def test_pieces_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    delta, sigma = rng.standard_normal((8, 6)), np.diag([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    whole = captured_fits(delta, sigma, 3, 100, seed=2)
    monkeypatch.setattr(haar, "_CHUNK_BYTES", 8 * 3 * 8 * 7)
    pieces = captured_fits(delta, sigma, 3, 100, seed=2)
    close(pieces.b_only, whole.b_only, CLOSED_FORM)
    close(pieces.a_only, whole.a_only, CLOSED_FORM)


@pytest.mark.parametrize("rows", ROWS)
def test_rows_have_their_laws(rows: str) -> None:
    draws, r, d = 20_000, 2, 5
    found = frozen_rows(np.random.default_rng(3), draws, r, d, rows)
    assert found.shape == (draws, r, d)
    gram = found @ np.swapaxes(found, 1, 2)
    if rows == "haar":
        close(gram, np.broadcast_to(np.eye(r), gram.shape))
    if rows == "kaiming-uniform":
        assert np.abs(found).max() <= d**-0.5
    scale = {"gaussian": 1.0, "haar": 1.0, "kaiming-uniform": 1 / 3}[rows]
    assert abs(standard_errors(gram[:, 0, 0], scale)) <= MONTE_CARLO
    assert abs(standard_errors(gram[:, 0, 1], 0.0)) <= MONTE_CARLO
    # signs are fair, also of the entries that a QR factorisation fixes
    assert all(abs(standard_errors(np.sign(found[:, i, i]), 0.0)) <= MONTE_CARLO for i in range(r))
    # symmetric iid entries: the mean projector is isotropic for every law
    u = np.swapaxes(found, 1, 2)
    captured = captured_a_only(np.diag([3.0, 1.0, 0.0, 0.0, 0.0]), np.eye(5), u)
    assert abs(standard_errors(captured, mean_captured_a_only(10.0, d, r))) <= MONTE_CARLO


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 5), (4, 4)])
def test_orthonormal_rows_are_gram_schmidt_of_their_draws(rows: int, columns: int) -> None:
    """Normal entries drawn column by column are a triangular matrix of positive diagonal away from the rows."""
    found = orthonormal_rows(np.random.default_rng(7), rows, columns)
    close(found @ found.T, np.eye(rows))
    entries = np.random.default_rng(7).standard_normal((columns, rows))
    triangle = found @ entries
    close(found.T @ triangle, entries)
    assert np.all(np.diagonal(triangle) > 0)
    close(np.tril(triangle, -1), np.zeros((rows, rows)))


def test_errors_of_the_log_ratio_are_honest() -> None:
    """Spread of 60 independent log ratios over the stated error: a chi-square over 59 degrees of freedom."""
    rng = np.random.default_rng(0)
    delta, sigma = rng.standard_normal((12, 10)), np.diag(1.0 / np.arange(1, 11))
    runs = [captured_fits(delta, sigma, 2, 200, seed=s) for s in range(60)]
    ratio = np.var([run.log_ratio for run in runs]) / np.mean([run.log_ratio_error**2 for run in runs])
    assert abs(ratio - 1) <= MONTE_CARLO * (2 / 59) ** 0.5
    assert captured_fits(delta, sigma, 2, 1, seed=0).log_ratio_error == 0.0


def test_bad_input_is_refused_in_one_line() -> None:
    delta, sigma, rng = np.ones((2, 3)), np.eye(3), np.random.default_rng(0)
    with pytest.raises(BadInput, match="rows 'sobol': expected one of gaussian, haar, kaiming-uniform"):
        frozen_rows(rng, 1, 1, 2, "sobol")
    with pytest.raises(BadInput, match="0 draws: expected at least 1"):
        captured_fits(delta, sigma, 1, 0, seed=0)
    with pytest.raises(BadInput, match="rank 3: expected 1 to 2 for a 2x3 map"):
        captured_fits(delta, sigma, 3, 5, seed=0)
    with pytest.raises(BadInput, match="rank 4: expected 1 to 3"):
        frozen_rows(rng, 1, 4, 3)
    with pytest.raises(BadInput, match="4 orthonormal rows of length 3: expected 1 to 3"):
        orthonormal_rows(rng, 4, 3)
    with pytest.raises(BadInput, match="seed -1: expected a number >= 0"):
        captured_fits(delta, sigma, 1, 5, seed=-1)
    with pytest.raises(BadInput, match="seed -1: expected a number >= 0"):
        spectral_captured_fits(np.ones(2), np.ones(2), np.ones(2), 1, 5, seed=-1)
    with pytest.raises(BadInput, match="must be finite and >= 0"):
        spectral_captured_fits(np.ones(2), np.array([1.0, np.nan]), np.ones(2), 1, 5, seed=0)
    with pytest.raises(ValueError, match="the change holds entries that are not finite"):
        captured_fits(delta * np.nan, sigma, 1, 5, seed=0)
    with pytest.raises(ValueError, match="frozen A holds entries that are not finite"):
        captured_b_only(delta, sigma, np.full((2, 1, len(sigma)), np.nan))
    with pytest.raises(BadInput, match="nothing is captured"):
        _ = captured_fits(0 * delta, sigma, 1, 5, seed=0).log_ratio
    with pytest.raises(BadInput, match="a weight 0 where the variance is 0"):
        spectral_captured_fits(np.array([1.0, 0.0]), np.array([1.0, 1.0]), np.ones(2), 1, 5, seed=0)
