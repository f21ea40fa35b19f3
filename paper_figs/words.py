"""Numbers of a record as words of a caption."""

from collections.abc import Iterable, Sequence


def number(value: float, digits: int = 2) -> str:
    """Return a number with this many significant digits, without trailing zeros."""
    return f"{value:.{digits}g}"


def signed(value: float, decimals: int = 3) -> str:
    """Return a difference with its sign."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def count(n: int, noun: str) -> str:
    """Return "1 start" or "3 starts"; "no starts" for none."""
    return f"{n or 'no'} {noun}{'' if n == 1 else 's'}"


def joined(items: Iterable[object]) -> str:
    """Return "a, b and c"; "none" for nothing."""
    words = [str(item) for item in items]
    if len(words) < 2:
        return words[0] if words else "none"
    return f"{', '.join(words[:-1])} and {words[-1]}"


def span(values: Sequence[float], digits: int = 2) -> str:
    """Return "low to high", or the one number where both read alike."""
    low, high = number(min(values), digits), number(max(values), digits)
    return low if low == high else f"{low} to {high}"


def data_name(name: str) -> str:
    """Return a data set's name as its authors write it."""
    known = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "glue-sst2": "SST-2", "glue-rte": "RTE"}
    return known.get(name, name)
