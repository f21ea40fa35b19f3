"""Finished parts of an experiment: taken from the folder when they are there, made by the same code, under one name."""

from pathlib import Path

import pytest

from proofs_check.experiments.kept import keeping, kept
from sims import standing as standing_module
from sims.errors import BadInput
from sims.records import RecordStore


class Part:
    """Counts how often it is run."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> dict[str, int]:
        self.runs += 1
        return {"run": self.runs}


def test_a_part_is_run_once_where_it_is_kept_and_always_where_it_is_not(tmp_path: Path) -> None:
    part = Part()
    for _ in range(2):
        kept("frontier", {"arm": 1}, part)
    assert part.runs == 2
    for _ in range(2):  # the second time as after a restart
        with keeping(RecordStore(tmp_path)):
            assert kept("frontier", {"arm": 1}, part) == {"run": 3}
    with keeping(RecordStore(tmp_path)):
        assert kept("frontier", {"arm": 2}, part) == {"run": 4}
        assert kept("ntk_width", {"arm": 1}, part) == {"run": 5}
    assert kept("frontier", {"arm": 1}, part) == {"run": 6}


def test_parts_of_other_code_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part()
    with keeping(RecordStore(tmp_path)):
        kept("frontier", {}, part)
        monkeypatch.setattr(standing_module, "fingerprint", lambda *modules: "another")
        assert kept("frontier", {}, part) == {"run": 2}


def test_a_part_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> dict[str, int]:
        raise ArithmeticError("no")

    part = Part()
    with keeping(RecordStore(tmp_path)):
        with pytest.raises(ArithmeticError):
            kept("frontier", {}, fails)
        assert kept("frontier", {}, part) == {"run": 1}


def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs() -> None:
    with pytest.raises(BadInput, match="cannot be written"), keeping(RecordStore("/dev/null/parts")):
        pass
