"""NTK-T4.1-P0: the theorem without its perturbation is false; family B proves it in rational arithmetic."""

from fractions import Fraction

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.exact import SquaredProblem
from proofs_check.instances import by_level, planted, random_perturbation
from proofs_check.registry import claim
from proofs_check.second_order_search import evidence_of, survey
from theory.planted_families import planted_instance


def _restored(level: Level, seed: int, data: str) -> Evidence:
    """The same instances with P: the descents leave the plateau and every point is global again."""
    surveys = []
    for rank in by_level(level, (3,), (3, 4), (3, 4, 5)):
        instance = planted("B", rank, rank + 2, rank + 3)
        p = random_perturbation(instance.landscape.size, 0.1 * instance.lam, seed)
        surveys.append(survey(instance, rank, starts=16, seed=seed, perturbation=p))
    return evidence_of(surveys)


@claim(
    id="NTK-T4.1-P0",
    paper="ntk",
    statement="λ > 0 and r(r+1)/2 > KN: every second-order stationary point of L̂(uvᵀ) + λ/2(‖u‖²+‖v‖²) is a global "
    "minimiser (Theorem 4.1 read without the perturbation P).",
    source="arXiv 2402.11867, Theorem 4.1 at P = 0 (excluded there by 'almost every P')",
    kind="equality",
    assumptions=("linearised model", "convex C² loss", "r(r+1)/2 > KN", "P = 0"),
    expected="fails",
    expected_reason="Family B is an exact counterexample: r = 3, KN = 4 < 6. Its planted point is stationary with a "
    "positive semidefinite Hessian, yet S is indefinite and an explicit rank-1 update is proved optimal with a lower "
    "value. The exceptional set of P in the theorem cannot be dropped; generic features restore it (NTK-W).",
    control="P restored on the same instances: every point that is found is global",
    control_check=_restored,
    control_expected="holds",
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Prove in rational arithmetic: S Q = 0, Hessian >= 0, optimum known exactly, value above it."""
    measurements = []
    ranks = by_level(level, (3,), (3, 4), (3, 4, 5))
    notes = []
    for rank in ranks:
        family = planted_instance("B", rank, rank + 2, rank + 3)
        instance = planted("B", rank, rank + 2, rank + 3)
        exact = SquaredProblem(instance.problem, Fraction(1, family.n))
        facts = exact.facts(family.u, family.v)
        optimum = exact.optimal_value(family.optimum)
        proved = facts.stationary and facts.hessian_inertia[2] == 0 and exact.proves_optimal(family.optimum)
        name = f"family B, r = {rank}, KN = {family.n} < {rank * (rank + 1) // 2}"
        excess = float(facts.objective - optimum)
        measurements.append(Measurement("value above the minimum", excess, 0.0, "<=", 0.0, name, proved))
        notes.append(
            f"{name}: Hessian inertia (+, 0, -) = {facts.hessian_inertia}, gauge zeros {facts.gauge_dimension}, "
            f"S inertia {facts.s_inertia}, value {facts.objective} against {optimum}, all exact"
        )
    return Evidence(tuple(measurements), len(ranks), certificate="exact", notes=tuple(notes))
