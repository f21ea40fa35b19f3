"""Loading the records that figures are drawn from. A figure never computes: without its record there is no figure."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from sims.errors import BadInput
from sims.records import read_record

COMMITTED = Path(__file__).with_name("records")
VERSION = 1  # layout of the results that these figures read; proofs_check.experiments writes it


def load_record(experiment: str, folder: str | PathLike[str] = COMMITTED) -> dict[str, Any]:
    """Return the record of an experiment from a folder (default: the committed ones).

    Raises:
        BadInput: the record is missing, damaged, or of another experiment or version.
    """
    path = Path(folder) / f"{experiment}.json"
    if not path.is_file():
        raise BadInput(
            f"no record of {experiment!r} at {path}: make it with `python -m paper_figs.remake {experiment}`"
        )
    record = read_record(path).model_dump()
    result_of(record, experiment)
    return record


def result_of(record: Mapping[str, Any], experiment: str) -> Mapping[str, Any]:
    """Return the result in a record of this experiment.

    Raises:
        BadInput: a record of another experiment, or of another version of it.
    """
    found = record.get("experiment")
    if found != experiment:
        raise BadInput(f"the record is of {found!r}, expected {experiment!r}: give the record of this experiment")
    result = record.get("result")
    version = result.get("version") if isinstance(result, Mapping) else None
    if not isinstance(result, Mapping) or version != VERSION:
        raise BadInput(f"the record of {experiment!r} has version {version}, expected {VERSION}: make it again")
    return result
