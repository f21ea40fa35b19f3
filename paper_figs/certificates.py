"""Certificates of coded adapters beside their test errors, over the bits of the code."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from paper_figs.records import result_of
from paper_figs.style import BLACK, BLUE, GREEN, GREY, PURPLE, SKY, VERMILLION, column_figure, column_style
from paper_figs.tables import Table
from paper_figs.words import data_name, joined

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


def caption_certificates(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the best adapters of the record."""
    result = result_of(record, "certificates")
    told, ahead = [], []
    for panel in result["panels"]:
        if panel["backbone"] != "relu" or panel["head_labels"]:
            continue
        name, rows = data_name(panel["data"]), [row for row in panel["rows"] if row["method"] == "softmax"]
        best = min(rows, key=lambda row: row["kl"])
        other = min((row for row in rows if row["adapter"] != best["adapter"]), key=lambda row: row["kl"])
        told.append(f"{name}: {_told(best)}; best of another kind {_told(other)}")
        own = {row["rank"]: row["kl"] for row in rows if row["adapter"] == "b-only" and row["frozen"] == "public"}
        ahead += [
            f"{_KIND[row['adapter']]} at rank {row['rank']} on {name}"
            for row in rows
            if row["adapter"] != "b-only" and row["kl"] < own.get(row["rank"], 0.0)
        ]
    return (
        "Adapters of a head of zeros on frozen random ReLU features, trained by softmax regression on n examples, "
        "quantised, coded into a string and decoded. Filled: bound of the error that holds with probability "
        f"{1 - result['delta']:g} for this adapter alone (relative entropy, bits of the string). Hollow: test error of "
        "the same adapter. Lines join ranks. Dashed: the best of all adapters, the bits of choosing it charged. "
        f"Smallest bounds: {'. '.join(told)}. Tighter than B-only with a public A at equal rank: {joined(ahead)}; "
        "B-only sees r of the features only, and gains by rank."
    )


_KIND = {"b-only": "B-only", "a-only": "A-only", "lora": "BA", "full": "full"}


def _told(row: Mapping[str, Any]) -> str:
    rank = f" at rank {row['rank']}" if row["rank"] else ""
    frozen = f", {row['frozen']} frozen factor" if row["frozen"] else ""
    named = f"{_KIND[row['adapter']]}{rank}{frozen}"
    return f"{named} {row['kl']:.3f} (test error {row['test_error']:.3f}, {row['bits']} bits)"
