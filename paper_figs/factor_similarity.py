"""Similarity of learned factors across seeds and tasks, over the step size."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figs.records import result_of
from paper_figs.style import BLACK, BLUE, GREEN, GREY, MARKERS, VERMILLION, column_figure, column_style
from paper_figs.words import joined

_LINES = {
    "same task": ("same task, other start", BLUE),
    "same start": ("same start, other task", VERMILLION),
    "neither": ("other start and task", GREEN),
    "own start": ("factor and its own start", BLACK),
}


_NAMES = {"mnist": "MNIST"}


def draw_factor_similarity(record: Mapping[str, Any]) -> Figure:
    """Return learned B and A (columns) when B and when A starts at zero (two rows for each setting)."""
    settings = result_of(record, "factor_similarity")["settings"]
    with column_style():
        figure = column_figure(0.7 + 1.4 * 2 * len(settings))
        grid = figure.subplots(2 * len(settings), 2, sharex=True, sharey=True)
        for position, setting in enumerate(settings):
            for row, zero in enumerate("BA", start=2 * position):
                for column, factor in enumerate("BA"):
                    _panel(grid[row, column], setting, zero, factor)
                other = "A" if zero == "B" else "B"
                grid[row, 0].set_ylabel(f"{zero} = 0, {other} random:\nsimilarity φ")
            name = _NAMES.get(setting["name"], setting["name"])
            for column, factor in enumerate("BA"):
                grid[2 * position, column].set_title(f"{name}: learned {factor}")
        for axes in grid[-1]:
            axes.set_xlabel("step size")
        grid[0, 0].set_xscale("log")
        grid[0, 0].set_ylim(0, 1.05)
        handles, labels = grid[0, 1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, columnspacing=1.0)
    return figure


def _panel(axes: Axes, setting: Mapping[str, Any], zero: str, factor: str) -> None:
    """Draw means over pairs and matrices by step size, the range over matrices as a band, chance, the chosen rate."""
    rates, matrices = setting["rates"], list(setting["shapes"])
    for marker, (scenario, (label, colour)) in zip(MARKERS, _LINES.items(), strict=False):
        values = [[step[name][factor][scenario] for name in matrices] for step in setting["zero"][zero]]
        if values[0][0] is None:  # a factor that started at zero has no start to be compared with
            continue
        means = np.array([[pairs["mean"] for pairs in row] for row in values])
        dashes = (0, (4, 2)) if scenario == "own start" else "-"
        axes.fill_between(rates, means.min(axis=1), means.max(axis=1), color=colour, alpha=0.15, linewidth=0)
        axes.plot(rates, means.mean(axis=1), color=colour, marker=marker, linestyle=dashes, label=label)
    chance = np.mean([setting["chance"][name][factor]["mean"] for name in matrices])
    axes.axhline(chance, color=GREY, linestyle=":", label="chance, $r/d$")
    axes.axvline(rates[setting["best_rate"]], color=GREY, linewidth=0.6, zorder=0)


def caption_factor_similarity(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the numbers of the record."""
    settings = result_of(record, "factor_similarity")["settings"]
    told = []
    for setting in settings:
        b, a = (_mean_at_best(setting, "B", factor) for factor in "BA")
        told.append(
            f"{_NAMES.get(setting['name'], setting['name'])} at step size {setting['rates'][setting['best_rate']]:g}: "
            f"learned B {b['same task']:.2f} on the same task, {b['same start']:.2f} from the same start; learned A "
            f"{a['same task']:.2f} and {a['same start']:.2f}, {a['own start']:.2f} to its own start"
        )
    tasks = "; ".join(f"{_NAMES.get(s['name'], s['name'])}: {joined(s['tasks'])}" for s in settings)
    return (
        f"Both factors of LoRA trained on several tasks ({tasks}) from several starts. Mean subspace similarity φ over "
        "pairs of runs (bands: range over the adapted matrices), over the step size (vertical line: best on "
        "validation samples). Upper row of each pair: B = 0 and A random, as usual; dashed: each factor and its own "
        f"start. {'. '.join(told)}. Lower row: A = 0 and B random, the roles exchanged."
    )


def _mean_at_best(setting: Mapping[str, Any], zero: str, factor: str) -> dict[str, float]:
    """Return the mean similarity over the matrices in every scenario, at the step size that is best."""
    step = setting["zero"][zero][setting["best_rate"]]
    rows = [step[name][factor] for name in setting["shapes"]]
    return {key: float(np.mean([row[key]["mean"] for row in rows])) for key in rows[0] if rows[0][key] is not None}
