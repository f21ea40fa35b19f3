"""One line of checking shared by the experiments."""

from collections.abc import Mapping
from typing import TypeVar

from sims.errors import BadInput

Size = TypeVar("Size")


def sizes_at(level: str, sizes: Mapping[str, Size]) -> Size:
    """Return the sizes of this level; raises BadInput for a level that does not exist."""
    if level not in sizes:
        raise BadInput(f"level {level!r} is unknown: expected one of {', '.join(sizes)}")
    return sizes[level]
