"""What must hold in the experiments at their smallest size, and that they give the same numbers again."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

from proofs_check.experiments import EXPERIMENTS
from proofs_check.experiments._cells import OUTCOMES, SETTINGS
from proofs_check.experiments.landscape_phase import resized
from proofs_check.experiments.rank_spectrum import degenerate_problem
from sims.errors import BadInput
from tests.tolerances import EMPIRICAL_RATE, REDUCTION_DRIFT, SOLVER_GAP, SPURIOUS_GAP
from theory.planted_families import planted_instance


@cache
def smoke(name: str) -> Mapping[str, Any]:
    return EXPERIMENTS[name]("smoke", 0, "digits")


def generic_cells(setting: str) -> list[tuple[int, int, dict[str, int]]]:
    result = smoke("landscape_phase")
    return [
        (rank, kn, {outcome: result["counts"][setting][outcome][i][j] for outcome in OUTCOMES})
        for i, rank in enumerate(result["ranks"])
        for j, kn in enumerate(result["measurements"])
    ]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_results_are_plain_json(name: str) -> None:
    assert json.loads(json.dumps(smoke(name), allow_nan=False)) == smoke(name)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_unknown_level_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="level 'huge' is unknown: expected one of smoke, quick, full"):
        EXPERIMENTS[name]("huge", 0, "digits")


@pytest.mark.parametrize("name", ["landscape_phase", "rank_spectrum"])
def test_one_seed_gives_the_same_numbers_and_another_other_ones(name: str) -> None:
    again = EXPERIMENTS[name]("smoke", 0, "digits")
    assert again == smoke(name)
    assert EXPERIMENTS[name]("smoke", 1, "digits") != again


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_start_is_counted_once(setting: str) -> None:
    for _, _, counts in generic_cells(setting):
        assert sum(counts.values()) == smoke("landscape_phase")["starts_per_cell"]


@pytest.mark.parametrize("setting", ["generic_planted", "generic_random"])
def test_generic_features_have_no_spurious_point_above_the_sharp_threshold(setting: str) -> None:
    cells = [counts for rank, kn, counts in generic_cells(setting) if rank * (rank + 3) // 2 > kn]
    assert cells
    assert all(counts["spurious"] == 0 for counts in cells)
    # not because nothing was decided
    assert all(counts["global"] > 0 for counts in cells)


def test_spurious_points_are_found_in_every_cell_below_the_threshold() -> None:
    cells = [counts for rank, kn, counts in generic_cells("generic_planted") if rank * (rank + 3) // 2 <= kn]
    assert cells
    assert all(counts["spurious"] > 0 for counts in cells)
    assert smoke("landscape_phase")["smallest_excess_of_spurious"] > SPURIOUS_GAP
    # the optimum fits into every rank: what was found is spurious within the rank, not a lack of rank
    assert smoke("landscape_phase")["largest_rank_of_convex_optimum"] == 1


def test_exact_features_keep_spurious_points_above_the_sharp_threshold() -> None:
    """Family B at r = 2, KN = 3: the reason why 'generic' is in the theorem."""
    (counts,) = [counts for rank, kn, counts in generic_cells("exact_planted") if (rank, kn) == (2, 3)]
    assert counts["spurious"] > 0


@pytest.mark.parametrize("measurements", [1, 3, 9, 12])
def test_resized_instances_keep_the_planted_point_stationary_and_the_optimum_optimal(measurements: int) -> None:
    planted = planted_instance("A'", 3, 5, 5)
    features, targets = resized(planted, measurements, np.random.default_rng(0))
    assert features.shape == (measurements, 1, 5, 5)
    for delta in (planted.u @ planted.v.T, planted.optimum):
        residual = (features * delta).sum(axis=(2, 3)) - targets
        # all but the first measurement are met at both points, so that the gradient is that of the family
        assert np.abs(residual[1:]).max(initial=0.0) == 0.0


def test_descent_stays_above_the_certified_optimum_and_decreases() -> None:
    result = smoke("training_curves")
    assert result["status"] == "optimal"
    assert result["gap"] <= SOLVER_GAP * max(1.0, result["optimum"])
    assert result["pataki_rank"] in [curve["rank"] for curve in result["curves"]]
    for curve in result["curves"]:
        assert len(curve["median"]) == len(result["steps"])
        assert min(curve["lowest"]) >= -SOLVER_GAP
        assert np.all(np.diff(curve["median"]) < 0)
        limited = curve["best_stationary_within_rank"]
        assert (limited is not None) == (curve["rank"] < result["optimum_rank"])
        assert limited is None or limited > 0


@pytest.mark.parametrize("instance", ["least_norm", "degenerate"])
def test_reduction_obeys_the_budget_and_keeps_the_objective(instance: str) -> None:
    part = smoke("rank_spectrum")[instance]
    before, after = len(part["before"]), len(part["after"])
    assert before * (before + 1) // 2 > part["measurements"]  # there was something to reduce
    assert after * (after + 1) // 2 <= part["measurements"]
    assert after <= part["pataki_rank"]
    assert abs(part["objective_after"] - part["objective_before"]) <= REDUCTION_DRIFT
    assert part["prediction_drift"] <= REDUCTION_DRIFT
    for gap in (part["gap_before"], part["gap_after"]):
        assert abs(gap) <= SOLVER_GAP


def test_the_degenerate_minimiser_has_full_rank_and_a_gradient_that_is_a_multiple_of_the_identity() -> None:
    problem, delta, lam = degenerate_problem(6, 4, 0)
    (gradient,) = problem.data_gradients(problem.predictions([delta]))
    np.testing.assert_allclose(gradient, -lam * np.eye(6), atol=REDUCTION_DRIFT)
    assert np.linalg.matrix_rank(delta) == 6


def test_the_empirical_ntk_converges_at_the_rate_of_theory() -> None:
    result = smoke("ntk_width")
    for case in result["cases"]:
        assert np.shape(case["errors"]) == (len(result["widths"]), result["seeds"])
        assert abs(case["slope"] - result["theory_slope"]) <= EMPIRICAL_RATE
