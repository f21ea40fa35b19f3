"""Runs of several seeds with a record each: what was run is not run again, and what is finished is kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import jax

from sims.benchmarks.registry import find_benchmark
from sims.errors import BadInput
from sims.records import RecordStore, config_hash
from sims.training.config import as_config
from sims.training.groups import train_group
from sims.training.settings import RunSettings

_ON_ACCELERATOR = 16
EXPERIMENT = "train"


def seeds_together(settings: RunSettings) -> int:
    """Return how many seeds are trained in one program on this machine."""
    return find_benchmark(settings.benchmark).together if jax.default_backend() == "cpu" else _ON_ACCELERATOR


def train_seeds(
    settings: RunSettings,
    seeds: Sequence[int],
    *,
    store: RecordStore | None = None,
    together: int | None = None,
    after: Callable[[float], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the result of every seed: those in the store first, as recorded, then the others as they finish.

    ``settings.seed`` is replaced. Results have the key ``config_hash``, the name of the record. ``after(x)`` is told
    about progress, x in units of seeds. A killed call that is repeated goes on with the seeds that have no record.

    Raises:
        BadInput: no seed, a repeated seed, settings that do not fit, or a store that cannot be written.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise BadInput(f"seeds {list(seeds)}: expected at least one, each once")
    size = seeds_together(settings) if together is None else together
    if size < 1:
        raise BadInput(f"together {size} is out of range: expected at least 1")
    if store is not None:
        store.check_writable()
    todo = []
    for seed in seeds:
        config = as_config(replace(settings, seed=seed))
        kept = None if store is None else store.get(config)
        if kept is None:
            todo.append(seed)
            continue
        if after is not None:
            after(1.0)
        yield _told(kept, config)
    for first in range(0, len(todo), size):
        part = todo[first : first + size]
        group = train_group(settings, part, after=None if after is None else _parts(after, len(part)))
        finished = []
        for seed, result in zip(part, group.records(), strict=True):
            config = as_config(replace(settings, seed=seed))
            if store is not None:
                store.put(config, result, experiment=EXPERIMENT)
            finished.append(_told(result, config))
        yield from finished


def _told(result: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Return the result with the name of its record, in one order of keys whether it was run or read."""
    return _in_order(result | {"config_hash": config_hash(config)})


def _in_order(value: Any) -> Any:
    return {key: _in_order(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


def _parts(after: Callable[[float], None], seeds: int) -> Callable[[int, int], None]:
    told = 0.0

    def tell(done: int, steps: int) -> None:
        nonlocal told
        now = seeds * done / steps
        after(now - told)
        told = now

    return tell
