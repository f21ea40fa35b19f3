"""BND-OCCAM-HOEFFDING: a certificate from the length of a description, additive."""

import numpy as np

from proofs_check.coverage import DELTA, EVERY, PREFIX_CODE, UNCHARGED, CodedClass, count_failures, coverage, failures
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.code_length import occam_hoeffding


def _compare(world: CodedClass, risks: np.ndarray, bits: np.ndarray) -> list[Measurement]:
    bound = occam_hoeffding(risks, world.n, bits, DELTA)
    return [coverage(failures(bound, world.risk), DELTA, world.name)]


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The predictor that does best on the sample, none of its bits charged."""
    return count_failures(_compare, EVERY, level, seed, stream=1, charged=False)


@claim(
    id="BND-OCCAM-HOEFFDING",
    paper="asymmetry",
    statement="Occam–Hoeffding: for a prefix code of b(h) bits, with probability at least 1 − δ over "
    "the sample, for all coded h at once: "
    "L(h) ≤ L̂(h) + √((b(h)·ln 2 + ln(1/δ))/(2n)).",
    source="Hoeffding 1963; Blumer et al. 1987",
    kind="upper",
    assumptions=("i.i.d. samples", "loss in [0, 1]", PREFIX_CODE),
    control=UNCHARGED,
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count failures over fresh samples on full codes whose best predictor is pure luck."""
    return count_failures(_compare, EVERY, level, seed, stream=1)
