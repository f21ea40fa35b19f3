"""BND-OCCAM-HOEFFDING: a certificate from the length of a description, additive."""

import numpy as np

from proofs_check.coverage import DELTA, CodedClass, code_length_claim, coverage, failures
from proofs_check.evidence import Measurement
from theory.bounds.code_length import occam_hoeffding


def _compare(world: CodedClass, risks: np.ndarray, bits: np.ndarray) -> list[Measurement]:
    bound = occam_hoeffding(risks, world.n, bits, DELTA)
    return [coverage(failures(bound, world.risk), DELTA, world.name)]


code_length_claim(
    ident="BND-OCCAM-HOEFFDING",
    statement="L(h) ≤ L̂(h) + √((b(h)·ln 2 + ln(1/δ))/(2n)).",
    source="Hoeffding 1963; Blumer et al. 1987",
    compare=_compare,
    stream=1,
)
