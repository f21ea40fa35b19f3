"""Claims on conditional information: verdicts, controls, steps of the proof; and the experiment behind the ladder."""

from functools import cache
from math import log
from typing import Any

import numpy as np
import pytest

import proofs_check.steps.conditional as steps_module
from paper_figs.bounds_ladder import bounds_table
from paper_figs.records import load_record
from proofs_check.conditional_instances import (
    data_dependent_masks,
    enumerated,
    interpolating,
    memory,
    retrained,
    trained_on_both_columns,
)
from proofs_check.evidence import verdict_of
from proofs_check.execute import run_claim
from proofs_check.experiments.bounds_ladder import SIZES, bounds_ladder
from proofs_check.registry import steps_of
from sims.errors import BadInput
from sims.supersample.masks import all_masks
from tests.checks import EXACT, close
from tests.tolerances import ROOT_OF_INFORMATION
from theory.bounds.conditional import cmi_bound
from theory.bounds.parameter_count import mutual_information_bound

CLAIMS = (
    "BND-CMI",
    "BND-FCMI",
    "BND-ECMI",
    "BND-LDCMI",
    "BND-BKL",
    "BND-JS",
    "BND-INTERPOLATION",
    "BND-CHAIN",
)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("ident", CLAIMS)
def test_verdicts_are_as_registered(ident: str, seed: int) -> None:
    row = run_claim(ident, "smoke", seed, "digits")
    assert not row["error"]
    assert row["verdict"] == row["expected"] == "holds"
    assert row["negative_control"]["verdict"] == row["negative_control"]["expected"] == "fails"


@pytest.mark.parametrize("data", ["diabetes", "glue-rte"])
@pytest.mark.parametrize("ident", ["BND-CMI", "BND-ECMI", "BND-LDCMI"])
def test_other_data_serve(ident: str, data: str) -> None:
    """Regression targets are cut at their median; for sentences the digits stand in."""
    row = run_claim(ident, "smoke", 0, data)
    assert (row["verdict"], row["negative_control"]["verdict"]) == ("holds", "fails")


def test_the_proof_of_the_fast_bounds_has_four_steps_that_hold() -> None:
    steps = steps_of("BND-INTERPOLATION")
    assert [step.id for step in steps] == ["P1", "P2", "P3", "P4"]
    for step in steps:
        assert verdict_of(step.check("smoke", 0, "digits")) == "holds"


def test_weights_outside_the_set_break_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps_module, "WEIGHTS", ((2.0, 1.9),))
    (first, *_) = steps_of("BND-INTERPOLATION")
    assert verdict_of(first.check("smoke", 0, "digits")) == "fails"


def test_instances_are_of_both_kinds() -> None:
    assert {e.learner.samples for e in enumerated("smoke", 0)} == {1, 2, 3}
    assert any(len(np.unique(e.learner.losses)) > 2 for e in enumerated("smoke", 0))
    assert all(e.exact.train == 0.0 for e in interpolating("smoke", 0))
    assert any(e.exact.population > 0.0 for e in interpolating("smoke", 0))
    adapters = retrained("smoke", 0, "digits")
    assert len({r.name for r in adapters}) == 5
    # every mask is used, and no more can be said than which one it was
    assert all(0.0 <= r.information <= r.samples * log(2.0) + EXACT for r in adapters)
    assert max(r.gap for r in adapters) > 0.0
    for r in adapters:
        assert r.rows.predictions.sum() <= r.information + EXACT


def test_a_memory_has_the_largest_gap_and_tells_what_its_masks_hold() -> None:
    """All of n bits under independent coins, one bit under one coin, whose bound is then too small."""
    free, tied = memory(all_masks(4), "all masks"), memory(np.repeat([[0], [1]], 4, axis=1), "one coin")
    for found, bits in ((free, 4), (tied, 1)):
        close([found.rows.train, found.rows.population, found.gap], [0.0, 1.0, 1.0])
        close(found.information, bits * log(2.0))
    assert cmi_bound(tied.information, 4) < tied.gap < cmi_bound(free.information, 4)


def test_training_on_both_columns_hides_the_bits_and_the_gap() -> None:
    for found, error in trained_on_both_columns(0, "digits"):
        close([found.information, found.gap, *found.rows.differences], np.zeros(2 + found.samples))
        assert error > found.rows.train


def test_masks_that_look_at_the_data_make_a_gap_without_information() -> None:
    gap, information = data_dependent_masks(0.2)
    close([gap, information], [2 * 0.2 * 0.8, 0.0])


@cache
def smoke() -> dict[str, Any]:
    return bounds_ladder("smoke", 0, "digits")


def test_p16_every_cell_of_the_experiment_is_ordered() -> None:
    for row in (*smoke()["rows"], *load_record("bounds_ladder")["result"]["rows"]):
        for cell in row["cells"]:
            slack = ROOT_OF_INFORMATION
            assert abs(cell["gap"]) <= min(cell["ld_cmi"], cell["ld_mi"]) + slack
            assert cell["gap"] <= cell["binary_kl"] + slack
            assert cell["binary_kl"] <= cell["ld_mi"] + slack
            assert cell["ld_cmi"] <= cell["e_cmi"] + slack
            assert cell["e_cmi"] <= cell["f_cmi"] + slack
            expected = mutual_information_bound(cell["parameters"], 1, row["samples"])
            close(cell["parameter_count"], expected)


def test_the_committed_record_holds_all_rows_and_adapters() -> None:
    result = load_record("bounds_ladder")["result"]
    assert [row["samples"] for row in result["rows"]] == [100, 500, 2000]
    for row in result["rows"]:
        assert {cell["adapter"] for cell in row["cells"]} == {"full", "lora", "b-only", "a-only"}
        assert len(row["cells"]) == 1 + len(SIZES["full"].b_ranks) + 2 * len(SIZES["full"].ranks)
        # tuning fewer parameters costs fit and closes the gap: B only, over the rank
        b_only = [cell for cell in row["cells"] if cell["adapter"] == "b-only"]
        assert np.all(np.diff([cell["train"] for cell in b_only]) < 0)
        assert np.all(np.diff([cell["gap"] for cell in b_only]) > 0)
    # and with many samples its bounds say something: below one half at every rank
    assert all(cell["binary_kl"] < 0.5 for cell in result["rows"][-1]["cells"])


def test_the_table_has_a_line_for_every_cell() -> None:
    record = load_record("bounds_ladder")
    table = bounds_table(record)
    assert len(table.rows) == sum(len(row["cells"]) for row in record["result"]["rows"])
    assert table.latex().count("B only") == 3 * len(SIZES["full"].b_ranks)
    # over frozen factors A only of low rank spreads more than all else
    lines = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    for n in (100, 500, 2000):
        spread = {(line["adapter"], line["rank"]): line["gap s.d."] for line in lines if line["n"] == n}
        assert max(spread, key=lambda key: spread[key]) == ("A only", 2)
        cell = record["result"]["rows"][(100, 500, 2000).index(n)]["cells"][0]
        close(spread["full", None], np.std(cell["gaps"], ddof=1))
    assert all(row[6] is None for row in bounds_table({**record, "result": smoke()}).rows)


def test_numbers_of_samples_that_do_not_fit_are_left_out_and_regression_is_refused() -> None:
    with pytest.raises(BadInput, match="diabetes has no classes: the 0-1 loss needs at least two"):
        bounds_ladder("smoke", 0, "diabetes")
    with pytest.raises(BadInput, match="iris has 120 training examples: expected at least 200"):
        bounds_ladder("quick", 0, "iris")
    assert smoke()["left_out"] == []
