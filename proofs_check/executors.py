"""Where claims can run besides this process: worker processes of this machine, or a dask cluster."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from proofs_check.signals import held_back
from sims.errors import BadInput
from sims.memory import available, in_words

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")  # NPROC: XLA's pool
MEMORY_OF_A_WORKER = 450_000_000  # bytes: Python, JAX and SciPy with the claims, measured; the work comes on top


class ProcessPool:
    """Spawned processes that share the cores (a `sims.queue.Place`)."""

    def __init__(self, workers: int, initializer: Any = None) -> None:
        self.slots = workers
        self._initializer = initializer
        self._before = set(multiprocessing.active_children())
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.slots, context, initializer=_start_worker, initargs=(self._initializer,))

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Start a task; raises BrokenExecutor when a process was lost."""
        # A process may be started here, and what it imports before `_start_worker` must not be torn by Ctrl-C.
        with held_back():
            return self._pool.submit(function, *arguments)

    def renew(self) -> None:
        """Replace the processes after one was lost."""
        self.stop()
        self._pool = self._new()

    def stop(self) -> None:
        """Stop the processes at once, whatever they do."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - self._before:
            process.terminate()

    def close(self) -> None:
        """Let the processes end."""
        self._pool.shutdown()


@contextmanager
def process_pool(workers: int, initializer: Any = None) -> Iterator[ProcessPool]:
    """Give a pool of spawned processes that share the cores; on an exception its processes are stopped at once.

    Raises BadInput when the machine has not the memory for so many.
    """
    check_memory(workers)
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    # Libraries read these when they are loaded, so they are set before a worker starts; a user's own setting wins.
    os.environ.update({name: value or threads for name, value in before.items()})
    pool = ProcessPool(workers, initializer)
    try:
        yield pool
        pool.close()
    except BaseException:
        pool.stop()
        raise
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def check_memory(workers: int) -> None:
    """Raise BadInput, with the estimate, when the machine has not the memory for so many processes."""
    free, need = available(), workers * MEMORY_OF_A_WORKER
    if need > free:
        most = free // MEMORY_OF_A_WORKER
        raise BadInput(
            f"--workers {workers} needs about {in_words(need)} of memory ({in_words(MEMORY_OF_A_WORKER)} a process), "
            f"and {in_words(free)} are free; "
            + (f"use --workers {most} or fewer" if most else "free some memory first")
        )


def _start_worker(initializer: Any) -> None:
    """Leave Ctrl-C to the parent, and end with it even when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):  # held back in the parent while this process was started
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if initializer is not None:
        initializer()


def _end_with(parent: Any) -> None:
    """End this process when its parent has ended."""
    parent.join()
    os._exit(1)


@dataclass(frozen=True)
class Cluster:
    """A dask cluster (a `sims.queue.Place`): it has a queue of its own, and replaces lost processes itself."""

    executor: Executor
    slots: None = None

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Start a task."""
        return self.executor.submit(function, *arguments)

    def renew(self) -> None:
        """Do nothing: the cluster looks after its processes."""


@contextmanager
def cluster(address: str, timeout: float = 8.0) -> Iterator[Cluster]:
    """Give the dask cluster whose scheduler has this address.

    Raises BadInput when the address is none, when nothing answers there in time, when the cluster has no workers, or
    when they lack this code.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its tracebacks about lost connections
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ImportError as error:
        raise BadInput(
            f"--scheduler {address!r} needs the package distributed, which cannot be imported ({error}); "
            "install it (make setup), or use --workers"
        ) from None
    try:
        get_address_host_port(address)  # a Client that fails at this waits when it is thrown away, and then complains
        client = Client(address, timeout=timeout, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise BadInput(
            f"no dask scheduler answers at {address!r} ({reason}); expected HOST:PORT of a running `dask scheduler`"
        ) from None
    with client:
        _check_workers(client, address)
        executor = client.get_executor(pure=False)
        try:
            yield Cluster(executor)
        except BaseException:
            executor.shutdown(wait=False)  # drops what waits there
            raise


def _check_workers(client: Any, address: str) -> None:
    """Raise BadInput unless the cluster has workers and each runs exactly this code."""
    from sims.fingerprint import of_everything

    if not client.scheduler_info(n_workers=-1)["workers"]:
        raise BadInput(f"the dask scheduler at {address!r} has no workers; start some with `dask worker {address}`")
    try:
        versions = set(client.run(of_everything).values())
    except Exception as error:
        raise BadInput(
            f"the workers of {address!r} cannot run lora-theory ({type(error).__name__}: {error}); install it there"
        ) from None
    if versions != {of_everything()}:
        raise BadInput(f"the workers of {address!r} run another version of lora-theory; install this one there")
