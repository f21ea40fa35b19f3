"""BND-FCMI: the samplewise bound from pairs of predictions."""

from proofs_check.conditional_instances import below, data_dependent_masks, enumerated, evidence, gap_below, retrained
from proofs_check.evidence import Evidence, Level
from proofs_check.registry import claim
from theory.bounds.conditional import cmi_bound, samplewise_bound


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Masks that look at the examples: a constant prediction reveals nothing, and the gap is not zero."""
    rows = []
    for probability in (0.2, 0.5, 0.8):
        gap, information = data_dependent_masks(probability)
        bound = (2.0 * information) ** 0.5
        rows.append(below("|gap| with masks that depend on the data", gap, bound, f"P(1) = {probability}"))
    return evidence(rows, seed)


@claim(
    id="BND-FCMI",
    paper="asymmetry",
    statement="For a loss in [0, 1], |E[L − L̂]| ≤ (1/n) Σ_i E_z̃ √(2 I(F_i; U_i | Z̃ = z̃)), F_i the predictions on the "
    "two examples of row i; this is at most √(2 I(W; U | Z̃)/n).",
    source="Harutyunyan, Raginsky, Ver Steeg, Galstyan (2021), arXiv 2110.01584 (m = 1)",
    kind="upper",
    assumptions=("loss in [0, 1], a function of prediction and example", "i.i.d. examples", "U independent fair bits"),
    control="masks that depend on the data: of each pair the larger example is trained on",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Lay exact gaps beside the bound, and the bound beside that of all predictions together."""
    rows = []
    for e in enumerated(level, seed):
        bound = e.exact.disintegrated(e.exact.predictions)
        rows += [
            gap_below("|gap|", e.exact.gap, bound, e.name),
            below("bound against CMI's", bound, cmi_bound(e.exact.cmi, e.exact.samples), e.name),
        ]
    for r in retrained(level, seed, data):
        bound = samplewise_bound(r.rows.predictions)
        rows += [
            gap_below("|gap| given the supersample", r.gap, bound, r.name),
            below("bound against that of all predictions", bound, cmi_bound(r.information, r.samples), r.name),
        ]
    return evidence(rows, seed)
