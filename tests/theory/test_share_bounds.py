"""The proved bounds on captured shares and on the error of Theta_r: exact laws, draws, symmetries."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from proofs_check.vanishing_variance import VanishingVariance
from sims.haar import frozen_rows
from tests.checks import close
from tests.strategies import seeds, spectra
from tests.theory.linear_problems import power_law
from tests.tolerances import MONTE_CARLO
from theory import share_bounds
from theory.captured_fit import captured_shares, two_dimensional_share
from theory.share_bounds import share_lower_bounds, share_upper_bounds, theta_r_error_bounds

QUADRATURE = 1e-8


def drawn_shares(spectrum: np.ndarray, rank: int, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of the leverages over Gaussian rows, and their standard errors."""
    x = frozen_rows(np.random.default_rng(seed), draws, rank, spectrum.size) * np.sqrt(spectrum)
    leverage = np.sum(np.linalg.svd(x, full_matrices=False)[2] ** 2, axis=1)
    return leverage.mean(axis=0), leverage.std(axis=0) / draws**0.5


@given(seed=seeds, kind=st.sampled_from(tuple(spectra(1))[:6]), data=st.data())
def test_bounds_are_shares_in_order_and_do_not_depend_on_scale_or_order(
    seed: int, kind: str, data: st.DataObject
) -> None:
    d = data.draw(st.sampled_from((1, 2, 5, 9)))
    rank = data.draw(st.integers(1, d))
    spectrum = np.array(spectra(d)[kind])
    low, high = share_lower_bounds(spectrum, rank), share_upper_bounds(spectrum, rank)
    assert np.all((low >= 0) & (low <= high + QUADRATURE) & (high <= 1))
    assert low.sum() <= min(rank, np.count_nonzero(spectrum)) + QUADRATURE
    assert high.sum() >= min(rank, np.count_nonzero(spectrum)) - QUADRATURE
    assert not high[spectrum == 0].any()
    chosen = np.random.default_rng(seed).permutation(d)
    close(share_lower_bounds(3e5 * spectrum[chosen], rank), low[chosen], QUADRATURE)
    close(share_upper_bounds(3e-5 * spectrum[chosen], rank), high[chosen], QUADRATURE)
    weights = np.random.default_rng(seed).exponential(size=d) * (spectrum > 0)
    if weights.sum() > 0:
        bounds = theta_r_error_bounds(spectrum, weights, rank)
        assert bounds.low <= bounds.high + QUADRATURE
        turned = theta_r_error_bounds(7.0 * spectrum[chosen], 0.1 * weights[chosen], rank)
        close(turned, bounds, 1e-6)  # a linear programme scaled otherwise


@given(seed=seeds, rank=st.integers(1, 4), more=st.integers(1, 6))
def test_the_bounds_hold_for_random_spectra_and_weights(seed: int, rank: int, more: int) -> None:
    rng = np.random.default_rng(seed)
    spectrum = 10.0 ** rng.uniform(-2.5, 0, rank + more)
    shares, errors = drawn_shares(spectrum, rank, 2000, seed)
    assert np.all(shares >= share_lower_bounds(spectrum, rank) - MONTE_CARLO * errors - QUADRATURE)
    assert np.all(shares <= share_upper_bounds(spectrum, rank) + MONTE_CARLO * errors + QUADRATURE)
    weights = spectrum * 10.0 ** rng.uniform(-2, 2, spectrum.size)
    bounds, value = theta_r_error_bounds(spectrum, weights, rank), float(shares @ weights)
    equivalent, slack = float(captured_shares(spectrum, rank) @ weights), MONTE_CARLO * float(errors @ weights)
    assert value >= equivalent * np.exp(bounds.low) - slack
    assert value <= equivalent * np.exp(bounds.high) + slack


@given(first=st.floats(1e-6, 1e6), second=st.floats(1e-6, 1e6))
def test_rank_one_is_exact(first: float, second: float) -> None:
    spectrum = np.array([first, second])
    exact = two_dimensional_share(first, second)
    close(share_lower_bounds(spectrum, 1), [exact, 1 - exact], QUADRATURE)
    close(share_upper_bounds(spectrum, 1), [exact, 1 - exact], QUADRATURE)
    three = np.array([first, second, second])
    close(share_upper_bounds(three, 2), 1.0 - share_lower_bounds(1.0 / three, 1), QUADRATURE)


@pytest.mark.parametrize(("d", "rank"), [(5, 1), (6, 3), (40, 7), (30, 29)])
def test_equal_variances_leave_no_error(d: int, rank: int) -> None:
    weights = np.random.default_rng(d).exponential(size=d)
    close(theta_r_error_bounds(np.full(d, 3.0), weights, rank), [0.0, 0.0], 1e-6)
    few = np.append(np.ones(rank), np.zeros(3))
    assert theta_r_error_bounds(few, few, rank) == (0.0, 0.0)


