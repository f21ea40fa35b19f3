"""Certificates of coded adapters beside their test errors, over the bits of the code."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from paper_figs.records import result_of
from paper_figs.style import BLACK, BLUE, GREEN, GREY, PURPLE, SKY, VERMILLION, column_figure, column_style
from paper_figs.tables import Table

# (adapter, frozen): colour, marker, name
_SERIES = {
    ("b-only", "public"): (BLUE, "o", "B-only, A from public data"),
    ("b-only", "random"): (SKY, "s", "B-only, random A"),
    ("a-only", "random"): (VERMILLION, "^", "A-only"),
    ("lora", None): (GREEN, "D", "BA"),
    ("full", None): (PURPLE, "v", "full"),
}
_TITLES = {"digits": "digits", "mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}


def draw_certificates(record: Mapping[str, Any]) -> Figure:
    """Return one panel a data set (head of zeros): kl certificate and test error of every adapter over its bits."""
    result = result_of(record, "certificates")
    panels = [p for p in result["panels"] if p["backbone"] == "relu" and p["head_labels"] == 0]
    with column_style():
        figure = column_figure(0.75 + 1.45 * len(panels))
        rows = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
        for axes, panel in zip(rows, panels, strict=True):
            for (adapter, frozen), (colour, marker, _) in _SERIES.items():
                points = [
                    row
                    for row in panel["rows"]
                    if (row["adapter"], row["frozen"], row["method"]) == (adapter, frozen, "softmax")
                ]
                bits = [row["bits"] for row in points]
                axes.plot(bits, [row["kl"] for row in points], color=colour, marker=marker, markersize=3.6, zorder=3)
                axes.plot(
                    bits,
                    [row["test_error"] for row in points],
                    color=colour,
                    marker=marker,
                    markersize=3.0,
                    markerfacecolor="white",
                    markeredgewidth=0.7,
                    linewidth=0.6,
                    linestyle=(0, (2, 2)),
                )
            best = panel["best_of"]["kl"]
            axes.axhline(best, color=GREY, linewidth=0.7, linestyle=(0, (5, 3)))
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda bits, _: f"{bits:.0f}"))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_ylim(0.0, 1.0)
            name = _TITLES.get(panel["data"], panel["data"])
            axes.set_title(f"{name}: $n = {panel['samples']}$, best of {len(panel['rows'])}: {best:.3f}")
            axes.set_ylabel("error")
        rows[-1].set_xlabel("bits of the coded adapter")
        handles = [
            Line2D([], [], color=colour, marker=marker, markersize=3.6, label=name)
            for colour, marker, name in _SERIES.values()
        ]
        handles += [
            Line2D([], [], color=BLACK, label="certificate"),
            Line2D(
                [],
                [],
                color=BLACK,
                marker="o",
                markersize=3.0,
                markerfacecolor="white",
                markeredgewidth=0.7,
                linewidth=0.6,
                linestyle=(0, (2, 2)),
                label="test error",
            ),
            Line2D([], [], color=GREY, linewidth=0.7, linestyle=(0, (5, 3)), label="best of all, charged"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2, columnspacing=1.0)
    return figure


def certificates_table(record: Mapping[str, Any]) -> Table:
    """Return one row an adapter: sizes, errors of the decoded adapter, the three certificates."""
    result = result_of(record, "certificates")
    columns = (
        "data",
        "backbone",
        "head labels",
        "n",
        "adapter",
        "rank",
        "frozen",
        "trained by",
        "bits",
        "train error",
        "test error",
        "Hoeffding",
        "kl",
        "binomial",
    )
    keys = ("adapter", "rank", "frozen", "method", "bits", "train_error", "test_error", "hoeffding", "kl", "binomial")
    return Table(
        columns,
        tuple(
            (panel["data"], panel["backbone"], panel["head_labels"], panel["samples"], *(row[key] for key in keys))
            for panel in result["panels"]
            for row in panel["rows"]
        ),
    )
