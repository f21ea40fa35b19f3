"""P26-2: a Polyak-Łojasiewicz inequality does not remove the rank threshold for cross-entropy: refuted in balls."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level, gaussian
from proofs_check.logistic_counterexample import MEASUREMENTS, RANK, prove_family_d
from proofs_check.registry import claim
from theory import factored_objective as lora
from theory.capacity import exponent_two_bound, factor_kernel
from theory.losses import LOGISTIC

_ROUNDING = 1e-12


def _moderate(instance: Instance, rank: int, g: np.random.Generator) -> np.ndarray:
    """Return random factors Q (d, r) whose largest prediction has a drawn size between 0.01 and 30.

    Beyond that the loss and its gradient vanish in float64, and there is nothing to compare.
    """
    landscape = instance.landscape
    q = g.standard_normal((landscape.size, rank))
    linear = lora.predictions(landscape.gradients, np.zeros_like(landscape.f0), q)
    return q * (10.0 ** g.uniform(-2.0, np.log10(30.0)) / float(np.abs(linear).max())) ** 0.5


def _kernel_bound(instance: Instance, rank: int, count: int, seed: int) -> list[Measurement]:
    """Return ||gradient||² beside zᵀK_r z and its bound of exponent 2 at random factors, in units of ||K_r|| ||z||².

    These are the units of rounding: the quadratic form may be much smaller where z is near the kernel's null space.
    """
    landscape = instance.landscape
    g = np.random.default_rng(seed)
    arguments = (landscape.gradients, landscape.f0, landscape.y, LOGISTIC, 0.0)
    found = []
    for _ in range(count):
        q = _moderate(instance, rank, g)
        kernel = factor_kernel(lora.prediction_jacobian(landscape.gradients, q))
        predictions = lora.predictions(landscape.gradients, landscape.f0, q)
        losses = LOGISTIC.value(predictions, landscape.y)
        z = LOGISTIC.gradient(predictions, landscape.y).reshape(-1) / len(losses)
        square = float((lora.gradient(*arguments, q) ** 2).sum())
        eigenvalues = np.linalg.eigvalsh(kernel)
        unit = float(eigenvalues[-1]) * float(z @ z)
        ceiling = float(losses.max())
        bound = exponent_two_bound(max(0.0, float(eigenvalues[0])), float(losses.mean()), ceiling, len(losses))
        form = float(z @ kernel @ z)
        name = f"{instance.name}, r = {rank}"
        found += [
            Measurement("‖∇L‖² minus zᵀK_r z over ‖K_r‖‖z‖²", (square - form) / unit, 0.0, "==", _ROUNDING, name),
            Measurement("‖∇L‖² minus its exponent-2 bound", (square - bound) / unit, 0.0, ">=", _ROUNDING, name),
        ]
    return found


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Hypotheses put back: K_r bounded from below by its smallest eigenvalue, and exponent 2 instead of 1."""
    measurements = []
    for s in range(seed, seed + by_level(level, 2, 4, 12)):
        for n, m, p, rank in ((4, 4, 5, 1), (8, 4, 5, 2)):  # KN <= r max(m, n)
            measurements += _kernel_bound(gaussian(s, n, 1, m, p, loss=LOGISTIC), rank, by_level(level, 8, 16, 64), s)
    return Evidence(tuple(measurements), len(measurements) // 2, seeds=(seed,))


@claim(
    id="P26-2",
    paper="ntk",
    statement="Cross-entropy, λ = 0: a Polyak–Łojasiewicz inequality ‖∇L‖² ≥ 2μ(L − inf L), μ > 0, holds for LoRA of "
    "any rank, which removes the rank threshold entirely.",
    source="arXiv 2605.03724, abstract",
    kind="lower",
    assumptions=("linearised model", "cross-entropy (here K = 1, the logistic loss)", "λ = 0"),
    expected="fails",
    expected_reason="Family D is a counterexample in ball arithmetic: r = 1, 2x2, KN = 4, a strict local minimum "
    "(gradient exactly zero, Hessian positive definite off the gauge) with loss 2.5600376, while the infimum over rank "
    "1 is 2 log 2 = 1.3863; a zero gradient 1.1737 above it contradicts the inequality for every μ. It has "
    "KN > r max(m, n); for KN ≤ r max(m, n), generic features and separable data there is no finite second-order "
    "point at all (Theorem Z), which agrees with the paper. What holds: ‖∇L‖² = zᵀK_r z with K_r = JJᵀ, and where "
    "λ_min(K_r) ≥ μ a bound by μL² instead of μL.",
    control="λ_min(K_r) as hypothesis and exponent 2: ‖∇L‖² ≥ λ_min(K_r)((1−e^−C)/C)² L²/n for losses at most C",
    control_check=_control,
    control_expected="holds",
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Prove the counterexample: root enclosed, gradient zero, Hessian definite, a lower value elsewhere."""
    proof = prove_family_d(by_level(level, 160, 256, 512))
    name = f"family D, r = {RANK}, 2x2, KN = {MEASUREMENTS}"
    trusted = proof.root_enclosed and proof.strict
    label = "L minus the loss at another update of rank 1, where the gradient is zero"
    notes = (
        f"q = {proof.q.str(15)}, loss {proof.value.str(12)}, infimum 2 log 2, loss of another rank-1 update "
        f"{proof.lower_value.str(12)}",
        "Hessian eigenvalues off the gauge: " + ", ".join(e.str(8, radius=False) for e in proof.eigenvalues),
    )
    return Evidence(
        (Measurement(label, proof.excess, 0.0, "<=", 0.0, name, trusted),), 1, certificate="exact", notes=notes
    )
