"""The list of figures, which the command line finds through the entry point ``lora_theory.gallery``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from paper_figs.asymmetry_boundary import caption_asymmetry_boundary, draw_asymmetry_boundary
from paper_figs.bounds_ladder import bounds_table, caption_bounds_ladder, draw_bounds_ladder
from paper_figs.certificates import caption_certificates, certificates_table, draw_certificates
from paper_figs.factor_similarity import caption_factor_similarity, draw_factor_similarity
from paper_figs.factor_training import caption_factor_training, draw_factor_training, factor_training_table
from paper_figs.fails_loudly import caption_fails_loudly, draw_fails_loudly
from paper_figs.few_shot import caption_few_shot, draw_few_shot
from paper_figs.frontier import caption_frontier, draw_frontier
from paper_figs.generalisation import caption_generalisation, draw_generalisation
from paper_figs.kernel_concentration import caption_kernel_concentration, draw_kernel_concentration
from paper_figs.landscape_phase import caption_landscape_phase, draw_landscape_phase
from paper_figs.ntk_width import caption_ntk_width, draw_ntk_width
from paper_figs.rank_spectrum import caption_rank_spectrum, draw_rank_spectrum
from paper_figs.tables import Table
from paper_figs.training_curves import caption_training_curves, draw_training_curves
from paper_figs.zero_decay_phase import caption_zero_decay_phase, draw_zero_decay_phase


@dataclass(frozen=True)
class FigureSpec:
    """A figure: its name, what to print with it, the experiment whose record it shows, and how it is drawn.

    ``caption`` takes its numbers from the record. ``table`` makes a table of the same record, where there is one.
    """

    name: str
    title: str
    caption: Callable[[Mapping[str, Any]], str]
    experiment: str
    draw: Callable[[Mapping[str, Any]], Figure]
    table: Callable[[Mapping[str, Any]], Table] | None = None

    def table_files(self, record: Mapping[str, Any]) -> dict[str, str]:
        """Return the table's text by file suffix, csv and tex; empty for a figure without a table."""
        if self.table is None:
            return {}
        table = self.table(record)
        return {"csv": table.csv(), "tex": table.latex()}


_SPECS = (
    FigureSpec(
        "landscape_phase",
        "Where spurious local minima exist",
        caption_landscape_phase,
        "landscape_phase",
        draw_landscape_phase,
    ),
    FigureSpec(
        "zero_decay_phase",
        "Where spurious local minima exist without weight decay",
        caption_zero_decay_phase,
        "zero_decay_phase",
        draw_zero_decay_phase,
    ),
    FigureSpec(
        "frontier",
        "The existence frontier, every mark a proof",
        caption_frontier,
        "frontier",
        draw_frontier,
    ),
    FigureSpec(
        "training_curves",
        "Factored gradient descent against the certified optimum",
        caption_training_curves,
        "training_curves",
        draw_training_curves,
    ),
    FigureSpec(
        "few_shot",
        "Few-shot fine-tuning of a pretrained encoder, linearised and true",
        caption_few_shot,
        "few_shot",
        draw_few_shot,
    ),
    FigureSpec(
        "rank_spectrum",
        "Rank reduction keeps the objective and lowers the rank",
        caption_rank_spectrum,
        "rank_spectrum",
        draw_rank_spectrum,
    ),
    FigureSpec(
        "ntk_width",
        "The empirical NTK tends to its infinite-width limit",
        caption_ntk_width,
        "ntk_width",
        draw_ntk_width,
    ),
    FigureSpec(
        "fails_loudly",
        "Small starts end at the low-rank minimum, large ones end elsewhere, with larger norm",
        caption_fails_loudly,
        "fails_loudly",
        draw_fails_loudly,
    ),
    FigureSpec(
        "generalisation",
        "The generalisation bound beside measured excess risk",
        caption_generalisation,
        "generalisation",
        draw_generalisation,
    ),
    FigureSpec(
        "kernel_concentration",
        "The kernel of B-only training concentrates like one over the root of the rank",
        caption_kernel_concentration,
        "kernel_concentration",
        draw_kernel_concentration,
    ),
    FigureSpec(
        "bounds_ladder",
        "Bounds from retraining beside measured gaps, by adapter, rank and number of samples",
        caption_bounds_ladder,
        "bounds_ladder",
        draw_bounds_ladder,
        bounds_table,
    ),
    FigureSpec(
        "asymmetry_boundary",
        "Where tuning B fits better than tuning A",
        caption_asymmetry_boundary,
        "asymmetry_boundary",
        draw_asymmetry_boundary,
    ),
    FigureSpec(
        "factor_training",
        "Training one factor, both, or the whole matrix",
        caption_factor_training,
        "factor_training",
        draw_factor_training,
        factor_training_table,
    ),
    FigureSpec(
        "factor_similarity",
        "Which learned factors are similar depends on which one starts at zero",
        caption_factor_similarity,
        "factor_similarity",
        draw_factor_similarity,
    ),
    FigureSpec(
        "certificates",
        "Certificates of coded adapters beside their test errors",
        caption_certificates,
        "certificates",
        draw_certificates,
        certificates_table,
    ),
)
GALLERY: dict[str, FigureSpec] = {spec.name: spec for spec in _SPECS}
