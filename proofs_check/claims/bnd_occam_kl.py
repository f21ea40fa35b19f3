"""BND-OCCAM-KL: a certificate from the length of a description, by relative entropy."""

import numpy as np

from proofs_check.coverage import (
    DELTA,
    EVERY,
    PREFIX_CODE,
    UNCHARGED,
    CodedClass,
    count_failures,
    coverage,
    failures,
    order,
)
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.code_length import occam_hoeffding, occam_kl


def _compare(world: CodedClass, risks: np.ndarray, bits: np.ndarray) -> list[Measurement]:
    bound, larger = (f(risks, world.n, bits, DELTA) for f in (occam_kl, occam_hoeffding))
    return [
        coverage(failures(bound, world.risk), DELTA, world.name),
        order("kl certificate minus Hoeffding's", bound, larger, world.name),
    ]


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The predictor that does best on the sample, none of its bits charged."""
    return count_failures(_compare, EVERY, level, seed, stream=2, charged=False)


@claim(
    id="BND-OCCAM-KL",
    paper="asymmetry",
    statement="Occam–kl: for a prefix code of b(h) bits, with probability at least 1 − δ over "
    "the sample, for all coded h at once: "
    "kl(L̂(h)‖L(h)) ≤ (b(h)·ln 2 + ln(1/δ))/n for L(h) > L̂(h); never weaker than Occam–Hoeffding.",
    source="Chernoff 1952; Langford 2005",
    kind="upper",
    assumptions=("i.i.d. samples", "loss in [0, 1]", PREFIX_CODE),
    control=UNCHARGED,
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count failures over fresh samples on full codes whose best predictor is pure luck."""
    return count_failures(_compare, EVERY, level, seed, stream=2)
