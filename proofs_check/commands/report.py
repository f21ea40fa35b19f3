"""`lora-theory report`: the main job. Every claim, every figure, one page; a second run continues the first."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from proofs_check.commands import _gallery, _options, _output
from proofs_check.commands.verify import check_data, executor, processes, selected

if TYPE_CHECKING:
    from sims.records import Record

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
    """
    from proofs_check.ledger import exit_code, table, to_json
    from proofs_check.report import write_report
    from sims.records import environment

    for folder in (out, out / "records", out / "figures"):
        _output.writable_folder(folder, "--out")
    idents = [claim.id for claim in selected((), None)]
    gallery = _gallery.installed()
    check_data(data)
    run = Run(out, level, seed, data, fresh)
    experiments = list(dict.fromkeys(spec.experiment for spec in gallery.figures.values()))
    specs = list(gallery.figures.values())
    shared = processes(workers, len(idents) + 4 * len(experiments))
    with _output.Answer(None).working(), _output.progress(len(idents) + len(experiments), "step") as bar:
        with executor(shared) as pool:
            # the experiments wait behind the claims in one queue, so that no process is idle between the two
            rows = run.claims(idents, pool, bar, on_queued=lambda: run.queue(experiments, pool))
            made = run.figures(specs, experiments, pool, bar) if _works(pool) else None
        if made is None:  # a claim has broken the pool, and what waited behind it is lost
            with executor(shared) as pool:
                run.queue(experiments, pool)
                made = run.figures(specs, experiments, pool, bar)
    figures, failures = made
    if run.outdated:
        reasons = ", ".join(sorted(set(run.outdated.values())))
        _output.say(f"{len(run.outdated)} records not taken, run again: {reasons}")
    _output.write(out / "ledger.json", to_json(rows))
    write_report(out, rows, figures, environment(), level=level, seed=seed)
    print(table(rows, _output.width()))
    print(f"{len(figures)} figures in {out / 'figures'}")
    print(f"report: {(out / 'index.html').resolve()}", flush=True)
    for failure in failures:
        _output.say(failure)
    return 1 if failures else exit_code(rows)


class Run:
    """One report: its settings, and what is already recorded for exactly these settings and this code.

    What other code made, or without data that are here now, is made again; ``outdated`` names it with the reason.
    """

    def __init__(self, out: Path, level: _options.Level, seed: int, data: str, fresh: bool) -> None:
        """Keep the settings; records lie in out/records."""
        from sims.records import RecordStore

        self.folder = out / "records"
        self.store = RecordStore(self.folder)
        self.level, self.seed, self.data, self.fresh = level, seed, data, fresh
        self.settings = {"level": level, "seed": seed, "data": data}
        self.queued: dict[str, Future[Record]] = {}  # experiments in a pool's queue
        self.outdated: dict[str, str] = {}

    def claims(
        self, idents: list[str], pool: Executor | None, bar: Any, on_queued: Callable[[], object] | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of the ledger, from records where finished; raises KeyboardInterrupt with a count."""
        from proofs_check.execute import run_many
        from proofs_check.registry import modules_of

        rows: dict[str, dict[str, Any]] = {}
        for ident in idents:
            if (row := self._recorded_row(ident)) is not None:
                rows[ident] = row | {"from_record": True}
                bar.update()

        def finished(row: dict[str, Any]) -> None:
            rows[row["id"]] = row
            if not row["error"]:  # what failed is tried again
                modules = modules_of(row["id"])
                self.store.put(self._config(row["id"]), row, *modules, experiment="claim", fresh=True)
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
        """Return the record of an experiment: as it was, or as it comes from the queue or from running it here."""
        from proofs_check.execute import run_experiment
        from sims.records import read_record, write_record

        recorded = None if name in self.queued else self._recorded(name)
        if recorded is not None:
            return recorded
        queued = self.queued.get(name)
        record = run_experiment(name, self.level, self.seed, self.data) if queued is None else queued.result()
        write_record(self.folder / f"{name}.json", record)
        return read_record(self.folder / f"{name}.json").model_dump()  # figures see what is kept

    def _config(self, ident: str) -> dict[str, Any]:
        return {"claim": ident} | self.settings

    def _recorded_row(self, ident: str) -> dict[str, Any] | None:
        """Return the row of a claim from its record if that still holds."""
        from proofs_check.registry import modules_of

        config = self._config(ident)
        if self.fresh or (row := self.store.get(config, *modules_of(ident))) is None:
            found = self.store.outdated.get(self.store.path(config).name)
            if found is not None and not self.fresh:
                self.outdated[ident] = found.words
            return None
        return row if self._still_found(ident, row["made"]) else None

    def _recorded(self, name: str) -> Mapping[str, Any] | None:
        """Return the record of an experiment if it has exactly these settings and still holds."""
        from proofs_check.execute import made_by
        from sims.errors import BadInput
        from sims.records import read_record
        from sims.standing import standing

        path = self.folder / f"{name}.json"
        if self.fresh or not path.exists():
            return None
        try:
            record = read_record(path)
        except BadInput:
            return None  # damaged: it is made again
        if record.config != self.settings:
            return None
        if words := standing(record.environment, made_by(name)).words:
            self.outdated[name] = words
            return None
        return record.model_dump() if self._still_found(name, record.environment) else None

    def _still_found(self, name: str, made: Mapping[str, Any]) -> bool:
        """Return whether what a result looked for (data, a pretrained encoder) is as present or missing as it was."""
        from sims.data import present
        from sims.used import unchanged

        if unchanged(made.get("looked_for", {}), present):
            return True
        self.outdated[name] = "made without data or packages that are here now, or with some that are not"
        return False


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
