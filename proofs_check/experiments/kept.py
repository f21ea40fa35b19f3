"""Parts of a long experiment, written as they finish: a killed run that is repeated goes on where it was."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike
from typing import Any

from sims.records import RecordStore, code_version

_STORE: ContextVar[RecordStore | None] = ContextVar("store of finished parts", default=None)


@contextmanager
def keeping(folder: str | PathLike[str]) -> Iterator[None]:
    """Keep the finished parts of experiments in this folder, and take from there what this very code has finished.

    Raises:
        BadInput: the folder cannot be written.
    """
    store = RecordStore(folder)
    store.check_writable()
    token = _STORE.set(store)
    try:
        yield
    finally:
        _STORE.reset(token)


def kept(experiment: str, named: Mapping[str, Any], part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``part()`` gives, or gave under this name; without `keeping` it is always run."""
    store = _STORE.get()
    if store is None:
        return part()
    config = {"part of": experiment, "code": code_version(), **named}
    found = store.get(config)
    if found is None:
        found = part()
        store.put(config, found, experiment=experiment)
    return found
