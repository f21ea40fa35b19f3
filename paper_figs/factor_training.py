"""Training both factors, one of them, or the whole matrix: a figure, and the table of all arms."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from paper_figs.records import result_of
from paper_figs.style import BLACK, BLUE, GREEN, GREY, VERMILLION, column_figure, column_style
from paper_figs.tables import Cell, Table
from paper_figs.words import count, signed, span

_FAMILIES = {
    "lora": ("LoRA", GREEN, "^"),
    "b-only": ("B-only", BLUE, "o"),
    "a-only": ("A-only", VERMILLION, "s"),
    "full": ("full", BLACK, "D"),
}
_STARTS = ("orthonormal", "gaussian", "kaiming", "rand", "singular-right", "singular-left")
_SHORT = {"gaussian": "Gauss", "kaiming": "Kaiming", "singular-right": "singular", "singular-left": "singular"}
_NAMES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "glue-sst2": "SST-2, MiniLM", "glue-rte": "RTE, MiniLM"}
_SIZES = {
    "orthonormal": ("orthonormal", BLUE, "-", "o"),
    "kaiming": ("Kaiming", VERMILLION, "-", "s"),
    "rescaled": ("Kaiming, divided by its norm", GREEN, (0, (3, 2)), "^"),
}


def draw_factor_training(record: Mapping[str, Any]) -> Figure:
    """Return accuracy over tuned scalars, one panel a setting, accuracy by start, and loss over the step size."""
    result = result_of(record, "factor_training")
    settings = result["settings"]
    columns = min(2, len(settings))
    rows = -(-len(settings) // columns)
    with column_style():
        figure = column_figure(3.7 + 1.3 * rows)
        grid = figure.add_gridspec(rows + 2, columns, height_ratios=(*[1.15] * rows, 0.9, 1.15))
        panels = [figure.add_subplot(grid[i // columns, i % columns]) for i in range(len(settings))]
        for axes, setting in zip(panels, settings, strict=True):
            _accuracies(axes, setting)
        _by_start(figure.add_subplot(grid[rows, :]), settings[0])
        _step_sizes(figure.add_subplot(grid[rows + 1, :]), result["steps"])
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, columnspacing=1.0)
    return figure


def factor_training_table(record: Mapping[str, Any]) -> Table:
    """Return one row an arm: tuned scalars, chosen step size, mean and standard deviation over the starts."""
    result = result_of(record, "factor_training")
    columns = (
        *("data", "adapter", "rank", "random factor", "tuned", "step size"),
        *("train acc.", "± train", "test acc.", "± test", "test - train loss"),
    )
    rows: list[tuple[Cell, ...]] = []
    for setting in result["settings"]:
        for row in setting["rows"]:
            gaps = [b - a for a, b in _pairs(row["train_loss"], row["test_loss"])]
            rows.append(
                (
                    setting["name"],
                    _FAMILIES[row["adapter"]][0],
                    row["rank"],
                    row["start"] or "none",
                    row["tuned"],
                    f"{row['rate']:g}",
                    *_mean_and_sd(row["train_accuracy"]),
                    *_mean_and_sd(row["test_accuracy"]),
                    float(np.mean(gaps)) if gaps else None,
                )
            )
    return Table(columns, tuple(rows))


def _pairs(one: Sequence[float | None], other: Sequence[float | None]) -> list[tuple[float, float]]:
    return [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]


def _mean_and_sd(values: Sequence[float]) -> tuple[float, float | None]:
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def _own_start(row: Mapping[str, Any]) -> bool:
    """Return whether the random factor has the start that its family has by default."""
    return row["start"] == ("kaiming" if row["adapter"] == "lora" else "orthonormal")


def _accuracies(axes: Axes, setting: Mapping[str, Any]) -> None:
    for family, (label, colour, marker) in _FAMILIES.items():
        rows = [r for r in setting["rows"] if r["adapter"] == family and (family == "full" or _own_start(r))]
        if not rows:
            continue
        means, spreads = zip(*(_mean_and_sd(row["test_accuracy"]) for row in rows), strict=True)
        axes.errorbar(
            [row["tuned"] for row in rows],
            means,
            yerr=[spread or 0.0 for spread in spreads],
            color=colour,
            marker=marker,
            linewidth=0.9,
            elinewidth=0.7,
            label=label,
        )
    axes.set_xscale("log")
    axes.set_xlabel("tuned scalars")
    axes.set_title(_NAMES.get(setting["name"], setting["name"]))
    axes.set_ylabel("test accuracy")


def _by_start(axes: Axes, setting: Mapping[str, Any]) -> None:
    """Draw every run at the compared rank, side by side by the start of the frozen factor."""
    rank = setting["compared_rank"]
    names = list(dict.fromkeys(_SHORT.get(name, name) for name in _STARTS))
    for shift, family in ((-0.13, "b-only"), (0.13, "a-only")):
        _, colour, marker = _FAMILIES[family]
        for row in setting["rows"]:
            if row["adapter"] == family and row["rank"] == rank:
                x = names.index(_SHORT.get(row["start"], row["start"])) + shift
                values = row["test_accuracy"]
                axes.plot([x] * len(values), values, color=colour, marker=marker, markersize=2.5, linestyle="none")
                axes.plot([x - 0.1, x + 0.1], [np.mean(values)] * 2, color=colour, linewidth=1.2)
    axes.set_xticks(range(len(names)), labels=names)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xlabel(f"start of the frozen factor, rank {rank}")
    axes.set_ylabel("test accuracy")


def _step_sizes(axes: Axes, steps: Mapping[str, Any]) -> None:
    """Draw the training loss over the step size for a frozen B of three sizes, at the lowest rank."""
    part = steps["ranks"][0]
    for kind, (label, colour, dashes, marker) in _SIZES.items():
        medians = _medians(part["train_loss"][kind])
        # where most runs diverge the loss is off every scale: the step size is left out
        points = [(rate, loss) for rate, loss in zip(steps["rates"], medians, strict=True) if np.isfinite(loss)]
        rates, losses = zip(*points, strict=True)
        axes.plot(rates, losses, color=colour, linestyle=dashes, marker=marker, label=label)
    lowest, best = min(zip(_medians(part["train_loss"]["orthonormal"]), steps["rates"], strict=True))
    axes.annotate(
        "",
        xy=(best / part["gain"], 0.75 * lowest),
        xytext=(best, 0.75 * lowest),
        arrowprops={"arrowstyle": "->", "color": GREY, "linewidth": 1.0},
    )
    axes.plot([], [], color=GREY, linewidth=1.0, label=f"step size / {part['gain']:.1f}, predicted")
    axes.set_ylim(bottom=0.55 * lowest)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"step size of gradient descent, A-only, rank {part['rank']}")
    axes.set_ylabel("training loss (nats)")
    axes.legend(loc="best")


def _medians(rows: Sequence[Sequence[float | None]]) -> list[float]:
    return [float(np.median([np.inf if loss is None else loss for loss in losses])) for losses in rows]


def caption_factor_training(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the numbers and the margins of the record."""
    result = result_of(record, "factor_training")
    settings, part = result["settings"], result["steps"]["ranks"][0]
    rows = [row for setting in settings for row in setting["rows"]]
    edge = sum(row["rate_at_edge"] for row in rows)
    compared = settings[0]["compared_rank"]
    by_start = "; ".join(
        f"{label} {span(means, 3)}"
        for family in ("b-only", "a-only")
        if (means := _means_by_start(settings[0], family, compared))
        for label in [_FAMILIES[family][0]]
    )
    return (
        "Networks with frozen heads: small ones, trained on images turned upside down and adapted to upright ones, "
        "and, where SST-2 or RTE are shown, MiniLM's last block on sentences. Every arm takes the step size that is "
        f"best on validation samples ({edge} of {len(rows)} arms chose one at the edge of their grid); error bars: "
        f"standard deviation over {count(result['starts'], 'start')}. Top: test accuracy over the number of tuned "
        "scalars. A-only minus B-only at equal rank (in brackets the standard deviation of such a difference): "
        f"{'. '.join(_differences(setting) for setting in settings)}. Whole matrix and best other arm: "
        f"{'; '.join(_whole(setting) for setting in settings)}. Middle "
        f"({_NAMES.get(settings[0]['name'], settings[0]['name'])}, rank {compared}): mean accuracy by the start of the "
        f"frozen factor, from the lowest to the highest: {by_start} (bars: means; singular: top singular vectors of "
        "the adapted matrix). Bottom: A-only by plain gradient descent. A frozen Kaiming B of column norm c should "
        f"need steps smaller by c² = {part['gain']:.1f} (arrow); {_steps_words(result['steps'])}. The table holds all "
        "arms."
    )


