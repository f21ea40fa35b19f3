"""Files by name: one way to write one, and what a name stands for when it is no regular file."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from sims.errors import BadInput

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def irregular(path: str | os.PathLike[str]) -> str | None:
    """Return in words what lies at the path, links followed; None for a regular file and where nothing lies.

    Raises:
        BadInput: the path is empty or cannot be followed (a loop of links, a folder without permission).
    """
    if not os.fspath(path):
        raise BadInput("'' is no file name: expected the name of a file")
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadInput(f"{path} cannot be used ({error.strerror}): check the path and its permissions") from None
    return next((kind for holds, kind in _KINDS if holds(mode)), None)


def read_only(path: Path) -> Path | None:
    """Return what forbids writing a file there, the file or its folder, or None.

    What nobody may write is not written for root either, whom permissions do not stop; a rename would replace it.
    """
    for place, there, needed in ((path, path.is_file, os.W_OK), (path.parent, path.parent.is_dir, os.W_OK | os.X_OK)):
        if there() and not (place.stat().st_mode & _WRITABLE and os.access(place, needed)):
            return place
    return None


def encodable(text: str) -> str:
    """Return the text with escapes for what UTF-8 cannot hold: bytes of a file name that are no text."""
    return text.encode(errors="backslashreplace").decode()


def write_atomic(path: str | os.PathLike[str], data: str | bytes) -> None:
    """Write a regular file so that a reader, or a restart after a crash, sees the old content or the new, never a part.

    A link is followed: the file that it names is written. Text is UTF-8. An existing file keeps its permissions.

    Raises:
        BadInput: an empty name, a folder, device, pipe or socket, what is read-only, or a place that cannot be made.
    """
    kind = irregular(path)
    if kind is not None:
        raise BadInput(f"{path} is {kind}: expected the name of a regular file to write")
    target = Path(os.path.realpath(path))
    forbidden = read_only(target)
    if forbidden is not None:
        raise BadInput(f"{path} cannot be written: {forbidden} is read-only; name another file")
    # A name of our own, so that two writers of one file do not share a temporary one; hidden from patterns like *.json.
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                with suppress(FileNotFoundError):
                    temporary.chmod(stat.S_IMODE(target.stat().st_mode))
                file.write(encodable(data).encode() if isinstance(data, str) else data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(
            f"folder {target.parent} cannot be written ({error.strerror or error}): "
            "choose another folder, free some space, or change its permissions"
        ) from error
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    # The rename itself must survive a power cut. Windows cannot open folders, and does not need this; where a file
    # system refuses, the file is in its place all the same.
    if os.name == "posix":
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
