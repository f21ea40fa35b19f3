"""Exact means over samples against simulated least squares and the worked example."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from tests.checks import close
from tests.strategies import orthonormal_columns, seeds, symmetric_with_spectrum
from tests.theory.linear_problems import standard_errors
from tests.tolerances import CLOSED_FORM, MONTE_CARLO, PRINTED_DIGITS, TABLE_DIGITS
from theory.finite_sample_risks import a_only_risks, b_only_risks, full_risks, well_specified_gap_ratio
from theory.linear_adapters import fit_a_only, fit_b_only

RUNS = 1500


def _least_squares(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Coefficients (runs, k, outputs) by the normal equations."""
    transposed = np.swapaxes(features, 1, 2)
    return np.linalg.solve(transposed @ features, transposed @ targets)


@settings(max_examples=8)
@given(seed=seeds, shape=st.sampled_from([(6, 10, 3, 40), (3, 4, 2, 14), (5, 5, 1, 15), (8, 3, 2, 12)]))
def test_p13_mean_risks_are_those_of_simulated_least_squares(seed: int, shape: tuple[int, int, int, int]) -> None:
    """n >= d_in + 4 makes the variance of the population risk finite, n >= d_in + 9 its estimate reliable."""
    d_out, d_in, r, n = shape
    rng = np.random.default_rng(seed)
    noise = 0.49
    sigma = symmetric_with_spectrum(rng, [2.0**-i for i in range(d_in)])
    delta = rng.standard_normal((d_out, d_in))
    q, u = orthonormal_columns(rng, d_in, r).T, orthonormal_columns(rng, d_out, r)
    x = rng.standard_normal((RUNS, n, d_in)) @ np.linalg.cholesky(sigma).T
    y = x @ delta.T + noise**0.5 * rng.standard_normal((RUNS, n, d_out))
    b = np.swapaxes(_least_squares(x @ q.T, y), 1, 2) @ q
    full = np.swapaxes(_least_squares(x, y), 1, 2)
    floor = d_out * noise
    fit_b, fit_a = fit_b_only(delta, sigma, q), fit_a_only(delta, sigma, u)
    expected = (
        (b, b_only_risks(floor + fit_b.approximation, n, r)),
        (u @ u.T @ full, a_only_risks(floor + fit_a.approximation, n, d_in, r, noise)),
        (full, full_risks(floor, n, d_in)),
    )
    for update, risks in expected:
        residual = y - x @ np.swapaxes(update, 1, 2)
        train = (residual**2).sum(axis=(1, 2)) / n
        error = delta - update
        population = floor + ((error @ sigma) * error).sum(axis=(1, 2))
        assert abs(standard_errors(train, risks.train)) <= MONTE_CARLO
        assert abs(standard_errors(population, risks.population)) <= MONTE_CARLO
        assert abs(standard_errors(population - train, risks.gap)) <= MONTE_CARLO


def test_worked_example_orders_gaps_against_parameter_counts() -> None:
    """d_in = 10, d_out = 6, r = 3, n = 40, noise 0.7: training and population risks and gaps, to the printed digits."""
    b = b_only_risks(42.556 / (1 - 3 / 40), 40, 3)
    a = a_only_risks(26.852 + 3 * 0.49 * 10 / 40, 40, 10, 3, 0.49)
    full = full_risks(6 * 0.49, 40, 10)
    close([b.train, a.train, full.train], [42.556, 26.852, 2.2050], PRINTED_DIGITS)
    close([b.population, a.population, full.population], [49.841, 27.727, 3.9538], PRINTED_DIGITS)
    for found, printed in ((b, 7.28), (full, 1.75), (a, 0.87)):
        assert abs(found.gap - printed) <= TABLE_DIGITS
    assert b.gap > full.gap > a.gap  # parameters: 18, 60, 30


@given(d_out=st.integers(1, 20), d_in=st.integers(2, 20), data=st.data())
def test_gap_ratio_is_below_the_parameter_ratio_and_approaches_it(d_out: int, d_in: int, data: st.DataObject) -> None:
    r = data.draw(st.integers(1, d_in))
    noise, limit = 0.3, d_out / d_in
    ratios = [well_specified_gap_ratio(d_out, d_in, r, n) for n in (d_in + 2, 2 * d_in + 2, 10 * d_in, 10**4 * d_in)]
    assert all(x <= y * (1 + CLOSED_FORM) for x, y in zip(ratios, [*ratios[1:], limit]))
    assert ratios[-1] >= limit * (1 - 1 / 10**3)
    n = 3 * d_in
    gaps = b_only_risks(d_out * noise, n, r).gap, a_only_risks(0.0, n, d_in, r, noise).gap
    close(gaps[0] / gaps[1] / well_specified_gap_ratio(d_out, d_in, r, n), 1.0, CLOSED_FORM)


def test_gap_ratio_of_the_example() -> None:
    found = [well_specified_gap_ratio(6, 10, 3, n) for n in (14, 20, 40, 100, 1000)]
    assert [round(x, 3) for x in found] == [0.254, 0.419, 0.532, 0.577, 0.598]


def test_samples_too_few_for_a_finite_mean_are_refused() -> None:
    with pytest.raises(ValueError, match=r"n = 4 samples with rank = 3: expected n > rank \+ 1 = 4"):
        b_only_risks(1.0, 4, 3)
    with pytest.raises(ValueError, match=r"n = 11 samples with d_in = 10: expected n > d_in \+ 1 = 11"):
        a_only_risks(1.0, 11, 10, 3, 0.1)
    with pytest.raises(ValueError, match=r"n = 0 samples"):
        full_risks(1.0, 0, 3)
    with pytest.raises(ValueError, match=r"n = 11 samples with d_in = 10"):
        well_specified_gap_ratio(6, 10, 3, 11)
    assert b_only_risks(1.0, 12, 3).gap > 0  # what B-only can do where the others cannot
    with pytest.raises(ValueError, match=r"optimal risk -1\.0: expected >= 0"):
        full_risks(-1.0, 9, 3)
    with pytest.raises(ValueError, match=r"optimal risk nan: expected >= 0"):
        b_only_risks(float("nan"), 9, 3)
    with pytest.raises(ValueError, match=r"noise variance nan"):
        a_only_risks(1.0, 20, 10, 3, float("nan"))
    with pytest.raises(ValueError, match=r"noise variance -0\.1"):
        a_only_risks(1.0, 20, 10, 3, -0.1)
    with pytest.raises(ValueError, match=r"rank 0: expected >= 1"):
        a_only_risks(1.0, 20, 10, 0, 0.1)
    with pytest.raises(ValueError, match=r"rank 0: expected >= 1"):
        b_only_risks(1.0, 20, 0)
    with pytest.raises(ValueError, match=r"rank 11: expected d_out >= 1 and rank in 1\.\.d_in = 10"):
        well_specified_gap_ratio(6, 10, 11, 20)
