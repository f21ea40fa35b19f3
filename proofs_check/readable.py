"""Numbers, durations and settings as a person reads them (the report and nothing else; files keep full precision)."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import groupby
from numbers import Integral, Real
from typing import Any

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_THIN_SPACE = "\u202f"
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def number(value: Any, digits: int = 0) -> str:
    """Return 3-4 significant digits, or ``digits`` if those are more, with a power of ten when needed.

    A round text ("1") is given only for an exact value.
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, Real):
        return str(value)
    x = float(value)
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    size = abs(x)
    if x == int(x) and size < 1e6:
        text = f"{int(x):,}"
    elif 1e-3 <= size < 1e6:
        text = _drop_exact_zeros(f"{x:,.{max(0, max(4, digits) - 1 - math.floor(math.log10(size)))}f}", x)
    else:
        mantissa, exponent = f"{x:.{max(3, digits) - 1}e}".split("e")
        mantissa = _drop_exact_zeros(mantissa, x / 10.0 ** int(exponent))
        power = f"10{str(int(exponent)).translate(_SUPERSCRIPT)}"
        text = power if mantissa == "1" else f"{mantissa}×{power}"
    return text.replace(",", _THIN_SPACE).replace("-", "−")


def _drop_exact_zeros(text: str, x: float) -> str:
    """Return the text without trailing zeros if it is the number itself: 0.5000 is 0.5, but 0.99999 stays 1.0000."""
    return text.rstrip("0").rstrip(".") if "." in text and float(text.replace(",", "")) == x else text


def duration(seconds: float | int | None) -> str:
    """Return a time such as "0.4 s", "12 s" or "3 min 05 s"."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def moment(value: Any) -> str:
    """Return an ISO time as "21 November 2026, 01:41 UTC"; the present when there is none; other text unchanged."""
    try:
        when = datetime.now(UTC) if value is None else datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    when = (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when:%H:%M} UTC"


def setting(value: Any) -> str:
    """Return a number, text, list or mapping on one line; runs of integers as "0–39"."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key} = {setting(v)}" for key, v in value.items()) or "none"
    if isinstance(value, Iterable) and not isinstance(value, str):
        items = list(value)
        whole = len(items) > 2 and all(isinstance(v, Integral) and not isinstance(v, bool) for v in items)
        return ", ".join(_runs(items) if whole else map(setting, items)) or "none"
    return number(value)


def _runs(values: list[int]) -> list[str]:
    """Return texts where three or more consecutive integers are joined by a dash."""
    found: list[str] = []
    for _, pairs in groupby(enumerate(values), key=lambda pair: pair[1] - pair[0]):
        run = [str(v) for _, v in pairs]
        found += [f"{run[0]}–{run[-1]}"] if len(run) > 2 else run
    return found
