"""BND-CMI: the gap is at most sqrt(2 CMI / n)."""

from math import log

import numpy as np

from proofs_check.conditional_instances import (
    SUPERSAMPLE,
    below,
    enumerated,
    evidence,
    gap_below,
    memory,
    retrained,
)
from proofs_check.evidence import Evidence, Level
from proofs_check.instances import by_level
from proofs_check.registry import claim
from sims.supersample.masks import all_masks
from theory.bounds.conditional import CAP, cmi_bound


def _control(level: Level, seed: int, data: str) -> Evidence:
    """One coin for all rows: every bit is fair, but they tell one bit together, and memories lose no gap."""
    rows = []
    for samples in (2, 4, 8):
        r = memory(np.repeat([[0], [1]], samples, axis=1), "one coin for all rows")
        rows.append(gap_below("|gap| given the supersample", r.gap, cmi_bound(r.information, samples), r.name))
    return evidence(rows, seed)


@claim(
    id="BND-CMI",
    paper="asymmetry",
    statement="For a loss in [0, 1], |E[L − L̂]| ≤ √(2 I(W; U | Z̃)/n) ≤ √(2 ln 2), and I(W; U | Z̃) is at most n ln 2 "
    "and at most I(W; S), hence at most min(b, n) ln 2 for W described by b bits.",
    source="Steinke, Zakynthinou (2020), arXiv 2001.09122",
    kind="upper",
    assumptions=SUPERSAMPLE,
    control="bits that are fair but not independent: one coin chooses the column of every row",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Lay exact gaps beside exact informations: enumerated learners, adapters and memories trained on every mask."""
    rows = []
    for e in enumerated(level, seed):
        x = e.exact
        rows += [
            gap_below("|gap|", x.gap, cmi_bound(x.cmi, x.samples), e.name),
            below("CMI against I(W; S)", x.cmi, x.information, e.name),
            below("CMI / n against ln 2", x.cmi / x.samples, log(2.0), e.name),
            below("bound against √(2 ln 2)", cmi_bound(x.cmi, x.samples), CAP, e.name),
        ]
    rows += [
        gap_below("|gap| given the supersample", r.gap, cmi_bound(r.information, r.samples), r.name)
        for r in (*retrained(level, seed, data), memory(all_masks(by_level(level, 4, 8, 12)), "all masks"))
    ]
    return evidence(rows, seed)
