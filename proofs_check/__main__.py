"""The console command `lora-theory`, also `python -m proofs_check`: what it knows, and how every failure is told."""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, TextIO

from proofs_check import signals, streams
from proofs_check.streams import NAME, tell

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError

BAD_USAGE, BUG, INTERRUPTED, TERMINATED, PIPE_CLOSED = 2, 70, 130, 143, 141

_EXAMPLES = {
    "report": "lora-theory report --level smoke --out report",
    "verify": "lora-theory verify NTK-T3.1 --level smoke --json ledger.json",
    "claims": "lora-theory claims NTK-W",
    "solve": "lora-theory solve problem.npz --lam 0.05 --out solution.npz",
    "certify": "lora-theory certify problem.npz solution.npz --lam 1/20 --exact",
    "bound": "lora-theory bound --adapter b-only --layers 256x784,256x256 --rank 2 --bits 4 --samples 60000",
    "train": "lora-theory train --benchmark digits-mlp --adapter b-only --rank 8 --seeds 0:3 --records runs",
    "example": "lora-theory example problem.npz",
    "figures": "lora-theory figures --list",
    "info": "lora-theory info --json -",
    "completion": 'eval "$(lora-theory completion bash)"',
}


def application() -> "App":
    """Return the command line; nothing heavy is imported before a command runs."""
    from cyclopts import App

    from proofs_check.commands import (
        bound,
        certify,
        claims,
        completion,
        data,
        example,
        figures,
        info,
        report,
        solve,
        train,
        verify,
    )

    app = App(
        name=NAME,
        help="What theory says about low-rank adaptation, verified on this machine with numbers and certificates.",
        version=lambda: version(NAME),
        version_flags=("--version", "-V"),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    functions = (
        report.report,
        verify.verify,
        claims.claims,
        example.example,
        solve.solve,
        certify.certify,
        bound.bound,
        train.train,
        figures.figures,
        info.info,
        completion.completion,
    )
    for function in functions:
        app.command(function, help_epilogue=f"Example: {_EXAMPLES[function.__name__]}")
    app.command(data.data)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code: 0 done and as expected, 1 differs, 2 bad usage or input, 130 on Ctrl-C, 70 for a bug."""
    from cyclopts import CycloptsError

    arguments = sys.argv[1:] if argv is None else list(argv)
    streams.prepare()
    with _warnings_on_one_line(), signals.stop_the_work(restore=argv is not None):
        try:
            _no_empty_value(arguments)
            code = application()(arguments, exit_on_error=False, print_error=False)
            sys.stdout.flush()
            return code if isinstance(code, int) else 0
        except CycloptsError as error:
            return _refuse(_usage(error))
        except KeyboardInterrupt as stop:
            return _stopped(stop)
        except Exception as error:
            return _failed(error)
        finally:
            streams.settle()


def _refuse(line: str, code: int = BAD_USAGE) -> int:
    """Print the one line that says what is wrong; return the exit code."""
    tell(line)
    return code


def _no_empty_value(arguments: Sequence[str]) -> None:
    """Raise BadInput for an empty argument: it names no file, claim or number, and Path("") would be this folder."""
    for before, argument in zip(["", *arguments], arguments):
        option, sign, value = argument.partition("=")
        if not argument or (option.startswith("--") and sign and not value):
            from sims.errors import BadInput

            place = option or (before if before.startswith("-") else "an argument")
            raise BadInput(f"{place} is empty: expected a value, such as the name of a file")


def _usage(error: "CycloptsError") -> str:
    """Return one line that names the value, what was expected, and where help is."""
    from cyclopts import MissingArgumentError, UnknownCommandError, UnusedCliTokensError

    command = " ".join(error.command_chain or ())
    text = str(error)
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        text = f"{error.argument.name} is missing its value"
    elif isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        text = f"unexpected argument {' '.join(error.unused_tokens)!r}"
    elif isinstance(error, UnknownCommandError) and error.unused_tokens:
        from sims.names import did_you_mean

        known = [name for name in application() if not name.startswith("-")]
        word = error.unused_tokens[0]
        text = f"unknown command {word!r}{did_you_mean(word, known)}; expected one of {', '.join(known)}"
    text = " ".join(text.split()).rstrip(".")
    text = text[:1].lower() + text[1:] if not text[:2].isupper() else text
    place = f"{NAME} {command}".rstrip()
    return f"{f'{command}: ' if command else ''}{text}; see {place} --help"


def _stopped(stop: KeyboardInterrupt) -> int:
    """Tell that the run was stopped and what is kept; return the exit code."""
    terminated = isinstance(stop, signals.Terminated)
    word = "terminated" if terminated else "interrupted"
    kept = str(stop) if stop.args else ""
    return _refuse(f"{word}; {kept}" if kept else word, TERMINATED if terminated else INTERRUPTED)


def _failed(error: Exception) -> int:
    """Tell a user's mistake in its own words, anything else as a bug; return the exit code."""
    if os.environ.get("LORA_THEORY_DEBUG"):
        import traceback

        traceback.print_exception(error)
    from sims.errors import BadInput, one_line

    if isinstance(error, BrokenPipeError):
        return PIPE_CLOSED  # whoever read the output went away, which is no error
    if isinstance(error, OSError) and streams.refused(error):
        return _refuse(f"stdout cannot be written ({os.strerror(error.errno or 0)}); send the answer to another place")
    if isinstance(error, BadInput):
        return _refuse(str(error))
    if isinstance(error, OSError) and error.filename is not None:
        return _refuse(f"{error.filename} cannot be used ({error.strerror}); check the path and its permissions")
    if isinstance(error, MemoryError):
        return _refuse("out of memory; use a smaller problem or level, or fewer workers")
    return _refuse(f"{one_line(error)}; this is a bug; run with LORA_THEORY_DEBUG=1 for the traceback", BUG)


@contextmanager
def _warnings_on_one_line() -> Iterator[None]:
    """Print warnings as one line each, without the source line that raised them."""

    def show(
        message: Warning | str,
        category: type[Warning],  # noqa: ARG001 (the signature is Python's)
        filename: str,  # noqa: ARG001
        lineno: int,  # noqa: ARG001
        file: TextIO | None = None,  # noqa: ARG001
        line: str | None = None,  # noqa: ARG001
    ) -> None:
        tell(f"warning: {message}")

    before = warnings.showwarning
    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


if __name__ == "__main__":
    sys.exit(main())
