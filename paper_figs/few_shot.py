"""Few-shot fine-tuning: solution rank beside the thresholds, training below and above it, linearised and true."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from paper_figs.records import result_of
from paper_figs.style import BLACK, BLUE, COLOURS, GREY, MARKERS, VERMILLION, column_figure, column_style
from paper_figs.words import number

ROUNDING = 1e-12  # of an objective of size one; what lies below shows nothing


def draw_few_shot(record: Mapping[str, Any]) -> Figure:
    """Return three panels: spectra with thresholds; linearised training; true and linearised training."""
    result = result_of(record, "few_shot")
    with column_style():
        figure = column_figure(5.6)
        spectra, linearised, true = figure.subplots(3, 1, height_ratios=(1.0, 1.2, 1.2))
        _spectra(spectra, result)
        _linearised(linearised, result)
        _true(true, result)
    return figure


def _spectra(axes: Axes, result: Mapping[str, Any]) -> None:
    """Singular values of the gradient over lambda: those at 1 carry the minimiser; thresholds are vertical."""
    for values, name, colour, marker in zip(
        result["gradient_spectra_over_lambda"], result["maps"], (BLUE, VERMILLION), ("o", "s")
    ):
        label = name.split(".")[-1]
        axes.plot(range(1, len(values) + 1), values, color=colour, marker=marker, linewidth=0.7, label=label)
    rank = max(result["ranks"])
    axes.axhline(1.0, color=GREY, linewidth=0.6)
    for position, style, label in (
        (rank, "-", f"solution rank {rank}"),
        (result["sharp_rank"], (0, (4, 2)), f"$r(r+3)/2 > KN$: {result['sharp_rank']}"),
        (result["paper_rank"], (0, (1, 1.5)), f"$r(r+1)/2 > KN$: {result['paper_rank']}"),
    ):
        axes.axvline(position, color=BLACK, linestyle=style, linewidth=0.8, label=label)
    axes.set(xlabel="index $i$", ylim=(0.0, 1.15))
    axes.set_ylabel(r"$\sigma_i(G)\,/\,\lambda$ at optimum")
    axes.set_title(f"effective $KN = {result['measurements']}$", loc="left")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _linearised(axes: Axes, result: Mapping[str, Any]) -> None:
    for position, curve in enumerate(result["curves"]):
        colour = COLOURS[position % len(COLOURS)]
        excess = [value - result["optimum"] for value in curve["linearised"]]
        axes.plot(
            result["steps"],
            excess,
            color=colour,
            marker=MARKERS[position % len(MARKERS)],
            markevery=(position, 8),
            label=f"$r = {curve['rank']}$",
        )
        within = curve["best_stationary_within_rank"]
        if within is not None:
            axes.axhline(
                within, color=colour, linestyle=(0, (4, 3)), linewidth=0.7, label=f"best found,\n$r = {curve['rank']}$"
            )
    axes.set(xscale="log", yscale="log", xlabel="Adam steps, linearised")
    if min(curve["linearised"][-1] for curve in result["curves"]) - result["optimum"] < ROUNDING:
        axes.set_ylim(bottom=ROUNDING)
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.set_ylabel("objective $-$ optimum")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _true(axes: Axes, result: Mapping[str, Any]) -> None:
    """The true network at the ranks it was trained at, and the linearised one beside it."""
    last = result["true_steps"][-1]
    chosen = [curve for curve in result["curves"] if curve["true"] is not None]
    steps = [step for step in result["steps"] if step <= last]
    for position, curve in enumerate(chosen):
        number = result["curves"].index(curve)
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(
            result["true_steps"],
            curve["true"],
            color=colour,
            marker=MARKERS[number % len(MARKERS)],
            markevery=(3 * position, 8),
            label=f"true,\n$r = {curve['rank']}$",
        )
        axes.plot(
            steps,
            curve["linearised"][: len(steps)],
            color=colour,
            linestyle=(0, (4, 2)),
            label=f"linearised,\n$r = {curve['rank']}$",
        )
    axes.axhline(result["optimum"], color=BLACK, linewidth=0.7, linestyle=(0, (1, 1.5)), label="linearised\noptimum")
    axes.set(xscale="log", xlabel="Adam steps", ylim=(0.0, None))
    axes.set_ylabel("objective")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def caption_few_shot(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the setting and the numbers of the record."""
    result = result_of(record, "few_shot")
    ends = ", ".join(
        f"r = {curve['rank']}: {number(max(curve['linearised'][-1] - result['optimum'], 0.0))}"
        for curve in result["curves"]
    )
    true = ", ".join(f"r = {c['rank']}: {number(c['true'][-1], 3)}" for c in result["curves"] if c["true"] is not None)
    return (
        f"{result['setting']}: {result['samples']} samples of two classes, cross-entropy, weight decay. Top: singular "
        "values of the data gradient at the certified optimum over lambda; those at 1 carry it. The optimum has rank "
        f"{max(result['ranks'])}, the thresholds are {result['sharp_rank']} and {result['paper_rank']}. Middle: "
        "training of the linearised model (dashed: best stationary point found within the rank); excess after "
        f"{result['steps'][-1]} steps {ends}. Bottom: the true network trained beside the linearised one; its "
        f"objective after {result['true_steps'][-1]} steps {true}, the linearised optimum "
        f"{number(result['optimum'], 3)}."
    )
