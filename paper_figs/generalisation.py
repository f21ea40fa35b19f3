"""Excess risk of regularised fine-tuning beside its bound, over the sample size."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from paper_figs.records import result_of
from paper_figs.style import BLACK, BLUE, GREY, VERMILLION, column_figure, column_style
from paper_figs.words import number, span

_KINDS = {"teacher": "known teacher", "network": "frozen MLP"}
_PRINTED = r"paper's form, $c = \sqrt{2}$"
_LOSSES = {"logistic": "logistic", "cross_entropy": "cross-entropy"}


def draw_generalisation(record: Mapping[str, Any]) -> Figure:
    """Return one panel a population: bound, paper's form, largest admissible excess, minimiser, on log-log axes."""
    result = result_of(record, "generalisation")
    with column_style():
        figure = column_figure(3.3)
        panels = figure.subplots(2, 2, sharex=True, sharey=True)
        for position, (axes, population) in enumerate(zip(panels.flat, result["populations"], strict=True)):
            _panel(axes, result, population)
            kind, loss = _KINDS[population["kind"]], _LOSSES[population["loss"]]
            data = "" if population["kind"] == "teacher" else f"{result['data']}, "
            axes.set_title(f"({'abcd'[position]}) {data}{kind},\n{loss}, $K = {population['outputs']}$", loc="left")
        for axes in panels[1]:
            axes.set_xlabel("samples $N$")
        for axes in panels[:, 0]:
            axes.set_ylabel("excess risk")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, columnspacing=1.0)
    return figure


def _panel(axes: Axes, result: Mapping[str, Any], population: Mapping[str, Any]) -> None:
    samples = result["samples"]
    axes.plot(samples, population["bound"], color=BLACK, linewidth=0.9, label="bound, every constant proved")
    axes.plot(samples, population["printed"], color=BLACK, linewidth=0.9, linestyle=(0, (4, 2)), label=_PRINTED)
    axes.plot(
        samples,
        np.max(population["largest_excess"], axis=1),
        color=VERMILLION,
        marker="s",
        linewidth=0.5,
        label="largest admissible found",
    )
    axes.plot(
        samples,
        np.median(population["excess"], axis=1),
        color=BLUE,
        marker="o",
        linewidth=0.5,
        label="regularised minimiser",
    )
    lowest, highest = np.min(population["excess"], axis=1), np.max(population["excess"], axis=1)
    axes.vlines(samples, lowest, highest, color=BLUE, linewidth=1.0)
    axes.axhline(population["untrained"], color=GREY, linestyle=(0, (1, 1.5)), label="no fine-tuning")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.minorticks_off()


def caption_generalisation(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the numbers of the record."""
    result = result_of(record, "generalisation")
    populations, samples = result["populations"], result["samples"]
    ratios = [
        max(largest) / bound
        for population in populations
        for largest, bound in zip(population["largest_excess"], population["bound"], strict=True)
    ]
    informative = [
        next((n for n, bound in zip(samples, p["bound"], strict=True) if bound < p["untrained"]), None)
        for p in populations
    ]
    known = [n for n in informative if n is not None]
    where = f"from n = {span(known, 1)} on" if known else "nowhere here"
    return (
        "Finite populations on which the true risk and its minimiser are known exactly; samples drawn independently, "
        "the weight decay of the theorem. Circles: excess risk of the regularised minimiser (median; bars: all "
        "samples). Squares: the largest excess risk found among all points the theorem covers, at most "
        f"{number(max(ratios))} of the bound. The bound is informative only where it lies below the dotted line, the "
        f"excess risk of no fine-tuning at all: {where}."
    )
