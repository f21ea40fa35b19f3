"""Mean captured fits and the criteria Theta and Theta_r: closed forms, printed numbers and Monte-Carlo means."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.integrate import quad
from scipy.stats import beta, kstest

from sims.haar import captured_a_only, captured_b_only, captured_fits, frozen_rows, spectral_captured_fits
from tests.checks import close
from tests.strategies import matrix_with_spectrum, orthonormal_columns, seeds, spectra, symmetric_with_spectrum
from tests.theory.linear_problems import SHAPES, Case, cases, next_order, power_law, standard_errors
from tests.tolerances import CLOSED_FORM, KOLMOGOROV_SMIRNOV, MONTE_CARLO, PRINTED_DIGITS, TABLE_DIGITS
from theory.captured_fit import (
    captured_fraction_law,
    captured_shares,
    concentration,
    effective_rank,
    mean_captured_a_only,
    mean_captured_b_only,
    mean_captured_b_only_isotropic,
    mean_captured_b_only_limit,
    participation_ratio,
    rho,
    spectral_theta_r,
    spectral_theta_r_error,
    theta,
    theta_r,
    two_dimensional_share,
    variance_captured_a_only,
    variance_weights,
)
from theory.whitened_form import input_projector

EIGHTH = np.pi / 8


def quarter(d: int, name: str) -> np.ndarray:
    """Delta^T Delta in the eigenbasis: all directions, the quarter of largest, or that of smallest variance."""
    part = {"iso": slice(0, d), "top": slice(0, d // 4), "bottom": slice(d - d // 4, d)}[name]
    square = np.zeros(d)
    square[part] = 1.0
    return square


def spectral_rho(spectrum: np.ndarray, square: np.ndarray) -> float:
    """Rho of diagonal matrices (eigenvalues of Sigma, of Delta^T Delta)."""
    return rho(np.diag(np.sqrt(square)), np.diag(spectrum))


@given(case=cases())
def test_weights_sum_to_the_risk_to_be_explained_and_give_the_traces(case: Case) -> None:
    values, weights = variance_weights(case.delta, case.sigma)
    total = np.trace(case.delta @ case.sigma @ case.delta.T)
    assert np.all(np.diff(values) <= 0)
    close(values.sum(), np.trace(case.sigma), CLOSED_FORM)
    close(weights.sum() / total, 1.0, CLOSED_FORM)
    second = np.trace(case.delta @ case.sigma @ case.sigma @ case.delta.T)
    close(rho(case.delta, case.sigma), case.sigma.shape[0] * second / (np.trace(case.sigma) * total), CLOSED_FORM)
    ratio = len(case.delta) / len(case.sigma)
    close(theta(case.delta, case.sigma), ratio * rho(case.delta, case.sigma), CLOSED_FORM)


@given(seed=seeds, kind=st.sampled_from(tuple(spectra(1))[:6]), data=st.data())
def test_shares_solve_their_equation_in_any_order(seed: int, kind: str, data: st.DataObject) -> None:
    d = data.draw(st.sampled_from((1, 2, 5, 16, 60)))
    rank = data.draw(st.integers(1, d))
    rng = np.random.default_rng(seed)
    spectrum = rng.permutation(np.array(spectra(d)[kind]))
    shares = captured_shares(spectrum, rank)
    positive = spectrum > 0
    close(shares.sum(), min(rank, positive.sum()), CLOSED_FORM)
    assert np.all((shares >= 0) & (shares <= 1))
    assert np.all(shares[~positive] == 0)
    order = np.argsort(spectrum)
    assert np.all(np.diff(shares[order]) >= -CLOSED_FORM)
    if rank < positive.sum():
        middle = np.argmin(np.abs(shares - 0.5))
        lam = spectrum[middle] * (1 / shares[middle] - 1)  # where rounding shows least
        assert lam > 0
        np.testing.assert_allclose(shares * (spectrum + lam), spectrum, rtol=CLOSED_FORM)
    close(captured_shares(7e-9 * spectrum, rank), shares, CLOSED_FORM)


@pytest.mark.parametrize(("s1", "s2"), [(4.0, 1.0), (1.0, 9.0), (2.5, 2.5), (1e-8, 1.0), (0.0, 3.0)])
def test_in_two_dimensions_the_shares_are_exact(s1: float, s2: float) -> None:
    """Quadrature over the angle: p_1 = mean of s1 cos^2 / (s1 cos^2 + s2 sin^2)."""
    share = two_dimensional_share(s1, s2)
    close(captured_shares(np.array([s1, s2]), 1), [share, 1 - share], CLOSED_FORM)
    if min(s1, s2) > 0:
        angles = (np.arange(200_000) + 0.5) * np.pi / 200_000
        first, second = s1 * np.cos(angles) ** 2, s2 * np.sin(angles) ** 2
        close(share, np.mean(first / (first + second)), CLOSED_FORM)


def test_worked_example_in_two_dimensions() -> None:
    """Sigma = diag(4, 1): Delta = I gives means 3 and 2.5; on the direction of low variance, 1/3 and 1/2."""
    sigma = np.diag([4.0, 1.0])
    close([mean_captured_b_only(np.eye(2), sigma, 1), mean_captured_a_only(5.0, 2, 1)], [3.0, 2.5], CLOSED_FORM)
    low = np.diag([0.0, 1.0])
    close([mean_captured_b_only(low, sigma, 1), mean_captured_a_only(1.0, 2, 1)], [1 / 3, 1 / 2], CLOSED_FORM)
    close([theta_r(np.eye(2), sigma, 1), theta_r(low, sigma, 1)], [1.2, 2 / 3], CLOSED_FORM)


@pytest.mark.parametrize(("d_out", "d_in", "r"), SHAPES)
def test_isotropic_inputs_and_equal_budgets(d_out: int, d_in: int, r: int) -> None:
    rng = np.random.default_rng(d_out)
    delta = rng.standard_normal((d_out, d_in))
    sigma, total = 3.0 * np.eye(d_in), 3.0 * np.sum(delta**2)
    exact = mean_captured_b_only_isotropic(total, d_in, r)
    close([mean_captured_b_only(delta, sigma, r), exact], [r / d_in * total] * 2, CLOSED_FORM)
    close([theta_r(delta, sigma, r), theta(delta, sigma)], [d_out / d_in] * 2, CLOSED_FORM)
    close(mean_captured_b_only_limit(delta, sigma, r), exact, CLOSED_FORM)
    # r_B d_out = r_A d_in: ranks d_in and d_out, in a pair of spaces k times larger so that they are allowed
    k = max(d_out, d_in)
    tie = mean_captured_b_only_isotropic(total, k * d_in, d_in), mean_captured_a_only(total, k * d_out, d_out)
    close(tie[0], tie[1], CLOSED_FORM)


def test_few_input_directions_capture_everything() -> None:
    sigma = symmetric_with_spectrum(np.random.default_rng(0), [2.0, 1.0, 0.5] + [0.0] * 5)
    delta = np.random.default_rng(1).standard_normal((6, 8))
    total = float(np.trace(delta @ sigma @ delta.T))
    assert abs(mean_captured_b_only(delta, sigma, 4) - total) <= CLOSED_FORM * total
    close(theta_r(delta, sigma, 3), 2.0, CLOSED_FORM)


@pytest.mark.parametrize(
    ("exponent", "target", "printed"),
    [
        (0.5, "iso", "1.965"),
        (0.5, "bottom", "0.549"),
        (1.0, "iso", "29.9"),
        (1.0, "bottom", "0.154"),
        (2.0, "iso", "410"),
        (2.0, "bottom", "0.0008"),
    ],
)
def test_printed_rho_at_1024(exponent: float, target: str, printed: str) -> None:
    found = spectral_rho(power_law(1024, exponent), quarter(1024, target))
    assert f"{found:.{len(printed.split('.')[1]) if '.' in printed else 0}f}" == printed


@pytest.mark.parametrize(("target", "printed"), [("iso", "1.0835"), ("top", "1.379"), ("bottom", "0.633")])
def test_printed_rho_of_a_mild_spectrum(target: str, printed: str) -> None:
    found = spectral_rho(np.linspace(1.5, 0.5, 1024), quarter(1024, target))
    assert f"{found:.{len(printed) - 2}f}" == printed


@pytest.mark.parametrize(
    ("exponent", "target", "printed", "digits"),
    [(1.0, "iso", "23.6", 1), (2.0, "iso", "180", 0), (2.0, "bottom", "0.0028", 4)],
)
def test_printed_theta_r_at_1024(exponent: float, target: str, printed: str, digits: int) -> None:
    spectrum = power_law(1024, exponent)
    found = spectral_theta_r(spectrum, spectrum * quarter(1024, target), 1024, 4)
    assert f"{found:.{digits}f}" == printed


def test_printed_effective_ranks_at_1024() -> None:
    found = [effective_rank(np.diag(power_law(1024, exponent))) for exponent in (1.0, 2.0)]
    assert [f"{x:.1f}" for x in found] == ["7.5", "1.6"]


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("target", ["iso", "top", "bottom"])
def test_theta_r_is_the_ratio_of_the_means_where_theta_is_not(exponent: float, target: str) -> None:
    d, r = 256, 4
    spectrum = power_law(d, exponent)
    weights = spectrum * quarter(d, target)
    fits = spectral_captured_fits(spectrum, weights, weights, r, 400, seed=3)
    slack = MONTE_CARLO * fits.log_ratio_error + next_order(spectrum, r)
    corrected = np.log(spectral_theta_r(spectrum, weights, d, r)) + spectral_theta_r_error(spectrum, weights, r)
    assert abs(fits.log_ratio - corrected) <= slack
    if exponent == 2.0:
        assert abs(fits.log_ratio - np.log(spectral_rho(spectrum, quarter(d, target)))) > slack


def test_between_its_zero_and_that_of_theta_r_theta_names_the_wrong_factor() -> None:
    """Variances k^-2, d = 1024, r = 4, change on one direction: rho crosses 1 at k = 25, the ratio of means near 50."""
    d, r = 1024, 4
    spectrum = power_law(d, 2.0)
    for k, printed, ratio in ((28, "0.79", 3.0), (40, "0.39", 1.4)):
        weights = np.where(np.arange(1, d + 1) == k, spectrum, 0.0)
        assert f"{spectral_rho(spectrum, weights):.2f}" == printed
        fits = spectral_captured_fits(spectrum, weights, weights, r, 4000, seed=0)
        slack = MONTE_CARLO * fits.log_ratio_error
        assert fits.log_ratio > slack
        # the printed ratios come from few draws and have two digits
        assert abs(fits.b_only.mean() / fits.a_only.mean() - ratio) <= TABLE_DIGITS * 10 + (np.exp(slack) - 1) * ratio
        assert spectral_theta_r(spectrum, weights, d, r) > 1
    shares = captured_shares(spectrum, r) * d / r
    assert int(np.argmax(shares < 1)) + 1 in range(45, 56)
    assert int(np.argmax(spectrum * d / spectrum.sum() < 1)) + 1 == 25


def test_captured_fractions_of_a_rank_one_change_follow_the_beta_law() -> None:
    d_out, d_in, draws = 24, 40, 20_000
    delta = np.outer(orthonormal_columns(np.random.default_rng(0), d_out, 1), np.eye(d_in)[0])
    skewed = symmetric_with_spectrum(np.random.default_rng(1), power_law(d_in, 1.0))
    for r in (1, 4):
        flat, tilted = (captured_fits(delta, s, r, draws, seed=r) for s in (2.0 * np.eye(d_in), skewed))
        laws = captured_fraction_law(d_in, r), captured_fraction_law(d_out, r)
        for fractions, law, d in (
            (flat.b_only / 2.0, laws[0], d_in),
            (flat.a_only / 2.0, laws[1], d_out),
            (tilted.a_only / skewed[0, 0], laws[1], d_out),
        ):
            assert kstest(fractions, beta(law.alpha, law.beta).cdf).pvalue > KOLMOGOROV_SMIRNOV
            close([law.mean, law.variance], [r / d, 2 * r * (d - r) / (d**2 * (d + 2))])
            assert abs(standard_errors(fractions, law.mean)) <= MONTE_CARLO
        # B-only with a spectrum: not the Beta law
        fractions = tilted.b_only / skewed[0, 0]
        assert kstest(fractions, beta(laws[0].alpha, laws[0].beta).cdf).pvalue < KOLMOGOROV_SMIRNOV


@settings(max_examples=10)
@given(case=cases(), draws=st.just(20_000))
def test_the_spread_of_the_part_captured_by_a_only(case: Case, draws: int) -> None:
    """Fluctuations around the mean, squared: their mean is the stated variance."""
    d_out, r = case.u.shape
    found = captured_a_only(case.delta, case.sigma, np.swapaxes(frozen_rows(case.rng, draws, r, d_out), 1, 2))
    total = float(np.trace(case.delta @ case.sigma @ case.delta.T))
    mean = mean_captured_a_only(total, d_out, r)
    squares = ((found - mean) / total) ** 2
    variance = variance_captured_a_only(case.delta, case.sigma, r) / total**2
    assert abs(squares.mean() - variance) <= MONTE_CARLO * squares.std() / draws**0.5 + CLOSED_FORM


def test_relative_spread_of_the_captured_part_for_a_change_of_rank_one_is_that_of_r_numbers() -> None:
    """Sqrt(2/r), whatever d: the fraction does not concentrate."""
    for r in (1, 4):
        law = captured_fraction_law(100_000, r)
        close(law.variance**0.5 / law.mean, (2 / r) ** 0.5, PRINTED_DIGITS)


def test_one_spread_out_matrix_does_not_suffice_for_the_ratio_to_concentrate() -> None:
    """Variances 45, 2018 times 1, 29 tiny ones, d = 2048, r = 4, equal risk on the first and the last 29 directions.

    Effective rank 46 and Theta = 1.49, M M^T is spread out over 30 directions, but Sigma Delta^T Delta Sigma has one.
    """
    d, r = 2048, 4
    spectrum, weights = np.ones(d), np.zeros(d)
    spectrum[0], spectrum[-29:] = 45.0, 1e-6
    weights[0] = weights[-29:] = 1.0
    assert f"{spectrum.sum() / spectrum.max():.0f}" == "46"
    assert f"{d * (spectrum @ weights) / (spectrum.sum() * weights.sum()):.2f}" == "1.49"
    assert f"{spectral_theta_r(spectrum, weights, d, r):.2f}" == "1.37"
    shown = weights > 0
    delta, sigma = np.diag((1 / np.sqrt(spectrum))[shown]), np.diag(spectrum[shown])
    b_only, a_only = concentration(delta, sigma, r)
    close([b_only, a_only], [r, 30.0 * r], PRINTED_DIGITS)
    fits = spectral_captured_fits(spectrum, weights, weights, r, 2000, seed=0)
    slack = MONTE_CARLO * fits.log_ratio_error + abs(spectral_theta_r_error(spectrum, weights, r))
    assert abs(fits.log_ratio - np.log(1.35)) <= slack
    spreads = [x.std() / x.mean() for x in (fits.b_only, fits.a_only)]
    assert spreads[0] > 4 * spreads[1]
    assert [f"{spread:.1f}" for spread in spreads] == ["0.6", "0.1"]
    wrong = (fits.b_only < fits.a_only).astype(float)
    assert abs(standard_errors(wrong, 0.41)) <= MONTE_CARLO
    close(concentration(np.eye(8), np.eye(8), 2), [16.0, 16.0])


@given(seed=seeds)
def test_a_change_of_rank_one_never_concentrates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    delta = matrix_with_spectrum(rng, (6, 9), [2.0])
    sigma = symmetric_with_spectrum(rng, spectra(9)["separated"])
    close(concentration(delta, sigma, 3), [3.0, 3.0], CLOSED_FORM)


def test_effective_ranks() -> None:
    k = np.diag([4.0, 2.0, 2.0, 0.0])
    close([effective_rank(k), participation_ratio(k)], [2.0, 64 / 24], CLOSED_FORM)
    for scale in (1e-6, 1e6):
        close([effective_rank(scale * np.eye(5)), participation_ratio(scale * np.eye(5))], [5.0, 5.0], CLOSED_FORM)


def test_kaiming_uniform_rows_are_not_haar() -> None:
    """Two dimensions, one row: variance of the captured part and a mean leverage, by integrals over the square."""
    closed = {"axis": 0.5 - EIGHTH, "diagonal": EIGHTH - 0.25}
    assert {name: f"{value:.4f}" for name, value in closed.items()} == {"axis": "0.1073", "diagonal": "0.1427"}
    assert f"{captured_fraction_law(2, 1).variance:.4f}" == "0.1250"

    def leverage(angle: float) -> float:
        s = np.sin(2 * angle)
        return 4 * (1 + s) / (4 * (1 + s) + 1 - s) / np.cos(angle) ** 2

    mean_leverage = 0.5 * quad(leverage, -np.pi / 4, np.pi / 4)[0]
    assert f"{mean_leverage:.3f}" == "0.645"
    draws = 200_000
    rows = frozen_rows(np.random.default_rng(0), draws, 1, 2, "kaiming-uniform")
    axis, diagonal = np.eye(2)[:1], np.full((1, 2), 0.5**0.5)
    for direction, name in ((axis, "axis"), (diagonal, "diagonal")):
        captured = captured_b_only(direction, np.eye(2), rows)
        assert abs(standard_errors(captured, 0.5)) <= MONTE_CARLO  # the mean is that of Haar rows
        squares = (captured - 0.5) ** 2
        assert abs(standard_errors(squares, closed[name])) <= MONTE_CARLO
        assert abs(standard_errors(squares, 0.125)) > MONTE_CARLO
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
    sigma = turn @ np.diag([4.0, 1.0]) @ turn.T
    sigma = 0.5 * (sigma + sigma.T)
    captured = captured_b_only(0.5 * diagonal, sigma, rows)  # m_1 = 1, m_2 = 0
    assert abs(standard_errors(captured, mean_leverage)) <= MONTE_CARLO
    close(input_projector(sigma, axis).trace(), 1.0)
    haar = captured_b_only(0.5 * diagonal, sigma, frozen_rows(np.random.default_rng(1), draws, 1, 2, "haar"))
    assert abs(standard_errors(haar, two_dimensional_share(4.0, 1.0))) <= MONTE_CARLO
    assert abs(standard_errors(captured, 2 / 3)) > MONTE_CARLO


def test_bad_input_is_refused_in_one_line() -> None:
    one = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"rank 4: expected 1 to d_in = 3"):
        theta_r(np.ones((5, 3)), np.eye(3), 4)
    with pytest.raises(ValueError, match=r"rank 3: expected 1 to d_out = 2"):
        theta_r(one, np.eye(3), 3)
    with pytest.raises(ValueError, match=r"T = 0\.0: expected a change that the inputs show"):
        theta(0 * one, np.eye(3))
    with pytest.raises(ValueError, match="eigenvalue -1"):
        rho(one, np.diag([1.0, 1.0, -1.0]))
    with pytest.raises(ValueError, match="variances >= 0"):
        captured_shares(np.array([1.0, -1.0]), 1)
    with pytest.raises(ValueError, match=r"variances 0\.0, 0\.0"):
        two_dimensional_share(0.0, 0.0)
    with pytest.raises(ValueError, match="rank 5: expected 1 to 4 for d = 5"):
        captured_fraction_law(5, 5)
    for total in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=rf"T = {total}: expected a finite risk >= 0"):
            mean_captured_a_only(total, 3, 1)
    with pytest.raises(ValueError, match=r"variances nan, 1\.0"):
        two_dimensional_share(np.nan, 1.0)
    broken = np.where(np.arange(3) == 1, np.nan, one)
    for formula in (theta, rho, lambda d, s: variance_captured_a_only(d, s, 1), lambda d, s: concentration(d, s, 1)):
        with pytest.raises(ValueError, match="the change holds entries that are not finite"):
            formula(broken, np.eye(3))
    with pytest.raises(ValueError, match="K holds entries that are not finite"):
        participation_ratio(np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match=r"rank 0: expected 1 to min\(d_out, d_in\) = 2"):
        concentration(one, np.eye(3), 0)
    with pytest.raises(ValueError, match="rank 9: expected 1 to d_in = 3"):
        mean_captured_b_only_limit(one, np.eye(3), 9)
    for weights in (np.array([3.0, -1.0]), np.array([np.nan, 1.0])):
        with pytest.raises(ValueError, match="expected one number >= 0 for every variance"):
            spectral_theta_r(np.ones(2), weights, 2, 1)
        with pytest.raises(ValueError, match="expected one number >= 0 for every variance"):
            spectral_theta_r_error(np.ones(2), weights, 1)
    with pytest.raises(ValueError, match="K = 0 has no effective rank"):
        effective_rank(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="K = 0 has no participation ratio"):
        participation_ratio(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="Tr Sigma = 0"):
        mean_captured_b_only_limit(one, np.zeros((3, 3)), 1)
