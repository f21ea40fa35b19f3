"""The leading error of the captured shares and of Theta_r: exact laws, Monte-Carlo means, and where it is large."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.integrate import quad
from scipy.stats import beta

from sims.haar import spectral_captured_fits
from tests.checks import close
from tests.strategies import seeds, spectra
from tests.theory.linear_problems import next_order, power_law
from tests.tolerances import CLOSED_FORM, MONTE_CARLO
from theory.captured_fit import (
    captured_share_errors,
    captured_shares,
    mean_captured_a_only,
    spectral_theta_r,
    spectral_theta_r_error,
)


@given(seed=seeds, kind=st.sampled_from(tuple(spectra(1))[:6]), data=st.data())
def test_share_errors_move_weight_from_large_to_small_shares(seed: int, kind: str, data: st.DataObject) -> None:
    d = data.draw(st.sampled_from((1, 2, 5, 16, 60)))
    rank = data.draw(st.integers(1, d))
    spectrum = np.random.default_rng(seed).permutation(np.array(spectra(d)[kind]))
    shares, errors = captured_shares(spectrum, rank), captured_share_errors(spectrum, rank)
    assert abs(errors.sum()) <= CLOSED_FORM
    corrected = shares + errors
    assert corrected.min() >= -CLOSED_FORM
    assert corrected.max() <= 1 + CLOSED_FORM
    weights = shares * (1 - shares)
    if weights.sum() > CLOSED_FORM:
        middle = weights @ shares / weights.sum()
        assert np.all(errors * (shares - middle) <= 0)
    close(captured_share_errors(3e5 * spectrum, rank), errors, CLOSED_FORM)
    if np.count_nonzero(spectrum) <= rank:
        assert not errors.any()
    close(captured_share_errors(np.full(d, 2.0), rank), np.zeros(d), CLOSED_FORM)


@pytest.mark.parametrize(("large", "small", "ratio"), [(50, 50, 4.0), (40, 160, 9.0), (100, 300, 0.2)])
def test_the_leading_error_of_the_shares_is_exact_to_leading_order(large: int, small: int, ratio: float) -> None:
    """Two variances, r = 1: the first block captures ratio y/(ratio y + 1 - y) of a row, y a Beta variable."""
    off = []
    for k in (1, 4, 16):
        law = beta(k * large / 2, k * small / 2)
        low, high = (law.mean() + side * 12 * law.std() for side in (-1, 1))
        exact = quad(
            lambda y, law=law: law.pdf(y) * ratio * y / (ratio * y + 1 - y),
            max(0.0, low),
            min(1.0, high),
            epsabs=1e-13,
            epsrel=1e-12,
            limit=300,
        )[0]
        spectrum = np.array([ratio] * (k * large) + [1.0] * (k * small))
        shares, errors = captured_shares(spectrum, 1), captured_share_errors(spectrum, 1)
        block = slice(0, k * large)
        off.append(abs((exact - shares[block].sum()) / errors[block].sum() - 1))
        assert off[-1] <= 1 / (k * large)
    assert off[0] > 3 * off[1] > 9 * off[2]


@pytest.mark.parametrize("exponent", [1.0, 2.0])
@pytest.mark.parametrize("part", [slice(0, 8), slice(128, 256)], ids=["first", "last"])
def test_the_leading_error_of_theta_r_is_what_draws_show(exponent: float, part: slice) -> None:
    d, r = 256, 16
    spectrum, weights = power_law(d, exponent), np.zeros(d)
    weights[part] = spectrum[part]
    fits = spectral_captured_fits(spectrum, weights, weights, r, 2000, seed=1)
    found = np.log(fits.b_only.mean() / mean_captured_a_only(float(weights.sum()), d, r))
    error = fits.b_only.std() / fits.b_only.size**0.5 / fits.b_only.mean()
    lead = spectral_theta_r_error(spectrum, weights, r)
    # the rest is smaller than the leading term by a factor of the same order again
    slack = MONTE_CARLO * error + abs(lead) * next_order(spectrum, r) ** 0.5
    assert abs(found - np.log(spectral_theta_r(spectrum, weights, d, r)) - lead) <= slack


def test_below_a_cliff_at_the_rank_theta_r_names_the_wrong_factor() -> None:
    """Four variances 1, twelve of 1/1000, change on these: the shares are too small by nearly pi/2."""
    d_out, r = 193, 4
    spectrum = np.array([1.0] * r + [1e-3] * 12)
    weights = np.where(spectrum < 1, spectrum, 0.0)
    fits = spectral_captured_fits(spectrum, weights, weights, r, 40_000, seed=0)
    measured = fits.b_only.mean() / (r / d_out * weights.sum())
    error = fits.b_only.std() / fits.b_only.size**0.5 / (r / d_out * weights.sum())
    assert measured - MONTE_CARLO * error > 1
    found = spectral_theta_r(spectrum, weights, d_out, r)
    assert found < 1
    assert measured / found < np.pi / 2
    # and its leading error says so: the side of 1 is within it, and so is the truth
    lead = spectral_theta_r_error(spectrum, weights, r)
    assert abs(np.log(found)) < np.log(measured / found) < lead


@pytest.mark.parametrize("small", [1e-4, 1e-8])
def test_the_error_below_a_cliff_at_rank_one_tends_to_the_root_of_half_pi(small: float) -> None:
    """Closed form at r = 1 in the limit of a bulk without fluctuations: E[S / (g^2 + S)] over shares[bulk]."""

    def lost(g: float) -> float:
        return 2 * small / (g * g + small) * np.exp(-0.5 * g * g) / np.sqrt(2 * np.pi)

    exact = quad(lost, 0, 30, points=[np.sqrt(small), 10 * np.sqrt(small)], limit=200)[0]
    bulk = captured_shares(np.array([1.0] + [small / 5000] * 5000), 1)[1:].sum()
    assert abs(exact / bulk - np.sqrt(np.pi / 2)) <= 2 * np.sqrt(small)
