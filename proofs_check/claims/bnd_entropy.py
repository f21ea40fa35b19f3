"""BND-ENTROPY: the entropy of the tuned code, or its expected length, in place of the count of bits."""

from heapq import heapify, heappop, heappush
from math import log

import numpy as np

from proofs_check.claims.asy_l4_5 import adapter_toys
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.finite_learners import LEARNERS, coin_toy, enumerate_learner, share
from proofs_check.registry import claim
from theory.bounds.parameter_count import (
    ASSUMPTIONS,
    entropy_bound,
    expected_code_bound,
    mutual_information_bound,
)

ROUNDING = 1e-12


def expected_huffman_bits(law: np.ndarray) -> float:
    """Return the expected length of the best prefix code of a law: the sum of all merged weights."""
    heap, total = [float(p) for p in law if p > 0], 0.0
    heapify(heap)
    while len(heap) > 1:
        merged = heappop(heap) + heappop(heap)
        total += merged
        heappush(heap, merged)
    return total


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Entropy counted on one run: one codeword was seen, so it is 0."""
    toys = list(adapter_toys("smoke", seed, ("b-only",)))
    measurements = []
    for toy in toys:
        run = enumerate_learner(toy, "empirical risk")
        measurements += share("|E[L − L̂]| of √(2σ²H/n)", abs(run.gap), entropy_bound(0.0, toy.samples), toy.name)
    return Evidence(tuple(measurements), len(toys), seeds=(seed,))


@claim(
    id="BND-ENTROPY",
    paper="asymmetry",
    statement="With H the entropy of the tuned code over the draw of the sample, given the frozen weights: "
    "|E[L − L̂]| ≤ √(2σ²I(W; S)/n) ≤ √(2σ²H/n) ≤ √(2σ²·E[length]·ln 2/n), and H ≤ P·q·ln 2.",
    source="Xu and Raginsky 2017 with I(W; S) ≤ H; Kraft's inequality",
    kind="upper",
    assumptions=(*ASSUMPTIONS, "prefix code fixed before the sample; expectation over samples"),
    control="the entropy is estimated from one run",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Enumerate one-factor adapters; the code is the best prefix code of the codeword's law."""
    toys = [coin_toy(2), *adapter_toys(level, seed, ("b-only", "a-only"))]
    measurements, tightest = [], 1.0
    for toy in toys:
        count = mutual_information_bound(toy.bound_bits, 1, toy.samples)
        for learner in LEARNERS:
            run, n, name = enumerate_learner(toy, learner), toy.samples, f"{learner}: {toy.name}"
            code = expected_huffman_bits(run.codewords)
            entropy, lengths = entropy_bound(run.entropy, n), expected_code_bound(code, n)
            known = run.information - run.entropy
            measurements += [
                *share("|E[L − L̂]| of √(2σ²H/n)", abs(run.gap), entropy, name),
                *share("|E[L − L̂]| of the bound by lengths", abs(run.gap), lengths, name),
                Measurement("I(W; S) minus H", known, 0, "<=", ROUNDING, name),
                Measurement("H minus E[length]·ln 2", run.entropy - code * log(2), 0, "<=", ROUNDING, name),
                Measurement("H over P·q·ln 2", run.entropy / (toy.bound_bits * log(2)), 1, "<=", ROUNDING, name),
            ]
            if learner != "Gibbs":
                measurements.append(Measurement("I minus H, deterministic learner", known, 0, "==", ROUNDING, name))
            tightest = min(tightest, entropy / count)
    notes = (f"entropy bound down to {tightest:.2f} of the bound by bits",)
    return Evidence(tuple(measurements), len(toys), seeds=(seed,), notes=notes)
