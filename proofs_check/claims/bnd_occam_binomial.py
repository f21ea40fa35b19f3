"""BND-OCCAM-BINOMIAL: a certificate from the length of a description, by the exact binomial tail."""

import numpy as np

from proofs_check.coverage import (
    DELTA,
    PREFIX_CODE,
    UNCHARGED,
    ZERO_ONE,
    CodedClass,
    count_failures,
    coverage,
    failures,
    order,
)
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.code_length import occam_binomial, occam_kl


def _compare(world: CodedClass, risks: np.ndarray, bits: np.ndarray) -> list[Measurement]:
    errors = np.rint(risks * world.n)  # whole numbers: the loss is 0 or 1
    bound = occam_binomial(errors, world.n, bits, DELTA)
    larger = occam_kl(risks, world.n, bits, DELTA)
    return [
        coverage(failures(bound, world.risk), DELTA, world.name),
        order("binomial certificate minus kl's", bound, larger, world.name),
    ]


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The predictor that does best on the sample, none of its bits charged."""
    return count_failures(_compare, ZERO_ONE, level, seed, stream=3, charged=False)


@claim(
    id="BND-OCCAM-BINOMIAL",
    paper="asymmetry",
    statement="Occam–binomial, 0-1 loss: for a prefix code of b(h) bits, with probability at least 1 − δ over "
    "the sample, for all coded h at once: "
    "L(h) ≤ sup{p : P(Bin(n, p) ≤ n·L̂(h)) ≥ δ·2^(−b(h))}; never weaker than Occam–kl.",
    source="Langford 2005, Theorem 3.3; Clopper and Pearson 1934",
    kind="upper",
    assumptions=("i.i.d. samples", "0-1 loss", PREFIX_CODE),
    control=UNCHARGED,
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count failures over fresh samples on full codes whose best predictor is pure luck."""
    return count_failures(_compare, ZERO_ONE, level, seed, stream=3)
