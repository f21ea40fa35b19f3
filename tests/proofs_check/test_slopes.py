"""Rates read off log-log plots: exact power laws, standard errors, and what one outlier does to them."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from proofs_check.ntk_width import width_errors
from proofs_check.slopes import Slope, log_slope, typical_slope
from tests.checks import close
from tests.strategies import seeds
from tests.tolerances import MONTE_CARLO

WIDTHS = (32.0, 128.0, 256.0)


@pytest.mark.parametrize("slope", [log_slope, typical_slope])
@given(rate=st.floats(-2.0, 2.0))
def test_a_power_law_has_its_exponent(slope: type[Slope], rate: float) -> None:
    found = slope(WIDTHS, [[3.0 * x**rate] for x in WIDTHS])  # type: ignore[arg-type,call-arg]
    close(found.value, rate)
    assert found.standard_error == 0.0


@given(seed=seeds)
def test_the_typical_slope_hangs_less_on_one_outlier(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [list(x**-0.5 * np.exp(0.5 * rng.standard_normal(50))) for x in WIDTHS]
    one = [[*rows[0], 100.0 * max(rows[0])], *rows[1:]]
    shifts = [abs(slope(WIDTHS, one).value - slope(WIDTHS, rows).value) for slope in (log_slope, typical_slope)]
    assert shifts[1] < shifts[0]


def test_the_standard_error_of_the_typical_slope_is_the_spread_over_draws() -> None:
    rng = np.random.default_rng(0)
    draws = [typical_slope(WIDTHS, [list(np.exp(rng.standard_normal(20))) for _ in WIDTHS]) for _ in range(2000)]
    spread, error = np.std([d.value for d in draws]), np.mean([d.standard_error for d in draws])
    assert abs(spread / error - 1.0) < MONTE_CARLO / (2 * len(draws)) ** 0.5


def test_networks_of_different_widths_are_independent() -> None:
    """The same seeds at two widths: errors that share nothing are not correlated."""
    x = np.random.default_rng(0).standard_normal((2, 3))
    one, other = np.log(width_errors(x, (8, 9), range(200), depth=2, activation="relu"))
    assert abs(np.corrcoef(one, other)[0, 1]) < MONTE_CARLO / len(one) ** 0.5
