"""BND-OCCAM-KL: a certificate from the length of a description, by relative entropy."""

import numpy as np

from proofs_check.coverage import EVERY, CodedClass, coverage, failures, fresh_samples, order, worlds
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.code_length import occam_hoeffding, occam_kl

DELTA = 0.05


def _measure(world: CodedClass, level: Level, seed: int, *, charged: bool) -> list[Measurement]:
    rng = np.random.default_rng([seed, 2, world.n])
    risks = world.smallest_risks(rng, fresh_samples(level))
    bits = world.bits if charged else np.zeros_like(world.bits)
    bound = occam_kl(risks, world.n, bits, DELTA)
    found = [coverage(failures(bound, world.risk), DELTA, world.name)]
    larger = occam_hoeffding(risks, world.n, bits, DELTA)
    found.append(order("kl certificate minus Hoeffding's", bound, larger, world.name))
    return found


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The predictor that does best on the sample, none of its bits charged."""
    chosen = worlds(level, EVERY)
    return Evidence(tuple(m for w in chosen for m in _measure(w, level, seed, charged=False)), len(chosen))


@claim(
    id="BND-OCCAM-KL",
    paper="asymmetry",
    statement="Occam–kl: for a prefix code of b(h) bits, with probability at least 1 − δ over "
    "the sample, for all coded h at once: "
    "kl(L̂(h)‖L(h)) ≤ (b(h)·ln 2 + ln(1/δ))/n for L(h) > L̂(h); never weaker than Occam–Hoeffding.",
    source="Chernoff 1952; Langford 2005",
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
