"""BND-CATONI: a certificate from the length of a description, with a free constant."""

import numpy as np

from proofs_check.coverage import DELTA, CodedClass, code_length_claim, coverage, failures, order
from proofs_check.evidence import Measurement
from theory.bounds.code_length import catoni, occam_kl

CONSTANTS = (0.5, 1.0, 2.0, 4.0)


def _compare(world: CodedClass, risks: np.ndarray, bits: np.ndarray) -> list[Measurement]:
    found = []
    smallest = np.full(risks.shape, np.inf)
    for constant in CONSTANTS:
        bound = catoni(risks, world.n, bits, DELTA, constant)
        smallest = np.minimum(smallest, bound)
        found.append(coverage(failures(bound, world.risk), DELTA, f"{world.name}, C = {constant:g}"))
    kl = occam_kl(risks, world.n, bits, DELTA)
    found.append(coverage(failures(smallest, world.risk), DELTA, f"{world.name}, best C of each sample"))
    found.append(order("kl certificate minus the smallest over C", kl, smallest, world.name))
    return found


code_length_claim(
    ident="BND-CATONI",
    statement="L(h) ≤ [1 − exp(−C·L̂(h) − (b(h)·ln 2 + ln(1/δ))/n)]/(1 − e^(−C)) for every C > 0, whose infimum over C "
    "is Occam–kl.",
    source="Catoni 2007, Theorem 1.2.1",
    compare=_compare,
    stream=4,
)
