"""`lora-theory verify`: run claims and print the ledger."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from proofs_check.commands import _options, _output

if TYPE_CHECKING:
    from proofs_check.registry import Claim

_TASKS_A_PROCESS = 3  # fewer do not pay for starting an interpreter and JAX


def verify(
    *claims: str,
    paper: _options.Paper | None = None,
    level: _options.Level = "quick",
    seed: _options.Seed = 0,
    data: str = "digits",
    workers: _options.Workers = None,
    scheduler: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    json: _options.Json = None,
) -> int:
    """Run claims with their negative controls and print the ledger.

    Exit code 1 when a verdict differs from the registered one or a negative control does not come out as expected.

    Parameters
    ----------
    claims
        Ids, as `lora-theory claims` lists them; all claims when none is given.
    paper
        Only the claims of this body of work.
    level
        How many and how large the instances are.
    seed
        Seed of every draw.
    data
        Data set of the instances on real features, as `lora-theory data` lists them.
    workers
        Processes of this machine that share the claims; by default one a core, or none for a few claims.
    scheduler
        Address HOST:PORT of a dask scheduler that runs the claims.
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    from proofs_check.execute import run_many
    from proofs_check.ledger import exit_code, table

    answer = _output.Answer(json)
    idents = [claim.id for claim in selected(claims, paper)]
    check_data(data)
    rows: dict[str, dict[str, Any]] = {}
    try:
        shared = processes(workers, len(idents)) if scheduler is None else workers
        with answer.working(), executor(shared, scheduler) as pool, _output.progress(len(idents), "claim") as bar:

            def finished(row: dict[str, Any]) -> None:
                rows[row["id"]] = row
                bar.update()

            run_many(idents, level, seed, data, pool, finished)
    except KeyboardInterrupt as stop:
        kept = [rows[ident] for ident in idents if ident in rows]
        answer.give(kept, table(kept, _output.width()) if kept else "no claim finished")
        raise type(stop)(f"{len(kept)} of {len(idents)} claims finished, kept above") from None
    ledger = [rows[ident] for ident in idents]
    answer.give(ledger, table(ledger, _output.width()))
    return exit_code(ledger)


def selected(idents: Sequence[str], paper: str | None) -> tuple["Claim", ...]:
    """Return the claims to run, each once; raises BadInput for an unknown id or one of another paper."""
    from proofs_check import registry
    from sims.errors import BadInput

    pool = registry.claims_of(paper) if paper else registry.all_claims()
    chosen = tuple(dict.fromkeys(registry.find(ident) for ident in idents)) or pool
    for claim in chosen:
        if claim not in pool:
            raise BadInput(f"claim {claim.id} is of paper {claim.paper!r}, not {paper!r}; leave out --paper or the id")
    if not chosen:
        raise BadInput("no claims are installed (proofs_check/claims); install lora-theory again (make setup)")
    return chosen


def check_data(name: str) -> None:
    """Fetch the data set if it is not here; raises BadInput when it is unknown, damaged or out of reach."""
    from sims.data import catalogue

    catalogue.get(name)


def processes(workers: int | None, tasks: int) -> int:
    """Return how many processes to use: what was asked for, else one a core where the work pays for starting them.

    LORA_THEORY_WORKERS sets another default.
    """
    if workers is not None:
        return workers
    default = os.environ.get("LORA_THEORY_WORKERS", "")
    if default.isdigit() and int(default) > 0:
        return int(default)
    return min(os.cpu_count() or 1, tasks // _TASKS_A_PROCESS)


@contextmanager
def executor(workers: int | None, scheduler: str | None = None) -> Iterator[Executor | None]:
    """Give what runs the claims: None is this process. Raises BadInput when both places are asked for."""
    from proofs_check import executors
    from sims.errors import BadInput

    if workers is not None and scheduler is not None:
        raise BadInput("--workers and --scheduler exclude each other; give one of them")
    if scheduler is not None:
        with executors.cluster(scheduler) as pool:
            yield pool
    elif workers is not None and workers > 1:
        with executors.process_pool(workers) as pool:
            yield pool
    else:
        yield None
