"""The command train: its output, its records, being stopped, and every bad input in one line."""

import json

import numpy as np
import pytest

from proofs_check.commands._options import parse_seeds
from proofs_check.commands.train import parse_settings
from sims import standing as standing_module
from sims.benchmarks import mlp
from sims.data import Data
from sims.errors import BadInput
from sims.training import runs as runs_module

QUICK = ("--set", "max_steps=3", "--set", "samples=40", "--set", "batch_size=8", "--set", "evaluations=1")
B_ONLY = ("train", "--benchmark", "digits-mlp", "--adapter", "b-only", "--rank", "2")
KEYS = {
    *("benchmark", "adapter", "rank", "seed", "trainable", "total", "metric", "train_metric", "test_metric", "seconds"),
    *("backbone", "curves", "device", "dtype", "versions", "config_hash"),
}


def test_one_object_a_seed_with_the_stable_keys_and_a_record_each(run, tmp_path):
    code, out, err = run(*B_ONLY, "--seeds", "0:2", *QUICK, "--records", tmp_path / "r", "--json", "-")
    rows = json.loads(out)
    assert (code, err) == (0, "")
    assert [row["seed"] for row in rows] == [0, 1]
    assert all(set(row) >= KEYS for row in rows)
    assert {row["trainable"] for row in rows} == {2 * (128 + 64) + 650}
    assert {row["total"] for row in rows} == {64 * 128 + 128 * 64 + 650}
    assert {path.stem for path in (tmp_path / "r").iterdir()} == {row["config_hash"] for row in rows}
    for row in rows:
        record = json.loads((tmp_path / "r" / f"{row['config_hash']}.json").read_text())
        assert record["config"]["seed"] == row["seed"]
        assert {"device", "dtype", "versions", "code"} <= set(record["environment"])
        assert record["result"] == {key: value for key, value in row.items() if key != "config_hash"}


