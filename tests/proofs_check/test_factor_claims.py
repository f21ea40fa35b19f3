"""Claims about the two factors: verdicts, the parts they are made of, and what the experiments record."""

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest
from scipy.special import logsumexp

from paper_figs.factor_training import factor_training_table
from proofs_check.execute import run_claim
from proofs_check.experiments.factor_similarity import factor_similarity
from proofs_check.experiments.factor_training import factor_training
from proofs_check.factor_arms import Arm, compare, train
from proofs_check.factor_descent import descend, excess
from proofs_check.factor_setting import FineTuning, classification, turned_setting
from proofs_check.factor_similarity import (
    SCENARIOS,
    learned_factors,
    relabelled,
    scenario_similarities,
    similarities_to_start,
)
from proofs_check.factor_text_setting import text_setting
from proofs_check.few_shot_setting import pretrained_available
from sims.data import status
from sims.errors import BadInput
from sims.training.engine import Pool, run_outputs
from sims.training.optimisers import Options
from tests.checks import close
from tests.strategies import orthonormal_columns
from tests.tolerances import IDENTITY, ROUNDING
from theory.bounds.parameter_count import tuned_parameters

SHORT = Options(6, 16, evaluations=1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("ident", "verdict"), [("ASY-STEP", "holds"), ("ASY-INIT", "holds"), ("ASY-SIM", "holds")])
def test_verdicts_do_not_depend_on_the_seed(ident: str, verdict: str, seed: int) -> None:
    row = run_claim(ident, "smoke", seed, "digits")
    assert not row["error"]
    assert row["verdict"] == row["expected"] == verdict
    assert row["negative_control"]["verdict"] == row["negative_control"]["expected"] == "fails"


def test_the_string_of_the_readme_fails_and_the_string_in_order_holds() -> None:
    row = run_claim("ASY-STRATEGY", "smoke", 0, "digits")
    assert row["verdict"] == row["expected"] == "fails"
    assert row["negative_control"]["verdict"] == "holds"
    assert "makes a-only of it, the letters say b-only" in " ".join(row["notes"])


def test_step_notes_hold_the_numbers_of_the_official_code() -> None:
    notes = " ".join(run_claim("ASY-STEP", "smoke", 0, "digits")["notes"])
    for number in ("c = 6.53", "times 42.7, of Adam times 6.53", "c = 4.62", "times 21.3, of Adam times 4.62"):
        assert number in notes


def test_descent_with_one_frozen_factor_follows_the_closed_form() -> None:
    """B orthonormal, Sigma = I: A_t = (1 - (1 - eta)^t) B^T Delta; A orthonormal likewise for B."""
    rng = np.random.default_rng(0)
    delta, rate, steps = rng.standard_normal((5, 4)), 0.3, 7
    b, a = orthonormal_columns(rng, 5, 2)[None], orthonormal_columns(rng, 4, 2).T[None]
    reached = 1 - (1 - rate) ** steps
    learned, same = descend(np.zeros((1, 2, 4)), b, delta, np.ones(4), rate=rate, steps=steps, train_b=False)
    close(learned[0], reached * b[0].T @ delta)
    assert same is b
    same, learned = descend(a, np.zeros((1, 5, 2)), delta, np.ones(4), rate=rate, steps=steps, train_a=False)
    close(learned[0], reached * delta @ a[0].T)
    assert same is a


def test_descent_of_both_factors_takes_simultaneous_gradient_steps() -> None:
    rng = np.random.default_rng(1)
    a, b, delta = rng.standard_normal((1, 2, 4)), rng.standard_normal((1, 3, 2)), rng.standard_normal((3, 4))
    variances, rate = np.array([1.0, 2.0, 0.5, 0.0]), 0.01
    a_next, b_next = descend(a, b, delta, variances, rate=rate, steps=1)
    signal = (b[0] @ a[0] - delta) @ np.diag(variances)
    close(a_next[0], a[0] - rate * b[0].T @ signal)
    close(b_next[0], b[0] - rate * signal @ a[0].T)
    close(excess(a, b, delta, variances)[0], np.trace(signal @ (b[0] @ a[0] - delta).T) / np.sum(delta**2 * variances))


