"""BND-CMI: the gap is at most sqrt(2 CMI / n)."""

from math import log

from proofs_check.conditional_instances import below, enumerated, evidence, gap_below, retrained
from proofs_check.evidence import Evidence, Level
from proofs_check.registry import claim
from theory.bounds.conditional import CAP, cmi_bound


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The sub-Gaussian constant halved, as it would be for a loss of range 1/2."""
    rows = [
        gap_below("|gap| against the halved bound", e.exact.gap, 0.5 * cmi_bound(e.exact.cmi, e.exact.samples), e.name)
        for e in enumerated(level, seed)
    ]
    return evidence(rows, seed)


@claim(
    id="BND-CMI",
    paper="asymmetry",
    statement="For a loss in [0, 1], |E[L − L̂]| ≤ √(2 I(W; U | Z̃)/n) ≤ √(2 ln 2), and I(W; U | Z̃) is at most n ln 2 "
    "and at most I(W; S).",
    source="Steinke, Zakynthinou (2020), arXiv 2001.09122",
    kind="upper",
    assumptions=("loss in [0, 1]", "i.i.d. examples", "U independent fair bits"),
    control="the constant halved: √(CMI/(2n))",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Lay exact gaps beside exact informations, of enumerated learners and of adapters trained on every mask."""
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
        for r in retrained(level, seed, data)
    ]
    return evidence(rows, seed)
