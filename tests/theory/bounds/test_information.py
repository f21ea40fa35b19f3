"""Mutual-information bounds against printed numbers, quadrature, and brute force over finite laws."""

from math import exp, inf, log, sqrt

import hypothesis.strategies as st
import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given
from scipy.optimize import minimize_scalar

from tests.checks import close
from tests.strategies import seeds
from theory.bounds import information as mi

SAMPLES = st.integers(1, 10**6)
NATS = st.floats(0.0, 1e4)


def shown(value: float, digits: str) -> None:
    assert f"{value:.{len(digits.partition('.')[2])}f}" == digits


def test_printed_numbers() -> None:
    bits = 1000 * log(2)
    shown(mi.xu_raginsky(bits, 60_000), "0.07600")
    shown(mi.xu_raginsky_absolute(bits, 60_000), "0.07604")
    assert f"{mi.xu_raginsky_samples(bits, 0.05, 0.05):.1e}" == "1.1e+07"
    shown(mi.smoothed_range(0.05, 10), "5.252")
    for v, alpha, digits in ((50257, 0.1, "18.787"), (50257, 0.01, "22.246"), (50257, 0.5, "15.617")):
        shown(mi.smoothed_range(alpha, v) / log(2), digits)
    for n, digits in ((2, "0.34657"), (10, "0.05268"), (100, "0.005025")):
        shown(mi.gaussian_mean_information(n), digits)
    assert mi.gaussian_mean_information(1) == inf
    assert mi.gaussian_mean_gap(10, 3.0) == 0.6
    assert mi.sub_gaussian_constant(0.0, 1.0) == mi.ZERO_ONE_SIGMA


@given(information=NATS, samples=SAMPLES, sigma=st.floats(0.1, 10.0))
def test_the_absolute_version_costs_one_bit_and_four_times_the_samples_halve_both(
    information: float, samples: int, sigma: float
) -> None:
    value = mi.xu_raginsky(information, samples, sigma)
    close(mi.xu_raginsky_absolute(information, samples, sigma), mi.xu_raginsky(information + log(2), samples, sigma))
    close(mi.xu_raginsky(information, 4 * samples, sigma), value / 2)
    close(mi.xu_raginsky(4 * information, samples, sigma), value * 2)
    close(mi.xu_raginsky(information, samples, 3 * sigma), value * 3)


@given(information=st.floats(0.0, 100.0), accuracy=st.floats(0.01, 1.0), failure=st.floats(0.001, 0.999))
def test_the_sample_size_leaves_the_event_no_more_probability_than_its_divergence_allows(
    information: float, accuracy: float, failure: float
) -> None:
    n = mi.xu_raginsky_samples(information, accuracy, failure)
    # log of 2 exp(-n a^2 / (2 sigma^2)), which bounds the event's probability under the product law
    log_p = log(2) - 2 * n * accuracy**2
    divergence = failure * (log(failure) - log_p) + (1 - failure) * (log(1 - failure) - log(-np.expm1(log_p)))
    assert divergence >= information


@given(seed=seeds, low=st.floats(-5.0, 5.0), length=st.floats(0.1, 10.0))
def test_the_half_range_dominates_every_cumulant_generating_function(seed: int, low: float, length: float) -> None:
    rng = np.random.default_rng(seed)
    values = np.concatenate([[low, low + length], rng.uniform(low, low + length, 6)])
    p = rng.dirichlet(np.full(8, 0.3))
    sigma = mi.sub_gaussian_constant(low, low + length)
    for t in np.linspace(-8, 8, 33) / length:
        centred = np.log(p @ np.exp(t * (values - p @ values)))
        assert centred <= 0.5 * (sigma * t) ** 2 + 1e-12


@given(alpha=st.floats(0.001, 1.0), classes=st.integers(2, 2000))
def test_the_smoothed_range_is_the_difference_of_the_extreme_losses(alpha: float, classes: int) -> None:
    worst, best = -log(alpha / classes), -log(1 - alpha + alpha / classes)
    close(mi.smoothed_range(alpha, classes), worst - best)


