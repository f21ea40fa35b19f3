"""Signals: Ctrl-C and SIGTERM stop the work at once, wherever they arrive, and never as a traceback."""

import ctypes
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_STOPPING = (signal.SIGINT, signal.SIGTERM)
_BLOCKS = hasattr(signal, "pthread_sigmask")  # not on Windows


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: what is finished is kept, as on Ctrl-C."""


class _Held:
    """A mask blocks one thread, and the kernel then gives the signal to another: what comes so is kept here."""

    depth = 0
    number: int | None = None


_held = _Held()


@contextmanager
def held_back() -> Iterator[None]:
    """Hold signals back until the end of the block, also from processes that are started in it."""
    if not _BLOCKS or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    _held.depth += 1
    try:
        yield
    finally:
        _held.depth -= 1
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if _held.depth == 0 and _held.number is not None:
            number, _held.number = _held.number, None
            signal.raise_signal(number)


@contextmanager
def stop_the_work(restore: bool) -> Iterator[None]:
    """Let SIGTERM stop the work as Ctrl-C does; signals within a second (to process and group) count once."""
    last = -math.inf

    def stop(number: int, _: Any) -> None:
        nonlocal last
        if _held.depth:
            _held.number = number
            return
        previous, last = last, time.monotonic()
        if last - previous > 1:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    def swallowed(found: Any) -> None:
        """Raise a signal again that arrived in a destructor or a callback, which can only report exceptions."""
        nonlocal last
        if issubclass(found.exc_type, KeyboardInterrupt):
            last = -math.inf
            number = signal.SIGTERM if issubclass(found.exc_type, Terminated) else signal.SIGINT
            threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
        else:
            report(found)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A signal that somebody chose to ignore (nohup, a job in the background) stays ignored.
    before = {n: h for n in _STOPPING if (h := signal.getsignal(n)) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    report, sys.unraisablehook = sys.unraisablehook, swallowed
    try:
        yield
    finally:
        if restore:  # otherwise the process is about to end
            sys.unraisablehook = report
            for number, handler in before.items():
                signal.signal(number, handler)


def supervised(grace: float = 1.0) -> int | None:
    """Go on in a process of its own and return None there; in this one wait for it and return its exit code.

    For work that keeps nothing before its end. Python sees a signal only between two steps of its own, and one call
    into LAPACK can take minutes and let no other thread run; the process that works is ended by the signal itself.
    Where processes cannot be copied, or JAX and its threads are there already, nothing happens and the answer is
    None. Raises KeyboardInterrupt after a signal.
    """
    if not hasattr(os, "fork") or "jax" in sys.modules or threading.active_count() > 1:
        return None
    sys.stdout.flush()
    sys.stderr.flush()
    ours = os.getpid()
    child = os.fork()
    if child == 0:
        for number in _STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        _end_with(ours)
        return None
    try:
        return _exit_code(os.waitpid(child, 0)[1])
    except KeyboardInterrupt as stop:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGINT)
            end = time.monotonic() + grace  # for one that is writing its answer
            while time.monotonic() < end and not os.waitpid(child, os.WNOHANG)[0]:
                time.sleep(0.01)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        raise type(stop)("nothing is kept") from None


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    if -code in _STOPPING:
        raise Terminated if -code == signal.SIGTERM else KeyboardInterrupt
    if code < 0:
        reason = ", most likely for want of memory" if -code == signal.SIGKILL else ""
        name = signal.Signals(-code).name
        sys.stderr.write(f"lora-theory: the process that did the work was ended by {name}{reason}\n")
        return 128 - code
    return code


def _end_with(parent: int) -> None:
    """Let this process end when its parent ends, even when that is killed."""
    with suppress(OSError, AttributeError):  # Linux; elsewhere the work goes on to its end
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)
