"""What every command does with its answer: a table for a person, JSON for a program, files that appear whole."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

PIPED_WIDTH = 120


class Answer:
    """Where the answer goes. Made before the work starts, so that a path that cannot be written is refused at once."""

    def __init__(self, json: str | None, *, out: Path | None = None, inputs: Sequence[Path] = ()) -> None:
        """Raise BadInput when ``json`` (a path, "-" or None) or ``out`` cannot be written, or is one of the inputs."""
        from sims.errors import BadInput

        if json is not None and json.startswith("--"):
            raise BadInput(f"--json needs a path or -, got {json!r}")
        self.to_stdout = json == "-"
        self.out = None if out is None else writable_file(out, "--out", inputs)
        self.path = None
        if json is not None and not self.to_stdout:
            self.path = writable_file(Path(json), "--json", inputs)
            if self.out is not None and os.path.realpath(self.out) == os.path.realpath(self.path):
                raise BadInput(f"--out and --json are both {json}: name two files")

    @contextmanager
    def working(self) -> Iterator[None]:
        """Keep stdout for the answer: what libraries print meanwhile goes to stderr.

        Raises BadInput before the work when JAX lacks the platform that it is asked for.
        """
        from sims.platform import check_platform

        check_platform()
        with redirect_stdout(sys.stderr):
            yield

    def give(self, value: Any, text: str, content: bytes = b"") -> None:
        """Print the text, or the JSON of the value when that was asked for; then write the files that were asked for.

        ``content`` goes to the file of ``--out``. A stdout that takes nothing keeps no file from being written.
        """
        from proofs_check.ledger import to_json
        from sims.files import write_atomic

        with ExitStack() as afterwards:
            if self.path is not None:
                afterwards.callback(write_atomic, self.path, to_json(value))
            if self.out is not None:
                afterwards.callback(write_atomic, self.out, content)
            print(to_json(value) if self.to_stdout else text, end="" if self.to_stdout else "\n", flush=True)


def writable_file(path: Path, what: str, inputs: Sequence[Path] = ()) -> Path:
    """Return the path; raises BadInput when no file can be written there, or one of the inputs lies there."""
    from sims.errors import BadInput
    from sims.files import irregular, read_only

    kind = irregular(path)
    if kind is not None:
        raise BadInput(f"{what} {path} is {kind}, expected the name of a regular file")
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise BadInput(f"{what} {path}: there is no folder {target.parent}; create it or name another file")
    forbidden = read_only(target)
    if forbidden is not None:
        raise BadInput(f"{what} {path} cannot be written: {forbidden} is read-only; name another file")
    for source in inputs:
        if target.exists() and source.exists() and target.samefile(source):
            raise BadInput(f"{what} {path} is the input {source}, which would be lost; name another file")
    for number, stream in ((1, "stdout"), (2, "stderr")):
        if target.exists() and os.path.samestat(target.stat(), os.fstat(number)):
            raise BadInput(f"{what} {path} is where {stream} goes; name another file")
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


def _fitted() -> bool:
    """Return whether somebody's width is known: a pipe gets whole lines unless COLUMNS says otherwise."""
    return sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()


def say(line: str) -> None:
    """Print one line about the run on stderr."""
    from proofs_check.streams import tell

    tell(line)


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
    """Return an aligned table; its last column is shortened to fit a terminal, or COLUMNS where that is set."""
    from proofs_check.ledger import shorten

    widths = [max(map(len, column)) for column in zip(titles, *lines)][:-1]
    room = max(20, width() - sum(widths) - 2 * len(widths)) if _fitted() else sys.maxsize
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
