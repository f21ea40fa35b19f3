"""Pataki-Barvinok reduction: from any minimiser to one of rank r with r(r+1)/2 <= effective KN, same objective.

Source: arXiv 2402.11867, Theorem 3.1; steps P1-P5 of its proof: find symmetric B != 0 with <G_ik, u B v^T> = 0 for all
measurements, move Q to Q (I + t B)^{1/2} up to the first t where it loses rank, repeat.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sims.convex_problem import ConvexProblem
from sims.solvers.low_rank_newton import Factors
from theory.rank_thresholds import rank_budget

_NULL = 1e-11  # singular values of the measurement map below this fraction of the largest count as zero
_LOST = 1e-12  # columns of (I + t B)^{1/2} below this are the ones that vanish at t = -1/mu


@dataclass(frozen=True)
class Reduction:
    """Reduced factors; ``budgets`` holds sum_l r_l(r_l+1)/2 before each step and at the end."""

    factors: Factors
    budgets: tuple[int, ...]
    prediction_drift: float
    trace_drift: float


def reduce_rank(problem: ConvexProblem, factors: Factors) -> Reduction:
    """Return factors with the same predictions and penalty whose rank budget is at most the effective KN.

    ``factors`` must be stationary (S Q = 0) for the penalty to stay constant when lam > 0; the two drifts, relative to
    the largest prediction and to the trace, say how well that held.
    """
    start = problem.predictions_low_rank(factors)
    trace = _trace(factors)
    current: Factors = [(u, v) for u, v in factors]
    budgets = [rank_budget([u.shape[1] for u, _ in current])]
    while (direction := null_direction(problem, current)) is not None:
        spectra = [np.linalg.eigh(b) for b in direction]
        extreme = max((e for values, _ in spectra for e in values), key=abs)
        moved: Factors = []
        for (u, v), (values, vectors) in zip(current, spectra):
            stretch = np.sqrt(np.maximum(1.0 - values / extreme, 0.0))
            keep = stretch > np.sqrt(_LOST)
            moved.append(((u @ vectors[:, keep]) * stretch[keep], (v @ vectors[:, keep]) * stretch[keep]))
        current = moved
        budgets.append(rank_budget([u.shape[1] for u, _ in current]))
    end = problem.predictions_low_rank(current)
    scale = max(float(np.abs(start).max()), 1e-300)
    return Reduction(
        current,
        tuple(budgets),
        float(np.abs(end - start).max()) / scale,
        abs(_trace(current) - trace) / max(trace, 1e-300),
    )


def measurement_map(problem: ConvexProblem, factors: Factors) -> Float[np.ndarray, "q b"]:
    """Return the matrix of (B_l)_l -> (sum_l <G_ik^l, u^l B_l v^lT>)_ik over symmetric B_l.

    Rows: the measurements the loss can see (output differences for softmax). Columns: an orthonormal basis of symmetric
    matrices, layer by layer; injective iff no reduction is possible.
    """
    blocks = []
    for features, (u, v) in zip(problem.layers, factors):
        r = u.shape[1]
        core = features.project_input(v.T).project_output(u).dense()
        if problem.loss.free_outputs(problem.k) < problem.k:
            core = core[:, :-1] - core[:, -1:]
        i, j = np.triu_indices(r)
        symmetric = (core[:, :, i, j] + core[:, :, j, i]) * np.where(i == j, 0.5, np.sqrt(0.5))
        blocks.append(symmetric.reshape(core.shape[0] * core.shape[1], i.size))
    return np.concatenate(blocks, axis=1)


def null_direction(problem: ConvexProblem, factors: Factors) -> list[np.ndarray] | None:
    """Return symmetric B_l, not all zero, in the kernel of the measurement map, or None if it is injective."""
    matrix = measurement_map(problem, factors)
    rows, columns = matrix.shape
    if columns == 0:
        return None
    tall = np.linalg.qr(matrix, mode="r") if rows > columns else matrix  # the left side is not needed, and may be huge
    _, sigma, right = np.linalg.svd(tall, full_matrices=True)
    if columns <= rows and sigma[-1] > _NULL * sigma[0]:
        return None
    vector, result, start = right[-1], [], 0
    for u, _ in factors:
        r = u.shape[1]
        i, j = np.triu_indices(r)
        part = vector[start : start + i.size] * np.where(i == j, 1.0, np.sqrt(0.5))
        b = np.zeros((r, r))
        b[i, j] = b[j, i] = part
        result.append(b)
        start += i.size
    return result


def _trace(factors: Factors) -> float:
    return float(sum((u**2).sum() + (v**2).sum() for u, v in factors))
