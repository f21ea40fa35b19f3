"""Runs of several seeds with a record each: what was run is not run again, and what is finished is kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sims.errors import BadInput
from sims.records import RecordStore, config_hash
from sims.training.config import as_config
from sims.training.groups import train_group
from sims.training.settings import RunSettings

EXPERIMENT = "train"
MADE_BY = "sims.training.groups"  # the module whose code, with all it imports, makes the numbers


def train_seeds(
    settings: RunSettings,
    seeds: Sequence[int],
    *,
    store: RecordStore | None = None,
    fresh: bool = False,
    after: Callable[[float], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the result of every seed: those in the store first, as recorded, then the others as they finish.

    Every seed is a program of its own, so that its numbers are the same to the last bit whatever else is asked for.
    ``settings.seed`` is replaced. Results have the key ``config_hash``, the name of the record. ``after(x)`` is told
    about progress, x in units of seeds. A killed call that is repeated goes on with the seeds that have no record.
    Records of other code are not taken (``store.outdated`` tells which), with ``fresh`` none is.

    Raises:
        BadInput: no seed, a repeated seed, settings that do not fit, or a store that cannot be written.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise BadInput(f"seeds {list(seeds)}: expected at least one, each once")
    if store is not None:
        store.check_writable()
    todo = []
    for seed in seeds:
        config = as_config(replace(settings, seed=seed))
        kept = None if store is None or fresh else store.get(config, MADE_BY)
        if kept is None:
            todo.append(seed)
            continue
        if after is not None:
            after(1.0)
        yield _told(kept, config)
    for seed in todo:
        (result,) = train_group(settings, [seed], after=None if after is None else _parts(after)).records()
        config = as_config(replace(settings, seed=seed))
        if store is not None:
            store.put(config, result, MADE_BY, experiment=EXPERIMENT, fresh=fresh)
        yield _told(result, config)


def _told(result: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Return the result with the name of its record, in one order of keys whether it was run or read."""
    return _in_order(result | {"config_hash": config_hash(config)})


def _in_order(value: Any) -> Any:
    return {key: _in_order(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


def _parts(after: Callable[[float], None]) -> Callable[[int, int], None]:
    told = 0.0

    def tell(done: int, steps: int) -> None:
        nonlocal told
        now = done / steps
        after(now - told)
        told = now

    return tell
