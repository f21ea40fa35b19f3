"""Phase diagram of the factored landscape: rank against KN, with the three thresholds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from paper_figs.phase_diagram import phase_diagram, share_words, trapped_cells, trapped_words, undecided_words
from paper_figs.records import result_of
from paper_figs.style import BLACK, ORANGE, VERMILLION

_PANELS = (
    ("generic_planted", "(a) generic features, near the planted point"),
    ("generic_random", "(b) generic features, small random starts"),
    ("exact_planted", "(c) exact features, near the planted point, $P = 0$"),
)
# Each line runs below the first rank that satisfies its condition. The step functions touch almost everywhere:
# dashes and dots lie on the solid line, and both stay visible.
_LINES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("sharp_rank", "no spurious, generic features: $r(r+3)/2 > KN$", {"color": ORANGE, "linewidth": 2.6}),
    ("pataki_rank", r"existence (Pataki): $(r+1)(r+2)/2 > KN$", {"color": BLACK, "linestyle": (0, (1, 1.5))}),
    ("paper_rank", "no spurious, random $P$ (paper): $r(r+1)/2 > KN$", {"color": VERMILLION, "linestyle": (0, (4, 2))}),
)


def draw_landscape_phase(record: Mapping[str, Any]) -> Figure:
    """Return three heat maps of the fraction of starts that end in a certified spurious second-order point."""
    result = result_of(record, "landscape_phase")
    return phase_diagram(result, _PANELS, _thresholds, header=1.35, tick=2)


def _thresholds(axes: Axes, result: Mapping[str, Any], edges: np.ndarray, _: np.ndarray) -> None:
    for key, label, style in _LINES:
        stairs = axes.stairs(np.array(result[key]) - 0.5, edges, baseline=None, label=label, linewidth=1.2)
        stairs.set(path_effects=[withStroke(linewidth=style.get("linewidth", 1.2) + 0.8, foreground="white")], **style)


def caption_landscape_phase(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, with the counts of the record."""
    result = result_of(record, "landscape_phase")
    ranks, kn = np.array(result["ranks"])[:, None], np.array(result["measurements"])[None, :]
    above = 2 * kn < ranks * (ranks + 3)
    cells = trapped_cells(result)
    return (
        "Fraction of starts that end in a certified spurious second-order point, over rank r and number of "
        "measurements KN (weight decay, squared loss, instances built to be as hard as possible; "
        f"{result['starts_per_cell']} starts a cell). Generic features: "
        f"{trapped_words(cells['generic_planted'], above)} where r(r+3)/2 > KN, "
        f"{trapped_words(cells['generic_planted'], ~above)} elsewhere; from small random starts "
        f"{trapped_words(cells['generic_random'], above)} and {trapped_words(cells['generic_random'], ~above)}, with "
        f"{share_words(result, 'generic_random', cells['generic_random'])} of the starts trapped in the cells that "
        "trap any. Exactly structured features without the perturbation P: "
        f"{trapped_words(cells['exact_planted'], 2 * kn < ranks * (ranks + 1))} where r(r+1)/2 > KN, the paper's "
        f"threshold, which needs P or generic features. {undecided_words(result)}"
    )
