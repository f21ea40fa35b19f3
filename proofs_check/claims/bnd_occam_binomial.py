"""BND-OCCAM-BINOMIAL: a certificate from the length of a description, by the exact binomial tail."""

import numpy as np

from proofs_check.coverage import DELTA, ZERO_ONE, CodedClass, code_length_claim, coverage, failures, order
from proofs_check.evidence import Measurement
from theory.bounds.code_length import occam_binomial, occam_kl


def _compare(world: CodedClass, risks: np.ndarray, bits: np.ndarray) -> list[Measurement]:
    errors = np.rint(risks * world.n)  # whole numbers: the loss is 0 or 1
    bound = occam_binomial(errors, world.n, bits, DELTA)
    larger = occam_kl(risks, world.n, bits, DELTA)
    return [
        coverage(failures(bound, world.risk), DELTA, world.name),
        order("binomial certificate minus kl's", bound, larger, world.name),
    ]


code_length_claim(
    ident="BND-OCCAM-BINOMIAL",
    statement="L(h) ≤ sup{p : P(Bin(n, p) ≤ n·L̂(h)) ≥ δ·2^(−b(h))}; never weaker than Occam–kl.",
    source="Langford 2005, Theorem 3.3; Clopper and Pearson 1934",
    compare=_compare,
    candidates=ZERO_ONE,
    loss="0-1 loss",
    stream=3,
)
