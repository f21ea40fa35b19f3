"""NTK-W: the sharp generic threshold r(r+3)/2 > KN, both halves."""

from fractions import Fraction

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.exact import SquaredProblem
from proofs_check.instances import Instance, by_level, gaussian, network, planted
from proofs_check.registry import claim
from proofs_check.second_order_search import all_global, evidence_of, survey, survey_each, tally
from sims.convex_problem import make_problem
from sims.landscape.search import Landscape
from sims.ntk.features import DenseFeatures
from theory.losses import CROSS_ENTROPY, SQUARED
from theory.planted_families import Family, planted_instance
from theory.rank_thresholds import generic_rank


def _structured(seed: int, m: int, p: int, n: int) -> Instance:
    """Return 0/1 features (not generic) with integer targets, for the half that needs no genericity."""
    g = np.random.default_rng(seed)
    gradients = g.integers(0, 2, (n, 1, m, p)).astype(np.float64)
    targets = g.integers(-2, 3, (n, 1)).astype(np.float64)
    problem = make_problem([DenseFeatures(gradients)], np.zeros((n, 1)), targets, SQUARED)
    lam = 0.1 * max(problem.lambda_max(), 1.0)
    return Instance(
        f"0/1 features {m}x{p}, KN = {n}, seed {seed}", Landscape(gradients, problem.f0, targets, SQUARED, lam)
    )


def _above(level: Level, seed: int, data: str) -> list[tuple[Instance, int]]:
    """Return instances with a rank at which Theorem W excludes spurious points."""
    # one measurement below the threshold of family A', noise for genericity: the hardest allowed case
    cases = [
        (planted("A'", r, r + 2, r + 3, noise=0.02, drop=1, seed=seed), r)
        for r in by_level(level, (2,), (2, 3), (2, 3, 4))
    ]
    # r = 4 for 9 measurements (squared), also enough for the 6 of cross-entropy
    for trial in range(by_level(level, 1, 2, 6)):
        s = seed + trial
        cases += [(network(data, s, samples=3, classes=3, m=6, p=7, loss=loss), 4) for loss in (SQUARED, CROSS_ENTROPY)]
        if level != "smoke":
            cases += [
                (gaussian(s, 5, 1, 5, 6), generic_rank(5)),
                (gaussian(s, 4, 2, 6, 7, ratio=0.02), generic_rank(8)),
            ]
            cases += [(_structured(s, 3, 5, 20), 3), (_structured(s, 2, 2, 30), 2)]
    return cases


def sharpness(
    ranks: tuple[int, ...], families: tuple[Family, ...] = ("A", "A'")
) -> tuple[list[Measurement], list[str]]:
    """Return proofs that the planted points at KN = r(r+3)/2 are strict spurious local minima, modulo rotations."""
    measurements, notes = [], []
    for family in families:
        for rank in ranks:
            known = planted_instance(family, rank, rank + 2, rank + 3)
            exact = SquaredProblem(planted(family, rank, rank + 2, rank + 3).problem, Fraction(1, known.n))
            facts = exact.facts(known.u, known.v)
            name = f"family {family}, r = {rank}, KN = {known.n} = r(r+3)/2"
            label = "sharpness: spurious minimum, strict modulo rotations, proved (1 = yes)"
            measurements.append(Measurement(label, facts.strict_above_optimum, 1, "==", 0, name))
            notes.append(f"{name}: Hessian inertia {facts.hessian_inertia}, S inertia {facts.s_inertia}, exact")
    return measurements, notes


def _control(level: Level, seed: int, data: str) -> Evidence:
    """r(r+3)/2 = KN: spurious minima persist under noise, so they fill an open set of features and targets."""
    surveys = []
    for rank in by_level(level, (2,), (1, 2, 3), (1, 2, 3, 4)):
        instance = planted("A'", rank, rank + 2, rank + 3, noise=0.02, seed=seed)
        surveys.append(survey(instance, rank, starts=16, seed=seed))
    return evidence_of(surveys)


@claim(
    id="NTK-W",
    paper="ntk",
    statement="λ > 0, P = 0, generic features: if r(r+3)/2 > KN, every second-order stationary point is global, for "
    "every convex C² loss; if r ≥ min(m, n) this holds for all features. For r < min(m, n) it is sharp: at "
    "r(r+3)/2 = KN spurious local minima, strict modulo rotations (u, v) → (uO, vO), exist on an open set of "
    "instances.",
    source="this project, Theorem W (improves arXiv 2402.11867, Theorem 4.1, by one rank and without P)",
    kind="equality",
    assumptions=("linearised model", "convex C² loss", "λ > 0", "generic features, or r ≥ min(m, n)"),
    control="one measurement more, r(r+3)/2 = KN, with noise on the features: spurious points are found",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Above: every certified point is global. At the threshold: families A and A' proved spurious exactly."""
    cases = _above(level, seed, data)
    starts = by_level(level, 16, 32, 64)
    surveys = survey_each(cases, starts=starts, seed=seed)
    proofs, notes = sharpness(by_level(level, (1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 4, 5)))
    measurements = [m for s in surveys for m in all_global(s)] + proofs
    notes = [*tally(surveys), *notes]
    return Evidence(
        tuple(measurements), len(surveys) + len(proofs), certificate="exact", seeds=(seed,), notes=tuple(notes)
    )
