"""Proof of the bounds on the captured shares (ASY-BOUNDARY, theory.share_bounds), line by line."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.exchange import leverages
from proofs_check.instances import by_level
from proofs_check.registry import proof_step
from proofs_check.steps.common import ROUNDING, evidence, zero
from theory.captured_fit import two_dimensional_share
from theory.share_bounds import share_lower_bounds, share_upper_bounds

_COMPLEX_STEP = 1e-30  # derivatives of rational functions without cancellation


def _draws(level: Level, seed: int, beyond: int = 0) -> Iterator[tuple[np.random.Generator, np.ndarray, np.ndarray]]:
    """Yield (generator, decreasing variances (d,), Gaussian q (r, d)) with 1 <= r < d - beyond."""
    for trial in range(by_level(level, 10, 60, 300)):
        rng = np.random.default_rng([seed, trial, 4])
        d = int(rng.integers(2 + beyond, 8 + beyond))
        r = int(rng.integers(1, d - beyond))
        yield rng, np.sort(rng.uniform(0.1, 2.0, d))[::-1], rng.standard_normal((r, d))


def _rest(values: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return N = S^(1/2) (I - P) S^(1/2), S = diag(values), P on the span of the rows of q S^(1/2) (maybe none)."""
    root = np.sqrt(values)
    basis = np.linalg.qr((q * root).T)[0]
    return np.asarray(np.outer(root, root) * (np.eye(values.size) - basis @ basis.T))


@proof_step(
    claim="ASY-BOUNDARY",
    id="S1",
    statement="ℓ_i = σ_i x/(1 + σ_i x), x = g_iᵀC_i⁻¹g_i. C_i has the law of its rotations, so take g_i = |g_i| e_1: "
    "x = |g_i|²/R with R = z N zᵀ, z the first row of the other columns, N = Σ^{1/2}(I − P)Σ^{1/2} without i, P on "
    "the span of the other r − 1 rows. N averaged over signs is diag(σ_j(1 − ℓ_j)).",
)
def leverage_by_residual(level: Level, seed: int, data: str) -> Evidence:
    """Leverage from the inverse against A/(A + R) after the rotation; diagonal of N."""
    rows, count = [], 0
    for rng, values, q in _draws(level, seed):
        r, d = q.shape
        i = int(rng.integers(d))
        others = np.arange(d) != i
        g = q[:, i]
        turn = np.linalg.qr(np.column_stack([g, rng.standard_normal((r, r - 1))]))[0].T
        turned = (turn @ q)[:, others]
        n = _rest(values[others], turned[1:])
        a, residual = values[i] * float(g @ g), float(turned[0] @ n @ turned[0])
        rows.append(zero("ℓ_i − σ_i A/(σ_i A + R)", leverages(values, q)[i] - a / (a + residual)))
        below = leverages(values[others], turned[1:]) if r > 1 else np.zeros(d - 1)
        rows.append(zero("diagonal of N − σ_j(1 − ℓ_j)", np.abs(np.diag(n) - values[others] * (1 - below)).max()))
        count += 1
    return evidence(rows, count, seed)


@proof_step(
    claim="ASY-BOUNDARY",
    id="S2",
    statement="σA/(σA + zNzᵀ) is convex in N, so N may be replaced by its mean (Jensen); a direction left out raises "
    "the leverages of the others; a lower bound in their place lowers the right-hand side. So p_i ≥ low_i(r) by "
    "induction on r, with equality at r = 1.",
)
def lower_recursion(level: Level, seed: int, data: str) -> Evidence:
    """Midpoints of the convex function, leverages without a direction, and closed forms at rank 1."""
    rows, count = [], 0
    for rng, values, q in _draws(level, seed):
        d = values.size
        a, z = rng.chisquare(q.shape[0]), rng.standard_normal(d)
        ends = [_rest(values, rng.standard_normal(q.shape)[1:]) for _ in range(2)]

        def share(n: np.ndarray, a: float = a, z: np.ndarray = z) -> float:
            return float(a / (a + z @ n @ z))

        bend = (share(ends[0]) + share(ends[1])) / 2 - share((ends[0] + ends[1]) / 2)
        rows.append(Measurement("mean of two values less the value at the mean", bend, 0, ">=", ROUNDING))
        if q.shape[0] < d:
            others = np.arange(d) != int(rng.integers(d))
            rise = leverages(values[others], q[:, others]) - leverages(values, q)[others]
            rows.append(Measurement("smallest rise of a leverage", rise.min(), 0, ">=", ROUNDING))
        pair = values[:2]
        low, exact = share_lower_bounds(pair, 1)[0], two_dimensional_share(*pair.tolist())
        rows.append(zero("low_1 − √σ_1/(√σ_1 + √σ_2), d = 2, r = 1", low - exact, tolerance=3 * ROUNDING))
        equal = share_lower_bounds(np.full(d, values[0]), 1)
        rows.append(zero("low_i − 1/d, equal variances, r = 1", np.abs(equal - 1 / d).max(), tolerance=3 * ROUNDING))
        count += 1
    return evidence(rows, count, seed)


