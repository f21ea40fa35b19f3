"""Where claims can run besides this process: worker processes of this machine, or a dask cluster."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from sims.errors import BadInput

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")  # NPROC: XLA's pool


@contextmanager
def process_pool(workers: int, initializer: Any = None) -> Iterator[Executor]:
    """Give a pool of spawned processes that share the cores; on an exception its processes are stopped at once."""
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    # Libraries read these when they are loaded, so they are set before a worker starts; a user's own setting wins.
    os.environ.update({name: value or threads for name, value in before.items()})
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(initializer,)
    )
    ours = set(multiprocessing.active_children())
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - ours:
            process.terminate()
        raise
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start_worker(initializer: Any) -> None:
    """Leave Ctrl-C to the parent, and end with it even when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if initializer is not None:
        initializer()


def _end_with(parent: Any) -> None:
    """End this process when its parent has ended."""
    parent.join()
    os._exit(1)


@contextmanager
def cluster(address: str, timeout: float = 8.0) -> Iterator[Executor]:
    """Give an executor on the dask scheduler at this address.

    Raises BadInput when nothing answers there in time, when it has no workers, or when they lack this code.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its tracebacks about lost connections
    from distributed import Client

    try:
        client = Client(address, timeout=timeout, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise BadInput(
            f"no dask scheduler answers at {address!r} ({reason}); expected HOST:PORT of a running `dask scheduler`"
        ) from None
    with client:
        _check_workers(client, address)
        yield client.get_executor(pure=False)


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
