"""Proof of the corrected fit theorem (ASY-T4.3'), line by line, with the repair for singular C and singular Sigma."""

from fractions import Fraction
from itertools import product

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.exchange import Swap, leverages, permuted_leverages, swap
from proofs_check.instances import by_level
from proofs_check.linear_instances import haar_rows
from proofs_check.registry import proof_step
from proofs_check.steps.common import ROUNDING, evidence, zero
from sims.haar import frozen_rows
from theory.linear_adapters import excess_risk, fit_b_only
from theory.whitened_form import input_projector


def _count(level: Level) -> int:
    return int(by_level(level, 8, 40, 200))


def _spectra(level: Level, seed: int, largest: int = 8) -> list[tuple[np.random.Generator, np.ndarray, int]]:
    """Return (generator, decreasing positive variances, r < d), also with ties and with r = d - 1."""
    found = []
    for trial in range(_count(level)):
        rng = np.random.default_rng([seed, trial])
        d = 2 + trial % (largest - 1)
        r = d - 1 if trial % 3 == 0 else int(rng.integers(1, d))
        values = np.sort(rng.uniform(0.1, 2.0, d))[::-1]
        if trial % 4 == 1:
            values[: (d + 1) // 2] = values[0]
        found.append((rng, values, r))
    return found


@proof_step(
    claim="ASY-T4.3'",
    id="T1",
    statement="QD and QΠ have the law of Q for signs D and permutations Π, and P_R(QD) = D P_R(Q) D in the eigenbasis "
    "of Σ: so E[P_R] is diagonal there.",
)
def diagonal(level: Level, seed: int, data: str) -> Evidence:
    """Average P_R over all signs of the columns; check that a frozen QD is as orthonormal as Q, and the eigenbasis."""
    rows = []
    found = _spectra(level, seed, largest=5)
    for rng, values, r in found:
        d = values.size
        q, basis, sigma = haar_rows(rng, r, d), haar_rows(rng, d, d), np.diag(values)
        here = input_projector(sigma, q)
        average = np.zeros((d, d))
        for signs in product((1.0, -1.0), repeat=d):
            there = input_projector(sigma, q * np.array(signs))
            rows.append(zero("P_R(QD) − D P_R(Q) D", np.abs(there - np.outer(signs, signs) * here).max()))
            average += there / 2.0**d
        rows.append(
            zero("off-diagonal entries of the average over signs", np.abs(average - np.diag(np.diag(here))).max())
        )
        turned = basis.T @ sigma @ basis
        there = input_projector(0.5 * (turned + turned.T), q @ basis)
        rows.append(zero("P_R in another eigenbasis", np.abs(basis @ there @ basis.T - here).max()))
    return evidence(rows, len(found), seed)


@proof_step(
    claim="ASY-T4.3'",
    id="T2",
    statement="All columns but i, j fixed, C = I in whitened coordinates: ℓ_i − ℓ_j = (aU − bV)/(K + aU + bV) with "
    "K = 1 + ab(UV − w²) ≥ 1. Repair: C may be singular (r = d − 1); with C + εI leverages move by at most "
    "ε/λ_min(QΣQᵀ), relative, so ε → 0 is harmless. If rank Σ ≤ r, II_A = T and nothing is left to prove.",
)
def two_columns(level: Level, seed: int, data: str) -> Evidence:
    """Leverages from the inverse against the formula, for C + eps I; the limit eps to 0; low-rank covariances."""
    rows = []
    found = _spectra(level, seed)
    for rng, values, r in found:
        d, q = values.size, haar_rows(rng, r, values.size)
        full = (q * values) @ q.T
        plain = leverages(values, q)
        smallest = float(np.linalg.eigvalsh(full)[0])
        i, j = sorted(rng.choice(d, 2, replace=False))
        a, b = values[i], values[j]
        rest = full - a * np.outer(q[:, i], q[:, i]) - b * np.outer(q[:, j], q[:, j])
        for eps in (1.0, 1e-3 * smallest):
            moved = values * np.einsum("ri,ri->i", q, np.linalg.solve(full + eps * np.eye(r), q))
            scales, vectors = np.linalg.eigh(rest + eps * np.eye(r))
            u, v = (vectors / np.sqrt(scales)).T @ q[:, i], (vectors / np.sqrt(scales)).T @ q[:, j]
            uu, vv, w = float(u @ u), float(v @ v), float(u @ v)
            k = 1 + a * b * (uu * vv - w**2)
            formula = (a * uu - b * vv) / (k + a * uu + b * vv)
            rows.append(zero("ℓ_i − ℓ_j against the formula", moved[i] - moved[j] - formula))
            rows.append(Measurement("K", k, 1.0, ">=", ROUNDING * k))
            drop = float(np.max((plain - moved) / np.maximum(plain, ROUNDING)))
            rows.append(Measurement("relative fall of a leverage over ε/λ_min", drop, eps / smallest, "<=", ROUNDING))
            rows.append(Measurement("rise of a leverage", float(np.max(moved - plain)), 0.0, "<=", ROUNDING))
        values[r:] = 0.0
        low = np.diag(values)
        delta = rng.standard_normal((3, d))
        total = excess_risk(delta, np.zeros_like(delta), low)
        rows.append(zero("II_A − T for rank Σ = r", fit_b_only(delta, low, q).captured - total, total))
    return evidence(rows, len(found), seed)


def _zero_by_accident(found: Swap, a: Fraction, b: Fraction, entries: list[Fraction]) -> float:
    """Return 1 if the inequality of the exchange is an equality although a > b and one of the columns is not zero."""
    return float(found.numerator == 0 and a > b and any(entries))


@proof_step(
    claim="ASY-T4.3'",
    id="T3",
    statement="The difference plus the one with u, v exchanged is [K(a−b)(U+V) + 2(a²−b²)UV]/(D₁D₂) ≥ 0; Q's columns "
    "are exchangeable, so p_i ≥ p_j. It is > 0 unless a = b or u = v = 0: p_i > p_j where σ_i > σ_j.",
)
def exchanged(level: Level, seed: int, data: str) -> Evidence:
    """The identity in rational arithmetic (r = 2), and averages over all orders of the columns of one Q."""
    rows = []
    rng = np.random.default_rng(seed)
    count = 5 * _count(level)
    for _ in range(count):
        x = [Fraction(int(n), 7) for n in rng.integers(-20, 21, 4)]
        b = Fraction(int(rng.integers(0, 30)), 5)
        a = b + Fraction(int(rng.integers(0, 30)), 5)
        found = swap((x[0], x[1]), (x[2], x[3]), a, b)
        excess = (found.before + found.after) * found.denominator - found.numerator
        rows += [
            Measurement("ℓ_i − ℓ_j less the formula, rational", float(found.before - found.predicted_before), 0, "=="),
            Measurement("sum times D₁D₂ less the numerator, rational", float(excess), 0, "=="),
            Measurement("numerator", float(found.numerator), 0, ">="),
            Measurement("numerator is 0 without a = b or u = v = 0", _zero_by_accident(found, a, b, x), 0, "=="),
            Measurement("K − 1, rational", float(found.k - 1), 0, ">="),
        ]
    spectra = _spectra(level, seed, largest=5)
    for draws, values, r in spectra:
        p = permuted_leverages(values, frozen_rows(draws, 5, r, values.size, "haar"))
        rows.append(Measurement("largest p_{i+1} − p_i", np.diff(p, axis=1).max(), 0, "<=", ROUNDING))
    return evidence(rows, count + len(spectra), seed)


@proof_step(
    claim="ASY-T4.3'",
    id="T4",
    statement="Σp_i = r (rank Σ ≥ r), and Chebyshev: Σp_i m_i − (1/d)(Σp_i)(Σm_i) = (1/2d)Σ_ij(p_i−p_j)(m_i−m_j) ≥ 0. "
    "It is strict unless m or σ is constant; for r = d − 1 by 1 − ℓ_i(Σ, Q) = ℓ_i(Σ⁻¹, Q_⊥).",
)
def chebyshev(level: Level, seed: int, data: str) -> Evidence:
    """Sum of the leverages, the identity, and its sign for m of the order of the variances."""
    rows = []
    found = _spectra(level, seed, largest=5)
    for rng, values, r in found:
        d = values.size
        q = frozen_rows(rng, 1, r, d, "haar")
        (p,) = permuted_leverages(values, q)
        complement = np.linalg.qr(q[0].T, mode="complete")[0][:, r:].T
        dual = np.abs(1.0 - leverages(values, q[0]) - leverages(1.0 / values, complement)).max()
        rows.append(zero("1 − ℓ_i(Σ, Q) − ℓ_i(Σ⁻¹, Q_⊥)", dual))
        m = np.sort(rng.exponential(size=d))[::-1]
        left = float(p @ m - p.sum() * m.sum() / d)
        right = float(np.subtract.outer(p, p).ravel() @ np.subtract.outer(m, m).ravel() / (2 * d))
        rows += [
            zero("Σp_i − r", p.sum() - r),
            zero("identity", left - right, m.sum()),
            Measurement("Σ_ij (p_i − p_j)(m_i − m_j)", right, 0, ">=", ROUNDING * float(m.sum())),
            # σ is not constant here (also with its ties), nor is m
            Measurement("Σ_ij (p_i − p_j)(m_i − m_j), strict", right, ROUNDING * float(m.sum()), ">="),
        ]
    return evidence(rows, len(found), seed)
