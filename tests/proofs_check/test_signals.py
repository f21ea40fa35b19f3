"""Signals against real processes: Ctrl-C is answered at once, wherever it arrives, and never as a traceback."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from proofs_check import signals

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

NO_ANSWER = """
import ctypes, os, sys
from proofs_check import signals
from proofs_check.__main__ import _stopped
with signals.stop_the_work(restore=False):
    try:
        code = signals.supervised()
        if code is None:
            print(os.getpid(), flush=True)
            {work}
            code = 7
    except KeyboardInterrupt as stop:
        code = _stopped(stop)
sys.exit(code)
"""
DEAF = "ctypes.PyDLL(None).sleep(120)"  # as inside LAPACK: no other thread of Python runs, no signal is looked at


def script(text: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a script in a process group of its own, in which Ctrl-C is not ignored."""
    preamble = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", preamble + text, *map(str, arguments)]
    return subprocess.Popen(command, start_new_session=True, **pipes)  # type: ignore[call-overload]


def ended(process: subprocess.Popen[str]) -> tuple[str, float]:
    """Return what it said on stderr, and after how many seconds it ended."""
    started = time.monotonic()
    try:
        return process.communicate(timeout=60)[1], time.monotonic() - started
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["the command alone", "a terminal: the whole group"])
@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_work_that_looks_at_no_signal_is_stopped_within_two_seconds(
    send: Callable[[int, int], None], number: int, code: int, word: str
) -> None:
    with script(NO_ANSWER.format(work=DEAF)) as process:
        process.stdout.readline()
        send(process.pid, number)
        err, seconds = ended(process)
    assert (process.returncode, err) == (code, f"lora-theory: {word}; nothing is kept\n")
    assert seconds < 2


def test_the_exit_code_of_the_work_is_that_of_the_command() -> None:
    with script(NO_ANSWER.format(work="pass")) as process:
        err, _ = ended(process)
    assert (process.returncode, err) == (7, "")


def test_work_that_is_killed_is_told() -> None:
    with script(NO_ANSWER.format(work=DEAF)) as process:
        os.kill(int(process.stdout.readline()), signal.SIGKILL)
        err, _ = ended(process)
    assert process.returncode == 137
    assert err == "lora-theory: the process that did the work was ended by SIGKILL, most likely for want of memory\n"


def gone(number: int) -> bool:
    """Return whether this process ends; its pipes are closed a moment before."""
    status, deadline = Path(f"/proc/{number}/status"), time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if "zombie" in status.read_text():
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the work goes on to its end")
def test_the_work_ends_with_the_command_even_when_that_is_killed() -> None:
    with script(NO_ANSWER.format(work=DEAF)) as process:
        work = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        ended(process)  # the pipes close only when both have ended
    assert process.returncode == -signal.SIGKILL
    assert gone(work)


def test_solve_answers_within_two_seconds(tmp_path: Path) -> None:
    text = """
import sys
import numpy as np
g = np.random.default_rng(0)
np.savez(sys.argv[1], G=g.standard_normal((1200, 1, 50, 50)), y=g.standard_normal((1200, 1)))
from proofs_check.__main__ import main
print("ready", flush=True)
sys.argv[1:] = ["solve", sys.argv[1], "--lam", "1e-4"]
sys.exit(main())
"""
    with script(text, tmp_path / "p.npz") as process:
        process.stdout.readline()
        time.sleep(1.5)
        os.killpg(process.pid, signal.SIGINT)
        err, seconds = ended(process)
    # 'nothing is kept' is said where the work had begun; a busy machine may still be reading the file
    assert process.returncode == 130
    assert err in ("lora-theory: interrupted; nothing is kept\n", "lora-theory: interrupted\n")
    assert seconds < 2


WORKERS = """
import sys
from tests.proofs_check import fake_claims
from proofs_check.__main__ import main
fake_claims.install_sleeping()
print("ready", flush=True)
sys.exit(main(["verify", "--level", "smoke", "--workers", "2"]))
"""


@pytest.mark.parametrize("pause", [0.0, 0.1, 0.4, 1.0])
def test_ctrl_c_while_processes_start_shows_no_traceback(pause: float) -> None:
    with script(WORKERS) as process:
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 20
        while children.exists() and not children.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(pause)
        os.killpg(process.pid, signal.SIGINT)
        err, _ = ended(process)
    assert process.returncode == 130
    assert err.startswith("lora-theory: interrupted")
    assert "Traceback" not in err
    assert "Error" not in err


def test_a_signal_that_another_thread_takes_is_held_back_too() -> None:
    """The mask is the main thread's alone: Python runs the handler there all the same."""
    reached, go = [], threading.Event()

    def take() -> None:
        go.wait()
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    helper = threading.Thread(target=take)  # started before the mask, which threads inherit
    helper.start()

    def work() -> None:
        with signals.held_back():
            go.set()
            helper.join()
            time.sleep(0.05)
            reached.append("the end of the block")
        reached.append("beyond it")

    with signals.stop_the_work(restore=True), pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["the end of the block"]


POOL = """
import os, sys, time
from proofs_check.executors import process_pool
from proofs_check import signals
from sims.queue import Task, finished
def nap():
    time.sleep(60)
sys.modules["__main__"].__spec__ = None
with signals.stop_the_work(restore=False):
    try:
        with process_pool(2) as place:
            print("ready", flush=True)
            list(finished([Task(str(i), time.sleep, (60,)) for i in range(6)], None, place))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_pool_whose_processes_are_ended_at_work_shows_no_traceback(number: int) -> None:
    with script(POOL) as process:
        process.stdout.readline()
        time.sleep(3)
        os.killpg(process.pid, number)
        err, _ = ended(process)
    assert (process.returncode, err) == (130, "")


def test_a_signal_inside_a_destructor_is_raised_after_it() -> None:
    text = """
import os, signal, sys, time
from proofs_check import signals
class Late:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
with signals.stop_the_work(restore=False):
    try:
        Late()
        time.sleep(20)
    except KeyboardInterrupt:
        sys.exit(130)
"""
    with script(text) as process:
        err, seconds = ended(process)
    assert (process.returncode, err) == (130, "")
    assert seconds < 15
