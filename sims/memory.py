"""How much memory is free, and one line instead of a killed machine where work would need more."""

import sys
from pathlib import Path

from sims.errors import BadInput

_CGROUPS = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60  # control groups write a number near 2^63 for "no limit"


def available() -> int:
    """Return the bytes this process can still take: free on the machine, in its control group, and by its own limit."""
    try:
        import psutil
    except ImportError:  # a bare machine with an accelerator: what its control group allows, or no limit known
        return max(0, min(_control_group_room(), default=_UNLIMITED))

    room = [psutil.virtual_memory().available, *_control_group_room()]
    if sys.platform != "win32":
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            room.append(limit - psutil.Process().memory_info().vms)
    return max(0, min(room))


def _control_group_room() -> list[int]:
    """Return what is left in the control groups (containers, batch jobs) that hold this process, of either version."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    room = []
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers == "":
            found = _room_of(_CGROUPS / place.lstrip("/"), "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            folder = _CGROUPS / "memory" / place.lstrip("/")
            found = _room_of(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        room += found
    return room


def _room_of(folder: Path, limit: str, usage: str, reclaimable: str) -> list[int]:
    """Return the room of a group and of those above it; what the kernel keeps of files can be taken back."""
    room = []
    for group in (folder, *folder.parents):
        if not group.is_relative_to(_CGROUPS):
            break
        try:
            most, used = (group / limit).read_text().strip(), int((group / usage).read_text())
            kept = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue  # the top group has no limit, and inside a container the path may lead nowhere
        if most.isdigit() and int(most) < _UNLIMITED:
            room.append(int(most) - used + int(kept.get(reclaimable, 0)))
    return room


def require(need: int, work: str) -> None:
    """Return if this many bytes are free; call it before they are taken.

    Raises:
        BadInput: ``work`` needs more; the line holds the estimate and what is free.
    """
    free = available()
    if need > free:
        raise BadInput(
            f"{work} needs about {in_words(need)} of memory and {in_words(free)} are free: "
            "expected a smaller size, or a machine with more memory"
        )


def in_words(size: int) -> str:
    """Return a number of bytes with a unit, such as 1.3 GB."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if value < 1000 or unit == "PB":
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.3g} {unit}"
        value /= 1000
    raise AssertionError("unreachable")
