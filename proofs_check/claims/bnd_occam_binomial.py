"""BND-OCCAM-BINOMIAL: a certificate from the length of a description, by the exact binomial tail."""

from functools import partial

import numpy as np

from proofs_check.coverage import CodedClass, code_length_claim, judged, order
from proofs_check.evidence import Measurement
from theory.bounds.code_length import occam_binomial, occam_kl


def _certificate(risks: np.ndarray, n: int, bits: np.ndarray, delta: float) -> np.ndarray:
    """Return the certificate of training risks; whole numbers of errors, since the loss is 0 or 1."""
    return np.asarray(occam_binomial(np.rint(risks * n), n, bits, delta))


def _compare(world: CodedClass, share: float) -> list[Measurement]:
    found = judged(partial(world.failure, _certificate), world.delta, world.name, share)
    if share == 1.0:
        bound, larger = (f(world.risks, world.n, world.bits, world.delta) for f in (_certificate, occam_kl))
        found.append(order("binomial certificate minus kl's", bound, larger, world.name))
    return found


code_length_claim(
    ident="BND-OCCAM-BINOMIAL",
    statement="L(h) ≤ sup{p : P(Bin(n, p) ≤ n·L̂(h)) ≥ δ·2^(−b(h))}; never weaker than Occam–kl.",
    source="Langford 2005, Theorem 3.3; Clopper and Pearson 1934",
    compare=_compare,
    zero_one=True,
    loss="0-1 loss",
)
