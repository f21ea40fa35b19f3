"""Which factor fits better: the measured log ratio as heat maps, and both predictions against it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from paper_figs.records import result_of
from paper_figs.style import BLACK, COLOURS, GREY, MARKERS, column_figure, column_style
from paper_figs.words import count, number

_LIMIT = 4.0  # of the colours: e^4 is 55
_THETA_STYLE = (0, (3, 2))


def draw_asymmetry_boundary(record: Mapping[str, Any]) -> Figure:
    """Return a heat map for every decay and rank with the lines Theta_r = 1 and Theta = 1, and two scatter plots."""
    result = result_of(record, "asymmetry_boundary")
    panels = result["panels"]
    ranks = sorted({panel["rank"] for panel in panels})
    rows = len(panels) // len(ranks)
    with column_style():
        figure = column_figure(0.95 * rows + 2.45)
        grid = figure.add_gridspec(2, 1, height_ratios=(0.95 * rows + 0.75, 1.7))
        upper, lower = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
        axes = upper.subplots(rows, len(ranks), sharex=True, sharey=True, squeeze=False)
        for place, panel in zip(axes.flat, panels, strict=True):
            image = _map(place, result, panel)
        for place in axes[-1]:
            place.set_xlabel(r"$\log_2\,(d_{out}/d_{in})$")
        for place in axes[:, 0]:
            place.set_ylabel("alignment $a$")
        bar = upper.colorbar(image, ax=axes, fraction=0.05, pad=0.02, extend="both", ticks=(-4, -2, 0, 2, 4))
        bar.set_label(r"$\ln$ (mean $II_A$ / mean $II_B$)")
        bar.outline.set_linewidth(0.5)
        upper.legend(handles=_handles(panels), loc="outside upper center", ncols=2, columnspacing=1.0)
        _scatter(lower, result, ranks)
    return figure


def _map(axes: Axes, result: Mapping[str, Any], panel: Mapping[str, Any]) -> Any:
    """Draw the measured numbers of one panel with both lines and the marks."""
    x = np.array([np.log2(d_out / d_in) for d_out, d_in in result["shapes"]])
    y = np.array(result["alignments"])
    measured = np.array(panel["measured"])
    image = axes.pcolormesh(x, y, measured, cmap="RdBu", vmin=-_LIMIT, vmax=_LIMIT, shading="nearest", rasterized=True)
    axes.contour(x, y, panel["log_theta_r"], levels=[0.0], colors=BLACK, linewidths=1.1)
    axes.contour(x, y, panel["log_theta"], levels=[0.0], colors=BLACK, linewidths=0.8, linestyles=[_THETA_STYLE])
    for cells, marker, size in ((~np.array(panel["decided"]), ".", 1.5), (_wrong(panel, "log_theta"), "x", 3.0)):
        at = np.argwhere(cells)
        axes.plot(x[at[:, 1]], y[at[:, 0]], linestyle="none", marker=marker, markersize=size, color=BLACK)
    axes.set_title(f"$\\sigma_k = k^{{-{panel['decay']:g}}}$, $r = {panel['rank']}$", loc="left", pad=2)
    axes.set_xticks((-4, -2, 0, 2, 4))
    axes.set_yticks((-2, -1, 0, 1, 2))
    return image


def _wrong(panel: Mapping[str, Any], prediction: str) -> np.ndarray:
    """Return the decided cells whose sign this prediction has wrong."""
    opposite = np.sign(panel[prediction]) * np.sign(panel["measured"]) < 0
    return opposite & np.array(panel["decided"])


def _handles(panels: Sequence[Mapping[str, Any]]) -> list[Line2D]:
    """Return the legend of the heat maps; marks that occur nowhere are left out."""
    handles = [
        Line2D([], [], color=BLACK, linewidth=1.1, label=r"$\Theta_r = 1$"),
        Line2D([], [], color=BLACK, linewidth=0.8, linestyle=_THETA_STYLE, label=r"$\Theta = 1$"),
    ]
    if any(not all(map(all, panel["decided"])) for panel in panels):
        handles.append(Line2D([], [], color=BLACK, linestyle="none", marker=".", markersize=2, label="sign undecided"))
    if any(_wrong(panel, "log_theta").any() for panel in panels):
        handles.append(Line2D([], [], color=BLACK, linestyle="none", marker="x", label=r"$\Theta$ wrong"))
    return handles


def _scatter(figure: SubFigure, result: Mapping[str, Any], ranks: Sequence[int]) -> None:
    """Draw every cell, measured against each prediction."""
    every = figure.subplots(1, 2, sharex=True, sharey=True)
    names = (("log_theta_r", "theta_r", r"\Theta_r"), ("log_theta", "theta", r"\Theta"))
    for axes, (key, name, symbol) in zip(every, names, strict=True):
        for position, rank in enumerate(ranks):
            chosen = [panel for panel in result["panels"] if panel["rank"] == rank]
            axes.plot(
                np.concatenate([np.ravel(panel[key]) for panel in chosen]),
                np.concatenate([np.ravel(panel["measured"]) for panel in chosen]),
                linestyle="none",
                marker=MARKERS[position],
                markersize=1.8,
                markeredgewidth=0.3,
                markerfacecolor="none",
                color=COLOURS[position],
                label=f"$r = {rank}$",
            )
        axes.axline((0, 0), slope=1, color=GREY, linewidth=0.6)
        axes.axhline(0, color=GREY, linewidth=0.4)
        axes.axvline(0, color=GREY, linewidth=0.4)
        wrong, decided = result["summary"][name]["wrong"], result["summary"]["decided"]
        axes.set_title(f"wrong: {wrong} of {decided}", loc="left", pad=2)
        axes.set_xlabel(f"$\\ln\\,{symbol}$")
    for axis in (every[0].xaxis, every[0].yaxis):
        axis.set_major_locator(MultipleLocator(4))
    every[0].set_ylabel(r"$\ln$ ratio, measured")
    every[0].legend(loc="lower right", handletextpad=0.1, borderaxespad=0.1)


def caption_asymmetry_boundary(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the counts of the record."""
    result = result_of(record, "asymmetry_boundary")
    summary = result["summary"]
    return (
        "Least squares with a random frozen factor: the part of the loss that B-only captures (II_A) over the part "
        f"that A-only captures (II_B), means over {result['draws']} independent frozen factors; blue: B-only fits "
        "better. Inputs have variances σ_k = k^-b; the change Δ has squared length σ_k^a on direction k. Theory says "
        "that the sign changes where Θ_r, the deterministic equivalent at rank r, is 1 (solid). Its limit Θ for "
        f"inputs of large effective rank (dashed) names the wrong factor in {count(summary['theta']['wrong'], 'cell')} "
        f"of {summary['decided']} decided (crosses), where the bounds on the error of Θ_r leave one sign and the "
        f"measured number is beyond {result['standard_errors']} standard errors; Θ_r in "
        f"{summary['theta_r']['wrong']}. {summary['cells'] - summary['decided']} of {summary['cells']} cells are "
        "undecided. Below: every cell, measured against each prediction; median error of ln Θ_r "
        f"{number(summary['theta_r']['median_error'])}, largest {number(summary['theta_r']['max_error'])}."
    )
