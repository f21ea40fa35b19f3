"""BND-CATONI: a certificate from the length of a description, with a free constant."""

import numpy as np

from proofs_check.coverage import EVERY, CodedClass, coverage, failures, fresh_samples, order, worlds
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.code_length import catoni, occam_kl

DELTA = 0.05
CONSTANTS = (0.5, 1.0, 2.0, 4.0)


def _measure(world: CodedClass, level: Level, seed: int, *, charged: bool) -> list[Measurement]:
    rng = np.random.default_rng([seed, 4, world.n])
    risks = world.smallest_risks(rng, fresh_samples(level))
    bits = world.bits if charged else np.zeros_like(world.bits)
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
    chosen = worlds(level, EVERY)
    return Evidence(tuple(m for w in chosen for m in _measure(w, level, seed, charged=False)), len(chosen))


@claim(
    id="BND-CATONI",
    paper="asymmetry",
    statement="Catoni: for a prefix code of b(h) bits, with probability at least 1 − δ over "
    "the sample, for all coded h at once: "
    "L(h) ≤ [1 − exp(−C·L̂(h) − (b(h)·ln 2 + ln(1/δ))/n)]/(1 − e^(−C)), for every "
    "C > 0; its infimum over C is Occam–kl.",
    source="Catoni 2007, Theorem 1.2.1",
    kind="upper",
    assumptions=(
        "i.i.d. samples",
        "loss in [0, 1]",
        "prefix code fixed before the sample; everything chosen with the sample is in it",
    ),
    control="the bits of the predictor that was chosen with the sample not charged",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count failures over fresh samples on full codes whose best predictor is pure luck."""
    chosen = worlds(level, EVERY)
    measurements = tuple(m for w in chosen for m in _measure(w, level, seed, charged=True))
    sizes = {"samples drawn": fresh_samples(level), "delta": DELTA}
    return Evidence(measurements, len(chosen), sizes=sizes, seeds=(seed,))