@given(seed=seeds, samples=st.integers(1, 20))
def test_p17_individual_samples_never_exceed_the_whole_when_they_share_its_information(seed: int, samples: int) -> None:
    parts = np.random.default_rng(seed).exponential(size=samples)
    whole = mi.xu_raginsky(float(parts.sum()), samples)
    assert mi.individual_sample(parts.tolist()) <= whole * (1 + 2.0**-50)
    close(mi.individual_sample([float(parts.mean())] * samples), whole)


@pytest.mark.parametrize("samples", [2, 3, 7, 1000])
def test_gaussian_mean_information_is_that_of_the_joint_covariance(samples: int) -> None:
    joint = np.array([[1 / samples, 1 / samples], [1 / samples, 1.0]])  # of the mean and one of its numbers
    close(mi.gaussian_mean_information(samples), 0.5 * (np.log(np.diag(joint)).sum() - np.linalg.slogdet(joint)[1]))


@pytest.mark.parametrize("samples", [10**4, 10**8, 10**16, 10**30])
def test_gaussian_mean_keeps_its_digits_for_many_samples(samples: int) -> None:
    ctx.prec = 400
    n = arb(samples)
    information = (n / (n - 1)).log() / 2
    assert abs(mi.gaussian_mean_information(samples) / float(information) - 1) <= 1e-15
    x = mi.gaussian_mean_bound(samples) / (1 + 1 / samples)
    residual = -(1 - arb(x)).log() - arb(x) - 2 * information  # of the inverted transform
    assert abs(float(residual / (2 * information))) <= 1e-12
    assert mi.gaussian_mean_gap(samples) < mi.gaussian_mean_bound(samples)


@given(samples=st.integers(1, 10**4), variance=st.floats(0.1, 10.0))
def test_gaussian_mean_gap_is_below_its_bound_which_is_below_the_published_relaxation(
    samples: int, variance: float
) -> None:
    value = mi.gaussian_mean_bound(samples, variance)
    assert mi.gaussian_mean_gap(samples, variance) <= value * (1 + 1e-12)
    if samples > 1:
        relaxed = (1 + 1 / samples) * sqrt(2 * log(samples / (samples - 1))) * variance
        assert value <= relaxed
        information, scale = mi.gaussian_mean_information(samples), variance * (1 + 1 / samples)
        best = minimize_scalar(
            lambda u: 2 * scale * (information + exp(u) / 2 - np.log1p(exp(u)) / 2) / exp(u),
            bounds=(-15.0, 15.0),
            method="bounded",
            options={"xatol": 1e-10},
        ).fun
        np.testing.assert_allclose(value, best, rtol=1e-8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mi.sub_gaussian_constant(0.0, inf), r"loss range \[0.0, inf\]"),
        (lambda: mi.sub_gaussian_constant(1.0, 0.0), "clip or smooth"),
        (lambda: mi.smoothed_range(0.0, 10), "mixing weight 0.0"),
        (lambda: mi.smoothed_range(0.1, 1), "1 classes"),
        (lambda: mi.xu_raginsky(-1.0, 10), "information -1.0: expected nats >= 0"),
        (lambda: mi.xu_raginsky(float("nan"), 10), "information nan"),
        (lambda: mi.xu_raginsky(1.0, 0), "0 samples: expected at least 1"),
        (lambda: mi.xu_raginsky_absolute(1.0, 5, -1.0), "sub-Gaussian constant -1.0"),
        (lambda: mi.xu_raginsky_samples(1.0, 0.1, 1.0), "failure probability 1.0"),
        (lambda: mi.xu_raginsky_samples(1.0, 0.0, 0.1), "accuracy 0.0"),
        (lambda: mi.individual_sample([]), "no informations"),
        (lambda: mi.gaussian_mean_information(0), "0 samples"),
    ],
)
def test_impossible_settings_are_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
