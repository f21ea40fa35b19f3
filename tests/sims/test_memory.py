"""Free memory: of the machine, of control groups, of a process limit; refusals with the estimate."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sims import memory
from sims.errors import BadInput


def test_no_more_is_free_than_the_machine_has() -> None:
    assert 0 < memory.available() <= psutil.virtual_memory().total


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_the_limit_of_the_process_counts() -> None:
    script = (
        "import resource; from sims.memory import available; before = available();"
        "resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)); print(before, available())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < min(before, 2**31)


def group(folder: Path, version: int, limit: str, used: int, cached: int) -> None:
    """Write the files of a control group."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {cached}\n")


@pytest.mark.parametrize(
    ("version", "line", "top"), [(2, "0::/a/b", ""), (1, "4:cpu,memory:/a/b\n1:name=systemd:/\n0::/", "memory")]
)
@pytest.mark.parametrize(("outer", "room"), [("max", 1000 - 700 + 50), ("250", 250 - 100 + 20)])
def test_the_control_groups_that_hold_the_process_count(
    version: int, line: str, top: str, outer: str, room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlimited = "max" if version == 2 else str(2**63 - 4096)
    group(tmp_path / top / "a" / "b", version, "1000", 700, 50)
    group(tmp_path / top / "a", version, unlimited if outer == "max" else outer, 100, 20)
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    monkeypatch.setattr(Path, "read_text", reader(line, Path.read_text))
    assert memory.available() == room


def reader(line: str, real):
    """Return a reading function that tells of these control groups."""

    def read(path: Path, *arguments, **options) -> str:
        return line + "\n" if path == Path("/proc/self/cgroup") else real(path, *arguments, **options)

    return read


def test_what_does_not_fit_is_refused_with_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 3_210_000_000)
    memory.require(3_210_000_000, "this")
    with pytest.raises(
        BadInput, match=r"^this needs about 6\.43 GB of memory and 3\.21 GB are free: expected a smaller"
    ):
        memory.require(6_433_000_000, "this")


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1_300_000, "1.3 MB"), (10**20, "1e+05 PB")]
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert memory.in_words(size) == words
