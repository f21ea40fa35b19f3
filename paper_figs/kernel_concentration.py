"""Deviation of the B-only LoRA kernel from the full kernel of its layer against the rank."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from paper_figs.records import result_of
from paper_figs.style import BLACK, COLOURS, MARKERS, column_figure, column_style
from paper_figs.words import joined, number

_NAMES = {"gaussian": "Gaussian $A$", "signs": "$A$ of random signs"}
_SIDE = {"gaussian": 0.93, "signs": 1.07}  # the two laws beside each other


def draw_kernel_concentration(record: Mapping[str, Any]) -> Figure:
    """Return the deviation against the rank on log-log axes: single draws, root mean squares and their closed form."""
    result = result_of(record, "kernel_concentration")
    ranks = result["ranks"]
    with column_style():
        figure = column_figure(2.4)
        axes = figure.subplots()
        for position, law in enumerate(result["laws"]):
            colour, marker = COLOURS[position], MARKERS[position]
            for rank, draws in zip(ranks, law["draws"], strict=True):
                axes.plot(
                    [_SIDE[law["law"]] * rank] * len(draws),
                    draws,
                    color=colour,
                    marker=marker,
                    markersize=1.2,
                    alpha=0.3,
                    linestyle="none",
                )
            axes.plot(
                [_SIDE[law["law"]] * rank for rank in ranks],
                law["root_mean_square"],
                color=colour,
                marker=marker,
                markersize=4,
                markeredgecolor="white",
                markeredgewidth=0.4,
                linestyle="none",
                label=f"{_NAMES[law['law']]}: slope ${law['slope']:.3f} \\pm {law['slope_standard_error']:.3f}$",
            )
            label = "closed form, proportional to $r^{-1/2}$" if position == 0 else None
            axes.plot(ranks, law["closed_form"], color=BLACK, linewidth=0.8, linestyle=(0, (4, 3)), label=label)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(ranks, labels=[str(rank) for rank in ranks])
        axes.minorticks_off()
        axes.set_xlabel("rank $r$")
        axes.set_ylabel(r"relative deviation $\|K_B - K\|_F \,/\, \|K\|_F$")
        figure.legend(loc="outside upper center", ncols=1)
    return figure


def caption_kernel_concentration(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the slopes of the record."""
    result = result_of(record, "kernel_concentration")
    slopes = joined(
        f"{number(law['slope'], 3)} ± {number(law['slope_standard_error'], 1)} ({law['law']})" for law in result["laws"]
    ).replace("-", "−")
    return (
        "Relative distance between the LoRA kernel with a random frozen A (entries of variance 1/r) and the full "
        "kernel of the layer, tangent features of a random frozen network. Large markers: root mean square over "
        f"{result['draws']} draws of A, small ones: single draws, dashed: the closed form of the root mean square. "
        f"Fitted slopes {slopes}; theory −1/2."
    )
