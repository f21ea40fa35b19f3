"""P26-1: r(m+n) − r² > 1.35 KN as a condition for 'no spurious minima': refuted exactly, and what it is good for."""

from fractions import Fraction

import numpy as np

from proofs_check.capacity_census import gaussian_ends
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.exact import SquaredProblem
from proofs_check.instances import Instance, by_level, gaussian
from proofs_check.registry import claim
from proofs_check.second_order_search import evidence_of, survey
from sims.convex_problem import make_problem
from sims.landscape.search import Landscape
from sims.ntk.features import DenseFeatures
from theory.capacity import TYPICAL_CONSTANT, capacity_ratio, worst_case_constant
from theory.losses import SQUARED
from theory.planted_capacity import capacity_instance

_SHAPES = ((1, 4, 4), (1, 6, 6), (2, 6, 6), (1, 12, 12), (3, 8, 8))  # rank, m, n; all with ratio above 1.35


def proved_spurious(rank: int, m: int, p: int) -> tuple[Measurement, str]:
    """Return a rational proof of a strict spurious minimum inside the rank constraint, and a note."""
    made = capacity_instance(rank, m, p)
    problem = make_problem([DenseFeatures(made.gradients)], np.zeros((made.n, 1)), made.targets, SQUARED)
    exact = SquaredProblem(problem, Fraction(0))
    here, best = exact.facts(made.u, made.v), exact.facts(made.best_u, made.best_v)
    ratio = capacity_ratio(rank, made.n, m, p)
    name = f"r = {rank}, {m}x{p}, KN = {made.n}, ratio {ratio:.3f} > {TYPICAL_CONSTANT}"
    excess = float(here.objective - best.objective)
    proved = here.strict_minimum and best.objective == 0 and ratio > TYPICAL_CONSTANT
    note = f"{name}: Hessian inertia (+, 0, −) = {here.hessian_inertia}, gauge {here.gauge_dimension}, loss "
    note += f"{here.objective} against {best.objective} at another point of rank {rank}, exact"
    return Measurement("strict local minimum, loss above that of rank r", excess, 0.0, "<=", 0.0, name, proved), note


def _below(rank: int, m: int, p: int, noise: float, seed: int) -> Instance:
    """Return the same features with noise and the first measurement deleted: KN = r max(m, n)."""
    made = capacity_instance(rank, m, p)
    features = made.gradients[1:] + noise * np.random.default_rng(seed).standard_normal(made.gradients[1:].shape)
    targets = made.targets[1:]
    name = f"family C less one measurement, r = {rank}, {m}x{p}, KN = {made.n - 1} = r max(m, n), noise {noise:g}"
    return Instance(
        name, Landscape(features, np.zeros_like(targets), targets, SQUARED, 0.0), np.concatenate([made.u, made.v])
    )


def _control(level: Level, seed: int, data: str) -> Evidence:
    """C* = 1.35 replaced by (m + n − r)/max(m, n), that is KN ≤ r max(m, n), with generic features."""
    cases = [(_below(1, 4, 4, 0.05, seed), 1)]
    if level != "smoke":
        cases += [(_below(1, 6, 6, 0.05, seed), 1), (_below(2, 6, 6, 0.05, seed), 2)]
        for s in range(seed, seed + by_level(level, 0, 1, 4)):
            base = gaussian(s, 6, 1, 5, 6)
            landscape = Landscape(base.landscape.gradients, base.landscape.f0, base.landscape.y, SQUARED, 0.0)
            cases.append((Instance(base.name, landscape), 1))
    surveys = [survey(instance, rank, starts=16, seed=seed) for instance, rank in cases]
    return evidence_of(surveys)


@claim(
    id="P26-1",
    paper="ntk",
    statement="Squared loss, λ = 0, for all features: r(m+n) − r² > 1.35 KN suffices for 'no spurious local minima' "
    "at rank r.",
    source="arXiv 2605.03724, abstract (capacity requirement, C* ≈ 1.35, stated for Gaussian features), read for all "
    "features",
    kind="empirical",
    assumptions=("linearised model", "squared loss", "λ = 0", "any features", "r(m+n) − r² > 1.35 KN"),
    expected="fails",
    expected_reason="Strict spurious minima with KN = r max(m, n) + 1 are proved in rational arithmetic at ratios "
    "1.40, 1.54, 1.57 and more (the supremum is 2), while rank r reaches loss zero; strict minima survive small "
    "changes, so such features have positive probability under any Gaussian law. What holds for every generic "
    "instance is C* = (m+n−r)/max(m, n) ≤ 2, which is KN ≤ r max(m, n) (Theorem Z). As a statement about typical "
    "Gaussian features the condition is not contradicted: the notes count runs over the ratio.",
    control="the constant (m+n−r)/max(m, n) instead of 1.35, generic features: every point that is found is global",
    control_check=_control,
    control_expected="holds",
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Prove spurious minima above the ratio exactly, and count runs on Gaussian features beside it."""
    shapes = _SHAPES[: by_level(level, 2, 4, 5)]
    found = [proved_spurious(*shape) for shape in shapes]
    notes = [note for _, note in found]
    instances, starts = by_level(level, 2, 4, 12), by_level(level, 8, 12, 24)
    tables = by_level(
        level, [(1, (8, 11))], [(1, (6, 8, 9, 10, 11))], [(1, (6, 7, 8, 9, 10, 11)), (2, (12, 14, 16, 18, 20))]
    )
    for rank, counts in tables:
        ends = [gaussian_ends(rank, kn, 6, 6, instances=instances, starts=starts, seed=seed) for kn in counts]
        table = "; ".join(
            f"{capacity_ratio(rank, kn, 6, 6):.2f}: {e.escaped:.2f} ({e.undecided} of {e.runs} undecided)"
            for kn, e in zip(counts, ends, strict=True)
        )
        constant = worst_case_constant(rank, 6, 6)
        notes.append(
            f"Gaussian features 6x6, r = {rank}, Newton from N(0, 1/4): ratio: fraction of runs at loss zero: {table}; "
            f"guaranteed from {constant:.2f}"
        )
    return Evidence(tuple(m for m, _ in found), len(found), certificate="exact", seeds=(seed,), notes=tuple(notes))
