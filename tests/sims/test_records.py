"""Records: the hash identifies the configuration, a file is complete or absent, a second run is a no-op."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given
from pydantic import BaseModel

from sims import records as records_module
from sims.errors import BadInput
from sims.fingerprint import fingerprint, of_everything
from sims.records import (
    CorruptedRecordWarning,
    Record,
    RecordStore,
    canonical_json,
    config_hash,
    environment,
    read_record,
    write_record,
)
from sims.standing import standing

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3), max_leaves=8
)
configs = st.dictionaries(st.text(), values, max_size=5)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(config=configs)
def test_the_hash_does_not_depend_on_the_order_of_keys(config: dict[str, Any]) -> None:
    assert config_hash(config) == config_hash(reordered(config))


@given(config=configs, key=st.text(), value=values)
def test_the_hash_depends_on_every_value(config: dict[str, Any], key: str, value: Any) -> None:
    changed = {**config, key: value}
    # JSON text separates what == does not: 1, 1.0 and true are three values
    assume(json.dumps(changed, sort_keys=True) != json.dumps(config, sort_keys=True))
    assert config_hash(changed) != config_hash(config)


@given(config=configs)
def test_canonical_json_is_read_back_as_the_configuration(config: dict[str, Any]) -> None:
    assert json.loads(canonical_json(config)) == config


def test_numpy_values_tuples_and_models_hash_as_plain_values() -> None:
    class Config(BaseModel):
        lam: float
        shape: tuple[int, int]

    plain = {"lam": 0.5, "shape": [2, 3]}
    assert config_hash({"lam": np.float64(0.5), "shape": (np.int64(2), 3)}) == config_hash(plain)
    assert config_hash({"lam": 0.5, "shape": np.array([2, 3])}) == config_hash(plain)
    assert config_hash(Config(lam=0.5, shape=(2, 3))) == config_hash(plain)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"lam": float("nan")}, r"config\.lam is nan: a configuration holds finite numbers"),
        ({"a": {"b": [1.0, np.inf]}}, r"config\.a\.b\[1\] is inf"),
        ({"a": {1: "x"}}, r"config\.a has the key 1: expected strings"),
        ({"a": object()}, r"config\.a is a object: expected numbers"),
        ({"a": 1j}, r"config\.a is a complex"),
    ],
)
def test_what_json_cannot_hold_is_refused(config: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        config_hash(config)


@given(config=configs, result=configs)
def test_a_result_comes_back(tmp_path_factory: pytest.TempPathFactory, config: dict, result: dict) -> None:
    store = RecordStore(tmp_path_factory.mktemp("records"))
    assert store.get(config) is None
    path = store.put(config, result, experiment="one")
    assert store.get(config) == result
    assert path == store.path(config)
    record = read_record(path)
    assert (record.experiment, record.config) == ("one", config)
    assert list(store.records()) == [record]


def test_a_second_put_leaves_the_first_record_untouched(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    path = store.put({"seed": 0}, {"loss": 1.0})
    before, stamp = path.read_bytes(), path.stat().st_mtime_ns
    assert store.put({"seed": 0}, {"loss": 2.0}) == path
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, stamp)
    assert os.listdir(tmp_path) == [path.name]


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    path = store.put({"seed": 0}, {"loss": [1.0, float("nan"), -np.inf], "curve": np.array([np.nan, 2.0])})
    assert store.get({"seed": 0}) == {"loss": [1.0, None, None], "curve": [None, 2.0]}
    assert "NaN" not in path.read_text()


def test_a_record_knows_where_it_comes_from(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    record = read_record(store.put({"seed": 0}, {}))
    assert record.environment.keys() == environment().keys() | {"digest"}
    assert record.environment["code"] == of_everything()
    assert record.environment["dtype"] == "float64"
    assert {"jax", "numpy", "scipy"} <= record.environment["versions"].keys()


def test_a_record_says_which_modules_made_it_in_which_precision(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    record = read_record(store.put({"seed": 0}, {"dtype": "float32"}, "sims.training.batches"))
    assert record.environment["modules"] == ["sims.training.batches"]
    assert record.environment["code"] == fingerprint("sims.training.batches")
    assert record.environment["dtype"] == "float32"
    assert standing(record.environment, "sims.training.batches").current
    assert standing(record.environment, "sims.training.engine").words == "made by other code"
    old = {key: value for key, value in record.environment.items() if key != "modules"}
    assert standing(old, "sims.training.batches").words == "made by code unknown"


def test_a_record_is_frozen_and_knows_its_fields() -> None:
    record = Record(config={}, result={}, environment={})
    with pytest.raises(ValueError, match=r"Instance is frozen"):
        record.experiment = "other"
    with pytest.raises(ValueError, match=r"Extra inputs are not permitted"):
        Record.model_validate({"config": {}, "result": {}, "environment": {}, "verdict": "holds"})


# Damaged files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is not JSON"),
        (b'{"config": {"seed"', r"is not JSON"),
        (b"\xff\xfe\x00", r"is not JSON"),
        (b"[" * 100_000, r"is not JSON"),
        (b"[1, 2]", r"is not a record \(its top level"),
        (b'{"config": {"seed": 0}, "result": {}}', r"is not a record \(environment: Field required"),
        (b'{"config": {"seed": 0}, "result": {}, "environment": {}, "x": 1}', r"is not a record \(x: Extra inputs"),
        (b'{"config": {"seed": 1}, "result": {}, "environment": {}}', r"holds the configuration of another name"),
        (b'{"config": {"seed": NaN}, "result": {}, "environment": {}}', r"finite numbers"),
    ],
)
def test_a_damaged_record_is_reported_and_the_run_repeated(tmp_path: Path, content: bytes, message: str) -> None:
    store = RecordStore(tmp_path)
    store.path({"seed": 0}).write_bytes(content)
    with pytest.warns(CorruptedRecordWarning, match=message):
        assert store.get({"seed": 0}) is None
    with pytest.warns(CorruptedRecordWarning, match=message):
        assert list(store.records()) == []
    with pytest.warns(CorruptedRecordWarning, match=message):
        store.put({"seed": 0}, {"loss": 1.0})
    assert store.get({"seed": 0}) == {"loss": 1.0}


def test_reading_a_missing_record_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"record \S*absent\.json cannot be read \(No such file or directory\)"):
        read_record(tmp_path / "absent.json")


# Atomic writes (more in test_files.py)


def test_a_killed_write_leaves_no_record(tmp_path: Path) -> None:
    # SIGKILL between write and rename: no handler runs, so the temporary file stays and must not count as a record.
    script = textwrap.dedent(
        """
        import os, signal, sys
        from sims import files, records
        files.os.replace = lambda source, target: os.kill(os.getpid(), signal.SIGKILL)
        records.RecordStore(sys.argv[1]).put({"seed": 0}, {"loss": 1.0})
        """
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=Path(records_module.__file__).parent.parent,
        timeout=120,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL
    store = RecordStore(tmp_path)
    assert len(os.listdir(tmp_path)) == 1
    assert store.get({"seed": 0}) is None
    assert list(store.records()) == []
    store.put({"seed": 0}, {"loss": 1.0})
    assert store.get({"seed": 0}) == {"loss": 1.0}


def test_an_unwritable_folder_is_named_in_one_line(tmp_path: Path) -> None:
    # a file in the folder's place: root, who may write anywhere, is stopped by it too
    (tmp_path / "taken").write_text("")
    store = RecordStore(tmp_path / "taken")
    message = (
        r"^folder \S*taken cannot be written \(.*\): choose another folder, free some space, or change its permissions$"
    )
    for write in (store.check_writable, lambda: store.put({}, {})):
        with pytest.raises(BadInput, match=message):
            write()
    assert store.get({}) is None


def test_a_writable_folder_passes_the_check_and_stays_empty(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "new")
    store.check_writable()
    assert os.listdir(store.folder) == []


def test_a_single_record_is_written_and_read_back(tmp_path: Path) -> None:
    record = Record(experiment="phase", config={"seed": 1}, result={"x": [1.5, None]}, environment={"code": "0"})
    write_record(tmp_path / "phase.json", record)
    assert read_record(tmp_path / "phase.json") == record
