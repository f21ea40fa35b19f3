"""Existence frontier of strict spurious minima: KN over rank, every mark a proof."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from paper_figs.records import result_of
from paper_figs.style import BLUE, GREY, ORANGE, VERMILLION, column_figure, column_style

_MARKS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("exact", "exists: rational arithmetic", {"marker": "o", "color": BLUE, "markersize": 3.2}),
    (
        "interval",
        "exists with noise: interval Newton",
        {
            "marker": "o",
            "markerfacecolor": "none",
            "markeredgecolor": ORANGE,
            "markeredgewidth": 1.0,
            "markersize": 6.5,
        },
    ),
    ("excluded", "none found, none exists", {"marker": "x", "color": GREY, "markersize": 4.0}),
)


def draw_frontier(record: Mapping[str, Any]) -> Figure:
    """Return the chart of proved existence and non-existence with the curves r(r+3)/2 = KN and r(r+1)/2 = KN."""
    result = result_of(record, "frontier")
    ranks, counts = np.array(result["ranks"]), np.array(result["measurements"])
    along = np.linspace(0.7, ranks[-1] + 0.4, 200)
    with column_style():
        figure = column_figure(max(2.7, 1.3 + 0.11 * counts.size))  # room for the label beside few counts
        axes = figure.subplots()
        axes.plot(along, along * (along + 3) / 2, color=BLUE, linewidth=1.2, label="$r(r+3)/2 = KN$ (this project)")
        paper = along * (along + 1) / 2
        axes.plot(along, paper, color=VERMILLION, linestyle=(0, (4, 2)), linewidth=1.2, label="$r(r+1)/2 = KN$ (paper)")
        for name, label, style in _MARKS:
            rows, columns = np.nonzero(np.array(result[name], dtype=bool))
            axes.plot(ranks[rows], counts[columns], linestyle="none", label=label, zorder=3, **style)
        axes.set_xlim(along[0], along[-1])
        axes.set_ylim(0.3, counts[-1] + 0.7)
        axes.set_xlabel("rank $r$")
        axes.set_ylabel("number of measurements $KN$")
        axes.xaxis.set_major_locator(MultipleLocator(1))
        axes.yaxis.set_major_locator(MultipleLocator(2))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", borderaxespad=0.0)
    return figure


def caption_frontier(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the counts of the record."""
    result = result_of(record, "frontier")
    ranks, kn = np.array(result["ranks"])[:, None], np.array(result["measurements"])[None, :]
    found = {name: np.array(result[name], dtype=bool) for name, _, _ in _MARKS}
    exists, allowed = found["exact"] | found["interval"], ranks * (ranks + 3) <= 2 * kn
    against = int((exists & ~allowed).sum() + (found["excluded"] & allowed).sum())
    undecided = int((~exists & ~found["excluded"]).sum())
    return (
        "Rank and number of measurements KN at which features and targets with a strict spurious local minimum exist "
        f"(weight decay, squared loss, r < min(m, n)). Discs ({found['exact'].sum()}): features designed by a "
        f"semidefinite program, the minimum proved in rational arithmetic. Rings ({found['interval'].sum()}): after "
        f"noise of {result['noise']:g} on every feature entry, proved by interval Newton. Crosses "
        f"({found['excluded'].sum()}): the program's bound on the smallest off-gauge Hessian eigenvalue is zero or "
        "less, and it is proved in rational arithmetic that no features do. Marks against the frontier r(r+3)/2 = KN: "
        f"{against} of {exists.size}; undecided: {undecided}. The paper excludes KN < r(r+1)/2."
    )
