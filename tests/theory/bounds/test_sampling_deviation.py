"""The deviation of a fixed predictor against the sum over the binomial law, its limit and its lower bound."""

from math import comb

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.checks import close
from theory.bounds.information import xu_raginsky_absolute
from theory.bounds.sampling_deviation import asymptotic_deviation, least_deviation, mean_absolute_deviation

RATES = st.floats(1e-12, 1.0 - 1e-12) | st.sampled_from([0.0, 0.5, 1.0])


@given(error=RATES, samples=st.integers(1, 300))
def test_exact_value_is_the_sum_over_the_binomial_law(error: float, samples: int) -> None:
    masses = [comb(samples, k) * error**k * (1 - error) ** (samples - k) for k in range(samples + 1)]
    deviations = np.abs(np.arange(samples + 1) / samples - error)
    close(mean_absolute_deviation(error, samples), deviations @ masses)


@given(error=RATES, samples=st.integers(2, 10**6))
def test_between_the_lower_bound_and_the_standard_deviation(error: float, samples: int) -> None:
    value = mean_absolute_deviation(error, samples)
    assert value <= np.sqrt(error * (1 - error) / samples) * (1 + 1e-8)
    assert value <= xu_raginsky_absolute(0.0, samples)
    if 1 <= samples * error <= samples - 1:
        assert value >= least_deviation(error, samples) * (1 - 1e-8)


@pytest.mark.parametrize("error", [0.05, 0.3, 0.5, 0.9])
def test_the_limit_law(error: float) -> None:
    ratios = [mean_absolute_deviation(error, n) / asymptotic_deviation(error, n) for n in (10**3, 10**5, 10**7)]
    distances = np.abs(np.array(ratios) - 1)
    assert np.all(distances <= 1 / (error * (1 - error) * np.array([1e3, 1e5, 1e7])))


def test_known_values() -> None:
    assert mean_absolute_deviation(0.0, 5) == mean_absolute_deviation(1.0, 5) == 0.0
    close(mean_absolute_deviation(0.5, 1), 0.5)
    close(mean_absolute_deviation(0.5, 2), 0.25)
    close(least_deviation(0.5, 2), 0.25)  # attained


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_absolute_deviation(1.1, 5), "error rate 1.1"),
        (lambda: mean_absolute_deviation(0.1, 0), "0 samples"),
        (lambda: asymptotic_deviation(-0.1, 5), "error rate -0.1"),
        (lambda: least_deviation(0.1, 5), "1/n <= p <= 1 - 1/n"),
    ],
)
def test_impossible_settings_are_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
