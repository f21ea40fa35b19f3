"""The list of figures, which the command line finds through the entry point ``lora_theory.gallery``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from paper_figs.asymmetry_boundary import draw_asymmetry_boundary
from paper_figs.bounds_ladder import bounds_table, draw_bounds_ladder
from paper_figs.certificates import certificates_table, draw_certificates
from paper_figs.factor_similarity import draw_factor_similarity
from paper_figs.factor_training import draw_factor_training, factor_training_table
from paper_figs.fails_loudly import draw_fails_loudly
from paper_figs.few_shot import draw_few_shot
from paper_figs.frontier import draw_frontier
from paper_figs.generalisation import draw_generalisation
from paper_figs.kernel_concentration import draw_kernel_concentration
from paper_figs.landscape_phase import draw_landscape_phase
from paper_figs.ntk_width import draw_ntk_width
from paper_figs.rank_spectrum import draw_rank_spectrum
from paper_figs.tables import Table
from paper_figs.training_curves import draw_training_curves
from paper_figs.zero_decay_phase import draw_zero_decay_phase


@dataclass(frozen=True)
class FigureSpec:
    """A figure: its name, what to print with it, the experiment whose record it shows, and how it is drawn.

    ``table`` makes a table of the same record, where there is one.
    """

    name: str
    title: str
    caption: str
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
        "zero_decay_phase",
        "Where spurious local minima exist without weight decay",
        "Fraction of starts that end in a certified spurious second-order point, over rank r and number of "
        "measurements KN (no weight decay, squared loss, square matrices, instances built to be as hard as possible). "
        "Generic features: none for KN <= r max(m, n), and some in every cell beyond. The capacity condition "
        "r(m+n) - r^2 > 1.35 KN, found for Gaussian features, lets spurious minima pass at low rank and is stricter "
        "than needed at the highest one. Beyond the dotted line rank r cannot interpolate, and a run above the convex "
        "optimum may be best within its rank. Exactly structured features are spurious below the threshold, too.",
        "zero_decay_phase",
        draw_zero_decay_phase,
    ),
    FigureSpec(
        "frontier",
        "The existence frontier, every mark a proof",
        "Rank and number of measurements KN at which features and targets with a strict spurious local minimum exist "
        "(weight decay, squared loss, r < min(m, n)). Discs: features designed by a semidefinite program, the minimum "
        "proved in rational arithmetic. Rings: after noise on every feature entry, proved by interval Newton. Crosses: "
        "the program's bound on the smallest off-gauge Hessian eigenvalue is zero or less, and it is proved in "
        "rational arithmetic that no features do. The frontier is r(r+3)/2 = KN; the paper excludes KN < r(r+1)/2.",
        "frontier",
        draw_frontier,
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
        "few_shot",
        "Few-shot fine-tuning of a pretrained encoder, linearised and true",
        "Query and value matrices of the last block, 16 samples of each of two classes, cross-entropy, weight decay; "
        "MiniLM on SST-2 in the committed record, a random encoder on images where these are missing. Top: singular "
        "values of the data gradient at the certified optimum over lambda; those at 1 carry it, thresholds lie well "
        "above. Middle: training of the linearised model, ranks below and above that of the optimum (dashed: best "
        "stationary point found within the rank). Bottom: the true network trained beside the linearised one.",
        "few_shot",
        draw_few_shot,
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
    FigureSpec(
        "fails_loudly",
        "Small starts end at the low-rank minimum, large ones end elsewhere, with larger norm",
        "LoRA on the middle layer of a random frozen tanh network (not linearised), cross-entropy with weight decay. "
        "(a) Strong convexity α and smoothness β around X*, sampled over X of rank at most r: an upper estimate of α, "
        "a lower one of β (lines: samples of all smaller ranks included). 2α is far below β; a trend with r, as in the "
        "paper's larger networks, does not show. Sampling finds α > 0, but a spurious second-order point of lower rank "
        "inside the ball, reached by large starts, proves that α is negative (dashed). "
        "(b, c) End points of Adam. From B = 0 every run ends at X*. Large starts stopped early have full LoRA rank, "
        "many times the norm and low test accuracy; run to convergence, weight decay brings most to spurious "
        "second-order points of a slightly larger norm.",
        "fails_loudly",
        draw_fails_loudly,
    ),
    FigureSpec(
        "generalisation",
        "The generalisation bound beside measured excess risk",
        "Finite populations on which the true risk and its minimiser are known exactly; samples drawn independently, "
        "the weight decay of the theorem. Circles: excess risk of the regularised minimiser (median; bars: all "
        "samples). Squares: the largest excess risk found among all points the theorem covers. The bound holds for "
        "all; it is informative only where it lies below the dotted line, the excess risk of no fine-tuning at all.",
        "generalisation",
        draw_generalisation,
    ),
    FigureSpec(
        "kernel_concentration",
        "The kernel of B-only training concentrates like one over the root of the rank",
        "Relative distance between the LoRA kernel with a random frozen A (entries of variance 1/r) and the full "
        "kernel of the layer, tangent features of a random frozen network. Large markers: root mean square over draws "
        "of A, small ones: single draws, dashed: the closed form of the root mean square.",
        "kernel_concentration",
        draw_kernel_concentration,
    ),
    FigureSpec(
        "bounds_ladder",
        "Bounds from retraining beside measured gaps, by adapter, rank and number of samples",
        "Head of ten outputs on 512 frozen random ReLU features, ridge in closed form; Fashion-MNIST in the committed "
        "record. Black: 0-1 error left out minus training error. e-CMI: mean over rows of √(2I) from the two losses of "
        "a row, estimated with 100 or 200 trainings a supersample; dotted: what that estimate is when the masks tell "
        "nothing, a floor that does not fall with n. Pooled over rows the bias is negligible; binary kl and square "
        "root use the same information. Grey: bound of a quantised adapter of one bit a parameter, for comparison of "
        "scale only, as these are not quantised. At equal rank the gap of A only is larger than that of B only here: "
        "it has more parameters (512 inputs, 10 outputs), and at low rank it depends on the frozen B that was drawn "
        "(the table has the spread). Open marks: the full head. All of these bound the mean over samples, not one "
        "run.",
        "bounds_ladder",
        draw_bounds_ladder,
        bounds_table,
    ),
    FigureSpec(
        "asymmetry_boundary",
        "Where tuning B fits better than tuning A",
        "Least squares with a random frozen factor: the part of the loss that B-only captures (II_A) over the part "
        "that A-only captures (II_B), means over independent frozen factors; blue: B-only fits better. Inputs have "
        "variances σ_k = k^-b; the change Δ has squared length σ_k^a on direction k. Theory says that the sign changes "
        "where Θ_r, the deterministic equivalent at rank r, is 1 (solid). Its limit Θ for inputs of large effective "
        "rank (dashed) names the wrong factor in some cells (crosses). Below: every cell, measured against each "
        "prediction, with the number of wrong signs among cells where the proved bounds on the error of Θ_r leave one "
        "sign and the measured number is beyond 7 standard errors.",
        "asymmetry_boundary",
        draw_asymmetry_boundary,
    ),
    FigureSpec(
        "factor_training",
        "Training one factor, both, or the whole matrix",
        "Small networks, trained on images turned upside down, adapted to upright ones, and MiniLM's last block on "
        "sentences; heads stay frozen. Every arm takes the step size that is best on validation samples; error "
        "bars: standard deviation over starts. Top: test accuracy over the number of tuned scalars. In the "
        "committed record A-only is ahead of B-only at equal rank from rank 4 on (digits: from rank 8), against the "
        "paper's finding on language tasks; at small equal budgets B-only is ahead where inputs outnumber outputs. "
        "On SST-2 A-only and B-only are within 0.015 of each other at every rank. On RTE no arm is better than the "
        "head it starts from (0.65) by more than its spread; the whole matrix overfits and loses 0.07. Middle "
        "(digits): the start of the frozen factor matters little (bars: means; singular: top singular vectors of "
        "the adapted matrix; on MNIST these help both factors at rank 4 and below, on sentences no start stands "
        "out, see the table). Bottom: A-only by plain gradient descent. The frozen Kaiming B of column norm c needs "
        "steps smaller by c², as predicted (arrow); divided by c it trains as the orthonormal one. The table holds "
        "all arms.",
        "factor_training",
        draw_factor_training,
        factor_training_table,
    ),
    FigureSpec(
        "factor_similarity",
        "Which learned factors are similar depends on which one starts at zero",
        "Both factors of LoRA trained on several tasks from several starts: four relabellings of digits and of "
        "MNIST, and, on MiniLM's last block, SST-2 and RTE. Mean subspace similarity φ over pairs of runs (bands: "
        "range over the adapted matrices), over the step size (vertical line: best on validation samples). Upper "
        "row of each pair: B = 0 and A random, as usual: learned B are alike on the same task, learned A from the "
        "same start, because each stays near its own start (dashed). That wears off as steps grow. Lower row: A = 0 "
        "and B random: the roles are exchanged.",
        "factor_similarity",
        draw_factor_similarity,
    ),
    FigureSpec(
        "certificates",
        "Certificates of coded adapters beside their test errors",
        "Adapters of a head of zeros on frozen random ReLU features, trained by softmax regression on n examples, "
        "quantised, coded into a string and decoded. Filled: bound of the error that holds with probability 0.95 for "
        "this adapter alone (relative entropy, bits of the string). Hollow: test error of the same adapter. Lines join "
        "ranks. Dashed: the best of all adapters, the bits of choosing it charged. A few hundred bits in B go a long "
        "way when the frozen A comes from public data; A-only, BA and full spend thousands on more accuracy than "
        "their bits pay for. At equal low rank the others can be ahead, as BA at rank 4 is on both image sets: B-only "
        "sees r of the features only. It wins by rank: at r = 64 it has 640 entries, A-only of 1024 features 2048 at "
        "r = 2.",
        "certificates",
        draw_certificates,
        certificates_table,
    ),
)
GALLERY: dict[str, FigureSpec] = {spec.name: spec for spec in _SPECS}
