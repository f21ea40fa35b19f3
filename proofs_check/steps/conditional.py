"""Proof of the fast conditional-information bounds: change of measure, corners, additivity, and what a loss reveals."""

from itertools import product
from math import exp, log

import numpy as np

from proofs_check.claims.bnd_interpolation import WEIGHTS
from proofs_check.conditional_instances import ROUNDING, below, enumerated, evidence, interpolating
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import proof_step
from sims.enumeration import supersample_rows


@proof_step(
    claim="BND-INTERPOLATION",
    id="P1",
    statement="If e^λ + e^{−λc₁} ≤ 2, a fair bit gives E exp λ(ℓ_test − c₁ ℓ_train) ≤ 1 at every pair of "
    "losses in [0, 1]².",
)
def corners(level: Level, seed: int, data: str) -> Evidence:
    """Largest value on a grid of pairs that contains the corners."""
    grid = np.linspace(0.0, 1.0, 21)
    rows = []
    for train_weight, information_weight in WEIGHTS:
        rate = 1.0 / information_weight
        values = [
            0.5 * (exp(rate * (b - train_weight * a)) + exp(rate * (a - train_weight * b)))
            for a, b in product(grid, grid)
        ]
        name = f"c₁ = {train_weight:g}, c₂ = {information_weight:g}"
        rows.append(below("E exp λ(ℓ_test − c₁ ℓ_train), worst pair", max(values), 1.0, name))
    return evidence(rows, seed)


@proof_step(
    claim="BND-INTERPOLATION",
    id="P2",
    statement="Change of measure (Donsker, Varadhan), row by row: λ E[ℓ_test − c₁ ℓ_train] ≤ I(ℓ_{i,0}, ℓ_{i,1}; U_i).",
)
def change_of_measure(level: Level, seed: int, data: str) -> Evidence:
    """Every row of enumerated learners with every pair of weights."""
    rows = []
    for e in (*enumerated(level, seed), *interpolating(level, seed)):
        for train_weight, information_weight in WEIGHTS:
            left = (e.exact.population - train_weight * e.exact.train_rows) / information_weight
            excess = float((left - e.exact.pairs_unconditional).max())
            rows.append(below("λ E[ℓ_test − c₁ ℓ_train] − I, worst row", excess, 0.0, e.name))
    return evidence(rows, seed)


@proof_step(
    claim="BND-INTERPOLATION",
    id="P3",
    statement="Independent bits: I(ℓ_{i,0}, ℓ_{i,1}; U_i) ≤ I(ℓ_{i,0}, ℓ_{i,1}; U_i | Z̃), and Σ_i of these is at most "
    "I(W; U | Z̃).",
)
def additivity(level: Level, seed: int, data: str) -> Evidence:
    """Both inequalities on enumerated learners."""
    rows = []
    for e in (*enumerated(level, seed), *interpolating(level, seed)):
        x = e.exact
        conditional = x.weights @ x.pairs
        rows += [
            below("I − I given Z̃, worst row", float((x.pairs_unconditional - conditional).max()), 0.0, e.name),
            below("sum over rows against CMI", float(conditional.sum()), x.cmi, e.name),
        ]
    return evidence(rows, seed)


@proof_step(
    claim="BND-INTERPOLATION",
    id="P4",
    statement="Interpolating, 0-1 loss: Δ_i ≠ 0 determines U_i, Δ_i = 0 leaves it fair, P(Δ_i ≠ 0) = L: "
    "I(Δ_i; U_i) = L ln 2.",
)
def what_a_difference_reveals(level: Level, seed: int, data: str) -> Evidence:
    """The law of the difference given each value of the bit."""
    rows = []
    for e in interpolating(level, seed):
        law = supersample_rows(e.learner)
        losses, (first, second) = e.learner.losses, np.moveaxis(law.supersamples, 2, 0)
        difference = losses[:, second] - losses[:, first]  # (w, t, n)
        given = {
            value: np.einsum("t,tiuw,wti->iu", law.weights, law.hypotheses, difference == value, optimize=True)
            for value in (-1.0, 0.0, 1.0)
        }
        differing = 0.5 * (given[-1.0] + given[1.0]).sum(axis=1)
        information = e.exact.differences_unconditional
        pairs = {
            "P(Δ = 1 | U = 1)": (given[1.0][:, 1], 0.0),
            "P(Δ = −1 | U = 0)": (given[-1.0][:, 0], 0.0),
            "P(Δ = 0 | U = 0) − P(Δ = 0 | U = 1)": (given[0.0][:, 0] - given[0.0][:, 1], 0.0),
            "P(Δ ≠ 0) − L": (differing - e.exact.population, 0.0),
            "I(Δ; U) − L ln 2": (information - e.exact.population * log(2.0), 0.0),
        }
        rows += [
            Measurement(f"{name}, worst row", float(np.abs(value).max()), predicted, "==", ROUNDING, e.name)
            for name, (value, predicted) in pairs.items()
        ]
    return evidence(rows, seed)
