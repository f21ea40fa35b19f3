"""`lora-theory report`: the main job. Every claim, every figure, one page; a second run continues the first."""

from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from proofs_check.commands import _gallery, _options, _output
from proofs_check.commands.verify import check_data, executor, processes, selected


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
    with _output.Answer(None).working(), _output.progress(len(idents) + len(experiments), "step") as bar:
        with executor(processes(workers, len(idents))) as pool:
            rows = run.claims(idents, pool, bar)
        with executor(processes(workers, 4 * len(experiments))) as pool:  # its own: a claim may have broken the other
            records, failures = run.experiments(experiments, pool, bar)
            figures = run.figures(
                [spec for spec in gallery.figures.values() if spec.experiment in records], records, pool, failures
            )
    _output.write(out / "ledger.json", to_json(rows))
    write_report(out, rows, figures, environment(), level=level, seed=seed)
    print(table(rows, _output.width()))
    print(f"{len(figures)} figures in {out / 'figures'}")
    print(f"report: {(out / 'index.html').resolve()}", flush=True)
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

    def claims(self, idents: list[str], pool: Executor | None, bar: Any) -> list[dict[str, Any]]:
        """Return the rows of the ledger, from records where finished; raises KeyboardInterrupt with a count."""
        from proofs_check.execute import run_many

        rows: dict[str, dict[str, Any]] = {}
        for ident in idents:
            config = self._config(ident)
            if self.fresh:
                self.store.path(config).unlink(missing_ok=True)
            elif (row := self.store.get(config)) is not None:
                rows[ident] = row | {"from_record": True}
                bar.update()

        def finished(row: dict[str, Any]) -> None:
            rows[row["id"]] = row
            if not row["error"]:  # what failed is tried again
                self.store.put(self._config(row["id"]), row, experiment="claim")
            bar.update()

        try:
            missing = [ident for ident in idents if ident not in rows]
            run_many(missing, self.level, self.seed, self.data, pool, finished)
        except KeyboardInterrupt as stop:
            kept = f"{len(rows)} of {len(idents)} claims finished and kept in {self.folder}"
            raise type(stop)(f"{kept}; the same command continues") from None
        return [rows[ident] for ident in idents]

    def experiments(
        self, names: list[str], pool: Executor | None, bar: Any
    ) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
        """Return the records of the figures' experiments by name, and one line for each that failed."""
        from proofs_check.execute import one_line, run_experiment

        found: dict[str, Mapping[str, Any]] = {}
        failures = []
        recorded = {name: record for name in names if (record := self._recorded(name)) is not None}
        waiting = [name for name in names if name not in recorded]
        settings = (self.level, self.seed, self.data)
        futures = {name: pool.submit(run_experiment, name, *settings) for name in waiting} if pool else {}
        for name in names:
            try:
                if name in recorded:
                    found[name] = recorded[name]
                else:
                    result = futures[name].result() if name in futures else run_experiment(name, *settings)
                    found[name] = self._record(name, result)
            except KeyboardInterrupt as stop:
                raise type(stop)(
                    f"claims and {len(found)} of {len(names)} experiments are kept in {self.folder}"
                ) from None
            except Exception as error:
                failures.append(f"experiment {name}: {one_line(error)}")
            bar.update()
        return found, failures

    def figures(
        self, specs: list[Any], records: Mapping[str, Mapping[str, Any]], pool: Executor | None, failures: list[str]
    ) -> list[dict[str, Any]]:
        """Return what `_gallery.draw` says of each figure; one line goes to ``failures`` for each that failed."""
        folder = self.folder.parent / "figures"
        futures = [pool.submit(_gallery.draw, s, records[s.experiment], folder) for s in specs] if pool else []
        drawn = []
        for position, spec in enumerate(specs):
            try:
                drawn.append(
                    futures[position].result() if futures else _gallery.draw(spec, records[spec.experiment], folder)
                )
            except Exception as error:
                failures.append(f"figure {spec.name}: {type(error).__name__}: {error}")
        return drawn

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
