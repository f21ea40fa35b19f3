"""Every figure draws from its committed record, says what it shows, can be read at column width, and refuses others."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from paper_figs import remake
from paper_figs.gallery import GALLERY, FigureSpec
from paper_figs.records import COMMITTED, VERSION, load_record
from paper_figs.save import save
from paper_figs.style import COLUMN_WIDTH, SMALLEST_FONT
from proofs_check import experiments
from sims.errors import BadInput

SPECS = list(GALLERY.values())
THRESHOLDS = ("r(r+3)/2 > KN", "r(r+1)/2 > KN", "(r+1)(r+2)/2 > KN")

each_figure = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def drawn(spec: FigureSpec) -> Figure:
    return spec.draw(load_record(spec.experiment))


def legend_labels(figure: Figure) -> str:
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return "\n".join(text.get_text() for legend in legends for text in legend.get_texts())


def test_every_experiment_has_a_figure_and_every_figure_an_experiment() -> None:
    assert {spec.experiment for spec in SPECS} == set(experiments.EXPERIMENTS)
    assert all(name == spec.name and spec.title for name, spec in GALLERY.items())


@each_figure
def test_the_caption_takes_its_numbers_from_the_record(spec: FigureSpec) -> None:
    record = load_record(spec.experiment)
    told = spec.caption(record)
    assert told.endswith((".", ")."))
    assert "nan" not in told
    moved = spec.caption(record | {"result": _moved(record["result"])})
    numbers, others = (re.findall(r"\d+\.?\d*", text) for text in (told, moved))
    assert numbers != others
    with pytest.raises(BadInput, match="the record is of 'something else', expected"):
        spec.caption(record | {"experiment": "something else"})


def _moved(value: Any) -> Any:
    """Return the result with other real numbers, and with one where it counted none."""
    if isinstance(value, dict):
        return {key: _moved(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item) for item in value]
    if isinstance(value, float):
        return 1.3 * value - 0.2
    return 1 if value == 0 and not isinstance(value, bool) else value


def test_the_caption_of_the_factor_experiments_states_margins_and_edges() -> None:
    record = load_record("factor_training")
    told = GALLERY["factor_training"].caption(record)
    rows = [row for setting in record["result"]["settings"] for row in setting["rows"]]
    edge = sum(row["rate_at_edge"] for row in rows)
    assert f"({edge} of {len(rows)} arms chose one at the edge of their grid)" in told
    rte = next(s for s in record["result"]["settings"] if s["name"] == "glue-rte")
    means = {
        row["adapter"]: np.mean(row["test_accuracy"])
        for row in rte["rows"]
        if row["rank"] == 16 and row["start"] == "orthonormal"
    }
    difference = f"{means['a-only'] - means['b-only']:+.3f}".replace("-", "−")
    assert re.search(rf"RTE, MiniLM: [^A-Z]*{re.escape(difference)} \(0\.\d+\) at 16", told)


def test_captions_count_what_contradicts_them() -> None:
    record = load_record("landscape_phase")
    told = GALLERY["landscape_phase"].caption(record)
    assert "Generic features: 0 of " in told
    record["result"]["counts"]["generic_planted"]["spurious"][-1][0] = 1  # highest rank, one measurement
    assert "Generic features: 1 of " in GALLERY["landscape_phase"].caption(record)
    record = load_record("frontier")
    assert "Marks against the frontier r(r+3)/2 = KN: 0 of " in GALLERY["frontier"].caption(record)
    record["result"]["excluded"][0][-1] = True
    assert "Marks against the frontier r(r+3)/2 = KN: 1 of " in GALLERY["frontier"].caption(record)


@each_figure
def test_png_and_pdf_are_drawn_and_repeatable(spec: FigureSpec, tmp_path: Path) -> None:
    first, second = (save(drawn(spec), tmp_path / run, spec.name) for run in ("first", "second"))
    assert [path.suffix for path in first] == [".png", ".pdf"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    png, pdf = (path.read_bytes() for path in first)
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") >= 200 * COLUMN_WIDTH  # pixels: 200 dpi or more
    assert pdf.startswith(b"%PDF")
    assert b"/Type3" not in pdf
    for date in (b"CreationDate", b"tEXtDate", b"Creation Time"):
        assert date not in png + pdf


@each_figure
def test_nothing_is_cut_off_and_no_text_is_small(spec: FigureSpec) -> None:
    figure = drawn(spec)
    FigureCanvasAgg(figure).draw()  # runs the layout
    width, height = figure.get_size_inches()
    assert width == COLUMN_WIDTH
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()]
    assert min(sizes) >= SMALLEST_FONT


@each_figure
def test_titles_labels_and_legends_do_not_overlap(spec: FigureSpec) -> None:
    figure = drawn(spec)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [text for legend in figure.legends for text in (*legend.get_texts(), legend.get_title())]
    for axes in figure.axes:
        left_title = [text for text in axes.get_children() if isinstance(text, Text)]
        texts += [*left_title, axes.xaxis.label, axes.yaxis.label]
    boxes = [text.get_window_extent() for text in texts if text.get_visible() and text.get_text().strip()]
    assert len(boxes) > 2
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)


@each_figure
def test_axes_are_labelled_and_series_named(spec: FigureSpec) -> None:
    figure = drawn(spec)
    for axes in figure.axes:
        sharing = axes.get_shared_y_axes().get_siblings(axes)
        assert any(other.get_ylabel() for other in sharing)
    assert any(axes.get_xlabel() for axes in figure.axes)
    assert legend_labels(figure)


def test_the_phase_diagram_names_its_three_thresholds() -> None:
    labels = legend_labels(drawn(GALLERY["landscape_phase"]))
    for threshold in THRESHOLDS:
        assert threshold in labels


def test_the_phase_diagram_marks_cells_with_undecided_starts() -> None:
    record = load_record("landscape_phase")
    assert "undecided" not in legend_labels(GALLERY["landscape_phase"].draw(record))
    for setting in record["result"]["counts"].values():
        setting["unaccepted"][0][0] = 1
    assert "undecided" in legend_labels(GALLERY["landscape_phase"].draw(record))


@pytest.mark.parametrize("falling", [False, True])
def test_the_legend_of_the_step_sizes_keeps_off_the_curves(falling: bool) -> None:
    record = load_record("factor_training")
    part = record["result"]["steps"]["ranks"][0]
    if falling:  # as in a short run, where no step is too large yet
        part["train_loss"] = {kind: losses[::-1] for kind, losses in part["train_loss"].items()}
    figure = GALLERY["factor_training"].draw(record)
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[-1]
    box = axes.get_legend().get_window_extent()
    points = np.concatenate(
        [axes.transData.transform(line.get_xydata()) for line in axes.lines if len(line.get_xdata())]
    )
    assert len(points) > 10
    assert not any(box.contains(x, y) for x, y in points)


def test_ranks_of_the_training_curves_are_named() -> None:
    record = load_record("training_curves")["result"]
    labels = legend_labels(drawn(GALLERY["training_curves"]))
    for curve in record["curves"]:
        assert f"r = {curve['rank']}$" in labels
    assert "Pataki" in labels


@each_figure
def test_a_figure_refuses_other_records(spec: FigureSpec) -> None:
    record = load_record(spec.experiment)
    with pytest.raises(BadInput, match="the record is of 'something else', expected"):
        spec.draw(record | {"experiment": "something else"})
    with pytest.raises(BadInput, match=f"has version {VERSION + 1}, expected {VERSION}"):
        spec.draw(record | {"result": record["result"] | {"version": VERSION + 1}})


def test_missing_and_damaged_records_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no record of 'ntk_width' at .*: make it with"):
        load_record("ntk_width", tmp_path)
    (tmp_path / "ntk_width.json").write_text("{")
    with pytest.raises(BadInput, match="damaged"):
        load_record("ntk_width", tmp_path)
    (tmp_path / "ntk_width.json").write_text((COMMITTED / "rank_spectrum.json").read_text())
    with pytest.raises(BadInput, match="the record is of 'rank_spectrum', expected 'ntk_width'"):
        load_record("ntk_width", tmp_path)


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_committed_records_tell_nothing_about_the_machine(name: str) -> None:
    text = (COMMITTED / f"{name}.json").read_text()
    record = json.loads(text)
    assert record["config"]["level"] in ("quick", "full")
    assert {"code", "versions", "dtype"} <= set(record["environment"])
    single = ("factor_training", "factor_similarity", "certificates")
    assert record["environment"]["dtype"] == ("float32" if name in single else "float64")
    for leak in ("/home", "/work", "/tmp", "/Users", "hostname", "platform"):
        assert leak not in text


def test_remaking_an_unknown_record_says_so_and_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert remake.main(["nonsense"]) == 2
    assert capsys.readouterr().err.startswith("unknown experiment 'nonsense': expected one of landscape_phase")
