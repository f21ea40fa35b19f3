"""BND-INTERPOLATION: fast rates, exact where the learner never errs on its sample."""

from math import log

from proofs_check.conditional_instances import ROUNDING, below, enumerated, evidence, interpolating
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.conditional import interpolation_risk_bound, weighted_risk_bound

WEIGHTS = ((2.0, 3.0), (1.1, 20.0), (4.0, 2.0), (40.0, 1.45))  # pairs (c₁, c₂) with e^{1/c₂} + e^{−c₁/c₂} ≤ 2


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Learners that do err on their sample: the identity is lost."""
    rows = []
    for e in enumerated(level, seed):
        predicted = float(e.exact.differences_unconditional.mean()) / log(2.0)
        rows.append(Measurement("L, learner with errors", e.exact.population, predicted, "==", ROUNDING, e.name))
    return evidence(rows, seed)


@claim(
    id="BND-INTERPOLATION",
    paper="asymmetry",
    statement="For the 0-1 loss and L̂ = 0: L = (1/n) Σ_i I(Δ_i; U_i)/ln 2 exactly, hence L ≤ I(W; U | Z̃)/(n ln 2). For "
    "every learner with a loss in [0, 1]: L ≤ 2 L̂ + 3 I(W; U | Z̃)/n, and L ≤ c₁ L̂ + c₂ Ī whenever "
    "e^{1/c₂} + e^{−c₁/c₂} ≤ 2, Ī the mean of I(ℓ_{i,0}, ℓ_{i,1}; U_i) with or without conditioning on Z̃.",
    source="this project (Donsker-Varadhan and convexity), after Steinke, Zakynthinou (2020), arXiv 2001.09122, and "
    "Haghifam, Dziugaite, Moran, Roy (2021), arXiv 2111.05275",
    kind="upper",
    assumptions=(
        "0-1 loss and L̂ = 0 (identity), loss in [0, 1] (bounds)",
        "i.i.d. examples",
        "U independent fair bits",
    ),
    control="the identity for learners that err on their sample",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Check the identity on interpolating channels and the bounds on all."""
    rows = []
    for e in interpolating(level, seed):
        x = e.exact
        identity = float(x.differences_unconditional.mean()) / log(2.0)
        rows += [
            Measurement("training risk", x.train, 0.0, "==", ROUNDING, e.name),
            Measurement("L, interpolating", x.population, identity, "==", ROUNDING, e.name),
            below("L against CMI/(n ln 2)", x.population, interpolation_risk_bound(x.cmi / x.samples), e.name),
        ]
    for e in (*enumerated(level, seed), *interpolating(level, seed)):
        x = e.exact
        rows.append(
            below("L against 2 L̂ + 3 CMI/n", x.population, weighted_risk_bound(x.train, x.cmi / x.samples), e.name)
        )
        for weights in WEIGHTS:
            bound = weighted_risk_bound(x.train, float(x.pairs_unconditional.mean()), *weights)
            rows.append(below(f"L against {weights[0]:g} L̂ + {weights[1]:g} Ī", x.population, bound, e.name))
    return evidence(rows, seed)
