"""BND-CATONI: a certificate from the length of a description, with a free constant."""

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


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The predictor that does best on the sample, none of its bits charged."""
    return count_failures(_compare, EVERY, level, seed, stream=4, charged=False)


@claim(
    id="BND-CATONI",
    paper="asymmetry",
    statement="Catoni: for a prefix code of b(h) bits, with probability at least 1 − δ over "
    "the sample, for all coded h at once: "
    "L(h) ≤ [1 − exp(−C·L̂(h) − (b(h)·ln 2 + ln(1/δ))/n)]/(1 − e^(−C)), for every "
    "C > 0; its infimum over C is Occam–kl.",
    source="Catoni 2007, Theorem 1.2.1",
    kind="upper",
    assumptions=("i.i.d. samples", "loss in [0, 1]", PREFIX_CODE),
    control=UNCHARGED,
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count failures over fresh samples on full codes whose best predictor is pure luck."""
    return count_failures(_compare, EVERY, level, seed, stream=4)
