"""BND-OCCAM-BINOMIAL: a certificate from the length of a description, by the exact binomial tail."""

import numpy as np

from proofs_check.coverage import ZERO_ONE, CodedClass, coverage, failures, fresh_samples, order, worlds
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.code_length import occam_binomial, occam_kl

DELTA = 0.05


def _measure(world: CodedClass, level: Level, seed: int, *, charged: bool) -> list[Measurement]:
    rng = np.random.default_rng([seed, 3, world.n])
    errors = world.smallest_counts(rng, fresh_samples(level))
    bits = world.bits if charged else np.zeros_like(world.bits)
    bound = occam_binomial(errors, world.n, bits, DELTA)
    larger = occam_kl(errors / world.n, world.n, bits, DELTA)
    return [
        coverage(failures(bound, world.risk), DELTA, world.name),
        order("binomial certificate minus kl's", bound, larger, world.name),
    ]


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The predictor that does best on the sample, none of its bits charged."""
    chosen = worlds(level, ZERO_ONE)
    return Evidence(tuple(m for w in chosen for m in _measure(w, level, seed, charged=False)), len(chosen))


@claim(
    id="BND-OCCAM-BINOMIAL",
    paper="asymmetry",
    statement="Occam–binomial, 0-1 loss: for a prefix code of b(h) bits, with probability at least 1 − δ over "
    "the sample, for all coded h at once: "
    "L(h) ≤ sup{p : P(Bin(n, p) ≤ n·L̂(h)) ≥ δ·2^(−b(h))}; never weaker than Occam–kl.",
    source="Langford 2005, Theorem 3.3; Clopper and Pearson 1934",
    kind="upper",
    assumptions=(
        "i.i.d. samples",
        "0-1 loss",
        "prefix code fixed before the sample; everything chosen with the sample is in it",
    ),
    control="the bits of the predictor that was chosen with the sample not charged",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count failures over fresh samples on full codes whose best predictor is pure luck."""
    chosen = worlds(level, ZERO_ONE)
    measurements = tuple(m for w in chosen for m in _measure(w, level, seed, charged=True))
    sizes = {"samples drawn": fresh_samples(level), "delta": DELTA}
    return Evidence(measurements, len(chosen), sizes=sizes, seeds=(seed,))
