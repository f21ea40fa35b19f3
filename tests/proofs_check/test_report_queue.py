"""How a report shares its work: one queue for claims, experiments and figures, and compiled programs that are kept."""

from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from proofs_check import compile_cache, execute
from proofs_check.commands import _gallery, _places, report
from tests.proofs_check import fake_claims


class Pool(ThreadPoolExecutor):
    """A thread in place of processes, which notes what it is given and breaks once after ``limit`` tasks."""

    slots = None

    def __init__(self, limit: float) -> None:
        super().__init__(1)
        self.limit, self.given, self.renewed = limit, list[str](), 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if len(self.given) >= self.limit:
            raise BrokenExecutor("a process was lost")
        self.given.append(fn.__name__)
        return super().submit(fn, *args, **kwargs)

    def renew(self) -> None:
        self.limit, self.renewed = float("inf"), self.renewed + 1


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Pool]]:
    """Return a function that puts pools with these limits in place, one after the other."""

    def install(*limits: float) -> list[Pool]:
        made = [Pool(limit) for limit in limits]
        waiting = iter(made)

        @contextmanager
        def place(*_: Any) -> Iterator[Pool]:
            with next(waiting) as pool:
                yield pool

        monkeypatch.setattr(_places, "place", place)
        return made

    return install


def test_experiments_wait_behind_the_claims_and_figures_behind_them(run, claims, gallery, pools, tmp_path):
    (pool,) = pools(float("inf"))
    code, _, err = run("report", "--level", "smoke", "--out", tmp_path)
    assert (code, err.replace("noise on stdout\n", "")) == (0, "")
    assert pool.given[:5] == ["run_claim"] * 3 + ["run_experiment"] * 2
    assert pool.given.count("draw") == 2
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        *("phase.pdf", "phase.png", "spectrum.pdf", "spectrum.png")
    ]
    assert gallery.runs == {"waves": 1, "tides": 1}


def test_what_is_recorded_is_drawn_but_not_queued(run, claims, gallery, pools, tmp_path):
    pools(float("inf"))
    run("report", "--level", "smoke", "--out", tmp_path)
    (tmp_path / "records/tides.json").unlink()
    (pool,) = pools(float("inf"))
    assert run("report", "--level", "smoke", "--out", tmp_path)[0] == 0
    assert (pool.given.count("run_experiment"), pool.given.count("draw")) == (1, 2)
    assert gallery.runs == {"waves": 1, "tides": 2}


@pytest.mark.parametrize("limit", [0, 1, 3, 4, 6])
def test_a_pool_that_breaks_is_replaced_and_nothing_is_lost(run, claims, gallery, pools, tmp_path, limit):
    (pool,) = pools(limit)
    code, text, _ = run("report", "--level", "smoke", "--out", tmp_path)
    assert (code, pool.renewed) == (0, 1)
    assert "3 claims, 3 as expected" in text
    assert "2 figures" in text
    assert gallery.runs == {"waves": 1, "tides": 1}


def test_long_experiments_are_started_first(run, claims, gallery, pools, monkeypatch, tmp_path):
    monkeypatch.setattr(report, "_LONG", ("tides",))
    started: list[str] = []
    for name in ("waves", "tides"):
        gallery.experiments[name] = lambda *_, name=name: started.append(name) or {"numbers": [1.0]}
    pools(float("inf"))
    _, text, _ = run("report", "--level", "smoke", "--out", tmp_path)
    assert started == ["tides", "waves"]
    assert "2 figures" in text


def test_experiments_and_claims_keep_their_compiled_programs(claims, gallery, monkeypatch):
    enabled: list[int] = []
    monkeypatch.setattr(compile_cache, "enable", lambda: enabled.append(1))
    execute.run_experiment("waves", "smoke", 0, "digits")
    assert len(enabled) == 1
    execute.run_claim("NTK-A", "smoke", 0, "digits")
    assert len(enabled) == 2


def test_a_figure_is_laid_out_once_for_both_files(monkeypatch, tmp_path):
    laid_out: list[int] = []
    execute_layout = ConstrainedLayoutEngine.execute

    def counted(self: ConstrainedLayoutEngine, figure: Figure) -> Any:
        laid_out.append(1)
        return execute_layout(self, figure)

    def draw(record: Any) -> Figure:
        figure = Figure(figsize=(2, 2), layout="constrained")
        figure.subplots().plot(record["result"]["numbers"])
        return figure

    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", counted)
    spec = fake_claims.figure_spec("waves", "waves")
    spec.draw = draw
    _gallery.draw(spec, {"result": {"numbers": [1, 2]}}, tmp_path)
    assert len(laid_out) == 1
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".pdf"}
