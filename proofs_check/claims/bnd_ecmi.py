"""BND-ECMI: the samplewise bound from pairs of losses (evaluated CMI)."""

from proofs_check.conditional_instances import SUPERSAMPLE, below, enumerated, evidence, gap_below, retrained
from proofs_check.evidence import Evidence, Level
from proofs_check.registry import claim
from theory.bounds.conditional import samplewise_bound

_SCALE = 3.0  # of the losses of the control


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The same learners with a loss in [0, 3]: gaps grow, informations do not see the scale."""
    rows = [
        below("|gap| of a loss in [0, 3]", _SCALE * abs(e.exact.gap), e.exact.disintegrated(e.exact.pairs), e.name)
        for e in enumerated(level, seed)
    ]
    return evidence(rows, seed)


@claim(
    id="BND-ECMI",
    paper="asymmetry",
    statement="For a loss in [0, 1], |E[L − L̂]| ≤ (1/n) Σ_i E_z̃ √(2 I(ℓ_{i,0}, ℓ_{i,1}; U_i | Z̃ = z̃)); row by row the "
    "information is at most that of the two predictions.",
    source="Steinke, Zakynthinou (2020), arXiv 2001.09122; samplewise: Hellström, Durisi (2022), arXiv 2210.06422",
    kind="upper",
    assumptions=SUPERSAMPLE,
    control="a loss in [0, 3] in the same bound",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Lay exact gaps beside the bound, and informations of losses beside those of predictions, row by row."""
    rows = []
    for e in enumerated(level, seed):
        excess = float((e.exact.pairs - e.exact.predictions).max())
        rows += [
            gap_below("|gap|", e.exact.gap, e.exact.disintegrated(e.exact.pairs), e.name),
            below("I(losses) − I(predictions), worst row", excess, 0.0, e.name),
        ]
    for r in retrained(level, seed, data):
        rows += [
            gap_below("|gap| given the supersample", r.gap, samplewise_bound(r.rows.pairs), r.name),
            below(
                "I(losses) − I(predictions), worst row", float((r.rows.pairs - r.rows.predictions).max()), 0.0, r.name
            ),
        ]
    return evidence(rows, seed)
