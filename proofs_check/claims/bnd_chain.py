"""BND-CHAIN: which bounds of the family are ordered, and which are not."""

from itertools import pairwise
from math import sqrt

import numpy as np

from proofs_check.conditional_instances import ROOT_ROUNDING, SUPERSAMPLE, Enumerated, below, enumerated, evidence
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from sims.enumeration import enumerate_learner, majority_learner
from theory.bounds.conditional import CAP, averaged_bound, binary_kl_gap_bound, cmi_bound


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The chains laid end to end, exact on the majority of three fair bits."""
    learner = majority_learner(3, 0.5)
    e = Enumerated("majority of 3, P(1) = 0.5", learner, enumerate_learner(learner))
    x = e.exact
    unconditional = float(x.pairs_unconditional.mean())
    rows = [
        below("CMI bound against √(I(W; S)/(2n))", cmi_bound(x.cmi, 3), sqrt(x.information / 6.0), e.name),
        below(
            "binary kl (unconditional) against disintegrated e-CMI",
            binary_kl_gap_bound(x.train, unconditional),
            x.disintegrated(x.pairs),
            e.name,
        ),
    ]
    return evidence(rows, seed)


@claim(
    id="BND-CHAIN",
    paper="asymmetry",
    statement="Given the supersample, √(2 ln 2) ≥ CMI ≥ f-CMI ≥ e-CMI ≥ ld-CMI. Without conditioning, √(2Ī(ℓ_{i,0}, "
    "ℓ_{i,1}; U_i)) is at least √(2Ī(Δ_i; U_i)), with equality for the 0-1 loss, and at least the binary-kl bound of "
    "the same information. For i.i.d. samples the individual-sample bound is at most √(I(W; S)/(2n)).",
    source="data processing, Jensen, Pinsker; equality for the 0-1 loss: this project",
    kind="upper",
    assumptions=(*SUPERSAMPLE, "the same conditioning in one chain"),
    control="the chains taken as mutually ordered: CMI after mutual information, binary kl after disintegrated e-CMI",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Lay neighbouring rungs beside each other on every enumerated learner."""
    rows = []
    for e in enumerated(level, seed):
        rows += _given_the_supersample(e) + _unconditional(e)
    return evidence(rows, seed)


def _given_the_supersample(e: Enumerated) -> list[Measurement]:
    x = e.exact
    rungs = {
        "√(2 ln 2)": CAP,
        "CMI": cmi_bound(x.cmi, x.samples),
        "f-CMI": x.disintegrated(x.predictions),
        "e-CMI": x.disintegrated(x.pairs),
        "ld-CMI": x.disintegrated(x.differences),
    }
    names = list(rungs)
    return [
        below(f"{low} against {high}", rungs[low], rungs[high], e.name, ROOT_ROUNDING) for high, low in pairwise(names)
    ]


def _unconditional(e: Enumerated) -> list[Measurement]:
    x = e.exact
    pair, difference = averaged_bound(x.pairs_unconditional), averaged_bound(x.differences_unconditional)
    rows = [
        below("√(2Ī(Δ)) against √(2Ī(losses))", difference, pair, e.name, ROOT_ROUNDING),
        below(
            "binary kl against √(2Ī(losses))",
            binary_kl_gap_bound(x.train, float(x.pairs_unconditional.mean())),
            pair,
            e.name,
            ROOT_ROUNDING,
        ),
        below(
            "individual samples against mutual information",
            float(np.sqrt(x.individual / 2.0).mean()),
            sqrt(x.information / (2.0 * x.samples)),
            e.name,
            ROOT_ROUNDING,
        ),
    ]
    if set(np.unique(e.learner.losses)) <= {0.0, 1.0}:
        rows.append(
            Measurement("√(2Ī(Δ)) for the 0-1 loss", difference, pair, "==", ROOT_ROUNDING, e.name),
        )
    return rows
