"""Options that several commands share, and how their values are read."""

import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Annotated, Any

from cyclopts import Parameter

from proofs_check.evidence import Level, Paper

__all__ = ["Json", "Lam", "Level", "Paper", "Rank", "Scheduler", "Seed", "Seeds", "Tolerance", "Workers"]

Converter = Callable[[Any, Sequence[Any]], Any]

_DECIMAL = re.compile(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_FRACTION = re.compile(r"\+?[0-9]+/0*[1-9][0-9]*")
_LONGEST = 200  # characters: a longer number is a mistake
_MOST_SEEDS = 10_000


def whole(least: int, most: int) -> Converter:
    """Return a converter to whole numbers of this range (the library's own rounds 1.5)."""

    def convert(_: Any, tokens: Sequence[Any]) -> int:
        text = tokens[0].value
        if not re.fullmatch(r"[+-]?[0-9]{1,20}", text) or not least <= int(text) <= most:
            raise ValueError(f"{text!r}, expected a whole number from {least} to {most}")
        return int(text)

    return convert


def tolerance(_: Any, tokens: Sequence[Any]) -> float:
    """Return a relative tolerance; raises ValueError unless it lies strictly between 0 and 1."""
    text = tokens[0].value
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise ValueError(f"{text!r}, expected a number between 0 and 1 such as 1e-9")
    return value


def regularisation(_: Any, tokens: Sequence[Any]) -> Fraction:
    """Return lambda as the exact rational that was typed; raises ValueError unless it is a number >= 0."""
    text = tokens[0].value.strip()
    expected = "expected a number >= 0: a decimal such as 0.02 or 1e-3, or a fraction such as 1/9"
    if len(text) > _LONGEST or not (_DECIMAL.fullmatch(text) or _FRACTION.fullmatch(text)):
        raise ValueError(f"{text[:40]!r}, {expected}")
    value = Fraction(text)
    try:
        in_range = value == 0 or float(value) > 0
    except OverflowError:
        in_range = False
    if not in_range:
        raise ValueError(f"{text[:40]!r} is out of the range of 64-bit floats; {expected}")
    return value


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of "0:5", "3" or "0:3,7", in that order.

    Raises:
        BadInput: anything else, an empty range, a repeated seed, or more seeds than is sensible.
    """
    from sims.errors import BadInput

    expected = "expected FIRST:END with FIRST < END such as 0:5, one seed, or a comma-separated list of these"
    found: list[int] = []
    for part in text.split(","):
        ends = part.strip().split(":")
        if len(ends) > 2 or not all(end.isascii() and end.isdigit() and len(end) <= 10 for end in ends):
            raise BadInput(f"--seeds {text!r}: {expected}")
        first, end = int(ends[0]), int(ends[-1]) + (len(ends) == 1)
        if not first < end <= 2**32:
            raise BadInput(f"--seeds {text!r}: {part!r} is empty or beyond {2**32 - 1}; {expected}")
        if end - first > _MOST_SEEDS:
            raise BadInput(f"--seeds {text!r}: {end - first} seeds, expected at most {_MOST_SEEDS}")
        found.extend(range(first, end))
    if len(set(found)) < len(found):
        raise BadInput(f"--seeds {text!r}: a seed is given twice; {expected}")
    return found


Seed = Annotated[int, Parameter(converter=whole(0, 2**32 - 1), allow_leading_hyphen=True)]
Workers = Annotated[
    int | None,
    Parameter(converter=whole(1, 1024), allow_leading_hyphen=True),
]
Scheduler = Annotated[str | None, Parameter(allow_leading_hyphen=True)]
Seeds = Annotated[str, Parameter(allow_leading_hyphen=True)]
Json = Annotated[str | None, Parameter(allow_leading_hyphen=True)]
Lam = Annotated[
    Fraction,
    Parameter(converter=regularisation, allow_leading_hyphen=True),
]
Rank = Annotated[int | None, Parameter(converter=whole(0, 2**31 - 1), allow_leading_hyphen=True)]
Tolerance = Annotated[float, Parameter(converter=tolerance, allow_leading_hyphen=True)]
