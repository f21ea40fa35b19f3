"""Claims of known outcome, for the tests of registry, ledger and command line. Workers import this file too."""

import os
import signal
import sys
import time
from types import SimpleNamespace

from proofs_check import registry
from proofs_check.evidence import Evidence, Measurement
from proofs_check.registry import Claim


def within(level, seed, data):
    sizes = {"smoke": 2, "quick": 5, "full": 9}
    found = tuple(
        Measurement("gap", 0.25 * i + seed, 10.0 + seed, "<=", instance=f"{data} {i}") for i in range(sizes[level])
    )
    return Evidence((*found, Measurement("rank", 3, 3, "==")), sizes[level], "exact", {"m": 8}, (seed,), ("a note",))


def violated(level, seed, data):
    return Evidence((Measurement("gap", 2.0, 1.0, "<="),), 1)


def raising(level, seed, data):
    raise RuntimeError("the check\nbroke")


def printing(level, seed, data):
    print("noise on stdout")
    return within(level, seed, data)


def interrupted(level, seed, data):
    raise KeyboardInterrupt


def sleeping(level, seed, data):
    sys.stderr.write("asleep\n")
    sys.stderr.flush()
    time.sleep(60)
    return within(level, seed, data)


def dying(level, seed, data):
    os.kill(os.getpid(), signal.SIGKILL)


def make(ident, check=within, control=violated, **changes):
    fields = {
        "id": ident,
        "paper": "ntk",
        "statement": f"the statement of {ident}: every local minimum is global, ‖Δ‖⁎ ≤ 1, and it goes on for long",
        "source": "arXiv 0000.00000",
        "kind": "upper",
        "assumptions": ("an assumption",),
        "expected": "holds",
        "expected_reason": "",
        "control": "without the hypothesis",
        "control_expected": "fails",
    }
    return Claim(**(fields | changes), check=check, control_check=control)


def as_expected():
    return (make("NTK-A"), make("NTK-B", printing), make("NTK-C", violated, within, **FALSE_AS_PRINTED))


FALSE_AS_PRINTED = {"expected": "fails", "expected_reason": "a counterexample", "control_expected": "holds"}


def install(claims=None):
    """Put these claims in place of the registered ones: here, or in a worker that runs it as initializer."""
    chosen = tuple(claims or as_expected())
    registry.all_claims = lambda: chosen


def install_sleeping():
    install((make("NTK-A"), make("NTK-S", sleeping), make("NTK-Z")))


def with_a_dying_one():
    return (make("NTK-A"), make("NTK-D", dying), *(make(f"NTK-{letter}") for letter in "XYZ"))


def install_dying():
    install(with_a_dying_one())


def figure_spec(name, experiment):
    return SimpleNamespace(
        name=name,
        title=f"Title of {name}",
        caption="A caption.",
        experiment=experiment,
        draw=draw,
        table_files=lambda record: {},
    )


def draw(record):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 2))
    figure.subplots().plot(record["result"]["numbers"])
    return figure