def test_a_repeated_command_trains_nothing(run, tmp_path, monkeypatch):
    arguments = (*B_ONLY, "--seeds", "0:2", *QUICK, "--records", tmp_path, "--json", "-")
    first = run(*arguments)

    def never(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(runs_module, "train_group", never)
    assert run(*arguments) == first
    code, out, err = run(*arguments[:-2])
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "2 of 2 from records"


def test_records_of_other_code_are_run_again_and_said_and_fresh_runs_all(run, tmp_path, monkeypatch):
    arguments = (*B_ONLY, "--seeds", "0:2", *QUICK, "--records", tmp_path)
    run(*arguments)
    with monkeypatch.context() as changed:
        changed.setattr(standing_module, "fingerprint", lambda *modules: "other")
        code, out, err = run(*arguments)
    assert code == 0
    assert "from records" not in out
    assert err == "lora-theory: 2 records not taken, run again: made by other code\n"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert run(*arguments)[1].endswith("2 of 2 from records\n")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    code, out, err = run(*arguments, "--fresh")
    assert (code, err) == (0, "")
    assert "from records" not in out
    assert all(path.stat().st_mtime_ns > before[path] for path in tmp_path.iterdir())


def test_without_json_there_is_a_table(run):
    code, out, _ = run("train", "--benchmark", "digits-mlp", "--adapter", "rank0", *QUICK)
    assert code == 0
    title, rule, line = out.splitlines()
    assert title.split()[:3] == ["seed", "adapter", "rank"]
    assert set(rule) == {"-"}
    assert "digits-mlp (random backbone, accuracy)" in line
    assert line.count(" %") == 2


def test_full_training_on_digits_is_above_95_per_cent_and_b_only_learns(run):
    found = {}
    for adapter in (("full",), ("rank0",), ("b-only", "--rank", "8")):
        code, out, _ = run("train", "--benchmark", "digits-mlp", "--adapter", *adapter, "--seeds", "0:3", "--json", "-")
        assert code == 0
        found[adapter[0]] = sum(row["test_metric"] for row in json.loads(out)) / 3
    assert found["full"] > 0.95
    assert found["b-only"] > found["rank0"]


@pytest.fixture
def random_mnist(monkeypatch):
    """Put random images in the place of MNIST."""
    rng = np.random.default_rng(0)
    x, y = rng.random((120, 784)), rng.integers(0, 10, 120)
    data = Data(name="mnist", x_train=x[:96], y_train=y[:96], x_test=x[96:], y_test=y[96:], classes=10)
    mlp._samples.cache_clear()
    monkeypatch.setattr(mlp, "load", lambda name, *, seed: data)
    yield
    mlp._samples.cache_clear()


@pytest.mark.parametrize(
    ("data", "adapter", "rank", "trainable", "more"),
    [
        ("digits-mlp", "b-only", 64, 64 * (128 + 64), ()),
        ("digits-mlp", "a-only", 64, 64 * (64 + 128), ()),
        # the second layer has 128 inputs and 64 outputs
        ("mnist-mlp-tiny", "b-only", 128, 128 * (128 + 64), ()),
        ("mnist-mlp-tiny", "b-only", 128, 128 * (128 + 64), ("--set", "a_start=singular-right")),
        ("mnist-mlp-tiny", "lora", 64, 64 * (784 + 128 + 128 + 64), ()),
    ],
)
def test_the_largest_rank_trains(run, random_mnist, monkeypatch, data, adapter, rank, trainable, more):
    if data == "digits-mlp":
        monkeypatch.undo()
    code, out, err = run(
        *("train", "--benchmark", data, "--adapter", adapter, "--rank", rank, *QUICK, *more, "--json", "-")
    )
    assert (code, err) == (0, "")
    [row] = json.loads(out)
    assert (row["rank"], row["trainable"], row["diverged"]) == (rank, trainable + 650, False)
    code, out, err = run("train", "--benchmark", data, "--adapter", adapter, "--rank", rank + 1, *QUICK, *more)
    assert (code, out) == (2, "")
    assert f"rank {rank + 1} of " in err
    assert f"expected 1 to {rank}, " in err


def test_ctrl_c_keeps_the_seeds_that_are_finished(run, tmp_path, monkeypatch):
    real = runs_module.train_group

    def stopped(settings, seeds, **options):
        if 8 in seeds:
            raise KeyboardInterrupt
        return real(settings, seeds, **options)

    monkeypatch.setattr(runs_module, "train_group", stopped)
    code, out, err = run(*B_ONLY, "--seeds", "0:10", *QUICK, "--records", tmp_path, "--json", "-")
    assert code == 130
    assert [row["seed"] for row in json.loads(out)] == list(range(8))
    assert "interrupted; 8 of 10 seeds finished, kept above" in err
    assert len(list(tmp_path.glob("*.json"))) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--benchmark", "nope", "--adapter", "lora", "--rank", "2"), "benchmark 'nope' is unknown: expected one of"),
        (("--benchmark", "digits-mlp", "--adapter", "loar"), "adapter 'loar' is unknown: expected one of full, rank0"),
        (("--benchmark", "digits-mlp", "--adapter", "lora", "--rank", "0"), "rank 0 is out of range for lora"),
        (("--benchmark", "digits-mlp", "--adapter", "lora"), "--rank is missing: the adapter lora needs one"),
        (("--benchmark", "digits-mlp", "--adapter", "lora", "--rank", "-1"), "expected a whole number from 0"),
        (
            ("--benchmark", "digits-mlp", "--adapter", "lora", "--rank", "65"),
            "rank 65 of A and B is too large for hidden1, 128 x 64 (d_out x d_in): expected 1 to 64, its shorter side",
        ),
        (
            ("--benchmark", "digits-mlp", "--adapter", "b-only", "--rank", "65"),
            "rank 65 of B alone is too large for hidden1, 128 x 64 (d_out x d_in): expected 1 to 64, d_in",
        ),
        (
            ("--benchmark", "digits-mlp", "--adapter", "a-only", "--rank", "65"),
            "rank 65 of A alone is too large for hidden2, 64 x 128 (d_out x d_in): expected 1 to 64, d_out",
        ),
        (("--benchmark", "digits-mlp", "--adapter", "full", "--rank", "2"), "full has no rank"),
        (("--benchmark", "digits-mlp", "--adapter", "full", "--seeds", "3:1"), "--seeds '3:1'"),
        (("--benchmark", "digits-mlp", "--adapter", "full", "--set", "rank=2"), "'rank' has an option of its own"),
        (("--benchmark", "digits-mlp", "--adapter", "full", "--set", "epochs=1e9"), "lower epochs, or set max_steps"),
        (("--benchmark", "digits-mlp", "--adapter", "full", "--set", "colour=red"), "setting 'colour' is unknown"),
        (("--benchmark", "digits-mlp", "--adapter", "full", "--set", "lr"), "--set 'lr': expected KEY=VALUE"),
        (("--benchmark", "digits-mlp", "--adapter", "full", "--set", "lr=x"), "setting lr is 'x'"),
        (("--benchmark", "digits-mlp", "--adapter", "full", "--set", "lr=1", "--set", "lr=2"), "lr is given twice"),
        (("--benchmark", "digits-mlp", "--adapter", "full", "--records", "/dev/null/r"), "cannot be written"),
        (("--adapter", "full"), "--benchmark is missing its value"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, arguments, message):
    code, out, err = run("train", *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert message in err


def test_data_that_are_not_here_are_one_line(run, monkeypatch, tmp_path):
    from sims.benchmarks import mlp, text
    from sims.data import files

    def unreachable(url, file, folder):
        raise OSError("no network")

    mlp._samples.cache_clear()
    text._encoded.cache_clear()
    monkeypatch.setattr(files, "download", unreachable)
    monkeypatch.setattr(text, "encoder_folder", lambda data: "unused")
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path)
    monkeypatch.setenv("LORA_THEORY_DATA", str(tmp_path))
    for benchmark, name in (("mnist-mlp-tiny", "mnist"), ("text-classifier-rte", "glue-rte")):
        code, _, err = run("train", "--benchmark", benchmark, "--adapter", "full")
        assert code == 2
        assert len(err.splitlines()) == 1
        assert f"{name} is not on this machine" in err


@pytest.mark.parametrize(
    ("text", "seeds"), [("0:3", [0, 1, 2]), ("7", [7]), ("0:2,9, 4:5", [0, 1, 9, 4]), ("4294967295", [2**32 - 1])]
)
def test_seeds_are_ranges_and_numbers(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", ":", "3:", ":3", "1:2:3", "-1", "0:-1", "2:2", "a", "1.5", "0:3,1", "4294967296", "0:20000", "²"]
)
def test_other_words_for_seeds_are_refused(text):
    with pytest.raises(BadInput, match="--seeds"):
        parse_seeds(text)


def test_spaces_around_a_setting_are_left_out_and_two_in_a_word_are_refused():
    assert parse_settings(["lr = 1e-3"]) == {"lr": "1e-3"}
    with pytest.raises(BadInput, match="--set 'lr=1e-3,max_steps=2': expected one setting; give --set once for each"):
        parse_settings(["lr=1e-3,max_steps=2"])


def test_settings_keep_what_follows_the_first_equals_sign():
    assert parse_settings(["a=b=c", "x=1"]) == {"a": "b=c", "x": "1"}
    for word in ("a", "=1", "a="):
        with pytest.raises(BadInput, match="expected KEY=VALUE"):
            parse_settings([word])


def test_an_answer_over_a_record_is_refused(run, tmp_path):
    record = tmp_path / "0123456789abcdef.json"
    record.write_text("{}")
    code, _, err = run(
        "train", "--benchmark", "digits-mlp", "--adapter", "rank0", "--records", tmp_path, "--json", record
    )
    assert (code, len(err.splitlines()), record.read_text()) == (2, 1, "{}")
