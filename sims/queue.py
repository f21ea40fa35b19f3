"""One queue for everything that keeps what is finished: claims, experiments, seeds.

What has a record is not run again; the rest runs here, in processes, or on a cluster, and is kept as it finishes.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from sims import data
from sims.errors import BadInput
from sims.fingerprint import fingerprint
from sims.records import Record, RecordStore, make_record, read_record, write_record
from sims.standing import standing
from sims.used import unchanged

OTHER_DATA = "made without data or packages that are here now, or with some that are not"


@runtime_checkable
class Place(Protocol):
    """Where tasks run besides this process."""

    @property
    def slots(self) -> int | None:
        """How many tasks run at a time; None where the place has a queue of its own."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Start a task; raises BrokenExecutor when a process was lost."""

    def renew(self) -> None:
        """Replace the processes after one was lost."""


@dataclass(frozen=True)
class Task:
    """``function(*arguments)``, whose result is kept under ``config`` where there is one.

    The result is a mapping or a whole record. The record lies in the file ``config`` is hashed to, or in ``file``; it
    counts while the code of ``modules`` is what it was and what was looked for is as present as it was. A result that
    is empty, that says ``error``, or that ``sound`` refuses is not kept, and as a record it does not count.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    config: Mapping[str, Any] | None = None
    modules: tuple[str, ...] = ()
    experiment: str = ""
    file: str = ""
    sound: Callable[[Mapping[str, Any]], bool] = bool
    looked_for: Callable[[Mapping[str, Any]], Mapping[str, bool]] = lambda _: {}


@dataclass(frozen=True)
class Outcome:
    """A task with its result, or with the exception that stopped it; ``recorded``: taken from its record."""

    task: Task
    result: Any = None
    error: BaseException | None = None
    recorded: bool = False


def finished(
    tasks: Iterable[Task],
    store: RecordStore | None = None,
    place: Place | None = None,
    *,
    fresh: bool = False,
    outdated: list[str] | None = None,
) -> Iterator[Outcome]:
    """Yield the outcome of every task: those with a record first, then the others as they finish, each kept at once.

    ``tasks`` may be a deque that grows while this is read. ``fresh`` runs all of them, whatever the records hold;
    ``outdated`` is told, record by record, why one was not taken. A task whose process dies ends with that exception;
    the tasks that ran beside it are run again, one by one, in new processes. Exceptions of a task are part of its
    outcome; KeyboardInterrupt passes, and what waits is dropped.
    """
    arriving = tasks if isinstance(tasks, deque) else deque(tasks)
    waiting: deque[Task] = deque()
    suspects: deque[Task] = deque()  # they ran when a process was lost; alone, only the guilty one loses it again
    running: dict[Future[Any], Task] = {}
    while arriving or waiting or suspects or running:
        while arriving:
            task = arriving.popleft()
            record, why = (None, "") if store is None or fresh else recorded(task, store)
            if record is not None:
                yield Outcome(task, record if task.file else record.result, recorded=True)
                continue
            waiting.append(task)
            if why and outdated is not None:
                outdated.append(why)
        if place is None:
            if waiting:
                yield _kept(_run(waiting.popleft()), store)
            continue
        intact = _start(place, suspects or waiting, running, 1 if suspects else place.slots)
        done, _ = wait(running, return_when=FIRST_COMPLETED if intact else ALL_COMPLETED)
        outcomes = [_outcome(running.pop(future), future) for future in done]
        if any(_lost(outcome) for outcome in outcomes) and running:  # then all that run are lost, or just done
            outcomes += [_outcome(task, future) for future, task in running.items()]
            running.clear()
        guilty = sum(_lost(outcome) for outcome in outcomes) == 1
        for outcome in outcomes:
            if _lost(outcome) and not guilty:
                suspects.append(outcome.task)
        if not intact or any(_lost(outcome) for outcome in outcomes):
            place.renew()
        yield from [_kept(outcome, store) for outcome in outcomes if guilty or not _lost(outcome)]


def recorded(task: Task, store: RecordStore) -> tuple[Record | None, str]:
    """Return the record of a task, None when it has to be run; and why a record was not taken, where that can be said.

    What is damaged, empty or of other settings is no record.
    """
    if task.config is None:
        return None, ""
    fingerprint(*task.modules)  # read now and remembered: sources may change while the task runs
    path = _path(task, store)
    if not task.file:
        record = store.record(task.config)
    else:
        try:
            record = read_record(path) if path.exists() else None
        except BadInput:
            record = None
    if record is None or record.config != dict(task.config) or not _sound(task, record.result):
        return None, ""
    if words := standing(record.environment, *task.modules).words:
        return None, words
    looked_for = record.environment.get("looked_for", {}) | task.looked_for(record.result)
    return (record, "") if unchanged(looked_for, data.present) else (None, OTHER_DATA)


def _path(task: Task, store: RecordStore) -> Path:
    assert task.config is not None
    return store.folder / task.file if task.file else store.path(task.config)


def _sound(task: Task, result: Any) -> bool:
    return bool(isinstance(result, Mapping) and result and not result.get("error") and task.sound(result))


def _kept(outcome: Outcome, store: RecordStore | None) -> Outcome:
    """Return the outcome after its result was written."""
    task, found = outcome.task, outcome.result
    whole = isinstance(found, Record)
    if store is not None and task.config is not None and _sound(task, found.result if whole else found):
        record = found if whole else make_record(task.experiment, task.config, found, *task.modules)
        write_record(_path(task, store), record)
    return outcome


def _run(task: Task) -> Outcome:
    try:
        return Outcome(task, task.function(*task.arguments))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Outcome(task, error=error)


def _outcome(task: Task, future: Future[Any]) -> Outcome:
    try:
        return Outcome(task, future.result())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Outcome(task, error=error)


def _lost(outcome: Outcome) -> bool:
    return isinstance(outcome.error, BrokenExecutor)


def _start(place: Place, waiting: deque[Task], running: dict[Future[Any], Task], slots: int | None) -> bool:
    """Start what waits while there is room; return whether the place still takes tasks."""
    while waiting and (slots is None or len(running) < slots):
        try:
            future = place.submit(waiting[0].function, *waiting[0].arguments)
        except BrokenExecutor:
            return False
        running[future] = waiting.popleft()
    return True
