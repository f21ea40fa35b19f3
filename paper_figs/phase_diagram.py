"""Heat maps over KN and rank: the fraction of starts that end in a certified spurious point, with lines of theory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from paper_figs.style import BLACK, column_figure, column_style

Lines = Callable[[Axes, Mapping[str, Any], np.ndarray, np.ndarray], None]


def phase_diagram(
    result: Mapping[str, Any], panels: Sequence[tuple[str, str]], lines: Lines, *, header: float, tick: int
) -> Figure:
    """Return one heat map a panel (setting, title), one above the other.

    ``lines(axes, result, edges, rows)`` draws the theory's lines over cells with these edges. ``header`` is the height
    in inches that titles, legend and axis labels take; ``tick`` the distance of ticks along KN.
    """
    with column_style():
        figure = column_figure(header + 0.2 * len(panels) * len(result["ranks"]))
        every = figure.subplots(len(panels), 1, sharex=True, sharey=True)
        for axes, (setting, title) in zip(every, panels, strict=True):
            image = _panel(axes, result, setting, lines, tick)
            axes.set_title(title, loc="left", pad=3)
            axes.set_ylabel("rank $r$")
        every[-1].set_xlabel("number of measurements $KN$")
        bar = figure.colorbar(image, ax=every, fraction=0.05, pad=0.02, ticks=(0, 0.5, 1))
        bar.set_label("fraction of starts ending spurious (white: none)")
        bar.outline.set_linewidth(0.5)
        # a mark may be in one panel only
        named = {label: handle for axes in every for handle, label in zip(*axes.get_legend_handles_labels())}
        figure.legend(list(named.values()), list(named), loc="outside upper left", borderaxespad=0.0)
    return figure


def _panel(axes: Axes, result: Mapping[str, Any], setting: str, lines: Lines, tick: int) -> Any:
    ranks, columns = result["ranks"], result["measurements"]
    counts = {outcome: np.array(table) for outcome, table in result["counts"][setting].items()}
    edges = np.append(np.array(columns) - 0.5, columns[-1] + 0.5)
    rows = np.append(np.array(ranks) - 0.5, ranks[-1] + 0.5)
    shown = np.ma.masked_equal(counts["spurious"], 0) / result["starts_per_cell"]
    image = axes.pcolormesh(edges, rows, shown, cmap=_colours(), vmin=0, vmax=1)
    axes.hlines(rows[1:-1], edges[0], edges[-1], color="#d0d0d0", linewidth=0.3)
    axes.vlines(edges[1:-1], rows[0], rows[-1], color="#d0d0d0", linewidth=0.3)
    undecided = np.argwhere(counts["unaccepted"] + counts["unclear"] > 0)
    if undecided.size:
        axes.plot(
            np.array(columns)[undecided[:, 1]],
            np.array(ranks)[undecided[:, 0]],
            linestyle="none",
            marker="x",
            color=BLACK,
            label="some starts undecided",
        )
    lines(axes, result, edges, rows)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(rows[0], rows[-1])
    axes.yaxis.set_major_locator(MultipleLocator(1))
    axes.xaxis.set_major_locator(MultipleLocator(tick))
    return image


def _colours() -> Colormap:
    """Return blues without the palest and the darkest: one trapped start differs from none, and lines stay visible."""
    return LinearSegmentedColormap.from_list("blues", colormaps["Blues"](np.linspace(0.2, 0.72, 64)))


def trapped_cells(result: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return, by setting, which cells (ranks x measurements) have a start that ends in a certified spurious point."""
    return {name: np.array(counts["spurious"]) > 0 for name, counts in result["counts"].items()}


def trapped_words(trapped: np.ndarray, where: np.ndarray) -> str:
    """Return in words how many of these cells trap a start."""
    return f"{(trapped & where).sum()} of {where.sum()} cells trap a start"


def share_words(result: Mapping[str, Any], setting: str, where: np.ndarray) -> str:
    """Return the smallest and the largest share of trapped starts in these cells as per cent."""
    shares = 100.0 * np.array(result["counts"][setting]["spurious"])[where] / result["starts_per_cell"]
    return f"{shares.min():.0f} to {shares.max():.0f} %" if shares.size else "none"


def undecided_words(result: Mapping[str, Any], settings: Sequence[str] | None = None) -> str:
    """Return how many starts of these settings (default: all) ended undecided."""
    chosen = [result["counts"][name] for name in (settings or result["counts"])]
    undecided = sum(int(np.sum(counts["unaccepted"]) + np.sum(counts["unclear"])) for counts in chosen)
    total = sum(np.size(counts["spurious"]) for counts in chosen) * result["starts_per_cell"]
    return f"{undecided} of {total} starts ended undecided."
