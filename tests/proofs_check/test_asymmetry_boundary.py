"""The map of where B-only fits better: cells against single fits, counts of wrong signs, the claim at several seeds."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from paper_figs.records import load_record
from proofs_check.boundary_cells import STANDARD_ERRORS, Cell, Comparison, compare
from proofs_check.claims.asy_boundary import _control, below_a_cliff, one_direction, random_cells
from proofs_check.execute import run_claim
from proofs_check.experiments.asymmetry_boundary import SHAPES, asymmetry_boundary, summary
from proofs_check.vanishing_variance import VanishingVariance
from sims.errors import BadInput
from tests.checks import close
from tests.strategies import orthonormal_columns
from tests.theory.linear_problems import haar_rows, standard_errors
from tests.tolerances import CLOSED_FORM, MONTE_CARLO, SIX_DECIMALS
from theory.captured_fit import rho, theta, theta_r, variance_weights
from theory.linear_adapters import fit_a_only, fit_b_only
from theory.share_bounds import Bounds, theta_r_error_bounds


@cache
def experiment() -> dict[str, Any]:
    return asymmetry_boundary("smoke", 0, "digits")


@pytest.mark.parametrize("seed", range(6))
def test_the_verdict_does_not_depend_on_the_seed(seed: int) -> None:
    row = run_claim("ASY-BOUNDARY", "smoke", seed, "digits")
    assert not row["error"]
    assert row["verdict"] == row["expected"] == "holds"
    assert row["negative_control"]["verdict"] == row["negative_control"]["expected"] == "fails"


def test_numbers_of_a_cell_are_those_of_its_matrices() -> None:
    cell = Cell(24, 30, 5, 1.3, -0.4)
    delta, sigma = cell.change(7), np.diag(cell.spectrum)
    spectrum, weights = variance_weights(delta, sigma)
    close(spectrum, cell.spectrum, CLOSED_FORM)
    close(weights, cell.weights, CLOSED_FORM)
    close(cell.log_theta_r, np.log(theta_r(delta, sigma, 5)), CLOSED_FORM)
    close(cell.error_bounds, theta_r_error_bounds(spectrum, weights, 5), SIX_DECIMALS)
    close(cell.log_theta, np.log(theta(delta, sigma)), CLOSED_FORM)
    close(cell.log_theta, np.log(24 / 30 * rho(delta, sigma)), CLOSED_FORM)


def test_the_measured_ratio_is_that_of_single_fits() -> None:
    cell = Cell(12, 20, 4, 1.0, 0.5)
    delta, sigma, rng = cell.change(3), np.diag(cell.spectrum), np.random.default_rng(5)
    b_only = np.array([fit_b_only(delta, sigma, q).captured for q in haar_rows(rng, 1500, 4, 20)])
    a_only = np.array([fit_a_only(delta, sigma, orthonormal_columns(rng, 12, 4)).captured for _ in range(1500)])
    fits = cell.measure(6000, 3)
    for one, other in ((b_only, fits.b_only), (a_only, fits.a_only)):
        assert abs(standard_errors(one, float(other.mean()))) <= MONTE_CARLO * (1 + 1500 / 6000) ** 0.5
    found = compare(cell, 6000, 3)
    close([found.measured, found.error], [fits.log_ratio, fits.log_ratio_error])


def test_alignment_minus_one_is_a_matter_of_shape_alone() -> None:
    for decay in (0.0, 1.0, 2.0):
        cell = Cell(32, 64, 4, decay, -1.0)
        close([cell.log_theta_r, cell.log_theta], [np.log(0.5)] * 2, CLOSED_FORM)


def test_decided_means_beyond_both_errors_and_wrong_signs_are_counted() -> None:
    edge = STANDARD_ERRORS * 0.1
    sure = Bounds(-0.5, 0.6)
    near, far = Comparison(-0.99 * edge, 0.1, 1.0, sure, -1.0), Comparison(-1.01 * edge, 0.1, 1.0, sure, -1.0)
    assert near.proved
    assert not near.decided
    assert far.decided
    # bounds on both sides of 1: no verdict, however clear the measurement; beyond Theta_r: a verdict against it
    assert not Comparison(-10.0, 0.1, 1.0, Bounds(-1.01, 0.2), -1.0).decided
    assert Comparison(-10.0, 0.1, 1.0, Bounds(-3.0, -1.01), -1.0).decided
    found = summary([near, far])
    assert (found["cells"], found["proved"], found["decided"], found["outside"]) == (2, 2, 1, 2)
    close(found["median_width"], 1.1)
    assert (found["theta_r"]["wrong"], found["theta_r"]["all_wrong"]) == (1, 2)
    assert (found["theta"]["wrong"], found["theta"]["all_wrong"]) == (0, 0)
    close(found["theta_r"]["max_error"], 1 + 1.01 * edge)


def test_below_a_cliff_theta_r_is_wrong_and_its_bounds_say_that_it_may_be() -> None:
    found = below_a_cliff(193, 20_000, 0)
    assert found.measured > STANDARD_ERRORS * found.error
    assert found.log_theta_r < 0
    assert not found.decided
    far = below_a_cliff(1000, 2000, 0)
    assert far.decided
    assert far.measured > 0
    assert far.log_theta_r > 0
    close(found.log_theta_r - far.log_theta_r, np.log(193 / 1000), CLOSED_FORM)


@pytest.mark.parametrize("eps", [1e-3, 1e-6, 1e-10])
def test_over_a_vanishing_variance_the_leading_error_is_no_bound(eps: float) -> None:
    """r + 1 variances 1 and one of eps: the leading term decides for the wrong factor, the bounds never."""
    for rank in (1, 4):
        instance = VanishingVariance(rank, 1, eps)
        found = instance.comparison()
        assert found.measured > 0 > found.log_theta_r
        assert abs(found.measured - found.log_theta_r) > instance.leading_error
        assert found.lower - SIX_DECIMALS <= found.measured <= found.upper + SIX_DECIMALS
    assert VanishingVariance(1, 1, eps).comparison().lower > 0  # exact at rank one
    assert _control("smoke", 0, "digits").summary()[2] < 0


def test_theta_names_the_wrong_factor_on_one_direction_of_a_steep_spectrum() -> None:
    for k in (28, 40):
        found = one_direction(k, 4000, 1)
        assert found.decided
        assert found.measured > 0
        assert found.log_theta_r > 0
        assert found.log_theta < 0


def test_random_cells_are_within_the_assumptions() -> None:
    for cell in random_cells(200, 0):
        assert 16 <= min(cell.d_out, cell.d_in) <= max(cell.d_out, cell.d_in) <= 200
        assert 1 <= cell.rank <= min(cell.d_out, cell.d_in) / 3
        assert 0 <= cell.decay <= 2
        assert -2 <= cell.alignment <= 2


def test_shapes_are_all_powers_of_two_from_a_sixteenth_to_sixteen() -> None:
    assert [np.log2(d_out / d_in) for d_out, d_in in SHAPES] == list(range(-4, 5))


@pytest.mark.parametrize("source", ["smoke", "committed"])
def test_only_theta_has_wrong_signs(source: str) -> None:
    result = experiment() if source == "smoke" else load_record("asymmetry_boundary")["result"]
    found = result["summary"]
    assert found["cells"] == sum(np.size(panel["measured"]) for panel in result["panels"])
    assert 2 * found["decided"] > found["cells"]
    assert found["outside"] == 0
    assert found["theta_r"]["wrong"] == 0
    assert found["theta_r"]["median_error"] < found["theta"]["median_error"]
    if source == "committed":
        assert found["theta"]["wrong"] > 0
    for panel in result["panels"]:
        measured, lower, upper = (np.array(panel[name]) for name in ("measured", "lower", "upper"))
        slack = STANDARD_ERRORS * np.array(panel["error"])
        assert np.all((lower - slack <= measured) & (measured <= upper + slack))
        assert np.all(lower <= upper)


def test_the_experiment_repeats_and_refuses_unknown_levels() -> None:
    assert asymmetry_boundary("smoke", 0, "mnist") == experiment()
    assert asymmetry_boundary("smoke", 1, "digits") != experiment()
    with pytest.raises(BadInput, match="level 'huge' is unknown"):
        asymmetry_boundary("huge", 0, "digits")
