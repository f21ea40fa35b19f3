"""PAC-Bayes with Gaussians: printed oracles, the divergence against quadrature and dense algebra, bad input."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.stats import norm

from tests.checks import close
from tests.strategies import orthonormal_columns, seeds
from tests.tolerances import IDENTITY, MONTE_CARLO, PRINTED_DIGITS
from theory.bounds.code_length import occam_kl
from theory.bounds.kl_inverse import kl_inverse_upper
from theory.bounds.pac_bayes import gaussian_kl, monte_carlo_upper, pac_bayes_kl

stds = st.floats(0.05, 5.0)

# ||B||^2 = P, prior deviation 1, posterior 1/2, training error 0.15, n = 60 000, delta = 0.05: P, divergence, bound
PRINTED = (
    (80, 65.5, 0.1684),
    (640, 523.6, 0.2016),
    (1280, 1047.2, 0.2248),
    (6144, 5026.7, 0.3299),
    (73_728, 60320, 0.8065),
)


@pytest.mark.parametrize(("parameters", "divergence", "bound"), PRINTED)
def test_printed_bounds(parameters: int, divergence: float, bound: float) -> None:
    found = gaussian_kl(np.ones(parameters), 0.5, 1.0)
    assert round(found, 1 if divergence < 10_000 else 0) == divergence
    close(pac_bayes_kl(0.15, 60_000, found, 0.05), bound, PRINTED_DIGITS)


@given(seeds, stds, stds)
def test_p28_divergence_is_that_of_dense_gaussians(seed: int, std: float, prior: float) -> None:
    """Against (Tr(S0^-1 S) - d + m^T S0^-1 m + ln det S0 / det S) / 2 with dense covariances in a rotated basis."""
    rng = np.random.default_rng(seed)
    shift, turn = rng.standard_normal((2, 3)), orthonormal_columns(rng, 6, 6)
    each = std * rng.uniform(0.5, 2.0, (2, 3))
    posterior = turn @ np.diag(each.ravel() ** 2) @ turn.T
    before = turn @ (prior**2 * np.eye(6)) @ turn.T
    moved = turn @ shift.ravel()
    inverse = np.linalg.inv(before)
    logs = np.linalg.slogdet(before)[1] - np.linalg.slogdet(posterior)[1]
    expected = 0.5 * (np.trace(inverse @ posterior) - 6 + moved @ inverse @ moved + logs)
    close(gaussian_kl(shift, each, prior), expected, IDENTITY["float64"])


@given(seeds, stds, stds)
def test_p28_divergence_is_additive_and_not_negative(seed: int, std: float, prior: float) -> None:
    shift = np.random.default_rng(seed).standard_normal(7)
    whole = gaussian_kl(shift, std, prior)
    assert whole > 0.0
    close(whole, gaussian_kl(shift[:3], std, prior) + gaussian_kl(shift[3:], std, prior))
    assert gaussian_kl(np.zeros(7), std, std) == 0.0
    if std != prior:
        assert gaussian_kl(np.zeros(7), std, prior) > 0.0 or abs(std / prior - 1.0) < IDENTITY["float64"]


@given(seeds, stds, stds)
def test_p28_divergence_does_not_depend_on_the_basis(seed: int, std: float, prior: float) -> None:
    rng = np.random.default_rng(seed)
    b, turn = rng.standard_normal((4, 5)), orthonormal_columns(rng, 5, 5)
    close(gaussian_kl(b @ turn, std, prior), gaussian_kl(b, std, prior))


@given(st.floats(-2.0, 2.0), st.floats(0.2, 2.0), st.floats(0.2, 2.0))
def test_divergence_of_one_coordinate_by_quadrature(shift: float, std: float, prior: float) -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    w = shift + std * nodes
    logs = norm.logpdf(w, shift, std) - norm.logpdf(w, 0.0, prior)
    close(gaussian_kl(np.array([shift]), std, prior), (weights * logs).sum() / np.sqrt(2 * np.pi), IDENTITY["float64"])


def test_priors_of_a_grid_cost_their_logarithm() -> None:
    one, four = (float(pac_bayes_kl(0.1, 1000, 20.0 + extra, 0.05, k)) for extra, k in ((np.log(4.0), 1), (0.0, 4)))
    close(one, four)


def test_a_posterior_at_the_prior_pays_only_for_confidence() -> None:
    nats = np.log(2 * np.sqrt(1000) / 0.05) / 1000
    close(pac_bayes_kl(0.1, 1000, 0.0, 0.05), kl_inverse_upper(0.1, nats))
    # a code of the same price in nats is a little cheaper: no ln(2 sqrt n)
    assert occam_kl(0.1, 1000, 50 / np.log(2), 0.05) < pac_bayes_kl(0.1, 1000, 50.0, 0.05)


def test_p26_monte_carlo_limit_holds_over_fresh_draws() -> None:
    rng = np.random.default_rng(0)
    draws, risk, delta, runs = 100, 0.2, 0.05, 4000
    limits = np.asarray(monte_carlo_upper(rng.binomial(draws, risk, runs) / draws, draws, delta))
    slack = MONTE_CARLO * np.sqrt(delta * (1 - delta) / runs)
    assert (limits < risk).mean() <= delta + slack
    assert (rng.binomial(draws, risk, runs) / draws < risk).mean() > delta + slack


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_kl(np.ones(2), 0.0, 1.0), "standard deviation 0: expected a positive finite number"),
        (lambda: gaussian_kl(np.ones(2), 1.0, -1.0), "prior standard deviation -1: expected a positive finite number"),
        (lambda: gaussian_kl(np.array([np.nan]), 1.0, 1.0), "expected a trained factor"),
        (lambda: pac_bayes_kl(0.1, 7, 1.0, 0.05), "7 samples: Maurer's constant needs at least 8"),
        (lambda: pac_bayes_kl(0.1, 0, 1.0, 0.05), "0 samples: expected at least 1"),
        (lambda: pac_bayes_kl(1.1, 100, 1.0, 0.05), r"training risk 1.1: expected a number in \[0, 1\]"),
        (lambda: pac_bayes_kl(0.1, 100, -1.0, 0.05), "divergence -1: expected a number >= 0"),
        (lambda: pac_bayes_kl(0.1, 100, 1.0, 0.05, 0), "0 priors: expected at least 1"),
        (lambda: monte_carlo_upper(0.1, 0, 0.05), "0 samples: expected at least 1"),
        (lambda: monte_carlo_upper(0.1, 10, 1.5), "delta 1.5: expected a number strictly between 0 and 1"),
    ],
)
def test_bad_input_is_named(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()
