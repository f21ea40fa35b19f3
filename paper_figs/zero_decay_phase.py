"""Phase diagram without weight decay: rank against KN, with Theorem Z's threshold and the capacity condition."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from paper_figs.phase_diagram import phase_diagram, trapped_cells, trapped_words, undecided_words
from paper_figs.records import result_of
from paper_figs.style import BLACK, ORANGE, VERMILLION

_PANELS = (
    ("generic_planted", "(a) generic features, near the planted point"),
    ("generic_random", "(b) generic features, small random starts"),
    ("exact_planted", "(c) exact features, near the planted point"),
)


def draw_zero_decay_phase(record: Mapping[str, Any]) -> Figure:
    """Return three heat maps of the fraction of starts that end in a certified spurious second-order point, lam = 0."""
    result = result_of(record, "zero_decay_phase")
    return phase_diagram(result, _PANELS, _thresholds, header=1.35, tick=4)


def _thresholds(axes: Axes, result: Mapping[str, Any], _: np.ndarray, rows: np.ndarray) -> None:
    """Draw for every rank the largest KN that a condition lets pass, as steps along the rank."""
    lines: tuple[tuple[np.ndarray, str, dict[str, Any]], ...] = (
        # a whole number of measurements passes: the line runs on its far side
        (
            np.array(result["generic_count"]) + 0.5,
            r"no spurious, generic features: $r\,\max(m,n) \geq KN$",
            {"color": ORANGE, "linewidth": 2.6},
        ),
        (
            np.array(result["interpolation_count"]) + 0.5,
            "rank $r$ can interpolate: $r(m+n) - r^2 \\geq KN$",
            {"color": BLACK, "linestyle": (0, (1, 1.5)), "linewidth": 1.2},
        ),
        (
            np.array(result["capacity_count"]),
            f"capacity, Gaussian features: $r(m+n) - r^2 = {result['capacity_constant']:g}\\,KN$",
            {"color": VERMILLION, "linewidth": 0.8},
        ),
    )
    for counts, label, style in lines:
        stairs = axes.stairs(counts, rows, baseline=None, orientation="horizontal", label=label)
        stairs.set(path_effects=[withStroke(linewidth=style["linewidth"] + 0.8, foreground="white")], **style)


def caption_zero_decay_phase(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the counts of the record."""
    result = result_of(record, "zero_decay_phase")
    kn, cells = np.array(result["measurements"])[None, :], trapped_cells(result)
    within = {
        name: kn <= np.array(result[key])[:, None]
        for name, key in (("proved", "generic_count"), ("capacity", "capacity_count"), ("fits", "interpolation_count"))
    }
    generic, kinds = cells["generic_planted"], ("generic_planted", "generic_random", "exact_planted")
    first = [
        f"r = {rank} up to KN = {int(allowed)} (proved: {proved})"
        for rank, allowed, proved in zip(
            result["ranks"], np.floor(result["capacity_count"]), result["generic_count"], strict=True
        )
    ]
    return (
        "Fraction of starts that end in a certified spurious second-order point, over rank r and number of "
        "measurements KN (no weight decay, squared loss, square matrices, instances built to be as hard as possible; "
        f"{result['starts_per_cell']} starts a cell). Generic features: {trapped_words(generic, within['proved'])} "
        f"where KN ≤ r max(m, n), {trapped_words(generic, ~within['proved'])} beyond. The capacity condition r(m+n) − "
        f"r² > {result['capacity_constant']:g} KN, found for Gaussian features, allows {'; '.join(first)}; "
        f"{trapped_words(generic, within['capacity'])} where it holds. Beyond the dotted line, where rank r cannot "
        f"interpolate, {trapped_words(generic, ~within['fits'])}: a run above the convex optimum there may be best "
        f"within its rank. Exactly structured features: {trapped_words(cells['exact_planted'], within['proved'])} "
        f"where KN ≤ r max(m, n). {undecided_words(result, kinds)}"
    )