@proof_step(
    claim="ASY-BOUNDARY",
    id="S3",
    statement="QΣ^{1/2} and Q_⊥Σ^{-1/2} have complementary row spaces, and Q_⊥ is Haar of rank d − r: 1 − p_i(Σ, r) = "
    "p_i(Σ⁻¹, d − r). So p_i ≤ 1 − low_i(d − r) of the inverse variances, with equality at r = d − 1.",
)
def complement(level: Level, seed: int, data: str) -> Evidence:
    """Leverages of both, and the equality in two dimensions."""
    rows, count = [], 0
    for _, values, q in _draws(level, seed):
        dropped = np.linalg.qr(q.T, mode="complete")[0][:, q.shape[0] :].T
        both = leverages(values, q) + leverages(1.0 / values, dropped)
        rows.append(zero("ℓ_i(Σ, Q) + ℓ_i(Σ⁻¹, Q_⊥) − 1", np.abs(both - 1.0).max()))
        three = np.array([values[0], values[1], values[1]])
        high, low = share_upper_bounds(three, 2), share_lower_bounds(1.0 / three, 1)
        rows.append(zero("high + low of the complement − 1, d = 3, r = 2", np.abs(high + low - 1.0).max()))
        count += 1
    return evidence(rows, count, seed)


@proof_step(
    claim="ASY-BOUNDARY",
    id="S4",
    statement="Two columns u, v of variances a ≥ b, the others fixed, C = I in whitened coordinates: with the columns "
    "exchanged, the sum of ℓ_b/b − ℓ_a/a is (a − b)[(|u|² − |v|²)² + (|u|²|v|² − (uᵀv)²)(D₁ + D₂)]/(D₁D₂) ≥ 0. So "
    "p_i/σ_i falls with σ_i, while p_i rises (step T3 of ASY-T4.3').",
)
def exchanged_ratio(level: Level, seed: int, data: str) -> Evidence:
    """The identity in rational arithmetic, r = 2."""
    rows, rng = [], np.random.default_rng([seed, 5])
    count = by_level(level, 40, 200, 1000)
    for _ in range(count):
        u, v = ([Fraction(int(n), 7) for n in rng.integers(-20, 21, 2)] for _ in range(2))
        b = Fraction(int(rng.integers(1, 30)), 5)
        a = b + Fraction(int(rng.integers(0, 30)), 5)
        uu, vv, w = (x[0] * y[0] + x[1] * y[1] for x, y in ((u, u), (v, v), (u, v)))
        spread = uu * vv - w * w
        d1, d2 = (1 + a * b * spread + a * x + b * y for x, y in ((uu, vv), (vv, uu)))
        found = sum((_ratio_gap(x, y, a, b) for x, y in ((u, v), (v, u))), Fraction(0))
        predicted = (a - b) * ((uu - vv) ** 2 + spread * (d1 + d2)) / (d1 * d2)
        rows += [
            Measurement("sum less the formula, rational", float(found - predicted), 0, "=="),
            Measurement("the formula", float(predicted), 0, ">="),
        ]
    return Evidence(tuple(rows), count, certificate="exact", seeds=(seed,))


def _ratio_gap(u: list[Fraction], v: list[Fraction], a: Fraction, b: Fraction) -> Fraction:
    """Return v^T G^-1 v - u^T G^-1 u for G = I + a u u^T + b v v^T."""
    g11, g22 = (1 + a * u[k] * u[k] + b * v[k] * v[k] for k in (0, 1))
    g12 = a * u[0] * u[1] + b * v[0] * v[1]
    forms = [g22 * x[0] * x[0] - 2 * g12 * x[0] * x[1] + g11 * x[1] * x[1] for x in (v, u)]
    return (forms[0] - forms[1]) / (g11 * g22 - g12 * g12)


@proof_step(
    claim="ASY-BOUNDARY",
    id="S5",
    statement="Integration by parts over g_i: p_i/σ_i = E[div(W⁻¹g_i)], div(W⁻¹g_i) = tr W⁻¹(1 − ℓ_i) − σ_i "
    "g_iᵀW⁻²g_i, and Σ_i σ_i g_iᵀW⁻²g_i = tr W⁻¹. So with τ = E tr W⁻¹ (finite for d ≥ r + 2) p_i ≤ σ_i τ and Σ_i "
    "p_i/σ_i = (d − r − 1)τ; equal variances: p_i = r/d, στ = r/(d − r − 1).",
)
def by_parts(level: Level, seed: int, data: str) -> Evidence:
    """The divergence by complex steps, its upper bound and its sum over the directions."""
    rows, count = [], 0
    for _, values, q in _draws(level, seed, beyond=1):
        r, d = q.shape
        inverse = np.linalg.inv((q * values) @ q.T)
        trace, found = float(np.trace(inverse)), np.zeros(d)
        squares = values * np.einsum("ri,rs,si->i", q, inverse @ inverse, q)
        for i in range(d):
            for k in range(r):
                moved = q.astype(complex)
                moved[k, i] += 1j * _COMPLEX_STEP
                column = np.linalg.solve((moved * values) @ moved.T, moved[:, i])
                found[i] += column[k].imag / _COMPLEX_STEP
        predicted = trace * (1.0 - leverages(values, q)) - squares
        rows += [
            zero("div(W⁻¹g_i) less the formula", np.abs(found - predicted).max(), trace * np.linalg.cond(inverse)),
            Measurement("div(W⁻¹g_i) over tr W⁻¹", found.max() / trace, 1.0, "<=", ROUNDING),
            zero("Σ σ_i g_iᵀW⁻²g_i − tr W⁻¹", squares.sum() - trace, trace * np.linalg.cond(inverse)),
            zero("Σ div − (d − r − 1) tr W⁻¹", predicted.sum() - (d - r - 1) * trace, trace * np.linalg.cond(inverse)),
        ]
        count += 1
    return evidence(rows, count, seed)
