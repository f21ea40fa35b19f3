"""Excess of factored gradient descent over the certified convex optimum, at several ranks."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from paper_figs.records import result_of
from paper_figs.style import BLACK, COLOURS, MARKERS, column_figure, column_style
from paper_figs.words import count, number


def draw_training_curves(record: Mapping[str, Any]) -> Figure:
    """Return excess against steps on log-log axes: median and range over starts, one colour and marker a rank."""
    result = result_of(record, "training_curves")
    steps = result["steps"][1:]  # a logarithmic axis has no step 0
    notes = {result["pataki_rank"]: "Pataki", result["paper_rank"]: "paper"}
    heading = f"effective $KN = {result['measurements']}$, optimum of rank {result['optimum_rank']}"
    with column_style():
        figure = column_figure(2.7)
        axes = figure.subplots()
        for position, curve in enumerate(result["curves"]):
            rank, colour = curve["rank"], COLOURS[position % len(COLOURS)]
            note = f" ({notes[rank]})" if rank in notes else ""
            axes.plot(
                steps,
                curve["median"][1:],
                color=colour,
                marker=MARKERS[position % len(MARKERS)],
                markevery=(position, max(1, len(steps) // 8)),
                label=f"$r = {rank}${note}",
            )
            axes.fill_between(steps, curve["lowest"][1:], curve["highest"][1:], color=colour, alpha=0.2, linewidth=0)
            if curve["best_stationary_within_rank"] is not None:
                axes.axhline(curve["best_stationary_within_rank"], color=colour, linestyle=(0, (4, 3)), linewidth=0.7)
        axes.plot([], [], color=BLACK, linestyle=(0, (4, 3)), linewidth=0.7, label="best found within rank")
        axes.set(xscale="log", yscale="log", xlim=(0.8 * steps[0], 1.25 * steps[-1]))
        axes.yaxis.set_major_locator(LogLocator(numticks=12))
        axes.set_xlabel("gradient descent steps")
        axes.set_ylabel("objective $-$ convex optimum")
        figure.legend(loc="outside upper center", ncols=3, title=heading, columnspacing=1.0)
    return figure


def caption_training_curves(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the numbers of the record."""
    result = result_of(record, "training_curves")
    below = [curve for curve in result["curves"] if curve["rank"] < result["optimum_rank"]]
    others = [curve for curve in result["curves"] if curve["rank"] >= result["optimum_rank"]]
    stopped = ", ".join(f"r = {curve['rank']}: {number(curve['median'][-1])}" for curve in below)
    return (
        f"Excess of the factored objective over the convex optimum ({number(result['optimum'], 3)}, duality gap "
        f"{number(result['gap'])}, rank {result['optimum_rank']}), softmax cross-entropy with weight decay on tangent "
        f"features of a random frozen network. Lines: median over {count(result['starts'], 'start')}, bands: all "
        f"starts. After {result['steps'][-1]} steps ranks below that of the optimum are at {stopped or 'no curve'} "
        "(dashed: best stationary point found within the rank), the others at most at "
        f"{number(max(curve['highest'][-1] for curve in others))}."
    )