def test_a_diverged_run_has_infinite_excess() -> None:
    b = 100 * np.ones((1, 3, 1))
    a, _ = descend(np.zeros((1, 1, 2)), b, np.ones((3, 2)), np.ones(2), rate=1.0, steps=200, train_b=False)
    assert excess(a, b, np.ones((3, 2)), np.ones(2))[0] == np.inf


@cache
def small() -> FineTuning:
    return turned_setting("digits", 0, widths=(12, 10), samples=160, source_steps=0)


def test_the_parts_of_the_setting_share_no_sample_and_fine_tuning_sees_upright_inputs() -> None:
    setting = small()
    parts = [set(part.tolist()) for part in (range_of_backbone(setting), *splits(setting))]
    assert sum(len(part) for part in parts) == len(set.union(*parts)) == len(setting.pool.targets)
    other = turned_setting("digits", 0, widths=(12, 10), samples=100, source_steps=0)
    # the same samples come first, the backbone's half of them reversed
    close(other.pool.inputs[:50], setting.pool.inputs[:50])
    close(other.pool.inputs[50:80], np.asarray(setting.pool.inputs)[50:80, ::-1])


def splits(setting: FineTuning) -> list[np.ndarray]:
    return [setting.train, setting.validation, setting.test]


def range_of_backbone(setting: FineTuning) -> np.ndarray:
    return np.arange(setting.train[0])


def test_the_backbone_learns_the_reversed_inputs() -> None:
    setting = turned_setting("digits", 0, widths=(24,), samples=400, source_steps=150)
    full = compare(setting, Arm("full"), Options(1, 16, evaluations=1), seeds=[0], rates=[1e-9])
    runs = train(setting, Arm("full"), Options(1, 16, evaluations=1), seeds=[0], rates=[1e-9]).runs
    outputs = run_outputs(runs, Arm("full").rule(), setting.pool, range_of_backbone(setting))
    labels = np.asarray(setting.pool.targets)[: setting.train[0]]
    on_reversed = float((outputs[0].argmax(axis=1) == labels).mean())
    assert on_reversed > full.test_accuracy.item() + 0.3  # upright images are a new task


def test_an_arm_is_scored_on_its_own_rows_and_chosen_by_validation_alone() -> None:
    setting, rates = small(), (1e-3, 0.1, 1e6)
    outcome = compare(setting, Arm("b-only", 2), SHORT, seeds=[3, 4], rates=rates)
    assert outcome.tuned == tuned_parameters("b-only", setting.shapes, 2)
    runs = train(setting, Arm("b-only", 2), SHORT, seeds=[3, 4], rates=rates).runs
    for rows, loss in ((setting.train, outcome.train_loss), (setting.test, outcome.test_loss)):
        outputs = run_outputs(runs, Arm("b-only", 2).rule(), setting.pool, rows).astype(np.float64)
        labels = np.asarray(setting.pool.targets)[rows]
        expected = (logsumexp(outputs, axis=2) - outputs[:, np.arange(len(rows)), labels]).mean(axis=1)
        close(loss.ravel(), expected, ROUNDING["float32"])
    assert outcome.best == int(np.argmin(outcome.validation_loss.mean(axis=1)))
    assert outcome.best < 2


def test_the_best_step_size_alone_has_the_numbers_of_the_whole_comparison() -> None:
    """One run after another, training and test samples at the best step size only: the same numbers there."""
    how = {"seeds": [3, 4], "rates": (1e-3, 0.1, 0.02)}
    whole = compare(small(), Arm("a-only", 2), SHORT, **how)
    some = compare(small(), Arm("a-only", 2), SHORT, **how, best_only=True, batching="map")
    assert some.best == whole.best
    close(some.validation_loss, whole.validation_loss, ROUNDING["float32"])
    for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
        found = getattr(some, name)
        close(found[whole.best], getattr(whole, name)[whole.best], ROUNDING["float32"])
        assert np.isnan(np.delete(found, whole.best, axis=0)).all()


