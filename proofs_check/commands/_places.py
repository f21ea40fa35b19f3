"""Where a command's tasks run, as --workers and --scheduler say."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sims.queue import Place

_TASKS_A_PROCESS = 3  # fewer do not pay for starting an interpreter and JAX


@contextmanager
def place(workers: int | None, scheduler: str | None, tasks: int) -> "Iterator[Place | None]":
    """Give what runs this many tasks: None is this process.

    Raises BadInput when both places are asked for, when nothing answers at the scheduler's address, or when the
    processes would not fit the memory.
    """
    from proofs_check import executors
    from sims.errors import BadInput

    if workers is not None and scheduler is not None:
        raise BadInput("--workers and --scheduler exclude each other; give one of them")
    count = min(_processes(workers, tasks), tasks)
    if scheduler is not None:
        with executors.cluster(scheduler) as found:
            yield found
    elif count > 1:
        with executors.process_pool(count) as found:
            yield found
    else:
        yield None


def _processes(workers: int | None, tasks: int) -> int:
    """Return how many processes to use: what was asked for, else one a core where the work pays for starting them.

    LORA_THEORY_WORKERS sets another default.
    """
    if workers is not None:
        return workers
    default = os.environ.get("LORA_THEORY_WORKERS", "")
    if default.isdigit() and int(default) > 0:
        return int(default)
    return min(os.cpu_count() or 1, tasks // _TASKS_A_PROCESS)
