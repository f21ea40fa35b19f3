"""Signs of life: something on a terminal after the delay, before the first part is finished; nothing when piped."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys, time
from proofs_check.commands import _progress
_progress.DELAY, _progress._TICK = float(sys.argv[1]), 0.1
with _progress.progress({total}, "claim", doing="{doing}"):
    time.sleep(0.6)
print("done")
"""


def shown(delay: float, total: object, doing: str = "", *, terminal: bool) -> str:
    """Return what appears on stderr, a terminal or a pipe, before anything is finished."""
    command = [sys.executable, "-c", SCRIPT.format(total=total, doing=doing), str(delay)]
    if not terminal:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stderr
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    pytest.importorskip("termios").tcsetwinsize(theirs, (24, 80))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        process.communicate(timeout=60)
    found = b""
    try:
        while part := os.read(ours, 4096):
            found += part
    except OSError:  # Linux says so at the end
        pass
    os.close(ours)
    return found.decode()


def test_a_bar_appears_before_the_first_part_is_finished():
    assert "0/7" in shown(0.1, 7, terminal=True)


def test_work_without_parts_shows_a_clock():
    assert "solving: 00:00" in shown(0.1, None, "solving", terminal=True)


def test_short_work_and_pipes_show_nothing():
    assert "0/7" not in shown(5.0, 7, terminal=True)
    assert shown(0.1, 7, terminal=False) == ""
    assert shown(0.1, None, "solving", terminal=False) == ""
