"""The queue: what is recorded is not run, what is finished is kept at once, a lost process costs its own task alone."""

import os
import time
from collections import deque
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from proofs_check.executors import process_pool
from sims.queue import Outcome, Task, finished
from sims.records import RecordStore


def task(name: str, function: Any = None, **options: Any) -> Task:
    config = {"name": name}
    return Task(name, function or (lambda: {"name": name}), config=config, experiment="x", **options)


def names(outcomes: list[Outcome]) -> list[str]:
    return [outcome.task.name for outcome in outcomes]


def test_what_has_a_record_is_not_run_again(tmp_path):
    store = RecordStore(tmp_path)
    first = list(finished([task("a")], store))
    again = list(finished([task("b"), task("a", lambda: pytest.fail("it has a record"))], store))
    assert [(o.task.name, o.recorded, o.result) for o in first] == [("a", False, {"name": "a"})]
    assert [(o.task.name, o.recorded, o.result) for o in again] == [
        ("a", True, {"name": "a"}),
        ("b", False, {"name": "b"}),
    ]
    assert [o.recorded for o in finished([task("a")], store, fresh=True)] == [False]


@pytest.mark.parametrize("content", ["", "{}", "null", '{"experiment": "x", "config": {"name": "a"}, "result": {}}'])
@pytest.mark.parametrize("file", ["", "a.json"])
@pytest.mark.filterwarnings("ignore:record ignored")
def test_an_emptied_or_damaged_record_is_remade(tmp_path, content, file):
    store = RecordStore(tmp_path)
    list(finished([task("a", file=file)], store))
    (path,) = tmp_path.iterdir()
    path.write_text(content)
    assert [o.recorded for o in finished([task("a", file=file)], store)] == [False]
    assert [o.recorded for o in finished([task("a", file=file)], store)] == [True]


def test_a_record_with_an_empty_result_is_remade(tmp_path):
    store = RecordStore(tmp_path)
    store.put({"name": "a"}, {})
    assert [o.recorded for o in finished([task("a")], store)] == [False]
    assert store.get({"name": "a"}) == {"name": "a"}


def test_what_says_error_or_is_not_sound_is_not_kept(tmp_path):
    store = RecordStore(tmp_path)
    odd = [task("a", lambda: {"error": "no"}), task("b", sound=lambda result: False), task("c", lambda: {})]
    assert names(list(finished(odd, store))) == ["a", "b", "c"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(0)])
def test_an_exception_is_the_outcome_of_its_task_alone(error):
    def fails() -> dict[str, Any]:
        raise error

    first, second = finished([task("a", fails), task("b")])
    assert first.error is error
    assert second.result == {"name": "b"}


def test_an_interrupt_passes_and_what_was_finished_is_kept(tmp_path):
    def interrupted() -> dict[str, Any]:
        raise KeyboardInterrupt

    store, seen = RecordStore(tmp_path), []
    with pytest.raises(KeyboardInterrupt):
        seen.extend(finished([task("a"), task("b", interrupted), task("c")], store))
    assert [o.recorded for o in finished([task("a")], store)] == [True]


def test_tasks_may_arrive_while_others_are_finished():
    waiting, seen = deque([task("a")]), []
    for outcome in finished(waiting):
        seen.append(outcome.task.name)
        if outcome.task.name == "a":
            waiting.append(task("b"))
    assert seen == ["a", "b"]


class Threads:
    """Two threads in place of two processes; tasks called "kill" break them as a lost process does."""

    slots = 2

    def __init__(self) -> None:
        self.renewed, self.broken, self.most, self.now = 0, False, 0, 0
        self.pool = ThreadPoolExecutor(2)

    def submit(self, function: Any, /, *arguments: Any) -> Future[Any]:
        if self.broken:
            raise BrokenExecutor("lost before")
        return self.pool.submit(self.run, function, *arguments)

    def run(self, function: Any, *arguments: Any) -> Any:
        time.sleep(0.02)
        if function is kill:
            self.broken = True
        if self.broken:
            raise BrokenExecutor("lost")
        return function(*arguments)

    def renew(self) -> None:
        self.renewed, self.broken = self.renewed + 1, False


def kill() -> dict[str, Any]:
    os._exit(9)


def test_of_the_tasks_that_were_lost_together_only_the_guilty_one_stays_lost():
    place = Threads()
    tasks = [task(str(i)) for i in range(3)] + [task("k", kill), task("l", kill)] + [task(str(i)) for i in range(3, 6)]
    outcomes = {o.task.name: o for o in finished(tasks, None, place)}
    assert {name for name, o in outcomes.items() if o.error} == {"k", "l"}
    assert len(outcomes) == len(tasks)
    assert place.renewed >= 2


def square(x: int) -> dict[str, Any]:
    return {"x": x * x}


def test_processes_that_die_are_replaced():
    tasks = [Task(str(i), square, (i,)) for i in range(3)]
    tasks[1:1] = [Task("k", kill), Task("l", kill)]
    with process_pool(2) as place:
        outcomes = {o.task.name: o for o in finished(tasks, None, place)}
    assert {name: o.result for name, o in outcomes.items()} == {
        **{str(i): {"x": i * i} for i in range(3)},
        **{"k": None, "l": None},
    }


def test_results_of_processes_are_kept_as_they_finish(tmp_path):
    store = RecordStore(tmp_path)
    tasks = [Task(str(i), square, (i,), config={"x": i}) for i in range(4)]
    with process_pool(2) as place:
        for count, _ in enumerate(finished(tasks, store, place), start=1):
            assert len(list(tmp_path.glob("*.json"))) >= count
    assert store.get({"x": 3}) == {"x": 9}