def _steps_words(steps: Mapping[str, Any]) -> str:
    """Return the best step sizes of the grid and their losses for a frozen B of three sizes, at the lowest rank."""
    losses = {kind: _medians(values) for kind, values in steps["ranks"][0]["train_loss"].items()}
    best = {kind: min(zip(losses[kind], steps["rates"], strict=True)) for kind in _SIZES}
    told = [f"{label} {best[kind][1]:.3g} (loss {best[kind][0]:.3g})" for kind, (label, *_) in _SIZES.items()]
    return f"best of the grid: {', '.join(told)}"


def _by_rank(setting: Mapping[str, Any], family: str) -> dict[int, tuple[float, float]]:
    """Return mean and standard deviation of the test accuracy by rank, with the family's own start."""
    chosen = [row for row in setting["rows"] if row["adapter"] == family and _own_start(row)]
    found = {row["rank"]: _mean_and_sd(row["test_accuracy"]) for row in chosen}
    return {rank: (mean, spread or 0.0) for rank, (mean, spread) in found.items()}


def _differences(setting: Mapping[str, Any]) -> str:
    a, b = _by_rank(setting, "a-only"), _by_rank(setting, "b-only")
    told = [
        f"{signed(a[rank][0] - b[rank][0])} ({np.hypot(a[rank][1], b[rank][1]):.3f}) at {rank}"
        for rank in sorted(a.keys() & b.keys())
    ]
    return f"{_NAMES.get(setting['name'], setting['name'])}: {', '.join(told)}"


def _whole(setting: Mapping[str, Any]) -> str:
    means = {
        (row["adapter"], row["rank"]): _mean_and_sd(row["test_accuracy"])[0]
        for row in setting["rows"]
        if row["adapter"] == "full" or _own_start(row)
    }
    name = _NAMES.get(setting["name"], setting["name"])
    others = {key: mean for key, mean in means.items() if key[0] != "full"}
    best = max(others, key=lambda key: others[key])
    ahead = f"{others[best]:.3f} ({_FAMILIES[best[0]][0]}, rank {best[1]})"
    full = means.get(("full", None))
    return f"{name} {'not run' if full is None else f'{full:.3f}'} and {ahead}"


def _means_by_start(setting: Mapping[str, Any], family: str, rank: int) -> list[float]:
    return [
        float(np.mean(row["test_accuracy"]))
        for row in setting["rows"]
        if row["adapter"] == family and row["rank"] == rank
    ]
