"""Options that several commands share, and how their values are read."""

import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Annotated, Any

from cyclopts import Parameter

from proofs_check.evidence import Level, Paper

__all__ = ["Json", "Lam", "Level", "Paper", "Rank", "Seed", "Tolerance", "Workers"]

Converter = Callable[[Any, Sequence[Any]], Any]

_DECIMAL = re.compile(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_FRACTION = re.compile(r"\+?[0-9]+/0*[1-9][0-9]*")
_LONGEST = 200  # characters: a longer number is a mistake


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


Seed = Annotated[int, Parameter(converter=whole(0, 2**32 - 1), allow_leading_hyphen=True)]
Workers = Annotated[
    int | None,
    Parameter(converter=whole(1, 1024), allow_leading_hyphen=True),
]
Json = Annotated[str | None, Parameter(allow_leading_hyphen=True)]
Lam = Annotated[
    Fraction,
    Parameter(converter=regularisation, allow_leading_hyphen=True),
]
Rank = Annotated[int | None, Parameter(converter=whole(0, 2**31 - 1), allow_leading_hyphen=True)]
Tolerance = Annotated[float, Parameter(converter=tolerance, allow_leading_hyphen=True)]
