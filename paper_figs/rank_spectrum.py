"""Spectrum of a minimiser before and after the rank reduction."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from paper_figs.records import result_of
from paper_figs.style import BLACK, BLUE, VERMILLION, column_figure, column_style
from paper_figs.words import number


def draw_rank_spectrum(record: Mapping[str, Any]) -> Figure:
    """Return two panels of singular values against their index, with the largest rank that KN allows."""
    result = result_of(record, "rank_spectrum")
    with column_style():
        figure = column_figure(2.1)
        left, right = figure.subplots(1, 2, sharey=True)
        _panel(left, result["least_norm"], r"(a) $\lambda = 0$, least norm")
        _panel(right, result["degenerate"], r"(b) $\lambda > 0$, degenerate")
        left.set_ylabel("singular value")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, columnspacing=1.2)
    return figure


def _panel(axes: Axes, part: Mapping[str, Any], title: str) -> None:
    budget = part["pataki_rank"]
    for name, colour, marker, face in (("before", BLUE, "o", "white"), ("after", VERMILLION, "s", VERMILLION)):
        values = part[name]
        axes.plot(
            range(1, len(values) + 1),
            values,
            color=colour,
            marker=marker,
            markerfacecolor=face,
            markeredgewidth=0.7,
            linewidth=0.5,
            label=f"{name} reduction",
        )
    axes.axvline(budget, color=BLACK, linestyle=(0, (1, 1.5)), label="$r(r+1)/2 \\leq KN$")
    axes.set_yscale("log")
    axes.set_xlim(0, len(part["before"]) + 1)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_title(f"{title}\n$KN = {part['measurements']}$, so $r \\leq {budget}$", loc="left")
    axes.set_xlabel("index")


def caption_rank_spectrum(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the ranks of the record."""
    result = result_of(record, "rank_spectrum")

    def told(part: Mapping[str, Any]) -> str:
        change = abs(part["objective_after"] - part["objective_before"])
        return (
            f"rank {len(part['before'])} before, {len(part['after'])} after, objective changed by {number(change)}, "
            f"largest r with r(r+1)/2 ≤ KN = {part['measurements']}: {part['pataki_rank']}"
        )

    return (
        "Singular values of a minimiser before and after the rank reduction. Left: least-norm solution without weight "
        f"decay, tangent features of a random frozen network ({told(result['least_norm'])}). Right: an instance with "
        f"weight decay whose planted minimiser has full rank ({told(result['degenerate'])}). Dotted line: the largest "
        "such r."
    )
