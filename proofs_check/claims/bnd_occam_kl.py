"""BND-OCCAM-KL: a certificate from the length of a description, by relative entropy."""

import numpy as np

from proofs_check.coverage import DELTA, CodedClass, code_length_claim, coverage, failures, order
from proofs_check.evidence import Measurement
from theory.bounds.code_length import occam_hoeffding, occam_kl


def _compare(world: CodedClass, risks: np.ndarray, bits: np.ndarray) -> list[Measurement]:
    bound, larger = (f(risks, world.n, bits, DELTA) for f in (occam_kl, occam_hoeffding))
    return [
        coverage(failures(bound, world.risk), DELTA, world.name),
        order("kl certificate minus Hoeffding's", bound, larger, world.name),
    ]


code_length_claim(
    ident="BND-OCCAM-KL",
    statement="kl(L̂(h)‖L(h)) ≤ (b(h)·ln 2 + ln(1/δ))/n for L(h) > L̂(h); never weaker than Occam–Hoeffding.",
    source="Chernoff 1952; Langford 2005",
    compare=_compare,
    stream=2,
)
