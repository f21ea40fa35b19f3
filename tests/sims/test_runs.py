"""Settings from outside, and runs with records: no run twice, a killed sweep resumes, equal settings share a name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sims import standing as standing_module
from sims.errors import BadInput
from sims.records import CorruptedRecordWarning, RecordStore, config_hash, read_record
from sims.training import runs as runs_module
from sims.training.config import as_config, resolve
from sims.training.runs import train_seeds
from sims.training.settings import RunSettings

SETTINGS = {"max_steps": 4, "samples": 40, "batch_size": 8, "evaluations": 2}


def tiny(adapter: str = "b-only", rank: int = 2) -> RunSettings:
    return resolve("digits-mlp", adapter, rank, overrides=SETTINGS)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Return the seeds of every group that is really trained."""
    groups: list[list[int]] = []
    real = runs_module.train_group

    def counted(settings, seeds, **options):
        groups.append(list(seeds))
        return real(settings, seeds, **options)

    monkeypatch.setattr(runs_module, "train_group", counted)
    return groups


def test_a_repeated_configuration_is_not_run_again(tmp_path: Path, trained: list[list[int]]) -> None:
    store = RecordStore(tmp_path)
    first = list(train_seeds(tiny(), [0, 1], store=store))
    files = {path: path.read_bytes() for path in tmp_path.glob("*.json")}
    again = list(train_seeds(tiny(), [1, 0], store=store))
    assert trained == [[0], [1]]
    assert again == first[::-1]
    assert {path: path.read_bytes() for path in tmp_path.glob("*.json")} == files
    assert {path.stem for path in files} == {row["config_hash"] for row in first}
    assert next(store.records()).experiment == "train"


