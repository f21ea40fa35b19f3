"""`lora-theory report`: the main job. Every claim, every figure, one page; a second run continues the first."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from proofs_check.commands import _gallery, _options, _output
from proofs_check.commands.verify import check_data, executor, processes, selected

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
    from sims.files import write_atomic
    from sims.records import environment

    answer = _output.Answer(json)
    for folder in (out, out / "records", out / "figures"):
        _output.writable_folder(folder, "--out")
    idents = [claim.id for claim in selected((), None)]
    gallery = _gallery.installed()
    check_data(data)
    run = Run(out, level, seed, data, fresh)
    experiments = list(dict.fromkeys(spec.experiment for spec in gallery.figures.values()))
    specs = list(gallery.figures.values())
    shared = processes(workers, len(idents) + 4 * len(experiments))
    with answer.working(), _output.progress(len(idents) + len(experiments), "step") as bar:
        with executor(shared) as pool:
            # the experiments wait behind the claims in one queue, so that no process is idle between the two
            rows = run.claims(idents, pool, bar, on_queued=lambda: run.queue(experiments, pool))
            made = run.figures(specs, experiments, pool, bar) if _works(pool) else None
        if made is None:  # a claim has broken the pool, and what waited behind it is lost
            with executor(shared) as pool:
                run.queue(experiments, pool)
                made = run.figures(specs, experiments, pool, bar)
    figures, failures = made
    write_atomic(out / "ledger.json", to_json(rows))
    write_report(out, rows, figures, environment(), level=level, seed=seed)
    page = (out / "index.html").resolve()
    answer.give(rows, f"{table(rows, _output.width())}\n{len(figures)} figures in {out / 'figures'}\nreport: {page}")
    for failure in failures:
        _output.say(failure)
    return 1 if failures else exit_code(rows)


class Run:
    """One report: its settings, and what is already recorded for exactly these settings and this code."""

    def __init__(self, out: Path, level: _options.Level, seed: int, data: str, fresh: bool) -> None:
        """Keep the settings; records lie in out/records."""
        from sims.records import RecordStore, code_version

        self.folder = out / "records"
        self.store = RecordStore(self.folder)
        self.level, self.seed, self.data, self.fresh = level, seed, data, fresh
        self.settings = {"level": level, "seed": seed, "data": data, "code": code_version()}
        self.queued: dict[str, Future[dict[str, Any]]] = {}  # experiments in a pool's queue

    def claims(
        self, idents: list[str], pool: Executor | None, bar: Any, on_queued: Callable[[], object] | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of the ledger, from records where finished; raises KeyboardInterrupt with a count."""
        from proofs_check.execute import run_many
        from proofs_check.standing import read_back

        rows: dict[str, dict[str, Any]] = {}
        for ident in idents:
            config = self._config(ident)
            if self.fresh:
                self.store.path(config).unlink(missing_ok=True)
            elif (row := self.store.get(config)) is not None:
                rows[ident] = read_back(row)
                bar.update()

        def finished(row: dict[str, Any]) -> None:
            rows[row["id"]] = row
            if not row["error"]:  # what failed is tried again
                self.store.put(self._config(row["id"]), row, experiment="claim")
            bar.update()

        try:
            missing = [ident for ident in idents if ident not in rows]
            run_many(missing, self.level, self.seed, self.data, pool, finished, on_queued)
        except KeyboardInterrupt as stop:
            kept = f"{len(rows)} of {len(idents)} claims finished and kept in {self.folder}"
            raise type(stop)(f"{kept}; the same command continues") from None
        return [rows[ident] for ident in idents]

    def queue(self, names: Iterable[str], pool: Executor | None) -> None:
        """Put the experiments that are not recorded into the pool's queue; without a pool they wait for `figures`."""
        from proofs_check.execute import run_experiment

        self.queued.clear()  # a pool that broke has lost what was in it
        settings = (self.level, self.seed, self.data)
        with suppress(BrokenExecutor):  # a claim has broken the pool already
            for name in sorted(names, key=lambda name: name not in _LONG):
                if pool is not None and self._recorded(name) is None:
                    self.queued[name] = pool.submit(run_experiment, name, *settings)

    def figures(
        self, specs: list[Any], names: list[str], pool: Executor | None, bar: Any
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Return what `_gallery.draw` says of each figure, and a line for each experiment or figure that failed.

        A pool draws a figure as soon as its experiment is finished; the result has the order of the figures.
        """
        from proofs_check.execute import one_line

        records, failures = {}, {}
        drawings: dict[str, Callable[[], dict[str, Any]]] = {}
        folder = self.folder.parent / "figures"
        try:
            for name in self._finishing(names):
                try:
                    records[name] = self._experiment(name)
                    for spec in (spec for spec in specs if spec.experiment == name):
                        drawings[spec.name] = _later(pool, _gallery.draw, spec, records[name], folder)
                except Exception as error:
                    failures[name] = f"experiment {name}: {one_line(error)}"
                bar.update()
        except KeyboardInterrupt as stop:
            kept = f"claims and {len(records)} of {len(names)} experiments are kept in {self.folder}"
            raise type(stop)(kept) from None
        told = [failures[name] for name in names if name in failures]
        drawn = []
        for spec in (spec for spec in specs if spec.name in drawings):
            try:
                drawn.append(drawings[spec.name]())
            except Exception as error:
                told.append(f"figure {spec.name}: {type(error).__name__}: {error}")
        return drawn, told

    def _finishing(self, names: Iterable[str]) -> Iterator[str]:
        """Give first the experiments that are in no queue, then the queued ones as they finish."""
        yield from (name for name in names if name not in self.queued)
        queued = {future: name for name, future in self.queued.items()}
        yield from (queued[future] for future in as_completed(queued))

    def _experiment(self, name: str) -> Mapping[str, Any]:
        """Return the record of an experiment: as it was, or made from the queue's result or by running it here."""
        from proofs_check.execute import run_experiment

        if name in self.queued:
            return self._record(name, self.queued[name].result())
        recorded = self._recorded(name)
        if recorded is not None:
            return recorded
        return self._record(name, run_experiment(name, self.level, self.seed, self.data))

    def _config(self, ident: str) -> dict[str, Any]:
        return {"claim": ident} | self.settings

    def _recorded(self, name: str) -> Mapping[str, Any] | None:
        """Return the record of an experiment if it has exactly these settings."""
        from sims.errors import BadInput
        from sims.records import read_record

        path = self.folder / f"{name}.json"
        if self.fresh or not path.exists():
            return None
        try:
            record = read_record(path)
        except BadInput:
            return None  # damaged: it is made again
        return record.model_dump() if record.config == self.settings else None

    def _record(self, name: str, result: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write the record of an experiment and return it as it reads, so that figures see what is kept."""
        from sims.records import Record, environment, read_record, write_record

        path = self.folder / f"{name}.json"
        write_record(
            path, Record(experiment=name, config=self.settings, result=dict(result), environment=environment())
        )
        return read_record(path).model_dump()


def _works(pool: Executor | None) -> bool:
    """Return whether the pool takes work: one that lost a process does not."""
    try:
        return pool is None or pool.submit(int) is not None
    except BrokenExecutor:
        return False


def _later(pool: Executor | None, function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """Return what gives the function's result: from the queue of a pool that works, else by calling it then."""
    with suppress(BrokenExecutor):
        if pool is not None:
            return pool.submit(function, *arguments).result
    return partial(function, *arguments)
