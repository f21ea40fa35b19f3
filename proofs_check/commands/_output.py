"""What every command does with its answer: a table for a person, JSON for a program, files that appear whole."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

PIPED_WIDTH = 120


class Answer:
    """Where the answer goes. Made before the work starts, so that a path that cannot be written is refused at once."""

    def __init__(self, json: str | None) -> None:
        """Raise BadInput when ``json`` (a path, "-" or None) cannot be written."""
        from sims.errors import BadInput

        if json is not None and json.startswith("--"):
            raise BadInput(f"--json needs a path or -, got {json!r}")
        self.to_stdout = json == "-"
        self.path = None if json is None or self.to_stdout else writable_file(Path(json), "--json")

    @contextmanager
    def working(self) -> Iterator[None]:
        """Keep stdout for the answer: what libraries print meanwhile goes to stderr.

        Raises BadInput before the work when JAX lacks the platform that it is asked for.
        """
        from sims.platform import check_platform

        check_platform()
        with redirect_stdout(sys.stderr):
            yield

    def give(self, value: Any, text: str) -> None:
        """Print the text, or the JSON of the value when that was asked for; write the JSON file if there is one."""
        from proofs_check.ledger import to_json

        if self.path is not None:
            write(self.path, to_json(value))
        print(to_json(value) if self.to_stdout else text, end="" if self.to_stdout else "\n", flush=True)


def write(path: Path, content: str | bytes) -> None:
    """Write a file in one step; a device or a pipe is written to, never replaced."""
    from sims.records import write_atomic

    if path.exists() and not path.is_file():
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    else:
        write_atomic(path, content)


def writable_file(path: Path, what: str) -> Path:
    """Return the path; raises BadInput when no file can be written there."""
    from sims.errors import BadInput

    if path.is_dir():
        raise BadInput(f"{what} {path} is a folder, expected the name of a file")
    if not path.parent.is_dir():
        raise BadInput(f"{what} {path}: there is no folder {path.parent}; create it or name another file")
    target = path if path.exists() else path.parent
    if not os.access(target, os.W_OK):
        raise BadInput(f"{what} {path} cannot be written (no permission); name another file")
    return path


def writable_folder(path: Path, what: str) -> Path:
    """Return the folder, created if need be; raises BadInput when files cannot be written into it."""
    from sims.errors import BadInput

    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise BadInput(
            f"{what} {path} cannot be written ({error.strerror}); name a folder that you can write"
        ) from None
    return path


def width() -> int:
    """Return the columns of the terminal; a fixed number when the output is piped."""
    return shutil.get_terminal_size((PIPED_WIDTH, 24)).columns


def say(line: str) -> None:
    """Print one line about the run on stderr."""
    print(f"lora-theory: {' '.join(line.split())}", file=sys.stderr, flush=True)


def tell_outdated(reasons: Sequence[str]) -> None:
    """Say how many records were not taken, and why; nothing when there are none."""
    if reasons:
        count = len(reasons)
        say(f"{count} record{'s' * (count != 1)} not taken, run again: {', '.join(sorted(set(reasons)))}")


def pairs(values: Mapping[str, Any]) -> str:
    """Return an aligned table of names and values; a mapping inside becomes names with a dot."""
    flat = _flat(values)
    longest = max(map(len, flat), default=0)
    return "\n".join(f"{name.replace('_', ' ').ljust(longest)}  {_shown(value)}" for name, value in flat.items())


def columns(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return an aligned table; on a terminal its last column is shortened to fit."""
    from proofs_check.ledger import shorten

    widths = [max(map(len, column)) for column in zip(titles, *lines)][:-1]
    room = max(20, width() - sum(widths) - 2 * len(widths)) if sys.stdout.isatty() else sys.maxsize
    shown = [[*(c.ljust(w) for c, w in zip(line, widths)), shorten(line[-1], room)] for line in [titles, *lines]]
    text = ["  ".join(line).rstrip() for line in shown]
    return "\n".join([text[0], "-" * max(map(len, text)), *text[1:]])


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == {} or value == []:
        return "-"
    if isinstance(value, float):
        return f"{value:.12g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
