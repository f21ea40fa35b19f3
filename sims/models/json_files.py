"""JSON files that come with a checkpoint, read with one kind of error."""

import json
from pathlib import Path
from typing import Any

from sims.errors import BadInput


def read_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; raise `BadInput` if it cannot be read or holds something else."""
    try:
        found = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: syntax, encoding, numbers of many digits
        reason = "nested too deeply" if isinstance(error, RecursionError) else next(iter(str(error).splitlines()), "")
        raise BadInput(f"{path} cannot be read as a JSON object: {reason}") from error
    if not isinstance(found, dict):
        raise BadInput(f"{path} cannot be read as a JSON object: it holds a {type(found).__name__}")
    return found


def whole_number(value: Any, *, least: int = 0) -> bool:
    """Return whether the value is an integer of at least ``least``; true and false are not numbers."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def shown(value: Any) -> str:
    """Return the value for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def listed(names: list[str]) -> str:
    """Return the first names for a message, and how many more there are."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
