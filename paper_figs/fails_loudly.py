"""LoRA on a true network: restricted curvature over the rank, and end points of small and large starts."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MultipleLocator, NullLocator, ScalarFormatter

from paper_figs.records import result_of
from paper_figs.style import BLUE, GREEN, GREY, VERMILLION, column_figure, column_style
from paper_figs.words import joined, number, span

_LINEAR = 1e-3  # half width of the linear part of the symmetric logarithmic axis
_TRAINING = {"short": "stopped early", "long": "to convergence"}
_KINDS: dict[str, tuple[str, str, str]] = {
    "small": ("$B = 0$", BLUE, "o"),
    "large": ("large $A, B$", VERMILLION, "s"),
}


def draw_fails_loudly(record: Mapping[str, Any]) -> Figure:
    """Return a panel of alpha and beta over r, and rank and test accuracy of the end points over their norm."""
    result = result_of(record, "fails_loudly")
    with column_style():
        figure = column_figure(5.0)
        curvature, ranks, accuracy = figure.subplots(3, 1, height_ratios=(1.25, 1, 1))
        _curvature(curvature, result)
        _ends(ranks, result, "rank")
        _ends(accuracy, result, "accuracy")
        ranks.sharex(accuracy)
        ranks.tick_params(labelbottom=False)
        ranks.axhline(result["lora_rank"], color=GREY, linewidth=0.6, linestyle=(0, (1, 1.5)))
        ranks.set_ylim(0, result["lora_rank"] + 0.8)
        ranks.yaxis.set_major_locator(MultipleLocator(2))
        ranks.set_ylabel("rank of $X$")
        ranks.set_title(f"(b) rank of the end points (LoRA rank {result['lora_rank']})", loc="left", pad=3)
        ranks.legend(loc="lower right", fontsize=6.5, borderaxespad=0.2)
        accuracy.set_title("(c) test accuracy of the end points", loc="left", pad=3)
        accuracy.set_ylabel("test accuracy")
        accuracy.set_xlabel(r"$\|X\|_F \, / \, \|X^*\|_F$")
    return figure


def _curvature(axes: Axes, result: Mapping[str, Any]) -> None:
    table = result["table"]
    ranks = [row["rank"] for row in table]
    for name, colour, marker, label in (
        ("beta", VERMILLION, "s", r"$\beta$, largest sample"),
        ("alpha", BLUE, "o", r"$\alpha$, smallest sample"),
    ):
        axes.plot(ranks, [row[name] for row in table], color=colour, marker=marker, linestyle="none", label=label)
        nested = [row[f"{name}_nested"] for row in table]
        axes.plot(ranks, nested, color=colour, linewidth=1.0)
    within = [end["convexity"] for end in _inside(result)]
    if within:
        label = r"$\alpha$ at a spurious point"
        axes.axhline(min(within), color=GREEN, linestyle=(0, (4, 2)), linewidth=1.2, label=label)
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    axes.set_yscale("symlog", linthresh=_LINEAR)
    axes.yaxis.set_major_locator(FixedLocator([-1e-2, -1e-3, 0, 1e-3, 1e-2, 1e-1, 1]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(-1e-2, 60.0)  # the legend stands above the data
    axes.set_xticks(ranks)
    axes.set_xlabel("largest rank $r$ of $X$")
    axes.set_ylabel("curvature")
    axes.set_title(rf"(a) restricted curvature, $\|X - X^*\|_F \leq {result['radius']:g}$", loc="left", pad=3)
    axes.legend(loc="upper right", fontsize=6.5, ncols=2, columnspacing=1.0, borderaxespad=0.2)


def _inside(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the end points of long training, other than X*, in the ball in which the table is sampled."""
    ends = [end for kind in result["ends"]["long"].values() for end in kind]
    return [end for end in ends if end["convexity"] is not None and end["distance"] <= result["radius"]]


def _ends(axes: Axes, result: Mapping[str, Any], quantity: str) -> None:
    for budget, words in _TRAINING.items():
        for kind, (name, colour, marker) in _KINDS.items():
            ends = result["ends"][budget][kind]
            face = colour if budget == "long" else "none"
            axes.plot(
                [end["norm"] / result["star_norm"] for end in ends],
                [end[quantity] for end in ends],
                linestyle="none",
                marker=marker,
                markersize=3.5 if kind == "large" else 5.0,
                markeredgecolor=colour,
                markerfacecolor=face,
                markeredgewidth=0.8,
                alpha=0.8,
                label=f"{name}, {words}",
            )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(NullLocator())


def caption_fails_loudly(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the numbers of the record."""
    result = result_of(record, "fails_loudly")
    alphas, betas = ([row[f"{name}_nested"] for row in result["table"]] for name in ("alpha", "beta"))
    inside = [end["convexity"] for end in _inside(result)]
    proof = (
        f"but a second-order point inside the ball, reached by training, gives α ≤ {number(min(inside))} (dashed)"
        if inside
        else "and no run ended at another point inside the ball"
    )
    ends = {budget: {kind: _told(result, budget, kind) for kind in _KINDS} for budget in _TRAINING}
    return (
        "LoRA on the middle layer of a random frozen tanh network (not linearised), cross-entropy with weight decay. "
        "(a) Strong convexity α and smoothness β around X*, sampled over X of rank at most r: an upper estimate of α "
        f"({span(alphas)}), a lower one of β ({span(betas)}; lines: samples of all smaller ranks included). 2α is "
        f"{'below' if 2 * max(alphas) < min(betas) else 'not below'} β throughout. Sampling finds α > 0, {proof}. (b, "
        f"c) End points of Adam. From B = 0, stopped early: {ends['short']['small']}; to convergence: "
        f"{ends['long']['small']}. From large starts, stopped early: {ends['short']['large']}; to convergence: "
        f"{ends['long']['large']}."
    )


def _told(result: Mapping[str, Any], budget: str, kind: str) -> str:
    """Return ranks, norms and accuracies of some end points in words."""
    ends = result["ends"][budget][kind]
    ranks = sorted({end["rank"] for end in ends})
    norms, accuracies = ([end[name] for end in ends] for name in ("norm", "accuracy"))
    return (
        f"rank {joined(ranks)}, norm {span([norm / result['star_norm'] for norm in norms], 3)} times that of X*, test "
        f"accuracy {span(accuracies, 3)}"
    )