def test_a_run_that_diverges_counts_as_wrong_and_is_never_chosen() -> None:
    outcome = compare(
        small(), Arm("a-only", 2), Options(40, 16, optimiser="sgd", evaluations=1), seeds=[1], rates=[1e-2, 1e30]
    )
    assert np.isinf(outcome.train_loss[1, 0])
    assert outcome.train_accuracy[1, 0] == outcome.test_accuracy[1, 0] == 0.0
    assert outcome.best == 0


@pytest.mark.parametrize("family", ["b-only", "a-only"])
def test_a_divisor_divides_the_frozen_factor_and_nothing_else(family: str) -> None:
    setting, frozen = small(), "A" if family == "b-only" else "B"
    whole, divided = (
        train(setting, Arm(family, 2, "kaiming", divisor), SHORT, seeds=[5], rates=[0.01]).runs
        for divisor in (1.0, 4.0)
    )
    for (name, factors), (d_out, d_in) in zip(whole.frozen.adapters.items(), setting.shapes, strict=True):
        close(4.0 * np.asarray(divided.frozen.adapters[name][frozen]), factors[frozen], ROUNDING["float32"])
        entries = np.abs(np.asarray(factors[frozen]))
        assert entries.shape == ((1, 2, d_in) if frozen == "A" else (1, d_out, 2))
        assert entries.max() <= (d_in if frozen == "A" else 2) ** -0.5


def test_tasks_are_relabellings_and_those_that_coincide_are_given_once() -> None:
    def tasks(labels: list[int], classes: int) -> dict[str, list[int]]:
        setting = replace(small(), pool=Pool(small().pool.inputs, np.array(labels)), classes=classes)
        found = relabelled(setting)
        assert all(task.pool.inputs is setting.pool.inputs for task in found.values())
        return {name: np.asarray(task.pool.targets).tolist() for name, task in found.items()}

    assert tasks([0, 1, 2, 3, 3], 4) == {
        "labels": [0, 1, 2, 3, 3],
        "shifted": [1, 2, 3, 0, 0],
        "odd": [0, 1, 0, 1, 1],
        "upper half": [0, 0, 1, 1, 1],
    }
    assert list(tasks([0, 1, 1], 2)) == ["labels", "shifted"]


def test_pairs_of_runs_fall_into_their_scenarios() -> None:
    """Factors that depend on the task alone: similar on the same task only, and all pairs are counted."""
    eye = np.eye(6)
    by_task = np.stack([np.stack([eye[:, 2 * t : 2 * t + 2]] * 4) for t in range(3)])
    found = scenario_similarities(by_task)
    assert {name: len(values) for name, values in found.items()} == dict(zip(SCENARIOS, (18, 12, 36), strict=True))
    assert set(found["same task"]) == {1.0}
    assert set(found["same start"] + found["neither"]) == {0.0}
    by_start = by_task.swapaxes(0, 1)
    assert set(scenario_similarities(by_start)["same start"]) == {1.0}
    assert similarities_to_start(by_task, by_task) == [1.0] * 12
    assert similarities_to_start(by_task, np.zeros_like(by_task)) is None


