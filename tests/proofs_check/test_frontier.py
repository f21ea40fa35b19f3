"""The existence frontier: what the program designs is proved, what it cannot design does not exist."""

import sys
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import Any
from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from paper_figs.gallery import GALLERY
from paper_figs.records import load_record
from proofs_check.certificates import critical_point
from proofs_check.design_proofs import prove
from proofs_check.exact import SquaredProblem
from proofs_check.execute import run_claim
from proofs_check.experiments.frontier import frontier
from proofs_check.worst_case_design import (
    FLOOR,
    Structure,
    curvature_bound,
    design,
    least_features,
    proves_exclusion,
    structure,
)
from sims.errors import BadInput
from tests.strategies import seeds
from tests.tolerances import IDENTITY, ORACLE_OBJECTIVE, SPURIOUS_GAP
from theory.rank_thresholds import spurious_possible

ROUNDING = IDENTITY["float64"]
SHAPES = ((1, 2, 2), (2, 3, 4), (3, 4, 4))


@cache
def known(rank: int, m: int, p: int) -> Structure:
    return structure(rank, m, p)


@cache
def free(rank: int, m: int, p: int, seed: int = 0) -> np.ndarray:
    return least_features(known(rank, m, p), seed)


def sharp(rank: int) -> int:
    return rank * (rank + 3) // 2


@pytest.mark.parametrize("shape", SHAPES)
def test_the_structure_is_stationary_with_one_negative_eigenvalue(shape: tuple[int, int, int]) -> None:
    made = known(*shape)
    assert np.abs(made.s @ made.q).max() == 0
    assert (np.linalg.eigvalsh(made.s) < -ROUNDING).sum() == 1
    assert made.deciding.shape[1] == sharp(shape[0])
    # the deciding subspace is across the gauge
    assert np.abs(made.deciding.T @ made.gauge).max(initial=0.0) == 0


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_program_needs_exactly_as_many_measurements_as_the_theorem_says(
    shape: tuple[int, int, int], seed: int
) -> None:
    assert len(free(*shape, seed)) + 1 == sharp(shape[0])


@pytest.mark.parametrize("extra", [0, 1, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_designs_at_and_above_the_frontier_are_proved_twice(shape: tuple[int, int, int], extra: int) -> None:
    made = design(known(*shape), free(*shape), sharp(shape[0]) + extra, 0)
    # rounding of the features to the grid, and the accuracy of the program
    assert made.curvature > FLOOR / 2
    proofs = prove(made, 0)
    assert proofs.exact
    assert proofs.interval is not None
    assert proofs.interval.excess > SPURIOUS_GAP
    facts = critical_point(made.problem, made.u, made.v, made.lam)
    assert facts.kind == "local_minimum"
    np.testing.assert_allclose(made.problem.n * facts.next_eigenvalue, made.curvature, rtol=ROUNDING)


@pytest.mark.parametrize("shape", SHAPES)
def test_designs_below_the_frontier_are_not_strict_and_nothing_is_proved(shape: tuple[int, int, int]) -> None:
    for kn in range(1, sharp(shape[0])):
        made = design(known(*shape), free(*shape), kn, 0)
        assert made.curvature <= ROUNDING
        proofs = prove(made, 0)
        assert not proofs.exact
        assert proofs.interval is None


@pytest.mark.parametrize("shape", SHAPES)
def test_the_bound_is_zero_or_less_below_and_infinite_from_the_frontier_on(shape: tuple[int, int, int]) -> None:
    made, rank = known(*shape), shape[0]
    basis = np.linalg.qr(made.deciding)[0]
    values = np.sort(np.linalg.eigvalsh(basis.T @ np.kron(made.s, np.eye(rank)) @ basis))[::-1]
    for kn in range(1, sharp(rank)):
        # the optimum over the relaxed projectors is a mean of the largest eigenvalues (Ky Fan)
        np.testing.assert_allclose(curvature_bound(made, kn), values[: sharp(rank) - kn].mean(), atol=ORACLE_OBJECTIVE)
        assert proves_exclusion(made, kn)
    assert curvature_bound(made, sharp(rank)) == np.inf
    assert not proves_exclusion(made, sharp(rank))


@settings(max_examples=15)
@given(seed=seeds, shape=st.sampled_from(SHAPES), size=st.sampled_from([0.3, 3.0, 30.0]))
def test_no_random_features_beat_the_bound(seed: int, shape: tuple[int, int, int], size: float) -> None:
    """Any features at all, far from the program's: the largest off-gauge lower eigenvalue stays at or below zero."""
    made, rng = known(*shape), np.random.default_rng(seed)
    for kn in range(1, sharp(shape[0])):
        features = size * rng.standard_normal((kn - 1, *shape[1:]))
        found = design(made, features, kn, seed)
        assert found.curvature <= ROUNDING * max(1.0, size**2)
        facts = SquaredProblem(found.problem, Fraction(1, kn)).facts(found.u, found.v)
        assert facts.stationary
        assert facts.hessian_inertia[2] > 0 or facts.hessian_inertia[1] > facts.gauge_dimension


@pytest.mark.parametrize("shape", [(2, 2, 3), (3, 4, 3), (0, 2, 2)])
def test_ranks_without_room_for_a_negative_eigenvalue_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(BadInput, match=f"rank {shape[0]} with shape .*: a negative eigenvalue of S needs 1 <= rank <"):
        structure(*shape)


def test_without_cvxpy_there_is_one_clear_line() -> None:
    with (
        mock.patch.dict(sys.modules, {"cvxpy": None}),
        pytest.raises(BadInput, match="cvxpy is missing: run make setup"),
    ):
        least_features(known(1, 2, 2), 0)


def test_the_claim_holds_and_its_control_fails() -> None:
    row = run_claim("NTK-FRONTIER", "smoke", 0, "digits")
    assert (row["verdict"], row["certificate"]) == ("holds", "exact")
    assert row["negative_control"]["verdict"] == "fails"


@cache
def smoke() -> Mapping[str, Any]:
    return frontier("smoke", 0, "digits")


@pytest.mark.parametrize("source", ["smoke", "record"])
def test_every_cell_of_the_figure_is_certified_and_agrees_with_the_theorem(source: str) -> None:
    result = smoke() if source == "smoke" else load_record("frontier")["result"]
    for rank, exact, interval, excluded in zip(
        result["ranks"], result["exact"], result["interval"], result["excluded"], strict=True
    ):
        expected = [spurious_possible(rank, kn, rank + 1, rank + 2) for kn in result["measurements"]]
        assert exact == expected
        assert interval == expected
        assert excluded == [not exists for exists in expected]
    assert result["measurements_of_design"] == result["sharp"]
    assert result["smallest_excess"] > SPURIOUS_GAP


def test_the_figure_names_its_marks_and_curves() -> None:
    figure = GALLERY["frontier"].draw(load_record("frontier"))
    labels = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    for part in ("r(r+3)/2 = KN", "r(r+1)/2 = KN", "rational arithmetic", "interval Newton", "none exists"):
        assert any(part in label for label in labels)
