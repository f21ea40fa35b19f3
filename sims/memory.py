"""How much memory the machine has left: what is too large is refused before it is tried."""

import os
from pathlib import Path

_LIMITS = (  # (limit, use) of the control group that a container or a scheduler puts around a process
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available() -> int | None:
    """Return how many bytes can be had without swapping, within the limits of a container; None where unknown."""
    found = [free for free in (_of_machine(), *(_of_group(*files) for files in _LIMITS)) if free is not None]
    return min(found, default=None)


def gibibytes(count: int) -> str:
    """Return the bytes as a short text."""
    return f"{count / 2**30:.2g} GiB" if count < 100 * 2**30 else f"{count / 2**30:.0f} GiB"


def _of_machine() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def _of_group(limit: str, use: str) -> int | None:
    try:
        most, used = (int(Path(file).read_text()) for file in (limit, use))
    except (OSError, ValueError):  # no such group, or "max": no limit
        return None
    return max(0, most - used) if most < 2**60 else None