@pytest.mark.parametrize("zero", ["A", "B"])
def test_learned_factors_begin_where_stated_and_runs_of_one_seed_begin_alike(zero: str) -> None:
    setting = small()
    tasks = list(relabelled(setting).values())[:2]
    by_rate = learned_factors(tasks, SHORT, rank=2, zero=zero, seeds=[1, 2], rates=[1e-3, 1e-2])
    assert len(by_rate) == 2
    for found in by_rate:
        learned = found["hidden1"]
        started, random = (learned.a_start, learned.b_start) if zero == "A" else (learned.b_start, learned.a_start)
        assert not started.any()
        close(random[0], random[1])
        assert np.abs(random[0, 0] - random[0, 1]).max() > 0
        close(
            np.einsum("tsdr,tsdq->tsrq", random, random), np.broadcast_to(np.eye(2), (2, 2, 2, 2)), IDENTITY["float32"]
        )
        assert learned.a.shape == (2, 2, 64, 2)
        assert learned.b.shape == (2, 2, 12, 2)
        assert np.abs(learned.a - learned.a_start).max() > 0
        assert np.abs(learned.b - learned.b_start).max() > 0


def test_claims_run_on_any_data_that_can_be_classified() -> None:
    assert [classification(name) for name in ("digits", "breast-cancer", "iris", "diabetes", "glue-sst2")] == [
        *("digits", "breast-cancer", "digits", "digits", "digits")
    ]
    with pytest.raises(BadInput, match="diabetes has no classes"):
        turned_setting("diabetes", 0, widths=(8,), samples=50, source_steps=0)
    with pytest.raises(BadInput, match="10 samples of digits: expected at least 16"):
        turned_setting("digits", 0, widths=(8,), samples=10, source_steps=0)


def table_rows(result: dict[str, Any]) -> int:
    return sum(len(setting["rows"]) for setting in result["settings"])


def test_the_training_table_has_a_row_for_every_arm() -> None:
    result = factor_training("smoke", 0, "digits")
    table = factor_training_table({"experiment": "factor_training", "result": result})
    assert len(table.rows) == table_rows(result) == 2
    assert [row[1] for row in table.rows] == ["B-only", "A-only"]
    setting = result["settings"][0]
    for row in setting["rows"]:
        assert row["tuned"] == tuned_parameters(row["adapter"], [(256, 64)], row["rank"])
        assert row["rate"] in setting["rates"]
    assert table.latex().count(r" \\") == 3


def test_similarities_are_summarised_with_their_chance_level() -> None:
    (result,) = factor_similarity("smoke", 0, "digits")["settings"]
    close(result["chance"]["hidden1"]["B"]["mean"], 2 / 24)
    for zero, random in (("B", "A"), ("A", "B")):
        for by_rate in result["zero"][zero]:
            for matrix in by_rate.values():
                assert matrix[zero]["own start"] is None
                assert matrix[random]["own start"]["pairs"] == 4
                assert [matrix[random][name]["pairs"] for name in SCENARIOS] == [2, 2, 2]
    slow, fast = (step["hidden1"]["A"] for step in result["zero"]["B"])
    assert slow["own start"]["mean"] > fast["own start"]["mean"]


# Collected, not skipped: without weights or sentences there is no such test.
SENTENCES = [name for name in ("glue-sst2", "glue-rte") if status(name) != "not on this machine"]
if pretrained_available("digits"):

    @pytest.mark.parametrize("name", SENTENCES)
    def test_sentences_are_split_and_the_frozen_head_is_better_than_a_guess_on_its_own(name: str) -> None:
        setting = text_setting(name, 0, samples=60, tokens=24)
        assert setting.shapes == ((384, 384), (384, 384))
        assert [len(part) for part in (setting.train, setting.validation)] == [30, 10]
        assert (setting.train[0], setting.train[-1] + 1, setting.validation[-1] + 1) == (20, 50, 60)
        outputs = np.asarray(setting.network(jax.tree.map(lambda leaf: leaf[:20], setting.pool.inputs)))
        logits = outputs @ np.asarray(setting.head.weight).T + np.asarray(setting.head.bias)
        close(np.std(logits[:, 1] - logits[:, 0]), 1.0, ROUNDING["float32"])
        assert (logits.argmax(axis=1) == np.asarray(setting.pool.targets)[:20]).mean() > 0.5
