"""What was loaded and what was looked for, so that results say what they ran on rather than what was asked for."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import Any


@dataclass
class Used:
    """Names of the data sets that were loaded, and of what may be missing: whether it was found."""

    loaded: set[str] = field(default_factory=set)
    looked_for: dict[str, bool] = field(default_factory=dict)

    def add(self, other: "Used") -> None:
        """Count what another one holds here, too."""
        self.loaded |= other.loaded
        self.looked_for |= other.looked_for


_NOW: ContextVar[Used | None] = ContextVar("what is used", default=None)


@contextmanager
def using(*, apart: bool = False) -> Iterator[Used]:
    """Give what is used inside; with ``apart`` it does not count outside (something is only looked at)."""
    outer, inner = _NOW.get(), Used()
    token = _NOW.set(inner)
    try:
        yield inner
    finally:
        _NOW.reset(token)
        if outer is not None and not apart:
            outer.add(inner)


def note_loaded(name: str) -> None:
    """Note that this data set is used."""
    now = _NOW.get()
    if now is not None:
        now.loaded.add(name)


def note_looked_for(name: str, found: bool) -> bool:
    """Note whether something that may be missing (a data set, a package) was found, and return that."""
    now = _NOW.get()
    if now is not None:
        now.looked_for[name] = found
    return found


def unchanged(looked_for: Mapping[str, bool], present: Callable[[str], bool]) -> bool:
    """Return whether everything that was looked for is as present or missing as it was."""
    return all(present(name) == found for name, found in looked_for.items())


def remembered(maxsize: int | None) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator like functools.lru_cache, whose results taken from memory count as using what made them."""

    def decorate(function: Callable[..., Any]) -> Any:
        @lru_cache(maxsize)
        def cached(*arguments: Any, **named: Any) -> tuple[Any, Used]:
            with using(apart=True) as used:
                value = function(*arguments, **named)
            return value, used

        @wraps(function)
        def again(*arguments: Any, **named: Any) -> Any:
            value, used = cached(*arguments, **named)
            now = _NOW.get()
            if now is not None:
                now.add(used)
            return value

        again.cache_clear = cached.cache_clear  # type: ignore[attr-defined]
        return again

    return decorate
