"""NTK-RMIN: at r >= min(m, n) there is no condition at all."""

import numpy as np

from proofs_check.evidence import Evidence, Level
from proofs_check.instances import Instance, by_level, network, planted, without_decay
from proofs_check.registry import claim
from proofs_check.second_order_search import evidence_of, survey, survey_each
from sims.convex_problem import make_problem
from sims.landscape.search import Landscape
from sims.ntk.features import DenseFeatures
from theory.losses import CROSS_ENTROPY, LOGISTIC, SQUARED, Loss


def structured(seed: int, m: int, p: int, n: int, loss: Loss = SQUARED, ratio: float = 0.1) -> Instance:
    """Return 0/1 features (not generic) with integer targets or labels; KN may exceed m p."""
    g = np.random.default_rng(seed)
    k = 3 if loss.name == "cross_entropy" else 1
    gradients = g.integers(0, 2, (n, k, m, p)).astype(np.float64)
    targets: np.ndarray = g.integers(-2, 3, (n, 1)).astype(np.float64)
    if loss.name == "logistic":
        targets = np.where(targets >= 0, 1.0, -1.0)
    elif loss.name == "cross_entropy":
        targets = g.integers(0, k, n)
    problem = make_problem([DenseFeatures(gradients)], np.zeros((n, k)), targets, loss)
    name = f"0/1 features {m}x{p}, KN = {n}x{k}, {loss.name}, seed {seed}"
    return Instance(name, Landscape(gradients, problem.f0, problem.y, loss, ratio * max(problem.lambda_max(), 0.1)))


def _control(level: Level, seed: int, data: str) -> Evidence:
    """R = min(m, n) - 1: family A' has a spurious minimum there."""
    surveys = [
        survey(planted("A'", r, r + 1, r + 2), r, starts=16, seed=seed)
        for r in by_level(level, (2,), (1, 2, 3), (1, 2, 3, 4))
    ]
    return evidence_of(surveys)


@claim(
    id="NTK-RMIN",
    paper="ntk",
    statement="r ≥ min(m, n): every second-order stationary point is global, for arbitrary features, every λ ≥ 0, "
    "P = 0, every convex C² loss; KN does not matter.",
    source="this project (deterministic part of Theorems W and Z; after Haeffele, Vidal 2015)",
    kind="equality",
    assumptions=("linearised model", "convex C² loss", "r ≥ min(m, n)"),
    control="r = min(m, n) − 1 (family A')",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Search instances with 0/1 features, far more measurements than parameters, and real ones."""
    cases: list[tuple[Instance, int]] = []
    for trial in range(by_level(level, 1, 3, 10)):
        s = seed + trial
        cases.append((structured(s, 3, 4, 20), 3))
        cases.append((without_decay(structured(s, 3, 4, 20)), 3))
        cases.append((structured(s, 3, 4, 20, CROSS_ENTROPY), 3))
        if level != "smoke":
            cases.append((structured(s, 3, 4, 20, LOGISTIC), 3))
            cases.append((structured(s, 3, 4, 20), 4))
            cases.append((network(data, s, samples=5, classes=3, m=4, p=5), 4))
    # the planted points of A' and B, padded by a zero column to r = min(m, n), are no longer second order
    for family, r in (("A'", 2), ("B", 3)):
        instance = planted(family, r, r + 1, r + 2)  # type: ignore[arg-type]
        assert instance.planted is not None
        padded = np.concatenate([instance.planted, np.zeros((instance.landscape.size, 1))], axis=1)
        cases.append((Instance(f"{instance.name}, padded", instance.landscape, padded), r + 1))
    starts = by_level(level, 16, 32, 64)
    surveys = survey_each(cases, starts=starts, seed=seed)
    return evidence_of(surveys, seeds=(seed,))
