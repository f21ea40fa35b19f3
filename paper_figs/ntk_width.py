"""Distance of the empirical NTK to its infinite-width limit against width."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from paper_figs.records import result_of
from paper_figs.style import BLACK, COLOURS, MARKERS, column_figure, column_style
from paper_figs.words import joined, number

_NAMES = {"relu": "ReLU", "gelu": "GELU", "tanh": "tanh"}


def draw_ntk_width(record: Mapping[str, Any]) -> Figure:
    """Return the error against width on log-log axes: every network, root mean squares, fits and the slope -1/2."""
    result = result_of(record, "ntk_width")
    widths = result["widths"]
    with column_style():
        figure = column_figure(2.4)
        axes = figure.subplots()
        for position, case in enumerate(result["cases"]):
            colour, marker = COLOURS[position], MARKERS[position]
            for width, errors in zip(widths, case["errors"], strict=True):
                axes.plot(
                    [width] * len(errors),
                    errors,
                    color=colour,
                    marker=marker,
                    markersize=1.2,
                    alpha=0.35,
                    linestyle="none",
                )
            axes.plot(widths, case["fit"], color=colour, linewidth=0.9)
            axes.plot(
                widths,
                case["root_mean_square"],
                color=colour,
                marker=marker,
                markersize=4,
                markeredgecolor="white",
                markeredgewidth=0.4,
                linestyle="none",
                label=f"{_NAMES[case['activation']]}, $L = {case['depth']}$: slope ${case['slope']:.2f}$",
            )
        axes.plot(widths, result["reference"], color=BLACK, linestyle=(0, (4, 3)), label="slope $-1/2$")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(widths, labels=[str(width) for width in widths])
        axes.minorticks_off()
        axes.set_xlabel("width of the hidden layers")
        axes.set_ylabel(r"relative error $\|K - K_\infty\|_F \,/\, \|K_\infty\|_F$")
        figure.legend(loc="outside upper center", ncols=2, columnspacing=1.0)
    return figure


def caption_ntk_width(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the fitted slopes of the record."""
    result = result_of(record, "ntk_width")
    slopes = joined(
        f"{case['activation']}, L = {case['depth']}: {number(case['slope'], 3)}" for case in result["cases"]
    ).replace("-", "−")
    return (
        "Relative Frobenius distance between the empirical NTK of random frozen networks and the infinite-width "
        f"kernel. Large markers: root mean square over {result['seeds']} networks, small ones: single networks, lines: "
        f"fitted power laws with exponents {slopes}, dashed: slope −1/2. L counts weight matrices."
    )
