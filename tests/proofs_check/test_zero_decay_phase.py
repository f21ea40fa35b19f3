"""The phase diagram without weight decay at its smallest size, and how its instances reach any KN."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

from proofs_check.certificates import critical_point
from proofs_check.experiments._cells import OUTCOMES, SETTINGS
from proofs_check.experiments.zero_decay_phase import resized_without_decay, zero_decay_phase
from sims.convex_problem import make_problem
from sims.ntk.features import DenseFeatures
from tests.tolerances import ROUNDING
from theory.losses import SQUARED
from theory.planted_zero_decay import zero_decay_instance


@cache
def smoke() -> Mapping[str, Any]:
    return zero_decay_phase("smoke", 0, "digits")


def cells(setting: str) -> list[tuple[int, int, dict[str, int]]]:
    result = smoke()
    return [
        (rank, kn, {outcome: result["counts"][setting][outcome][i][j] for outcome in OUTCOMES})
        for i, rank in enumerate(result["ranks"])
        for j, kn in enumerate(result["measurements"])
    ]


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_start_is_counted_once(setting: str) -> None:
    for _, _, counts in cells(setting):
        assert sum(counts.values()) == smoke()["starts_per_cell"]


@pytest.mark.parametrize("setting", ["generic_planted", "generic_random"])
def test_generic_features_have_no_spurious_point_up_to_the_threshold(setting: str) -> None:
    below = [counts for rank, kn, counts in cells(setting) if kn <= rank * smoke()["side"]]
    assert below
    assert all(counts["spurious"] == 0 and counts["global"] > 0 for counts in below)


def test_one_measurement_more_and_spurious_points_are_found() -> None:
    beyond = [counts for rank, kn, counts in cells("generic_planted") if kn > rank * smoke()["side"]]
    assert beyond
    assert all(counts["spurious"] > 0 for counts in beyond)


def test_exact_features_are_spurious_below_the_threshold() -> None:
    """Family C0: KN = 1 + r (m - r) = 3 = r max(m, n) at r = 1, 3 x 3."""
    (counts,) = [counts for rank, kn, counts in cells("exact_planted") if (rank, kn) == (1, 3)]
    assert counts["spurious"] > 0


def test_thresholds_are_those_of_the_formulas() -> None:
    result = smoke()
    assert result["generic_count"] == [3, 6]
    assert result["interpolation_count"] == [5, 8]
    assert result["capacity_count"] == pytest.approx([5 / 1.35, 8 / 1.35])


@pytest.mark.parametrize("rank", [1, 2])
def test_resized_instances_keep_the_planted_point_with_its_gradient(rank: int) -> None:
    planted = zero_decay_instance("C", rank, 4, 4)
    least = 1 + rank * (4 - rank)
    for count in (least, planted.n - 1, planted.n, planted.n + 2):
        features, targets = resized_without_decay(planted, count, np.random.default_rng(0))
        assert features.shape == (count, 1, 4, 4)
        problem = make_problem([DenseFeatures(features)], np.zeros((count, 1)), targets, SQUARED)
        point = critical_point(problem, planted.u, planted.v, 0.0)
        assert point.above_optimum
        assert point.objective * count == pytest.approx(planted.value, rel=ROUNDING[np.float64])


def test_the_full_count_is_the_family_itself_up_to_order() -> None:
    planted = zero_decay_instance("C", 2, 4, 5)
    features, targets = resized_without_decay(planted, planted.n, np.random.default_rng(0))

    def rows(f: np.ndarray, t: np.ndarray) -> list[tuple[float, ...]]:
        return sorted(map(tuple, np.column_stack([f.reshape(len(f), -1), t])))

    assert rows(features, targets) == rows(planted.gradients, planted.targets)
    first, _ = resized_without_decay(planted, 5, np.random.default_rng(0))
    flat = zero_decay_instance("C0", 2, 4, 5)
    np.testing.assert_array_equal(first, flat.gradients[:5])
