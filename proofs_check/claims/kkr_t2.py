"""KKR-T2: the dichotomy for several adapted matrices, with constants of their own."""

from dataclasses import replace

import numpy as np

from proofs_check.claims.kkr_t1 import theorem, theorem_and_steps
from proofs_check.curved_instances import network_instance, ridge, spectrum_quadratic
from proofs_check.evidence import Evidence, Level
from proofs_check.instances import by_level
from proofs_check.registry import claim
from proofs_check.restricted_curvature_search import CurvedInstance, curved_survey
from sims.landscape.smooth_losses import quadratic_landscape
from theory.losses import SQUARED


def _cases(level: Level, seed: int, data: str) -> list[tuple[CurvedInstance, int]]:
    cases = [
        (spectrum_quadratic(seed, [(4, 4), (3, 3)], 1.8, ratio=0.2), 2),
        (ridge("A'", 2, 4, 4, 1 / 8, second=True), 2),
    ]
    if level != "smoke":
        for s in range(seed, seed + by_level(level, 0, 1, 4)):
            cases += [
                (spectrum_quadratic(s, [(4, 4), (3, 3)], 50.0, ratio=0.2), 2),
                (network_instance(data, s, SQUARED, activation="gelu", layers=(1, 2), lam=0.03), 3),
            ]
    return cases


def _control(level: Level, seed: int, data: str) -> Evidence:
    """One layer only stationary: its factors are zero, the other layer is at a second-order point given that."""
    instance = spectrum_quadratic(seed, [(4, 4), (3, 3)], 1.8, ratio=0.2)
    matrix, target = (np.asarray(part) for part in instance.landscape.data)
    alone = quadratic_landscape(matrix[:, :16], target, [(4, 4)], instance.landscape.lam)
    whole = curved_survey(instance, 2, starts=4, seed=seed)
    first = CurvedInstance("first layer", alone)
    part = curved_survey(first, 2, starts=4, seed=seed, star=(whole.star[:1], 0.0))  # only its points are used
    stopped = replace(whole, points=tuple((x, np.zeros((3, 3))) for (x,) in part.points))
    measurements, notes = theorem(stopped)
    return Evidence(tuple(measurements), 1, notes=tuple(notes))


@claim(
    id="KKR-T2",
    paper="ntk",
    statement="Several matrices X^(l) with constants α^(l), β^(l): every second-order point is X* if 2α^(l) > β^(l) "
    "for all l; otherwise it is X*, or for some layer rank X^(l) = r, σ_r ≥ (2α^(l)/β^(l))σ_{r*} and ‖X^(l)−X*^(l)‖² "
    "has the lower bound of Theorem 1.",
    source="arXiv 2502.09376, Theorem 2 (main text read in full)",
    kind="lower",
    assumptions=("the assumptions of Theorem 1 in every layer", "no layer at equality 2α = β", "every X*^(l) ≠ 0"),
    control="second order dropped in one layer: its update stays at the stationary point 0",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Check the steps of every layer and the conclusion, on quadratics, a coupled ridge and a true network."""
    surveys, measurements, notes = theorem_and_steps(_cases(level, seed, data), level, seed)
    return Evidence(tuple(measurements), len(surveys), seeds=(seed,), notes=tuple(notes))
