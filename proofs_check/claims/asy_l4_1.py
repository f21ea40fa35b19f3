"""ASY-L4.1: freezing A is least squares on the projected features."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.linear_instances import EXACT, LinearInstance, linear_instances, mean_equals
from proofs_check.registry import claim
from theory import linear_adapters as closed
from theory.whitened_form import psd_root


def perturbed(instance: LinearInstance, best: float, risk_of: np.ndarray) -> Measurement:
    """Return 'no perturbation of the tuned factor has a lower risk', in units of T."""
    lowest = float(np.min(risk_of)) / instance.total
    return Measurement("lowest risk of perturbed factors", lowest, best / instance.total, ">=", EXACT, instance.name)


def _measure(instance: LinearInstance, sigma: np.ndarray, rng: np.random.Generator, tries: int) -> list[Measurement]:
    """Lay the lemma's formulas, with Sigma as the covariance, beside risks under the second moment ``sigma``."""
    delta, q = instance.delta, instance.q
    inverse = np.linalg.inv(q @ instance.sigma @ q.T)
    b = delta @ instance.sigma @ q.T @ inverse
    captured = float(np.trace(q @ instance.sigma @ delta.T @ delta @ instance.sigma @ q.T @ inverse))
    fit = closed.fit_b_only(delta, sigma, q)
    total = float(np.trace(delta @ sigma @ delta.T))
    residual = np.linalg.norm((delta - b @ q) @ sigma @ q.T) / (np.linalg.norm(delta) * np.linalg.norm(sigma))
    directions = rng.standard_normal((tries, *b.shape)) * 10.0 ** -rng.integers(0, 6, (tries, 1, 1))
    errors = delta - (b + directions) @ q
    return [
        Measurement("‖(Δ − B*Q)ΣQᵀ‖, relative", float(residual), 0.0, "==", EXACT, instance.name),
        instance.close("II_A of the whitened form against the printed trace", fit.captured, captured),
        instance.close("risk at B* less the noise", closed.excess_risk(delta, b @ q, sigma), total - captured),
        Measurement(
            "B* against least squares", np.abs(b - fit.b).max(), 0.0, "==", EXACT * np.abs(b).max(), instance.name
        ),
        perturbed(instance, total - captured, ((errors @ sigma) * errors).sum(axis=(1, 2))),
    ]


def simulated_risk(instance: LinearInstance, update: np.ndarray, rng: np.random.Generator, n: int) -> Measurement:
    """Return the mean squared error on fresh draws beside d_out noise + Tr[(Δ − M)Σ(Δ − M)ᵀ]."""
    noise = 0.49
    x = rng.standard_normal((n, instance.delta.shape[1])) @ psd_root(instance.sigma)
    errors = x @ (instance.delta - update).T + noise**0.5 * rng.standard_normal((n, len(update)))
    predicted = closed.population_risk(instance.delta, update, instance.sigma, noise)
    return mean_equals("risk on fresh Gaussian draws", (errors**2).sum(axis=1), predicted, instance.name)


def _control(level: Level, seed: int, data: str) -> Evidence:
    """E[X] = μ ≠ 0 with the bias kept at b_targ: what counts is Σ + μμᵀ, not the covariance Σ of the formulas."""
    rows = []
    for i, instance in enumerate(linear_instances(level, seed)):
        rng = np.random.default_rng([seed, i])
        mean = rng.standard_normal(instance.delta.shape[1])
        rows += _measure(instance, instance.sigma + np.outer(mean, mean), rng, 10)
    return Evidence(tuple(rows), i + 1, seeds=(seed,))


@claim(
    id="ASY-L4.1",
    paper="asymmetry",
    statement="A = Q frozen (QQᵀ = I_r, QΣQᵀ invertible): the risk L(Q, B) is least at B* = ΔΣQᵀ(QΣQᵀ)⁻¹, where it is "
    "d_out σ² + Tr[ΔΣΔᵀ] − II_A with II_A = Tr[QΣΔᵀΔΣQᵀ(QΣQᵀ)⁻¹].",
    source="arXiv 2402.16842, Lemma 4.1 (an independent digest agrees)",
    kind="equality",
    assumptions=("linear target, squared loss", "E X = 0, Cov X = Σ, noise independent of X", "QΣQᵀ invertible"),
    control="inputs with a mean, Σ their covariance, the bias kept at that of the target",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Compare with least squares in whitened form, with perturbed factors and with fresh draws."""
    instances = linear_instances(level, seed)
    rows = []
    for i, instance in enumerate(instances):
        rng = np.random.default_rng([seed, i])
        rows += _measure(instance, instance.sigma, rng, 1000 if level != "smoke" else 200)
        fit = closed.fit_b_only(instance.delta, instance.sigma, instance.q)
        rows.append(simulated_risk(instance, fit.update, rng, by_level(level, 500, 2000, 20_000)))
    return Evidence(tuple(rows), len(instances), seeds=(seed,))
