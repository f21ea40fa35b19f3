"""Measured gaps of adapters beside their bounds, over rank and number of samples; and the same numbers as a table."""

from collections.abc import Mapping
from math import nan
from statistics import stdev
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figs.records import result_of
from paper_figs.style import BLACK, BLUE, GREEN, GREY, PURPLE, SMALLEST_FONT, VERMILLION, column_figure, column_style
from paper_figs.tables import Table
from paper_figs.words import joined, span

_ADAPTERS = {"b-only": "$B$ only", "a-only": "$A$ only", "lora": "$B$ and $A$"}
_NAMES = {"full": "full", "b-only": "B only", "a-only": "A only", "lora": "B and A"}
# key of the record, label, colour, marker, line style
_SERIES = (
    ("parameter_count", "1 bit a parameter", GREY, "v", "-"),
    ("e_cmi", "e-CMI", BLUE, "s", "-"),
    ("e_cmi_null", "its value without information", BLUE, "", (0, (1, 1.5))),
    ("ld_mi", "pooled, square root", PURPLE, "D", "-"),
    ("binary_kl", "pooled, binary kl", VERMILLION, "^", "-"),
    ("gap", "measured gap", BLACK, "o", "-"),
)
_COLUMNS = ("f_cmi", "e_cmi", "e_cmi_null", "ld_cmi", "ld_mi", "binary_kl", "parameter_count")


def draw_bounds_ladder(record: Mapping[str, Any]) -> Figure:
    """Return a grid: adapters downwards, numbers of samples across; ranks and the full head on each axis."""
    result = result_of(record, "bounds_ladder")
    rows = result["rows"]
    with column_style():
        figure = column_figure(4.6)
        grid = figure.subplots(len(_ADAPTERS), len(rows), sharey=True, squeeze=False)
        for across, row in enumerate(rows):
            for down, (kind, name) in enumerate(_ADAPTERS.items()):
                axes = grid[down, across]
                _panel(axes, row, kind)
                if down == 0:
                    axes.set_title(f"$n = {row['samples']}$")
                if across == 0:
                    axes.set_ylabel(name)
                if down == len(_ADAPTERS) - 1 and across == len(rows) // 2:
                    axes.set_xlabel("rank")
        lowest = min(cell["gap"] for row in rows for cell in row["cells"])
        grid[0, 0].set_ylim(0.7 * lowest if lowest > 0 else 1e-3, 6.0)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, columnspacing=1.0)
    return figure


def _panel(axes: Axes, row: Mapping[str, Any], kind: str) -> None:
    """Every series over the ranks of one adapter; the full head last, apart from the line."""
    cells = [cell for cell in row["cells"] if cell["adapter"] == kind]
    (full,) = (cell for cell in row["cells"] if cell["adapter"] == "full")
    places, last = range(len(cells)), len(cells) + 0.15
    for key, label, colour, marker, style in _SERIES:
        looks: dict[str, Any] = {"color": colour, "marker": marker or None, "linewidth": 0.9, "markersize": 2.6}
        axes.plot(places, [_shown(cell[key]) for cell in cells], linestyle=style, label=label, **looks)
        if marker:
            axes.plot([last], [_shown(full[key])], linestyle="none", fillstyle="none", **looks)
        else:
            axes.plot([last - 0.3, last + 0.3], [_shown(full[key])] * 2, linestyle=style, **looks)
    axes.axhline(1.0, color=GREEN, linewidth=0.6, label="vacuous above")
    axes.set_yscale("log")
    axes.set_xticks([*places, last], labels=[*(str(cell["rank"]) for cell in cells), "full"])
    axes.set_xlim(-0.3, last + 0.4)
    axes.tick_params(axis="x", labelsize=SMALLEST_FONT)
    axes.minorticks_off()


def _shown(value: float) -> float:
    """Return the value, or NaN, which is not drawn, where a log axis has no place for it."""
    return value if value > 0 else nan


def bounds_table(record: Mapping[str, Any]) -> Table:
    """Return one line for every number of samples and adapter: training error, gap, its spread, bounds.

    The spread is the standard deviation over supersamples, each with its own frozen factors; none from a single one.
    """
    result = result_of(record, "bounds_ladder")
    bounds = (name.replace("_", " ") for name in _COLUMNS)
    columns = ("n", "adapter", "rank", "parameters", "train", "gap", "gap s.d.", *bounds)
    lines = [
        (
            row["samples"],
            _NAMES[cell["adapter"]],
            cell["rank"] or None,
            cell["parameters"],
            cell["train"],
            cell["gap"],
            stdev(cell["gaps"]) if len(cell["gaps"]) > 1 else None,
            *(cell[name] for name in _COLUMNS),
        )
        for row in result["rows"]
        for cell in row["cells"]
    ]
    return Table(columns, tuple(lines))


def caption_bounds_ladder(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the numbers of the record."""
    result = result_of(record, "bounds_ladder")
    gaps = {
        (row["samples"], cell["adapter"], cell["rank"]): cell["gap"] for row in result["rows"] for cell in row["cells"]
    }
    pairs = [
        (gaps[n, "a-only", rank], gap)
        for (n, kind, rank), gap in gaps.items()
        if kind == "b-only" and (n, "a-only", rank) in gaps
    ]
    ahead = sum(a > b for a, b in pairs)
    masks = joined(sorted({row["masks"] for row in result["rows"]}))
    return (
        f"Head of ten outputs on {result['width']} frozen random ReLU features, ridge in closed form. Black: 0-1 error "
        "left out minus training error. e-CMI: mean over rows of √(2I) from the two losses of a row, estimated with "
        f"{masks} trainings a supersample; dotted: what that estimate is when the masks tell nothing, a floor that "
        "does not fall with n. Pooled over rows the bias is negligible; binary kl and square root use the same "
        "information. Grey: bound of a quantised adapter of one bit a parameter, for comparison of scale only, as "
        f"these are not quantised. At equal rank and n the gap of A only is larger than that of B only in {ahead} of "
        f"{len(pairs)} cases, by {span([a - b for a, b in pairs])}; here it has more parameters ({result['width']} "
        "inputs, ten outputs), and at low rank it depends on the frozen B that was drawn (the table has the spread). "
        "Open marks: the full head. All of these bound the mean over samples, not one run."
    )
