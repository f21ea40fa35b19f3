"""Parts of a long experiment, written as they finish: a killed run that is repeated goes on where it was."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Store(Protocol):
    """What `sims.records.RecordStore` does, which is not imported: how records are written moves no number."""

    def check_writable(self) -> None:
        """Raise BadInput when nothing can be kept."""

    def get(self, config: Mapping[str, Any], *modules: str) -> dict[str, Any] | None:
        """Return what these modules, as they are now, have kept under this name."""

    def put(self, config: Mapping[str, Any], result: Mapping[str, Any], *modules: str, experiment: str = "") -> object:
        """Keep what these modules made."""


_STORE: ContextVar[Store | None] = ContextVar("store of finished parts", default=None)


@contextmanager
def keeping(store: Store) -> Iterator[None]:
    """Keep the finished parts of experiments in this store, and take from there what this very code has finished.

    Raises:
        BadInput: the store cannot be written.
    """
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
    config, made_by = {"part of": experiment, **named}, f"proofs_check.experiments.{experiment}"
    found = store.get(config, made_by)
    if found is None:
        found = part()
        store.put(config, found, made_by, experiment=experiment)
    return found
