"""One number on every machine of a kind: sums of floats depend on how many threads share them, so here they do not."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

_FEWEST = 2  # XLA compiles other sums for one thread than for several, and the same ones for any number of several


@cache
def _pools() -> tuple[Any, ...]:
    """Return the BLAS libraries of NumPy and SciPy (JAX's factorisations are SciPy's); their wheels bring one each."""
    import numpy.linalg  # noqa: F401 (a library that is not loaded is not found)
    import scipy.linalg  # noqa: F401

    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:  # a bare machine with an accelerator, where training is all there is to run
        return ()
    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def blas_on_one_thread() -> Iterator[None]:
    """Keep every BLAS to one thread inside, so that numbers do not depend on OMP_NUM_THREADS. Also a decorator."""
    with _on_one_thread(_pools()):
        yield


@contextmanager
def scipy_on_one_thread() -> Iterator[None]:
    """Keep SciPy's own BLAS to one thread, for code that calls NumPy and SciPy in turns; NumPy keeps its threads.

    The idle threads of one spin where the other's work: on two cores this makes a Newton step three to nine times
    faster. Also a decorator.
    """
    with _on_one_thread([pool for pool in _pools() if {"scipy", "scipy.libs"} & set(Path(pool.filepath).parts)]):
        yield


@contextmanager
def _on_one_thread(pools: Sequence[Any]) -> Iterator[None]:
    before = [pool.get_num_threads() for pool in pools]
    for pool in pools:
        pool.set_num_threads(1)
    try:
        yield
    finally:
        for pool, threads in zip(pools, before, strict=True):
            pool.set_num_threads(threads)


def xla_threads(asked: str | None, processors: int) -> str | None:
    """Return what NPROC (XLA's threads) has to be for numbers that do not depend on it; None leaves it unset."""
    threads = int(asked) if asked and asked.isdigit() else processors
    return asked if threads >= _FEWEST else str(_FEWEST)


def settle_xla() -> None:
    """Set NPROC where XLA would have one thread; to be called before JAX starts its backend."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = xla_threads(os.environ.get("NPROC"), processors)
    if wanted is not None:
        os.environ["NPROC"] = wanted
