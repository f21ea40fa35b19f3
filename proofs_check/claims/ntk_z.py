"""NTK-Z: the sharp generic threshold without weight decay, KN <= r max(m, n)."""

from fractions import Fraction

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.exact import SquaredProblem
from proofs_check.instances import Instance, by_level, gaussian, network, without_decay
from proofs_check.registry import claim
from proofs_check.second_order_search import all_global, evidence_of, survey, survey_each, tally
from sims.landscape.search import Landscape
from theory.losses import SQUARED
from theory.planted_zero_decay import zero_decay_instance


def family_c(rank: int, m: int, p: int, *, noise: float = 0.0, drop: int = 0, seed: int = 0) -> Instance:
    """Return family C with noise on the features, its last ``drop`` measurements deleted."""
    known = zero_decay_instance("C", rank, m, p)
    keep = known.n - drop
    gradients = known.gradients[:keep].copy()
    gradients += noise * np.random.default_rng(seed).standard_normal(gradients.shape)
    targets = known.targets[:keep]
    name = f"family C, r = {rank}, {m}x{p}, KN = {keep}, noise {noise:g}, seed {seed}"
    landscape = Landscape(gradients, np.zeros_like(targets), targets, SQUARED, 0.0)
    return Instance(name, landscape, np.concatenate([known.u, known.v]))


_SHAPES = ((1, 2, 2), (1, 3, 4), (2, 3, 3), (2, 3, 5), (2, 4, 4), (3, 5, 5))


def _cases(level: Level, seed: int, data: str) -> list[tuple[Instance, int]]:
    """Return instances with KN <= r max(m, n): family C one measurement short, random and real features."""
    cases = [(family_c(r, m, p, noise=0.02, drop=1, seed=seed), r) for r, m, p in _SHAPES[: by_level(level, 2, 4, 6)]]
    for trial in range(by_level(level, 1, 2, 6)):
        s = seed + trial
        cases.append((without_decay(network(data, s, samples=3, classes=3, m=6, p=7)), 2))
        if level != "smoke":
            cases += [(without_decay(gaussian(s, 6, 1, 5, 6)), 1), (without_decay(gaussian(s, 4, 3, 4, 6)), 2)]
    return cases


def _control(level: Level, seed: int, data: str) -> Evidence:
    """One measurement more, KN = r max(m, n) + 1: family C with noise keeps its spurious minimum."""
    chosen = _SHAPES[: by_level(level, 1, 3, 6)]
    surveys = [survey(family_c(r, m, p, noise=0.02, seed=seed), r, starts=16, seed=seed) for r, m, p in chosen]
    return evidence_of(surveys)


@claim(
    id="NTK-Z",
    paper="ntk",
    statement="λ = 0, P = 0, generic features: if KN ≤ r·max(m, n), every second-order stationary point of L̂(uvᵀ) is a "
    "global minimiser of L̂(δ), for every convex C² loss. For r < min(m, n) it is sharp: at KN = r·max(m, n) + 1 "
    "strict (modulo gauge) minima above the global value exist on an open set of instances.",
    source="this project, Theorem Z",
    kind="equality",
    assumptions=("linearised model", "convex C² loss", "λ = 0", "generic features"),
    control="one measurement more, KN = r·max(m, n) + 1, with noise on the features",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Below: every certified point is global. At the threshold plus one: family C proved exactly."""
    cases = _cases(level, seed, data)
    starts = by_level(level, 16, 32, 64)
    surveys = survey_each(cases, starts=starts, seed=seed)
    measurements = [m for s in surveys for m in all_global(s)]
    notes = list(tally(surveys))
    for rank, m, p in _SHAPES:
        known = zero_decay_instance("C", rank, m, p)
        facts = SquaredProblem(family_c(rank, m, p).problem, Fraction(0)).facts(known.u, known.v)
        name = f"family C, r = {rank}, {m}x{p}, KN = {known.n} = r max(m, n) + 1"
        proved = facts.strict_above_optimum and facts.gauge_dimension == rank**2 and facts.objective > 0
        measurements.append(
            Measurement("sharpness: strict minimum above the global value proved (1 = yes)", proved, 1, "==", 0, name)
        )
        notes.append(f"{name}: Hessian inertia {facts.hessian_inertia}, gauge {facts.gauge_dimension}, exact")
    count = len(surveys) + len(_SHAPES)
    return Evidence(tuple(measurements), count, certificate="exact", seeds=(seed,), notes=tuple(notes))
