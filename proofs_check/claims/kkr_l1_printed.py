"""KKR-L1-PRINTED: the count of Lemma 1 with a fraction of a step in it is too small when the decay is strong."""

from fractions import Fraction

import numpy as np

from proofs_check.decayed_cycle import limit_cycle
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import claim
from theory.restricted_curvature import printed_decay_rank_bound

_ROUNDING = 1e-12  # of two logarithms
_LABEL = "rank needed for ε against b log(ε/4)/log(1−μλ)"


def counterexample(q: Fraction, rank: int, epsilon: Fraction, samples: int) -> tuple[Measurement, str]:
    """Return the rank needed beside the printed count, with rational proofs, and a note.

    Proved: the norm is steady, rank - 1 is not enough, and the printed count lies below ``rank`` (epsilon/4 > q^rank).
    """
    cycle = limit_cycle(q, samples)
    proved = cycle.steady and cycle.tail_squared(rank - 1) >= epsilon**2 and epsilon / 4 > q**rank
    printed = printed_decay_rank_bound(1, float(epsilon), 1.0, float(1 - q))
    name = f"μλ = {float(1 - q):g}, ε = {float(epsilon):g}, b = 1, {samples} orthogonal sample{'s' * (samples > 1)}"
    note = f"{name}: rank {rank} is needed (ε/4 = {epsilon / 4} > {q**rank} = (1−μλ)^{rank}), printed {printed:.4f}"
    return Measurement(_LABEL, rank, printed, "<=", 0, name, proved), note


def _control(level: Level, seed: int, data: str) -> Evidence:
    """μλ ≤ 3/4 on the same family, drawn decays and accuracies: the fraction of a step costs less than the 4 in ε/4."""
    g = np.random.default_rng(seed)
    measurements = []
    for _ in range(by_level(level, 20, 100, 500)):
        q, epsilon = Fraction(int(g.integers(250, 900)), 1000), Fraction(int(g.integers(1, 1000)), 1000)
        samples = int(g.integers(1, 40))
        cycle = limit_cycle(q, samples)
        printed = printed_decay_rank_bound(1, float(epsilon), 1.0, float(1 - q))
        name = f"μλ = {float(1 - q):g}, ε = {float(epsilon):g}, b = 1, {samples} orthogonal samples"
        rank = cycle.rank_within(epsilon)
        measurements.append(Measurement(_LABEL, rank, printed, "<=", _ROUNDING, name, cycle.steady))
    return Evidence(tuple(measurements), len(measurements), certificate="exact", seeds=(seed,))


@claim(
    id="KKR-L1-PRINTED",
    paper="ntk",
    statement="SGD with batch size b, step μ and weight decay λ, gradients of rank one per sample: if X converges, "
    "then for every ε some W with rank W ≤ b log(ε/4)/log(1−μλ), not rounded up, has ‖X/‖X‖ − W‖ < ε.",
    source="arXiv 2502.09376, Lemma 1, as printed",
    kind="upper",
    assumptions=("gradient of rank one per sample", "0 < μλ < 1", "‖X‖ converges"),
    expected="fails",
    expected_reason="Steps are whole: the proof gives b⌈log(ε/4)/log(1−μλ)⌉ (KKR-L1). For μλ > 3/4 the printed count "
    "is too small, proved in rational arithmetic: μλ = 0.9, ε = 0.0404, b = 1 needs rank 2, printed 1.9957; at "
    "μλ = 0.9, ε = 1/2 and one sample X itself converges, has rank 1, and the printed count 0.903 leaves only W = 0.",
    control="μλ ≤ 3/4 on the same family: the printed count suffices",
    control_check=_control,
    control_expected="holds",
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Prove that more rank is needed on orthogonal samples at decays above 3/4, at fixed and at drawn ones."""
    cases = [
        (Fraction(1, 10), 1, Fraction(1, 2), 1),  # X itself converges
        (Fraction(1, 10), 2, Fraction(404, 10000), 3),
    ]
    g = np.random.default_rng(seed)
    for _ in range(by_level(level, 4, 20, 100)):
        q, rank = Fraction(int(g.integers(5, 240)), 1000), int(g.integers(1, 5))
        # epsilon/4 between q^rank and q^(rank - 1) / 4: above what the printed count allows, below what rank - 1 leaves
        share = Fraction(int(g.integers(1, 100)), 100)
        epsilon = 4 * q**rank + share * (min(q ** (rank - 1), Fraction(1)) - 4 * q**rank) / 2
        cases.append((q, rank, epsilon, rank + 2))
    found = [counterexample(*case) for case in cases]
    notes = tuple(note for _, note in found[:4])
    return Evidence(tuple(m for m, _ in found), len(found), certificate="exact", seeds=(seed,), notes=notes)
