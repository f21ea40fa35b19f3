"""BND-LDCMI: the samplewise bound from differences of losses, with and without conditioning."""

from proofs_check.conditional_instances import (
    SUPERSAMPLE,
    below,
    enumerated,
    evidence,
    gap_below,
    retrained,
    trained_on_both_columns,
)
from proofs_check.evidence import Evidence, Level
from proofs_check.registry import claim
from theory.bounds.conditional import samplewise_bound


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The examples left out are trained on, too: no loss tells the bit, and the error on new examples is larger."""
    rows = [
        gap_below("|L − L̂|, L on new examples", error - r.rows.train, samplewise_bound(r.rows.differences), r.name)
        for r, error in trained_on_both_columns(seed, data)
    ]
    return evidence(rows, seed)


@claim(
    id="BND-LDCMI",
    paper="asymmetry",
    statement="For a loss in [0, 1] and Δ_i = ℓ_{i,1} − ℓ_{i,0}: |E[L − L̂]| ≤ (1/n) Σ_i E_z̃ √(2 I(Δ_i; U_i | Z̃ = z̃)), "
    "and also |E[L − L̂]| ≤ (1/n) Σ_i √(2 I(Δ_i; U_i)); row by row the information is at most that of the two losses.",
    source="Wang, Mao (2023), arXiv 2302.02432 (loss-difference CMI)",
    kind="upper",
    assumptions=(*SUPERSAMPLE, "W depends on the chosen examples alone"),
    control="the training set holds both columns: it does not depend on U, and nothing is left out",
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
