"""The dual at lam = 0 in rationals: the part of a residual that no update can reach, exactly."""

from fractions import Fraction

import numpy as np
from flint import fmpq, fmpq_mat

from sims.convex_problem import ConvexProblem
from sims.rationals import rational

_MOST_ENTRIES = 6000  # of the matrix of all features; elimination beyond this takes minutes


def exactly_unreachable(problem: ConvexProblem, rows: list[fmpq_mat], predictions: list[fmpq]) -> list[fmpq] | None:
    """Return the loss's gradient at the predictions, projected exactly onto {z : sum_ik z_ik G_ik = 0}.

    None where the features are too many for elimination in rationals, or the gradient is all reachable. Kind: exact.
    """
    q, entries = len(rows), [g.entries() for g in rows]
    if q * len(entries[0]) > _MOST_ENTRIES:
        return None
    design = fmpq_mat(entries)
    if problem.loss.name == "squared":
        z = [p - rational(float(t)) for p, t in zip(predictions, problem.y.flat)]
    else:
        points = np.array([float(Fraction(int(p.p), int(p.q))) for p in predictions]).reshape(problem.n, problem.k)
        z = [rational(float(x)) for x in problem.loss.gradient(points, problem.y).flat]
    constraints = design.transpose()
    if problem.loss.name == "cross_entropy":  # a dual point of the softmax sums to zero over the outputs
        k = problem.k
        sums = [[fmpq(1 if i // k == row else 0) for i in range(q)] for row in range(problem.n)]
        constraints = fmpq_mat(constraints.tolist() + sums)
    independent = _independent_rows(constraints)
    if independent is None:
        return z
    gram = independent * independent.transpose()
    weights = gram.solve(independent * fmpq_mat(q, 1, z))
    projected = fmpq_mat(q, 1, z) - independent.transpose() * weights
    found = projected.entries()
    return found if any(x != 0 for x in found) else None


def _independent_rows(matrix: fmpq_mat) -> fmpq_mat | None:
    """Return rows that span what all rows span, or None if all are zero."""
    reduced, rank = matrix.rref()
    if rank == 0:
        return None
    return fmpq_mat(reduced.tolist()[:rank])
