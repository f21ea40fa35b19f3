"""Phase diagram of the factored landscape: rank against KN, with the three thresholds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MultipleLocator

from paper_figs.records import result_of
from paper_figs.style import BLACK, ORANGE, VERMILLION, column_figure, column_style

_PANELS = (
    ("generic_planted", "(a) generic features, near the planted point"),
    ("generic_random", "(b) generic features, small random starts"),
    ("exact_planted", "(c) exact features, near the planted point, $P = 0$"),
)
# Each line runs below the first rank that satisfies its condition. The step functions touch almost everywhere:
# dashes and dots lie on the solid line, and both stay visible.
_LINES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("sharp_rank", "no spurious, generic features: $r(r+3)/2 > KN$", {"color": ORANGE, "linewidth": 2.6}),
    ("pataki_rank", r"existence (Pataki): $(r+1)(r+2)/2 > KN$", {"color": BLACK, "linestyle": (0, (1, 1.5))}),
    ("paper_rank", "no spurious, random $P$ (paper): $r(r+1)/2 > KN$", {"color": VERMILLION, "linestyle": (0, (4, 2))}),
)


def draw_landscape_phase(record: Mapping[str, Any]) -> Figure:
    """Return three heat maps of the fraction of starts that end in a certified spurious second-order point."""
    result = result_of(record, "landscape_phase")
    with column_style():
        figure = column_figure(1.35 + 0.2 * 3 * len(result["ranks"]))
        panels = figure.subplots(3, 1, sharex=True, sharey=True)
        for axes, (setting, title) in zip(panels, _PANELS, strict=True):
            image = _panel(axes, result, setting)
            axes.set_title(title, loc="left", pad=3)
            axes.set_ylabel("rank $r$")
        panels[-1].set_xlabel("number of measurements $KN$")
        bar = figure.colorbar(image, ax=panels, fraction=0.05, pad=0.02, ticks=(0, 0.5, 1))
        bar.set_label("fraction of starts ending spurious (white: none)")
        bar.outline.set_linewidth(0.5)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", borderaxespad=0.0)
    return figure


def _panel(axes: Axes, result: Mapping[str, Any], setting: str) -> Any:
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
    for key, label, style in _LINES:
        stairs = axes.stairs(np.array(result[key]) - 0.5, edges, baseline=None, label=label, linewidth=1.2)
        stairs.set(path_effects=[withStroke(linewidth=style.get("linewidth", 1.2) + 0.8, foreground="white")], **style)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(rows[0], rows[-1])
    axes.yaxis.set_major_locator(MultipleLocator(1))
    axes.xaxis.set_major_locator(MultipleLocator(2))
    return image


def _colours() -> Colormap:
    """Return blues without the palest and the darkest: one trapped start differs from none, and lines stay visible."""
    return LinearSegmentedColormap.from_list("blues", colormaps["Blues"](np.linspace(0.2, 0.72, 64)))
