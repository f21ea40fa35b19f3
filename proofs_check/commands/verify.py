"""`lora-theory verify`: run claims and print the ledger, or a table of their verdicts over seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from proofs_check.commands import _options, _output, _places, _progress, _selection

SEED_RECORDS = Path("runs/seeds")  # a table over seeds takes long, so its rows are always kept


def verify(
    *claims: str,
    paper: _options.Paper | None = None,
    words: Annotated[str | None, Parameter(name="-k", allow_leading_hyphen=True)] = None,
    last_differed: Annotated[bool, Parameter(name="--lf", negative=())] = False,
    level: _options.Level = "quick",
    seed: _options.Seed = 0,
    seeds: _options.Seeds | None = None,
    data: str = "digits",
    workers: _options.Workers = None,
    scheduler: _options.Scheduler = None,
    records: Path | None = None,
    fresh: Annotated[bool, Parameter(negative=())] = False,
    json: _options.Json = None,
) -> int:
    """Run claims with their negative controls and print the ledger; with --seeds, a table of verdicts over seeds.

    Exit code 1 when a verdict differs from the registered one or a negative control does not come out as expected.

    Parameters
    ----------
    claims
        Ids, as `lora-theory claims` lists them; all claims when none is given.
    paper
        Only the claims of this body of work.
    words
        Only the claims that have all these words in id, statement, source or paper.
    last_differed
        Only the claims that differed when they were last verified; all when there are none.
    level
        How many and how large the instances are.
    seed
        Seed of every draw.
    seeds
        FIRST:END (END left out), or a comma-separated list: every claim at each of these seeds, kept in --records.
    data
        Data set of the instances on real features, as `lora-theory data` lists them. Where a check needs another kind,
        it runs on digits, and its row says so.
    workers
        Processes of this machine that share the claims; by default one a core, or none for a few claims.
    scheduler
        Address HOST:PORT of a dask scheduler that runs the claims.
    records
        Folder in which every finished claim is kept: the same command continues after an interruption. With --seeds
        runs/seeds when not given.
    fresh
        Compute everything again, whatever the records hold.
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    from proofs_check.work import claim_task, row_of
    from sims.queue import finished
    from sims.records import RecordStore

    answer = _output.Answer(json)
    over = [seed] if seeds is None else _options.parse_seeds(seeds)
    chosen = _selection.selected(claims, paper, words, last_differed)
    broken = 0 if claims else _selection.tell_broken()
    check_data(data)
    folder = records or (None if seeds is None else SEED_RECORDS)
    store = None if folder is None else RecordStore(_output.writable_folder(folder, "--records"))
    rows: list[dict[str, Any]] = []
    outdated: list[str] = []
    try:
        with answer.working():
            tasks = [claim_task(claim, level, s, data, kept=store is not None) for s in over for claim in chosen]
            with _places.place(workers, scheduler, len(tasks)) as place, _progress.progress(len(tasks), "claim") as bar:
                for outcome in finished(tasks, store, place, fresh=fresh, outdated=outdated):
                    rows.append(row_of(outcome))
                    bar.update()
    except KeyboardInterrupt as stop:
        _give(answer, _in_order(rows, chosen), over=seeds is not None)
        where = "kept above" if folder is None else f"kept in {folder}; the same command continues"
        raise type(stop)(f"{len(rows)} of {len(tasks)} claims finished, {where}") from None
    _output.tell_outdated(outdated)
    _selection.remember(rows)
    return max(_give(answer, _in_order(rows, chosen), over=seeds is not None), int(bool(broken)))


def check_data(name: str) -> None:
    """Fetch the data set if it is not here; raises BadInput when it is unknown, damaged or out of reach."""
    from sims.data import catalogue

    catalogue.get(name)


def _in_order(rows: list[dict[str, Any]], chosen: Sequence[Any]) -> list[dict[str, Any]]:
    place = {claim.id: number for number, claim in enumerate(chosen)}
    return sorted(rows, key=lambda row: (place[row["id"]], row["seed"]))


def _give(answer: _output.Answer, rows: list[dict[str, Any]], *, over: bool) -> int:
    """Print the ledger, or the table over seeds; return the exit code."""
    from proofs_check import ledger, seed_table

    if not rows:
        answer.give([], "no claim finished")
    elif over:
        table = seed_table.over_seeds(rows)
        shown = _output.columns(seed_table.TITLES, seed_table.lines(table))
        answer.give(table, f"{shown}\n{seed_table.summary(table)}")
    else:
        answer.give(rows, ledger.table(rows, _output.width()))
    return ledger.exit_code(rows)
