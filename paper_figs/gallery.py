"""The list of figures, which the command line finds through the entry point ``lora_theory.gallery``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from paper_figs.landscape_phase import draw_landscape_phase
from paper_figs.ntk_width import draw_ntk_width
from paper_figs.rank_spectrum import draw_rank_spectrum
from paper_figs.training_curves import draw_training_curves


@dataclass(frozen=True)
class FigureSpec:
    """A figure: its name, what to print with it, the experiment whose record it shows, and how it is drawn."""

    name: str
    title: str
    caption: str
    experiment: str
    draw: Callable[[Mapping[str, Any]], Figure]


_SPECS = (
    FigureSpec(
        "landscape_phase",
        "Where spurious local minima exist",
        "Fraction of starts that end in a certified spurious second-order point, over rank r and number of "
        "measurements KN (weight decay, squared loss, instances built to be as hard as possible). Generic features: "
        "none once r(r+3)/2 > KN, and some in every cell below. From small random starts fewer runs are trapped, and "
        "only in the same cells. Exactly structured features without the "
        "perturbation P: spurious points remain above the paper's threshold "
        "r(r+1)/2 > KN, which needs P (or generic features).",
        "landscape_phase",
        draw_landscape_phase,
    ),
    FigureSpec(
        "training_curves",
        "Factored gradient descent against the certified optimum",
        "Excess of the factored objective over the convex optimum (duality gap at rounding level), softmax "
        "cross-entropy with weight decay on tangent features of a random frozen network. Lines: median over starts, "
        "bands: all starts. Ranks below that of the optimum stop at a positive value (dashed: best stationary point "
        "found within the rank).",
        "training_curves",
        draw_training_curves,
    ),
    FigureSpec(
        "rank_spectrum",
        "Rank reduction keeps the objective and lowers the rank",
        "Singular values of a minimiser before and after the reduction. Left: least-norm solution without weight "
        "decay, tangent features of a random frozen network; its rank is the number of samples. Right: an "
        "instance with weight decay whose planted minimiser has full rank. "
        "After the reduction the rank r obeys r(r+1)/2 <= KN (dotted line: largest such r).",
        "rank_spectrum",
        draw_rank_spectrum,
    ),
    FigureSpec(
        "ntk_width",
        "The empirical NTK tends to its infinite-width limit",
        "Relative Frobenius distance between the empirical NTK of random frozen networks and the infinite-width "
        "kernel. Large markers: root mean square over networks, small ones: single networks, lines: fitted power laws, "
        "dashed: slope -1/2. L counts weight matrices.",
        "ntk_width",
        draw_ntk_width,
    ),
)
GALLERY: dict[str, FigureSpec] = {spec.name: spec for spec in _SPECS}