def test_two_equal_variances_above_a_thousandth_are_decided_for_b_only() -> None:
    """Sigma = diag(1, 1, 1/1000), r = 1, the change on the third direction, d_out = 400: II_A/II_B is 1.2608."""
    spectrum, weights = np.array([1.0, 1.0, 1e-3]), np.array([0.0, 0.0, 1e-3])
    a = np.sqrt(1 - 1e-3)
    share = 1e-3 * (np.arctanh(a) / a**3 - 1 / a**2)
    assert f"{400 * share:.4f}" == "1.2608"
    log_theta_r = np.log(400 * captured_shares(spectrum, 1)[2])
    assert f"{log_theta_r:.3f}" == "-0.919"
    bounds = theta_r_error_bounds(spectrum, weights, 1)
    close(bounds, [np.log(400 * share) - log_theta_r] * 2, QUADRATURE)
    assert log_theta_r + bounds.low > 0


@pytest.mark.parametrize("rank", [1, 2, 5, 12])
@pytest.mark.parametrize("beyond", [0, 1, 2, 6])
@pytest.mark.parametrize("power", [0, 1, 4, 8, 12])
def test_a_vanishing_variance_stays_within_the_bounds(rank: int, beyond: int, power: int) -> None:
    instance = VanishingVariance(rank, beyond, 10.0**-power)
    error = np.log(instance.share / captured_shares(instance.spectrum, rank)[-1])
    bounds = theta_r_error_bounds(instance.spectrum, instance.weights, rank)
    assert bounds.low - 1e-7 <= error <= bounds.high + 1e-7
    if rank == 1:
        close(bounds, [error, error], 1e-6)


def test_the_error_with_a_vanishing_variance_has_no_limit_and_its_leading_term_has() -> None:
    errors, leads = [], []
    for power in (3, 6, 9, 12):
        instance = VanishingVariance(1, 1, 10.0**-power)
        a = np.sqrt(1 - instance.eps)
        closed = np.log((1 + a) / instance.eps**0.5) / a**3 - 1 / a**2
        close(instance.share / (closed * instance.eps), 1.0, 1e-9)
        errors.append(np.log(instance.share / captured_shares(instance.spectrum, 1)[-1]))
        leads.append(instance.leading_error)
    assert np.all(np.diff(errors) > 0.25)
    assert np.ptp(leads) < 0.01


@pytest.mark.parametrize(("exponent", "rank"), [(0.5, 4), (1.0, 8), (2.0, 4)])
def test_the_bounds_are_close_on_power_laws(exponent: float, rank: int) -> None:
    """Within .3 in the log on steep spectra, less on others: what makes them of use."""
    spectrum = power_law(128, exponent)
    for part in (slice(0, 16), slice(0, 128)):
        weights = np.zeros(128)
        weights[part] = spectrum[part]
        bounds = theta_r_error_bounds(spectrum, weights, rank)
        assert bounds.high - bounds.low < (0.1 if exponent < 1 else 0.3)


@pytest.mark.parametrize("exponent", [0.1, 1.0, 3.0])
def test_quadrature_is_finer_than_what_it_is_charged(monkeypatch: pytest.MonkeyPatch, exponent: float) -> None:
    spectrum = power_law(30, exponent)
    coarse = share_lower_bounds(spectrum, 3)
    monkeypatch.setattr(share_bounds, "_STEP", 0.03)
    monkeypatch.setattr(share_bounds, "_CUT", 1e-15)
    assert np.abs(share_lower_bounds(spectrum, 3) / coarse - 1).max() < 1e-10


def test_a_programme_that_is_not_solved_still_gives_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    spectrum = power_law(12, 1.0)
    solved = theta_r_error_bounds(spectrum, spectrum, 3)
    original = share_bounds.linprog

    def unsolved(*args: object, **options: object) -> object:
        found = original(*args, **options)
        found.status = 4
        return found

    monkeypatch.setattr(share_bounds, "linprog", unsolved)
    found = theta_r_error_bounds(spectrum, spectrum, 3)
    assert found.low < solved.low < solved.high < found.high


@pytest.mark.parametrize("weights", [np.zeros(3), -np.ones(3), np.array([0.0, 0.0, 1.0])])
def test_weights_that_are_none_are_refused(weights: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"weights m_i|T = 0"):
        theta_r_error_bounds(np.array([2.0, 1.0, 0.0]), weights, 1)
