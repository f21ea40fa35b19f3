"""Settings from outside (a command line, a sweep file), checked and completed with a benchmark's defaults."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from functools import cache
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from sims.adapters.low_rank import LowRank
from sims.benchmarks.registry import find_benchmark
from sims.errors import BadInput
from sims.training.settings import RunSettings

# what is chosen by options of its own, not by an override
_NAMED = {"benchmark": "--benchmark", "adapter": "--adapter", "rank": "--rank", "seed": "--seeds"}
# what pydantic calls a value of the wrong kind
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


def resolve(
    benchmark: str, adapter: str, rank: int = 0, *, seed: int = 0, overrides: Mapping[str, Any] | None = None
) -> RunSettings:
    """Return complete settings: the benchmark's defaults for this adapter, then the overrides.

    Values may be words, as from a command line ("3e-3", "none"). The adapter's scale and starts are put in, so that
    equal runs have equal settings.

    Raises:
        BadInput: unknown benchmark, adapter or key, a value of the wrong kind or out of range, or a rank or start that
            the adapter cannot have.
    """
    chosen = dict(overrides or {})
    known = [field.name for field in fields(RunSettings) if field.name not in _NAMED]
    if named := [key for key in chosen if key in _NAMED]:
        raise BadInput(f"setting {named[0]!r} has an option of its own: give {_NAMED[named[0]]} instead")
    if unknown := [key for key in chosen if key not in known]:
        raise BadInput(f"setting {unknown[0]!r} is unknown: expected one of {', '.join(known)}")
    chosen = {key: None if value == "none" else value for key, value in chosen.items()}
    found = find_benchmark(benchmark)
    own = {"benchmark": benchmark, "adapter": adapter, "rank": rank, "seed": seed}
    settings = _checked(found.default_settings(adapter) | chosen | own)
    _in_range(settings)
    if settings.backbone not in found.backbones:
        raise BadInput(f"backbone {settings.backbone!r}: {benchmark} has {' and '.join(found.backbones)}; choose that")
    made = settings.make_adapter()
    if isinstance(made, LowRank):
        settings = replace(settings, alpha=made.scale * made.rank, a_start=made.a_start, b_start=made.b_start)
    if settings.backbone == "pretrained" and settings.backbone_seed is None:
        settings = replace(settings, backbone_seed=0)
    return settings


def as_config(settings: RunSettings) -> dict[str, Any]:
    """Return the settings as the mapping that a record is named by."""
    return asdict(settings)


@cache
def _adapter() -> Any:  # a TypeAdapter[RunSettings], a hint that beartype does not know
    return TypeAdapter(RunSettings)


def _checked(values: Mapping[str, Any]) -> RunSettings:
    try:
        return _adapter().validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        kind = _KINDS.get(first["type"].partition("_")[0])
        expected = f"expected {kind}" if kind else first["msg"].replace("Input should be", "expected")
        value = "none" if values.get(name) is None else repr(values.get(name))
        raise BadInput(f"setting {name} is {value}: {expected}") from None


def _in_range(settings: RunSettings) -> None:
    for name in ("seed", "data_seed", "backbone_seed"):
        value = getattr(settings, name)
        if value is not None and not 0 <= value < 2**32:
            raise BadInput(f"{name} {value} is out of range: expected a whole number from 0 to {2**32 - 1}")
    held = np.finfo(settings.dtype)
    for name in ("lr", "alpha"):
        value = getattr(settings, name)
        if value is not None and not float(held.tiny) <= value <= float(held.max):
            raise BadInput(f"{name} {value} is out of range: expected a positive finite number that {held.dtype} holds")
    if not 0 < settings.epochs < float("inf"):
        raise BadInput(f"epochs {settings.epochs} is out of range: expected a positive finite number")
    for name in ("max_steps", "samples", "batch_size"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise BadInput(f"{name} {value} is out of range: expected at least 1")
    if settings.momentum and settings.optimiser != "sgd":
        raise BadInput(
            f"momentum {settings.momentum}: {settings.optimiser} has none; leave it out, or set optimiser=sgd"
        )
    settings.options(samples=settings.batch_size)  # its own ranges
