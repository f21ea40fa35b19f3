"""NTK-RPK: the inequality that every non-global second-order point obeys."""

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level, gaussian, planted, random_perturbation
from proofs_check.registry import claim
from proofs_check.second_order_search import Survey, survey, tally


def inequality(found: Survey, name: str = "r p + r(r+1)/2 at non-global points") -> list[Measurement]:
    """Return r p + r(r+1)/2 beside the effective KN for every non-global point, and its full rank."""
    r, count = found.rank, found.instance.problem.measurements
    measurements = []
    for point in found.points:
        if not point.above_optimum:
            continue
        used = r * point.negative_directions + r * (r + 1) // 2
        measurements.append(Measurement(name, used, count, "<=", 0, found.name()))
        measurements.append(Measurement("rank of Q at non-global points", point.rank, r, "==", 0, found.name()))
    return measurements


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Genericity dropped: family B as it is, P = 0, violates the inequality (r = 3, p = 1: 9 > 4)."""
    surveys = [
        survey(planted("B", r, r + 2, r + 3), r, starts=16, seed=seed, planted_noise=0.05)
        for r in by_level(level, (3,), (2, 3), (2, 3, 4))
    ]
    return Evidence(tuple(m for s in surveys for m in inequality(s)), len(surveys), notes=tally(surveys))


@claim(
    id="NTK-RPK",
    paper="ntk",
    statement="Generic features and λ > 0, or generic P: at a second-order stationary point that is not global, "
    "rank Q = r and r·p + r(r+1)/2 ≤ KN, where p counts the negative eigenvalues of S (singular values of ∇L̂ above λ).",
    source="this project, Theorems W and W'",
    kind="upper",
    assumptions=("linearised model", "convex C² loss", "generic features with λ > 0, or generic P"),
    control="genericity dropped: family B, P = 0",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Collect non-global points around noisy planted minima and on random instances; count at each."""
    cases: list[tuple[Instance, int, bool]] = []
    for trial in range(by_level(level, 1, 3, 10)):
        s = seed + trial
        for rank in by_level(level, (1, 2), (1, 2, 3), (1, 2, 3, 4)):
            cases.append((planted("A", rank, rank + 2, rank + 3, noise=0.05, seed=s), rank, False))
            cases.append((planted("A'", rank, rank + 2, rank + 3, seed=s), rank, True))
        if level != "smoke":
            # far below the threshold: the optimum's rank exceeds r, and points with p > 1 occur
            cases.append((planted("A", 3, 5, 6, noise=0.05, seed=s), 1, False))
            cases.append((gaussian(s, 12, 1, 5, 6, ratio=0.02), 1, False))
            cases.append((gaussian(s, 10, 2, 5, 6, ratio=0.02), 2, False))
    surveys = []
    for index, (instance, rank, with_p) in enumerate(cases):
        p = random_perturbation(instance.landscape.size, 0.05 * instance.lam, seed + index) if with_p else None
        starts = by_level(level, 16, 32, 64)
        surveys.append(survey(instance, rank, starts=starts, seed=seed + index, perturbation=p))
    measurements = tuple(m for s in surveys for m in inequality(s))
    attained = sum(m.measured == m.predicted for m in measurements if m.relation == "<=")
    total = sum(m.relation == "<=" for m in measurements)
    notes = (*tally(surveys), f"{total} non-global points; the inequality is an equality at {attained} of them")
    return Evidence(measurements, len(surveys), seeds=(seed,), notes=notes)
