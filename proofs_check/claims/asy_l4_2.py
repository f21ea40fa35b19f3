"""ASY-L4.2: freezing B is least squares on the projected output, and the covariance of the inputs drops out."""

import numpy as np

from proofs_check.claims.asy_l4_1 import perturbed, simulated_risk
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.linear_instances import EXACT, LinearInstance, linear_instances
from proofs_check.registry import claim
from theory import linear_adapters as closed


def _measure(instance: LinearInstance, u: np.ndarray, rng: np.random.Generator, tries: int) -> list[Measurement]:
    """Lay the lemma's formulas for a frozen u beside least squares, risks and perturbations."""
    delta, sigma = instance.delta, instance.sigma
    a = u.T @ delta
    captured = float(np.trace(u.T @ delta @ sigma @ delta.T @ u))
    fit = closed.fit_a_only(delta, sigma, u)
    residual = np.linalg.norm(u.T @ (delta - u @ a) @ sigma) / (np.linalg.norm(delta) * np.linalg.norm(sigma))
    directions = rng.standard_normal((tries, *a.shape)) * 10.0 ** -rng.integers(0, 6, (tries, 1, 1))
    errors = delta - u @ (a + directions)
    return [
        Measurement("‖Uᵀ(Δ − UA*)Σ‖, relative", float(residual), 0.0, "==", EXACT, instance.name),
        instance.close("II_B of the whitened form against the printed trace", fit.captured, captured),
        instance.close("risk at A* less the noise", closed.excess_risk(delta, u @ a, sigma), instance.total - captured),
        Measurement(
            "A* against least squares", np.abs(a - fit.a).max(), 0.0, "==", EXACT * np.abs(a).max(), instance.name
        ),
        perturbed(instance, instance.total - captured, ((errors @ sigma) * errors).sum(axis=(1, 2))),
    ]


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Columns of U of length 2, as Kaiming's initialisation has them long: (UᵀU)⁻¹ is then needed."""
    rows = []
    for i, instance in enumerate(linear_instances(level, seed)):
        rows += _measure(instance, 2.0 * instance.u, np.random.default_rng([seed, i]), 10)
    return Evidence(tuple(rows), i + 1, seeds=(seed,))


@claim(
    id="ASY-L4.2",
    paper="asymmetry",
    statement="B = U frozen (UᵀU = I_r): the risk L(A, U) is least at A* = UᵀΔ, whatever Σ, where it is "
    "d_out σ² + Tr[ΔΣΔᵀ] − II_B with II_B = Tr[UᵀΔΣΔᵀU].",
    source="arXiv 2402.16842, Lemma 4.2 (an independent digest agrees)",
    kind="equality",
    assumptions=("linear target, squared loss", "E X = 0, Cov X = Σ, noise independent of X", "UᵀU = I"),
    control="UᵀU = 4I instead of I",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Compare with least squares in whitened form, with perturbed factors and with fresh draws."""
    instances = linear_instances(level, seed)
    rows = []
    for i, instance in enumerate(instances):
        rng = np.random.default_rng([seed, i])
        rows += _measure(instance, instance.u, rng, 1000 if level != "smoke" else 200)
        fit = closed.fit_a_only(instance.delta, instance.sigma, instance.u)
        rows.append(simulated_risk(instance, fit.update, rng, by_level(level, 500, 2000, 20_000)))
    return Evidence(tuple(rows), len(instances), seeds=(seed,))
