"""Two proofs about a designed instance: in rationals at the planted point, in balls near it after noise."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from proofs_check.exact import SquaredProblem
from proofs_check.found_minima import polished
from proofs_check.interval_newton import SpuriousMinimum, prove_spurious_minimum
from proofs_check.worst_case_design import Design
from sims.convex_problem import make_problem
from sims.ntk.features import DenseFeatures
from sims.solve import solve
from theory.losses import SQUARED

NOISE = 1e-3  # shows that the minimum does not hang on exact features: any amount will do


@dataclass(frozen=True)
class Proofs:
    """What is proved about a design: in rationals at the planted point, in balls for a noisy copy near it."""

    exact: bool
    interval: SpuriousMinimum | None


def prove(made: Design, seed: int) -> Proofs:
    """Return both proofs for a design: the planted point itself, and the point near it after noise on all features."""
    n = made.problem.n
    exact = SquaredProblem(made.problem, Fraction(1, n))
    facts = exact.facts(made.u, made.v)
    strict = facts.strict_above_optimum
    gradients = np.asarray(made.problem.layers[0].dense())
    gradients = gradients + NOISE * np.random.default_rng(seed).standard_normal(gradients.shape)
    noisy = make_problem([DenseFeatures(gradients)], made.problem.f0, made.problem.y, SQUARED)
    q = polished(noisy, np.concatenate([made.u, made.v]), made.lam)
    if not np.isfinite(q).all():
        return Proofs(strict, None)
    m = made.u.shape[0]
    better = solve(noisy, made.lam).factors
    return Proofs(strict, prove_spurious_minimum(noisy, q[:m], q[m:], Fraction(1, n), better=better))
