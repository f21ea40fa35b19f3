"""NTK-TARGET: generic targets alone restore the threshold for the squared loss (Theorem T, a conjecture here)."""

from dataclasses import replace

import numpy as np

from proofs_check.evidence import Evidence, Level
from proofs_check.instances import Instance, by_level, planted, planted_flat
from proofs_check.registry import claim
from proofs_check.second_order_search import all_global, evidence_of, survey, survey_each, tally

_FLAT = ((3, 4, 5), (2, 3, 5), (3, 5, 5))  # r, m, n of family C0 with r(r+3)/2 > KN = 1 + r(m - r)


def with_target_noise(instance: Instance, noise: float, seed: int) -> Instance:
    """Return the instance with exact features and Gaussian noise on the targets only."""
    g = np.random.default_rng(seed)
    y = instance.landscape.y + noise * g.standard_normal(instance.landscape.y.shape)
    name = f"{instance.name}, target noise {noise:g}, seed {seed}"
    return Instance(name, replace(instance.landscape, y=y), instance.planted)


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Exact targets: families B and (at λ = 0) C0 keep their plateaus although r(r+3)/2 > KN."""
    instances = (planted("B", 3, 5, 6), planted_flat(3, 4, 5))
    return evidence_of([survey(i, 3, starts=16, seed=seed, planted_noise=0.05) for i in instances])


@claim(
    id="NTK-TARGET",
    paper="ntk",
    statement="Squared loss, arbitrary fixed features, λ ≥ 0, P = 0: for almost every target, r(r+3)/2 > KN implies "
    "that every second-order stationary point is global (Theorem T; proof sketch, not reviewed).",
    source="this project, Theorem T",
    kind="conjecture",
    assumptions=("linearised model", "squared loss", "generic targets"),
    control="exact targets (family B; family C0 at λ = 0)",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count trials on families B, A' (one measurement short) and, at λ = 0, C0: exact features, noisy targets."""
    cases: list[tuple[Instance, int]] = []
    for trial in range(by_level(level, 1, 3, 10)):
        s = seed + trial
        for noise in by_level(level, (0.1,), (0.2, 0.05), (0.2, 0.05, 0.01)):
            cases += [
                (with_target_noise(planted("B", r, r + 2, r + 3), noise, s), r)
                for r in by_level(level, (3,), (2, 3), (2, 3, 4))
            ]
            cases += [(with_target_noise(planted("A'", r, r + 2, r + 3, drop=1), noise, s), r) for r in (2,)]
            cases += [
                (with_target_noise(planted_flat(r, m, p), noise, s), r)
                for r, m, p in by_level(level, _FLAT[:1], _FLAT[:2], _FLAT)
            ]
    starts = by_level(level, 16, 32, 64)
    surveys = survey_each(cases, starts=starts, seed=seed)
    measurements = tuple(m for s in surveys for m in all_global(s))
    trials = sum(len(s.points) for s in surveys)
    notes = (*tally(surveys), f"conjecture: {sum(s.not_global for s in surveys)} counterexamples in {trials} trials")
    return Evidence(measurements, len(surveys), seeds=(seed,), notes=notes)
