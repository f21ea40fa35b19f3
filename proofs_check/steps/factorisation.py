"""Proof of Lemma 2.2: steps F1 to F5."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import proof_step
from proofs_check.steps.common import ROUNDING, evidence, instances, sizes, stationarity, zero
from sims.landscape.search import find_stationary_points, gaussian_starts
from theory import factored_objective as lora
from theory.convex_lora import nuclear_norm
from theory.factorisation import balanced_factors, factor_penalty, imbalance, lift


def _draws(level: Level, seed: int) -> list[tuple[np.ndarray, np.random.Generator]]:
    g = np.random.default_rng(seed)
    found = []
    for _ in range(sizes(level)):
        rank = int(g.integers(1, 5))
        found.append((g.standard_normal((5, rank)) @ g.standard_normal((rank, 6)), g))
    return found


@proof_step(claim="NTK-L2.2", id="F1", statement="Balanced factors of δ: (‖u‖² + ‖v‖²)/2 = ‖δ‖_*.")
def balanced(level: Level, seed: int, data: str) -> Evidence:
    """Penalty minus norm at balanced factors."""
    draws = _draws(level, seed)
    rows = [
        zero("penalty − ‖δ‖_*", factor_penalty(*balanced_factors(d)) - nuclear_norm(d), nuclear_norm(d))
        for d, _ in draws
    ]
    return evidence(rows, len(draws), seed)


@proof_step(claim="NTK-L2.2", id="F2", statement="For every invertible R: (‖uR‖² + ‖vR⁻ᵀ‖²)/2 ≥ ‖δ‖_*.")
def gauge(level: Level, seed: int, data: str) -> Evidence:
    """Penalty over norm at random gauges."""
    rows = []
    for delta, g in _draws(level, seed):
        u, v = balanced_factors(delta, tolerance=1e-12)
        r = u.shape[1]
        for _ in range(4):
            matrix = np.linalg.qr(g.standard_normal((r, r)))[0] * np.exp(g.uniform(-2, 2, r))
            ratio = factor_penalty(u @ matrix, v @ np.linalg.inv(matrix).T) / nuclear_norm(delta)
            rows.append(Measurement("penalty / ‖δ‖_*", ratio, 1, ">=", ROUNDING))
    return evidence(rows, sizes(level), seed)


@proof_step(
    claim="NTK-L2.2",
    id="F3",
    statement="‖δ‖_* = min (tr W₁ + tr W₂)/2 over [[W₁, δ], [δᵀ, W₂]] ⪰ 0: every feasible block has at least this "
    "trace (weak duality with the polar factor), and the lift of balanced factors attains it.",
)
def semidefinite(level: Level, seed: int, data: str) -> Evidence:
    """Half trace at random feasible blocks and at the lift."""
    rows = []
    for delta, g in _draws(level, seed):
        m, p = delta.shape
        norm = nuclear_norm(delta)
        u, v = balanced_factors(delta)
        z = lift(u, v)
        rows.append(zero("half trace of the lift − ‖δ‖_*", np.trace(z) / 2 - norm, norm))
        rows.append(zero("off-diagonal block − δ", np.abs(z[:m, m:] - delta).max(), norm))
        # another feasible block: any W1 > 0, W2 its Schur complement plus something positive
        a = g.standard_normal((m, m))
        w1 = a @ a.T + 0.1 * np.eye(m)
        w2 = delta.T @ np.linalg.solve(w1, delta) + 0.1 * g.random() * np.eye(p)
        rows.append(
            Measurement(
                "half trace of a feasible block / ‖δ‖_*", (np.trace(w1) + np.trace(w2)) / 2 / norm, 1, ">=", ROUNDING
            )
        )
    return evidence(rows, sizes(level), seed)


@proof_step(
    claim="NTK-L2.2",
    id="F4",
    statement="Stationary points with λ > 0, P = 0 are balanced: uᵀu = vᵀv, so penalty = ‖uvᵀ‖_*.",
)
def stationary_balance(level: Level, seed: int, data: str) -> Evidence:
    """Imbalance at stationary points that the search finds."""
    rows = []
    chosen = instances(level, seed)[:3]
    for instance in chosen:
        found = find_stationary_points(
            instance.landscape, gaussian_starts(instance.landscape, 3, 8, scale=0.5, seed=seed)
        )
        m = instance.landscape.d_out
        for q, accepted in zip(found.q, found.accepted):
            size = max(float((q**2).sum()), 1e-12)
            rows.append(
                Measurement(
                    "‖uᵀu − vᵀv‖ / ‖Q‖²",
                    imbalance(q[:m], q[m:]) / size,
                    0,
                    "==",
                    ROUNDING,
                    instance.name,
                    bool(accepted),
                )
            )
    return evidence(rows, len(chosen), seed)


@proof_step(claim="NTK-L2.2", id="F5", statement="With Z = QQᵀ: F(Z) = L̂_λ(u, v), ∇_Q = S Q and ⟨G, Z̄⟩ = ½⟨Ḡ, Z⟩.")
def lift_identity(level: Level, seed: int, data: str) -> Evidence:
    """Both objectives and both gradients at random points (the gradient against central differences)."""
    rows = []
    chosen = instances(level, seed)
    g = np.random.default_rng(seed)
    for instance in chosen:
        landscape = instance.landscape
        q = 0.5 * g.standard_normal((landscape.size, 2))
        m = landscape.d_out
        args = (landscape.gradients, landscape.f0, landscape.y, landscape.loss, landscape.lam)
        value = float(lora.objective(*args, q))
        z = lift(q[:m], q[m:])
        half = instance.problem.loss.value(instance.problem.predictions([z[:m, m:]]), landscape.y).mean()
        rows.append(
            zero("F(QQᵀ) − L̂_λ(u, v)", half + 0.5 * landscape.lam * np.trace(z) - value, max(1.0, value), instance.name)
        )
        slope = stationarity(instance, [(q[:m], q[m:])]) @ q
        direction = g.standard_normal(q.shape)
        step = 1e-5
        numeric = (lora.objective(*args, q + step * direction) - lora.objective(*args, q - step * direction)) / (
            2 * step
        )
        exact = float((slope * direction).sum())
        rows.append(zero("⟨SQ, D⟩ − central difference", numeric - exact, max(1.0, abs(exact)), instance.name, 1e-7))
    return evidence(rows, len(chosen), seed)
