"""Proof of Theorem 3.1: steps P1 to P5 of the Pataki-Barvinok reduction."""

import numpy as np

from proofs_check.claims.ntk_t3_1 import positive_cone_problem
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import proof_step
from proofs_check.steps.common import ROUNDING, evidence, zero
from sims.convex_problem import ConvexProblem
from sims.solve import numerical_rank
from sims.solvers.rank_reduction import measurement_map, null_direction, reduce_rank
from theory.factorisation import balanced_factors, factor_penalty
from theory.rank_thresholds import rank_budget

Start = tuple[ConvexProblem, float, np.ndarray, np.ndarray, np.ndarray]


def _starts(level: Level, seed: int) -> list[Start]:
    """Return (problem, lam, u, v, B): minimisers of full rank with a direction in the kernel."""
    found = []
    for count in by_level(level, (3, 6), (1, 3, 6, 10, 15), (1, 2, 3, 5, 6, 10, 15, 21, 28)):
        problem, lam, delta = positive_cone_problem(8, count, seed + count)
        u, v = balanced_factors(delta)
        direction = null_direction(problem, [(u, v)])
        if direction is not None:
            found.append((problem, lam, u, v, direction[0]))
    return found


@proof_step(
    claim="NTK-T3.1", id="P1", statement="k(k+1)/2 > KN: some symmetric B ≠ 0 has ⟨G_ij, u B vᵀ⟩ = 0 for all i, j."
)
def kernel(level: Level, seed: int, data: str) -> Evidence:
    """Norm of the measurements along B, and of B."""
    starts = _starts(level, seed)
    rows = []
    for problem, _, u, v, b in starts:
        unknowns = measurement_map(problem, [(u, v)]).shape[1]
        rows.append(Measurement("unknowns k(k+1)/2 over equations", unknowns / problem.measurements, 1, ">="))
        image = problem.predictions_low_rank([(u @ b, v)]) - problem.f0
        scale = float(np.abs(problem.predictions_low_rank([(u, v)])).max())
        rows += [
            zero("‖A(uBvᵀ)‖", np.abs(image).max(), scale),
            Measurement("‖B‖_F", float(np.linalg.norm(b)), 0.5, ">="),
        ]
    return evidence(rows, len(starts), seed)


@proof_step(claim="NTK-T3.1", id="P2", statement="Predictions are constant along Z(t) = Q(I + tB)Qᵀ.")
def constant_predictions(level: Level, seed: int, data: str) -> Evidence:
    """Change of the predictions for several t, also beyond the cone."""
    starts = _starts(level, seed)
    rows = []
    for problem, _, u, v, b in starts:
        here = problem.predictions_low_rank([(u, v)])
        for t in (-1.0, 0.3, 2.0):
            there = problem.predictions_low_rank([(u @ (np.eye(b.shape[0]) + t * b), v)])
            rows.append(zero("change of predictions", np.abs(there - here).max(), np.abs(here).max()))
    return evidence(rows, len(starts), seed)


@proof_step(claim="NTK-T3.1", id="P3", statement="At an optimum tr(QBQᵀ) = 0, so the penalty is constant as well.")
def constant_trace(level: Level, seed: int, data: str) -> Evidence:
    """Trace along the direction."""
    starts = _starts(level, seed)
    rows = []
    for _, _, u, v, b in starts:
        moved = float(np.trace(u @ b @ u.T) + np.trace(v @ b @ v.T))
        rows.append(zero("tr(QBQᵀ)", moved, 2 * float(factor_penalty(u, v))))
    return evidence(rows, len(starts), seed)


@proof_step(
    claim="NTK-T3.1",
    id="P4",
    statement="t = −1/μ, μ the eigenvalue of B of largest modulus: I + tB ⪰ 0 is singular, the rank drops.",
)
def rank_drops(level: Level, seed: int, data: str) -> Evidence:
    """Spectrum of I + tB and the penalty at the end."""
    starts = _starts(level, seed)
    rows = []
    for _, _, u, v, b in starts:
        values, vectors = np.linalg.eigh(b)
        mu = values[np.argmax(np.abs(values))]
        stretch = 1.0 - values / mu
        rows.append(Measurement("smallest eigenvalue of I + tB", stretch.min(), 0, "==", ROUNDING))
        root = np.sqrt(np.maximum(stretch, 0.0))
        a, c = (u @ vectors) * root, (v @ vectors) * root
        rows.append(Measurement("rank", numerical_rank(a, c), u.shape[1] - 1, "<="))
        rows.append(zero("change of the penalty", factor_penalty(a, c) - factor_penalty(u, v), factor_penalty(u, v)))
    return evidence(rows, len(starts), seed)


@proof_step(claim="NTK-T3.1", id="P5", statement="Repeating ends at k(k+1)/2 ≤ KN with the same objective.")
def terminates(level: Level, seed: int, data: str) -> Evidence:
    """Budgets along the whole reduction, and its drift."""
    starts = _starts(level, seed)
    rows = []
    for problem, _, u, v, _ in starts:
        reduced = reduce_rank(problem, [(u, v)])
        rows.append(
            Measurement(
                "final k(k+1)/2", rank_budget([numerical_rank(*reduced.factors[0])]), problem.measurements, "<="
            )
        )
        falling = all(a > b for a, b in zip(reduced.budgets, reduced.budgets[1:]))
        rows.append(Measurement("budgets fall at every step (1 = yes)", falling, 1, "=="))
        rows += [
            zero("drift of predictions", reduced.prediction_drift),
            zero("drift of the trace", reduced.trace_drift),
        ]
    return evidence(rows, len(starts), seed)
