"""`lora-theory report`: the main job. Every claim, every figure, one page; a second run continues the first."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from proofs_check.commands import _gallery, _options, _output, _places, _progress, _selection
from proofs_check.commands.verify import check_data

if TYPE_CHECKING:
    from sims.queue import Outcome, Place, Task

# started first, so that none of them runs alone at the end: experiments of more than ten seconds at level quick
_LONG = ("few_shot", "zero_decay_phase", "ntk_width", "landscape_phase", "certificates")


def report(
    *,
    level: _options.Level = "quick",
    out: Path = Path("report"),
    seed: _options.Seed = 0,
    data: str = "digits",
    workers: _options.Workers = None,
    fresh: Annotated[bool, Parameter(negative=())] = False,
    json: _options.Json = None,
) -> int:
    """Verify every claim, draw every figure, and write the report: index.html, ledger.json, PNG and PDF.

    What is finished is kept in the folder's records: after an interruption the same command continues.
    Exit code 1 when a verdict differs from the registered one or a figure could not be made.

    Parameters
    ----------
    level
        How many and how large the instances are.
    out
        Folder of the report.
    seed
        Seed of every draw.
    data
        Data set of the instances on real features, as `lora-theory data` lists them.
    workers
        Processes of this machine that share the claims and experiments; by default one a core.
    fresh
        Compute everything again, whatever the records hold.
    json
        Write the ledger as JSON to this file; - prints it, and nothing else.
    """
    from proofs_check.ledger import exit_code, table, to_json
    from proofs_check.report import write_report
    from proofs_check.work import claim_task, experiment_task
    from sims.files import write_atomic
    from sims.records import environment

    answer = _output.Answer(json)
    for folder in (out, out / "records", out / "figures"):
        _output.writable_folder(folder, "--out")
    claims = _selection.selected(())
    broken = _selection.tell_broken()
    gallery = _gallery.installed()
    check_data(data)
    specs = list(gallery.figures.values())
    with answer.working():
        tasks = [claim_task(claim, level, seed, data) for claim in claims]
        experiments = dict.fromkeys(spec.experiment for spec in specs)
        names = sorted(experiments, key=lambda name: name not in _LONG)
        tasks += [experiment_task(name, level, seed, data) for name in names]
        run = Run(out, tasks, specs)
        # an experiment is worth several claims when it comes to how many processes pay
        with (
            _places.place(workers, None, len(claims) + 4 * len(names)) as place,
            _progress.progress(len(tasks), "step") as bar,
        ):
            run.finish(place, bar, fresh=fresh)
    _output.tell_outdated(run.outdated)
    rows = [run.rows[claim.id] for claim in claims]
    figures = [run.drawn[spec.name] for spec in specs if spec.name in run.drawn]
    write_atomic(out / "ledger.json", to_json(rows))
    write_report(out, rows, figures, environment(), level=level, seed=seed)
    page = (out / "index.html").resolve()
    answer.give(rows, f"{table(rows, _output.width())}\n{len(figures)} figures in {out / 'figures'}\nreport: {page}")
    for failure in run.failures:
        _output.say(failure)
    return 1 if run.failures or broken else exit_code(rows)


class Run:
    """One report: its claims and experiments in one queue, and behind each experiment the figures drawn from it."""

    def __init__(self, out: Path, tasks: "Sequence[Task]", specs: Sequence[Any]) -> None:
        """Keep what is to be done; records lie in out/records."""
        from sims.records import RecordStore

        self.folder = out / "figures"
        self.store = RecordStore(out / "records")
        self.tasks, self.specs = tasks, specs
        self.rows: dict[str, dict[str, Any]] = {}
        self.experiments = 0  # finished
        self.drawn: dict[str, dict[str, Any]] = {}
        self.failures: list[str] = []
        self.outdated: list[str] = []  # why records were not taken

    def finish(self, place: "Place | None", bar: Any, *, fresh: bool) -> None:
        """Run what is not recorded and draw; raises KeyboardInterrupt with the counts of what is kept."""
        from sims.queue import finished

        waiting = deque(self.tasks)
        try:
            for outcome in finished(waiting, self.store, place, fresh=fresh, outdated=self.outdated):
                waiting.extend(self._after(outcome))
                bar.update(outcome.task in self.tasks)
        except KeyboardInterrupt as stop:
            claims = sum(task.file == "" for task in self.tasks)
            kept = (
                f"{len(self.rows)} of {claims} claims and {self.experiments} of {len(self.tasks) - claims} experiments"
            )
            raise type(stop)(f"{kept} finished and kept in {self.store.folder}; the same command continues") from None

    def _after(self, outcome: "Outcome") -> "Iterator[Task]":
        """Take what is finished; give the drawings that can follow."""
        from proofs_check.work import CLAIM, row_of
        from sims.errors import BadInput, one_line
        from sims.queue import Task
        from sims.records import read_record

        task, error = outcome.task, outcome.error
        if task.experiment == CLAIM:
            self.rows[task.name] = row_of(outcome)
        elif not task.experiment:
            if error is None:
                self.drawn[task.name] = outcome.result
            else:
                self.failures.append(f"figure {task.name}: {one_line(error)}")
        elif error is not None:
            self.failures.append(f"experiment {task.name}: {one_line(error)}")
        else:
            self.experiments += 1
            try:  # as it reads, so that figures see what is kept
                record = read_record(self.store.folder / task.file).model_dump()
            except BadInput as damaged:
                self.failures.append(f"experiment {task.name}: {damaged}")
                return
            for spec in (spec for spec in self.specs if spec.experiment == task.name):
                yield Task(spec.name, _gallery.draw, (spec, record, self.folder))
