"""One look for every figure: column width, fonts, and colours that also colour-blind readers tell apart.

Series always differ in marker or line style as well, so that a figure survives a black-and-white print.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from tueplots import axes, figsizes, fontsizes

# Okabe and Ito (2008)
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#767676"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
SMALLEST_FONT = 6.0  # points, at column width
COLUMN_WIDTH = 3.25  # inches


@contextmanager
def column_style() -> Iterator[None]:
    """Draw with the style of one column of a two-column page, whatever the user's own settings are."""
    settings: dict[str, Any] = {
        **axes.lines(),
        **figsizes.icml2024_half(),
        **fontsizes.icml2024(),
        "figure.constrained_layout.use": False,  # set by `column_figure`, which keeps it beyond this context
        "font.family": "DejaVu Sans",
        "font.size": 7,
        "axes.labelsize": 7,
        "axes.titlesize": 7,
        "xtick.labelsize": 6.5,
        "ytick.labelsize": 6.5,
        "legend.fontsize": 6.5,
        "legend.frameon": False,
        "legend.handlelength": 1.6,
        "lines.markersize": 3.0,
        "mathtext.fontset": "dejavusans",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "pdf.fonttype": 42,
    }
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)  # type: ignore[arg-type]
        yield


def column_figure(height: float) -> Figure:
    """Return an empty figure of column width and this height in inches, laid out so that nothing overlaps."""
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.03, hspace=0.03)
    return Figure(figsize=(COLUMN_WIDTH, height), layout=layout)
