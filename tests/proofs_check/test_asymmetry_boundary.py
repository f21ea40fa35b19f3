"""The map of where B-only fits better: cells against single fits, counts of wrong signs, the claim at several seeds."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from paper_figs.records import load_record
from proofs_check.boundary_cells import STANDARD_ERRORS, Cell, Comparison, compare
from proofs_check.claims.asy_boundary import below_a_cliff, one_direction, random_cells
from proofs_check.execute import run_claim
from proofs_check.experiments.asymmetry_boundary import SHAPES, asymmetry_boundary, summary
from sims.errors import BadInput
from tests.checks import close
from tests.strategies import orthonormal_columns
from tests.theory.linear_problems import haar_rows, standard_errors
from tests.tolerances import CLOSED_FORM, MONTE_CARLO
from theory.captured_fit import captured_shares, rho, spectral_theta_r_error, theta, theta_r, variance_weights
from theory.linear_adapters import fit_a_only, fit_b_only


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
    close(cell.log_theta_r_error, spectral_theta_r_error(spectrum, weights, 5), CLOSED_FORM)
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
    near, far = Comparison(-0.99 * edge, 0.1, 1.0, 0.5, -1.0), Comparison(-1.01 * edge, 0.1, 1.0, 0.5, -1.0)
    assert not near.decided
    assert far.decided
    for error in (1.01, -1.01):  # Theta_r within its own error: no verdict, however clear the measurement
        assert not Comparison(-10.0, 0.1, 1.0, error, -1.0).decided
    found = summary([near, far])
    assert (found["cells"], found["decided"]) == (2, 1)
    assert (found["theta_r"]["wrong"], found["theta_r"]["all_wrong"]) == (1, 2)
    assert (found["theta"]["wrong"], found["theta"]["all_wrong"]) == (0, 0)
    close(found["theta_r"]["max_error"], 1 + 1.01 * edge)
    close(found["corrected"]["max_error"], 1.5 + 1.01 * edge)


def test_below_a_cliff_theta_r_is_wrong_and_its_error_says_that_it_may_be() -> None:
    found = below_a_cliff(193, 20_000, 0)
    assert found.measured > STANDARD_ERRORS * found.error
    assert found.log_theta_r < 0
    assert not found.decided
    far = below_a_cliff(1000, 2000, 0)
    assert far.decided
    assert far.measured > 0
    assert far.log_theta_r > 0
    close(found.log_theta_r - far.log_theta_r, np.log(193 / 1000), CLOSED_FORM)


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
    assert found["theta_r"]["wrong"] == 0
    assert found["theta_r"]["median_error"] < found["theta"]["median_error"]
    if source == "committed":
        assert found["theta"]["wrong"] > 0
    for panel in result["panels"]:
        for j, (_, d_in) in enumerate(result["shapes"]):
            shares = captured_shares(np.arange(1.0, d_in + 1.0) ** -panel["decay"], panel["rank"])
            corrected = np.array(panel["log_theta_r"])[:, j] + np.array(panel["log_theta_r_error"])[:, j]
            errors = np.abs(np.array(panel["measured"])[:, j] - corrected)
            rest = float(shares @ (1 - shares)) ** -2
            assert np.all(errors <= MONTE_CARLO * np.array(panel["error"])[:, j] + rest)


def test_the_experiment_repeats_and_refuses_unknown_levels() -> None:
    assert asymmetry_boundary("smoke", 0, "mnist") == experiment()
    assert asymmetry_boundary("smoke", 1, "digits") != experiment()
    with pytest.raises(BadInput, match="level 'huge' is unknown"):
        asymmetry_boundary("huge", 0, "digits")
