"""KKR-C1: a spurious second-order point is loud: its last singular value and its norm are bounded from below."""

import numpy as np

from proofs_check.curved_instances import ridge, spectrum_quadratic
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import claim
from proofs_check.restricted_curvature_search import SAME, CurvedInstance, CurvedSurvey, curved_survey
from theory.restricted_curvature import loudness_bound


def _corollary(found: CurvedSurvey, point: np.ndarray, alpha: float, beta: float) -> Measurement:
    """Return the half of the corollary that applies to X (m, n)."""
    (star,), (star_rank,) = found.star, found.star_ranks
    values = np.linalg.svd(point, compute_uv=False)
    trusted = found.trusted
    if values[found.rank - 1] <= 2 * alpha / beta * values[star_rank - 1] * (1 + SAME) or not trusted:
        return Measurement(
            "σ_r ≤ (2α/β)σ_{r*}: distance from X*, relative",
            found.distance((point,)),
            0,
            "<=",
            SAME,
            found.name,
            trusted,
        )
    bound = loudness_bound(values, found.rank, star_rank, alpha, beta, float(np.linalg.norm(star)))
    norm = float(np.linalg.norm(point))
    return Measurement("σ_r > (2α/β)σ_{r*}: ‖X‖_F against its lower bound", norm, bound, ">=", SAME * norm, found.name)


def _cases(level: Level, seed: int) -> list[tuple[CurvedInstance, int]]:
    cases = [(ridge("B", 3, 4, 4, 1 / 32), 3), (spectrum_quadratic(seed, [(4, 4)], 30.0), 3)]
    if level != "smoke":
        # a larger spread makes the optimum small and the bound positive
        for spread in (4.0, 8.0):
            cases += [(ridge("A'", 3, 4, 4, 1 / 8, spread=spread), 3), (ridge("B", 3, 4, 4, 1 / 8, spread=spread), 3)]
        cases += [(ridge("A'", 2, 4, 4, 1 / 8), 2)]
        cases += [(ridge("A'", r, r + 1, r + 1, 1 / 8, spread=8.0), r) for r in by_level(level, (), (), (4, 5))]
        cases += [(spectrum_quadratic(s, [(4, 4)], 30.0), 3) for s in range(seed + 1, seed + by_level(level, 1, 2, 6))]
    return cases


def _control(level: Level, seed: int, data: str) -> Evidence:
    """X = 0 is stationary, of least rank and norm, but not of second order: neither half of the corollary holds."""
    instance = ridge("B", 3, 4, 4, 1 / 32)
    found = curved_survey(instance, 3, starts=4, seed=seed)
    assert instance.alpha is not None
    assert instance.beta is not None
    measured = _corollary(found, np.zeros((4, 4)), instance.alpha, instance.beta[0])
    return Evidence((measured,), 1)


@claim(
    id="KKR-C1",
    paper="ntk",
    statement="Under the assumptions of Theorem 1 and r > r*: if σ_r(X) ≤ (2α/β)σ_{r*}(X), the second-order point X is "
    "global; otherwise it is spurious and ‖X‖_F ≥ (Σ_{r*<s≤r} σ_s(X)² / (1 − 2ασ_{r*}/(βσ_r)))^{1/2} − ‖X*‖_F.",
    source="arXiv 2502.09376, Corollary 1 (main text read in full)",
    kind="lower",
    assumptions=("the assumptions of Theorem 1", "r > rank X*"),
    control="second order dropped: the stationary point X = 0",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Test the half that applies at second-order points of quadratics with proved α, β, some of them spurious."""
    measurements: list[Measurement] = []
    cases = _cases(level, seed)
    notes: list[str] = []
    positive = spurious = 0
    used = len(cases)
    for instance, rank in cases:
        found = curved_survey(instance, rank, starts=by_level(level, 8, 12, 24), seed=seed)
        assert instance.alpha is not None
        assert instance.beta is not None
        if found.star_ranks[0] >= rank:
            notes.append(f"{found.name}: left out, it needs r > r*")
            used -= 1
            continue
        here = [_corollary(found, x, instance.alpha, instance.beta[0]) for (x,) in found.points]
        measurements += here
        spurious += sum(m.relation == ">=" for m in here)
        positive += sum(m.relation == ">=" and m.predicted > 0 for m in here)
    total = (
        f"{len(measurements)} second-order points, {spurious} spurious, the bound on ‖X‖_F is positive at {positive}"
    )
    return Evidence(tuple(measurements), used, seeds=(seed,), notes=(total, *notes))
