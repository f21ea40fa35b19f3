"""One finished run is one JSON file, named by the hash of its configuration and written atomically.

A second run of the same configuration by the same code finds the file and does nothing; a killed sweep resumes where it
was. What other code made is run again, and its record replaced.
"""

import hashlib
import json
import math
import os
import platform
import secrets
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from sims.errors import BadInput
from sims.files import encodable, write_atomic
from sims.fingerprint import every_module, fingerprint, libraries, versions
from sims.standing import Standing, standing
from sims.used import Used


class CorruptedRecordWarning(UserWarning):
    """A file in the records folder is no record: it is ignored and its run is repeated."""


class Record(BaseModel):
    """What one run leaves behind. ``config`` alone determines the file's name."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    experiment: str = ""
    config: dict[str, Any]
    result: dict[str, Any]
    environment: dict[str, Any]


def _plain(value: Any, where: str, *, finite: bool) -> Any:
    """Return the value in JSON's own types; non-finite numbers become null, or are refused if ``finite``."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, np.generic | np.ndarray | jax.Array):
        value = np.asarray(value).tolist()
    if isinstance(value, str):
        return encodable(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        if finite:
            raise BadInput(f"{where} is {value}: a configuration holds finite numbers")
        return None
    if isinstance(value, Mapping):
        if bad := [key for key in value if not isinstance(key, str)]:
            raise BadInput(f"{where} has the key {bad[0]!r}: expected strings, which is all that JSON knows")
        return {encodable(key): _plain(item, f"{where}.{key}", finite=finite) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{i}]", finite=finite) for i, item in enumerate(value)]
    raise BadInput(f"{where} is a {type(value).__name__}: expected numbers, strings, lists and mappings")


def _dumps(value: Any, *, indent: int | None = None) -> str:
    separators = (",", ":") if indent is None else None
    return json.dumps(value, sort_keys=True, separators=separators, indent=indent, allow_nan=False)


def canonical_json(config: Mapping[str, Any] | BaseModel) -> str:
    """Return the configuration as JSON with sorted keys and no spaces: equal configurations give equal text.

    1 and 1.0 are different values (a pydantic configuration settles which it is); tuples count as lists.

    Raises:
        BadInput: a value that JSON cannot hold, or a number that is not finite.
    """
    return _dumps(_plain(config, "config", finite=True))


def config_hash(config: Mapping[str, Any] | BaseModel) -> str:
    """Return the first 16 hexadecimal digits of the sha256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(config).encode()).hexdigest()[:16]


def environment(*modules: str, dtype: str | None = None) -> dict[str, Any]:
    """Return what a number depends on beside its configuration: code, versions, device, dtype, time (UTC).

    ``modules`` are those that made it (default: all of the four packages), ``dtype`` the precision it was made in.

    Raises:
        BadInput: a module without a source file.
    """
    named = modules or every_module()
    return machine() | {
        "code": fingerprint(*named),
        "modules": list(modules),
        "versions": versions("lora-theory") | libraries(*named),
        "dtype": dtype or jnp.zeros(()).dtype.name,
    }


def machine() -> dict[str, Any]:
    """Return where and when this is: Python, platform, device, processors, time (UTC)."""
    device = jax.devices()[0]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": f"{device.platform}: {device.device_kind}",
        "cpus": os.cpu_count(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def make_record(
    experiment: str,
    config: Mapping[str, Any] | BaseModel,
    result: Mapping[str, Any],
    *modules: str,
    used: Used | None = None,
) -> Record:
    """Return the record of a result that these modules made just now; numbers that are not finite become null.

    A result that says its ``dtype`` was made in it; ``used`` is what was loaded and looked for meanwhile. The record
    holds a digest of its result, so that damage shows.

    Raises:
        BadInput: configuration or result hold what JSON cannot, or a module has no source file.
    """
    plain = _plain(result, "result", finite=False)
    made = environment(*modules, dtype=plain.get("dtype")) | {"digest": config_hash(plain)}
    if used is not None:
        made |= {"data": sorted(used.loaded), "looked_for": used.looked_for}
    return Record(experiment=experiment, config=_plain(config, "config", finite=True), result=plain, environment=made)


def read_record(path: str | os.PathLike[str]) -> Record:
    """Return the record in this file.

    Raises:
        BadInput: no such file, not readable, or not a record.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        record = Record.model_validate(json.loads(text))
    except OSError as error:
        raise BadInput(f"record {path} cannot be read ({error.strerror}): check the path") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its top level"
        raise BadInput(f"{path} is not a record ({where}: {first['msg']}): delete it and run again") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not JSON (damaged): delete it and run again") from error
    digest = record.environment.get("digest")
    if digest is not None and digest != config_hash(record.result):
        raise BadInput(f"{path} does not hold the result that was written (damaged): delete it and run again")
    return record


def write_record(path: str | os.PathLike[str], record: Record) -> None:
    """Write one record as readable JSON, atomically; numbers that are not finite become null."""
    write_atomic(path, _dumps(_plain(record, "record", finite=False), indent=1) + "\n")


class RecordStore:
    """A folder of records, one file a configuration. Safe with many writers: equal names hold equal configurations."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.taken: set[str] = set()  # file names of records that were looked up and hold
        self.outdated: dict[str, Standing] = {}  # by file name: those that were looked up and not taken

    def path(self, config: Mapping[str, Any] | BaseModel) -> Path:
        """Return where the record of this configuration lies or will lie."""
        return self.folder / f"{config_hash(config)}.json"

    def check_writable(self) -> None:
        """Return if a record can be written: call it before a long run.

        Raises:
            BadInput: the folder cannot be made or written.
        """
        probe = self.folder / f".probe-{secrets.token_hex(4)}"
        write_atomic(probe, "")
        probe.unlink()

    def record(self, config: Mapping[str, Any] | BaseModel) -> Record | None:
        """Return the whole record of this configuration, or None (with a warning if its file is damaged)."""
        path = self.path(config)
        return self._valid(path) if os.path.exists(path) else None

    def get(self, config: Mapping[str, Any] | BaseModel, *modules: str) -> dict[str, Any] | None:
        """Return the result of a finished run of this configuration, or None: then it has to be run.

        ``modules`` are those that would make it now (default: those that it names). What other code made, or
        other versions of libraries, is not taken; ``taken`` and ``outdated`` note which was what.
        """
        record = self.record(config)
        if record is None:
            return None
        found = standing(record.environment, *modules)
        if not found.current:
            self.outdated[self.path(config).name] = found
            return None
        self.taken.add(self.path(config).name)
        return record.result

    def put(
        self,
        config: Mapping[str, Any] | BaseModel,
        result: Mapping[str, Any],
        *modules: str,
        experiment: str = "",
        fresh: bool = False,
    ) -> Path:
        """Return the path of the record, written unless a valid one of this code is there, which is left untouched.

        ``modules`` are those that made the result (default: all of the four packages). With ``fresh`` it is replaced.

        Raises:
            BadInput: the folder cannot be written, or configuration or result hold what JSON cannot.
        """
        path = self.path(config)
        record = None if fresh else self.record(config)
        if record is None or not standing(record.environment, *modules).current:
            write_record(path, make_record(experiment, config, result, *modules))
        return path

    def records(self) -> Iterator[Record]:
        """Yield every valid record of the folder in the order of file names; damaged files give a warning."""
        for path in sorted(self.folder.glob("*.json")):
            record = self._valid(path)
            if record is not None:
                yield record

    def _valid(self, path: Path) -> Record | None:
        try:
            record = read_record(path)
            if config_hash(record.config) != path.stem:
                raise BadInput(f"{path} holds the configuration of another name: delete it and run again")
        except BadInput as error:
            warnings.warn(f"record ignored: {error}", CorruptedRecordWarning, stacklevel=3)
            return None
        return record
