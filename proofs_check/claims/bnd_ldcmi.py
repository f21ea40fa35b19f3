"""BND-LDCMI: the samplewise bound from differences of losses, with and without conditioning."""

from proofs_check.conditional_instances import below, enumerated, evidence, gap_below, retrained
from proofs_check.evidence import Evidence, Level
from proofs_check.registry import claim
from sims.enumeration import supersample_rows
from theory.bounds.conditional import samplewise_bound


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The sum of the two losses in place of their difference: symmetric in the columns, it tells nothing of the bit."""
    rows = []
    for e in enumerated(level, seed):
        losses = e.learner.losses
        _, informations = supersample_rows(e.learner).informations(losses[:, :, None] + losses[:, None, :])
        rows.append(gap_below("|gap| against the sum's bound", e.exact.gap, samplewise_bound(informations), e.name))
    return evidence(rows, seed)


@claim(
    id="BND-LDCMI",
    paper="asymmetry",
    statement="For a loss in [0, 1] and Δ_i = ℓ_{i,1} − ℓ_{i,0}: |E[L − L̂]| ≤ (1/n) Σ_i E_z̃ √(2 I(Δ_i; U_i | Z̃ = z̃)), "
    "and also |E[L − L̂]| ≤ (1/n) Σ_i √(2 I(Δ_i; U_i)); row by row the information is at most that of the two losses.",
    source="Wang, Mao (2023), arXiv 2302.02432 (loss-difference CMI)",
    kind="upper",
    assumptions=("loss in [0, 1]", "i.i.d. examples", "U independent fair bits"),
    control="ℓ_{i,0} + ℓ_{i,1} in place of the difference",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Lay exact gaps beside both bounds, and informations of differences beside those of pairs, row by row."""
    rows = []
    for e in enumerated(level, seed):
        x = e.exact
        rows += [
            gap_below("|gap|, disintegrated", x.gap, x.disintegrated(x.differences), e.name),
            gap_below("|gap|, unconditional", x.gap, samplewise_bound(x.differences_unconditional), e.name),
            below("I(Δ) − I(losses), worst row", float((x.differences - x.pairs).max()), 0.0, e.name),
        ]
    for r in retrained(level, seed, data):
        rows += [
            gap_below("|gap| given the supersample", r.gap, samplewise_bound(r.rows.differences), r.name),
            below("I(Δ) − I(losses), worst row", float((r.rows.differences - r.rows.pairs).max()), 0.0, r.name),
        ]
    return evidence(rows, seed)