def test_a_killed_sweep_goes_on_with_the_seeds_that_have_no_record(
    tmp_path: Path, trained: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, real = RecordStore(tmp_path), runs_module.train_group

    def killed(settings, seeds, **options):
        if 2 in seeds:
            raise KeyboardInterrupt
        return real(settings, seeds, **options)

    monkeypatch.setattr(runs_module, "train_group", killed)
    found = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(train_seeds(tiny(), [0, 1, 2, 3], store=store))
    assert trained == [[0], [1]]
    assert len(list(store.records())) == 2
    monkeypatch.setattr(runs_module, "train_group", real)
    rows = list(train_seeds(tiny(), [0, 1, 2, 3], store=store))
    assert trained == [[0], [1], [2], [3]]
    assert sorted(row["seed"] for row in rows) == [0, 1, 2, 3]


def test_progress_adds_up_to_the_seeds_with_and_without_records(tmp_path: Path) -> None:
    told: list[float] = []
    store = RecordStore(tmp_path)
    list(train_seeds(tiny(), [0], store=store, after=told.append))
    assert abs(sum(told) - 1) < 1e-9
    list(train_seeds(tiny(), [0, 1, 2], store=store, after=told.append))
    assert abs(sum(told) - 4) < 1e-9


def test_what_a_default_stands_for_is_part_of_the_name() -> None:
    spelled = resolve(
        "digits-mlp",
        "b-only",
        2,
        overrides=SETTINGS | {"alpha": "4", "a_start": "orthonormal", "lr": "3e-3", "backbone": "random"},
    )
    assert config_hash(as_config(spelled)) == config_hash(as_config(tiny()))
    other = resolve("digits-mlp", "b-only", 2, overrides=SETTINGS | {"a_start": "gaussian"})
    assert config_hash(as_config(other)) != config_hash(as_config(tiny()))
    assert resolve("digits-mlp", "full", overrides={"samples": "none"}).samples is None
    assert resolve("digits-mlp", "full", overrides={"train_head": "false"}).train_head is False
    assert resolve("digits-mlp", "full", overrides={"backbone": "pretrained"}).backbone_seed == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"learning_rate": 1}, "setting 'learning_rate' is unknown: expected one of backbone, backbone_seed"),
        ({"seed": 1}, "setting 'seed' has an option of its own: give --seeds instead"),
        ({"rank": 1}, "setting 'rank' has an option of its own: give --rank instead"),
        ({"lr": "fast"}, "setting lr is 'fast': expected a number$"),
        ({"lr": "0"}, "lr 0.0 is out of range"),
        ({"lr": "1e300"}, "lr 1e.300 is out of range: expected a positive finite number that float32 holds"),
        ({"alpha": "1e-300"}, "alpha 1e-300 is out of range"),
        ({"lr": "none"}, "setting lr is none: expected a number$"),
        ({"max_steps": "1.5"}, "setting max_steps is '1.5': expected a whole number$"),
        ({"train_head": "maybe"}, "setting train_head is 'maybe': expected true or false$"),
        ({"max_steps": 0}, "max_steps 0 is out of range: expected at least 1"),
        ({"epochs": "inf"}, "epochs inf is out of range"),
        ({"data_seed": -1}, "data_seed -1 is out of range"),
        ({"epochs": "2e6"}, "epochs 2e.06 are at least 2e.06 steps of 64 samples: expected at most 1000000"),
        ({"epochs": "1e308", "max_steps": "2000000"}, "2e.06 steps of 64 samples: .* set max_steps"),
        ({"optimiser": "lion"}, "setting optimiser is 'lion': expected 'adamw', 'adam' or 'sgd'"),
        ({"dtype": "float16"}, "setting dtype is 'float16'"),
        ({"momentum": 2, "optimiser": "sgd"}, "momentum 2.0 is out of range"),
        ({"momentum": "0.9"}, "momentum 0.9: adamw has none; leave it out, or set optimiser=sgd"),
        ({"evaluations": 0}, "evaluations 0 is out of range"),
        ({"a_start": "zero"}, "A is frozen at zero: no gradient reaches B"),
    ],
)
def test_bad_settings_are_one_line(overrides: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        resolve("digits-mlp", "b-only", 2, overrides=overrides)


def test_the_range_of_a_number_is_that_of_its_precision() -> None:
    assert resolve("digits-mlp", "b-only", 2, overrides={"lr": "1e-300", "dtype": "float64"}).lr == 1e-300


def test_however_many_epochs_max_steps_cuts_them() -> None:
    assert resolve("digits-mlp", "full", overrides={"epochs": "1e308", "max_steps": 3}).options(1000).steps == 3
    settings = resolve("digits-mlp", "full", overrides={"epochs": "1e5"})
    with pytest.raises(BadInput, match=r"epochs 100000 are at least 2\.2e\+06 steps of 64 samples: .* 1000000"):
        settings.options(1437)


def test_seeds_are_checked() -> None:
    for seeds in ([], [1, 1]):
        with pytest.raises(BadInput, match="expected at least one, each once"):
            list(train_seeds(tiny(), seeds))


NUMBERS = ("train_loss", "test_loss", "train_metric", "test_metric", "curves")
PROGRAM = """
import json, sys
from sims.training.config import resolve
from sims.training.runs import train_seeds

adapter, rank, seeds, overrides = json.loads(sys.argv[1])
settings = resolve("digits-mlp", adapter, rank, overrides=overrides)
numbers = [{key: row[key] for key in sys.argv[2:]} for row in train_seeds(settings, seeds)]
print(json.dumps(numbers[-1]))
"""


def in_a_process(threads: int, *asked: object) -> str:
    """Return the numbers of the last seed, trained in a process of this many threads of every kind."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(asked), *NUMBERS],
        env=os.environ | dict.fromkeys(names, str(threads)),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("adapter", "rank", "overrides"),
    [
        ("b-only", 16, {"lr": "2e-2", "max_steps": 150}),
        ("lora", 8, {"a_start": "singular-right", "max_steps": 60, "dtype": "float64"}),
    ],
)
def test_a_seed_fixes_its_result_whatever_its_company_and_the_threads(
    adapter: str, rank: int, overrides: dict[str, object]
) -> None:
    alone = in_a_process(1, adapter, rank, [1], overrides)
    assert in_a_process(4, adapter, rank, [3, 0, 1], overrides) == alone
    assert in_a_process(2, adapter, rank, [1], overrides | {"lr": "1.9e-2"}) != alone


def test_the_record_of_a_seed_has_the_precision_of_its_run(tmp_path: Path) -> None:
    for dtype in ("float32", "float64"):
        store = RecordStore(tmp_path / dtype)
        list(train_seeds(resolve("digits-mlp", "rank0", overrides=SETTINGS | {"dtype": dtype}), [0], store=store))
        (record,) = store.records()
        assert record.environment["dtype"] == record.result["dtype"] == dtype


def test_records_of_other_code_or_libraries_are_run_again_and_that_is_noted(
    tmp_path: Path, trained: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    list(train_seeds(tiny(), [0], store=RecordStore(tmp_path)))
    with monkeypatch.context() as changed:
        changed.setattr(standing_module, "fingerprint", lambda *modules: "other")
        store = RecordStore(tmp_path)
        list(train_seeds(tiny(), [0], store=store))
        assert [found.words for found in store.outdated.values()] == ["made by other code"]
    with monkeypatch.context() as changed:
        changed.setattr(standing_module, "libraries", lambda *modules: {"jax": "1000.0"})
        store = RecordStore(tmp_path)
        list(train_seeds(tiny(), [0], store=store))
        assert [found.words.startswith("made with jax ") for found in store.outdated.values()] == [True]
    assert trained == [[0]] * 3
    store = RecordStore(tmp_path)
    list(train_seeds(tiny(), [0], store=store))
    assert (trained, len(store.taken), store.outdated) == ([[0]] * 3, 1, {})
    list(train_seeds(tiny(), [0], store=store, fresh=True))
    assert trained == [[0]] * 4


@pytest.mark.parametrize("damage", ["", "{}", "half", "emptied", "edited"])
def test_a_damaged_record_is_made_again(tmp_path: Path, trained: list[list[int]], damage: str) -> None:
    (first,) = train_seeds(tiny(), [0], store=RecordStore(tmp_path))
    (path,) = tmp_path.glob("*.json")
    whole = path.read_text()
    content = json.loads(whole)
    changed = {
        "half": whole[: len(whole) // 2],
        "emptied": json.dumps(content | {"result": {}}),
        "edited": json.dumps(content | {"result": content["result"] | {"test_metric": 1.0}}),
    }
    path.write_text(changed.get(damage, damage))
    with pytest.warns(CorruptedRecordWarning):
        (again,) = train_seeds(tiny(), [0], store=RecordStore(tmp_path))
    assert trained == [[0], [0]]
    assert {key: again[key] for key in NUMBERS} == {key: first[key] for key in NUMBERS}
    assert read_record(path).result["test_metric"] == first["test_metric"]
