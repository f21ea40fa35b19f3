"""Standard streams that are closed, full or gone: no file gets their numbers, and every end is told in one line."""

import errno
import os
import sys
from contextlib import suppress
from typing import TextIO, TypeGuard

NAME = "lora-theory"
_REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EPIPE)


def prepare() -> None:
    """Put something where the caller closed a stream: the next file that is opened would get its number.

    A closed stdout then fails at the first flush, as a full one does; what goes to a closed stderr is lost.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            found = os.open(os.devnull, flags)
            if found != number:
                os.dup2(found, number)
                os.close(found)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (open until the process ends)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # mathematics on a terminal without unicode


def tell(line: str) -> None:
    """Print one line on stderr; where stderr takes nothing, the exit code has to do."""
    try:
        sys.stderr.write(f"{NAME}: {' '.join(line.split())}\n")
        sys.stderr.flush()
    except OSError:
        mute(sys.stderr)


def refused(error: BaseException) -> TypeGuard[OSError]:
    """Return whether the error is that of a stream that takes no more: full, closed, or with nobody reading it."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _REFUSED


def settle() -> None:
    """Flush stdout for the last time; what it does not take is dropped, so that the interpreter has nothing to say."""
    try:
        sys.stdout.flush()
    except OSError:
        mute(sys.stdout)


def mute(stream: TextIO) -> None:
    """Send what is left in the stream's buffer nowhere, so that the interpreter's last flush does not fail too."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
