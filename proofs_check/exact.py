"""Squared loss, rational candidate: everything about it is rational, and proved by exact elimination.

Gradient S Q = 0 is tested as an identity, the inertia of S and of the Hessian by exact elimination, optimality of delta
through (W^T delta)^2 = delta^T delta with W = -G / lam. The duality gap of any candidate is enclosed in
``gap_enclosure``.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import fmpq, fmpq_mat

from proofs_check.rational import (
    block_matrix,
    inertia,
    is_zero,
    trace,
)
from sims.convex_problem import ConvexProblem
from sims.rationals import rational, rational_features, rational_matrix

MAX_EXACT_ROWS = 160  # rational elimination beyond this takes minutes


@dataclass(frozen=True)
class ExactFacts:
    """What was proved about rational factors (u, v): each field is a theorem, not a measurement."""

    stationary: bool
    s_inertia: tuple[int, int, int]
    hessian_inertia: tuple[int, int, int]
    gauge_dimension: int
    objective: Fraction

    @property
    def strict_minimum(self) -> bool:
        """Whether the point is a local minimum, strict modulo gauge: all zeros of the Hessian are the gauge's."""
        return self.stationary and self.hessian_inertia[1:] == (self.gauge_dimension, 0)

    @property
    def strict_above_optimum(self) -> bool:
        """Whether it is a strict minimum that is not global: S has a negative direction."""
        return self.strict_minimum and self.s_inertia[2] > 0


def _dense_rows(problem: ConvexProblem) -> list[fmpq_mat]:
    (features,) = problem.layers
    return list(rational_features(features))


def inner(a: fmpq_mat, b: fmpq_mat) -> fmpq:
    """Return <a, b>, exactly."""
    return sum((x * y for x, y in zip(a.entries(), b.entries())), fmpq(0))


class SquaredProblem:
    """The squared-loss problem of one layer with every number an exact rational."""

    def __init__(self, problem: ConvexProblem, lam: Fraction) -> None:
        if problem.loss.name != "squared" or len(problem.layers) != 1:
            raise ValueError("exact stationarity needs one layer and the squared loss")
        self.features = _dense_rows(problem)
        self.offsets = [rational(float(a)) - rational(float(b)) for a, b in zip(problem.f0.flat, problem.y.flat)]
        self.n, self.lam = problem.n, rational(lam)

    def residuals(self, delta: fmpq_mat) -> list[fmpq]:
        """Return (predictions - targets) / n, the dual variable."""
        return [(inner(g, delta) + e) / self.n for g, e in zip(self.features, self.offsets)]

    def gradient(self, residuals: list[fmpq]) -> fmpq_mat:
        """Return sum z G."""
        total = fmpq_mat(self.features[0].nrows(), self.features[0].ncols())
        for z, g in zip(residuals, self.features):
            if z != 0:
                total = total + z * g
        return total

    def data_value(self, residuals: list[fmpq]) -> fmpq:
        """Return the mean loss, from the scaled residuals."""
        return sum((z * z for z in residuals), fmpq(0)) * self.n / 2

    def stationary(self, u: np.ndarray, v: np.ndarray) -> bool:
        """Return whether the gradient S Q is exactly zero at (u, v)."""
        left, right = rational_matrix(u), rational_matrix(v)
        s = block_matrix(self.lam, self.gradient(self.residuals(left * right.transpose())))
        return is_zero(s * fmpq_mat(left.tolist() + right.tolist()))

    def facts(self, u: np.ndarray, v: np.ndarray) -> ExactFacts:
        """Return stationarity, inertias of S and of the Hessian, gauge dimension and objective at (u, v), all exact."""
        left, right = rational_matrix(u), rational_matrix(v)
        z = self.residuals(left * right.transpose())
        g = self.gradient(z)
        s = block_matrix(self.lam, g)
        q = fmpq_mat(left.tolist() + right.tolist())
        penalty = (trace(left.transpose() * left) + trace(right.transpose() * right)) / 2
        objective = self.data_value(z) + self.lam * penalty
        return ExactFacts(
            stationary=is_zero(s * q),
            s_inertia=inertia(s),
            hessian_inertia=inertia(self._hessian(s, left, right)),
            gauge_dimension=_skew_rank(q) if self.lam != 0 else _linear_gauge_rank(left, right),
            objective=Fraction(int(objective.p), int(objective.q)),
        )

    def _hessian(self, s: fmpq_mat, left: fmpq_mat, right: fmpq_mat) -> fmpq_mat:
        """Return S (x) I + J^T J / n, row-major in Q."""
        d, r = s.nrows(), left.ncols()
        rows = [(g * right).entries() + (g.transpose() * left).entries() for g in self.features]
        jacobian = fmpq_mat(len(rows), d * r, [x for row in rows for x in row])
        hessian = jacobian.transpose() * jacobian / fmpq(self.n)
        for i in range(d):
            for j in range(d):
                if s[i, j] != 0:
                    for k in range(r):
                        hessian[i * r + k, j * r + k] += s[i, j]
        return hessian

    def optimal_value(self, delta: np.ndarray) -> Fraction:
        """Return the exact primal value at a delta proved optimal, where lam ||delta||_* = -<G, delta>."""
        x = rational_matrix(delta)
        z = self.residuals(x)
        value = self.data_value(z) - inner(self.gradient(z), x)
        return Fraction(int(value.p), int(value.q))

    def proves_infeasible(self, delta: np.ndarray) -> bool:
        """Return whether ||G||_op > lam is proved at delta, which contradicts optimality. False proves nothing.

        Witnesses are the float singular vectors a, b: a^T G b > lam |a| |b| in rationals. Elimination takes minutes.
        """
        g = self.gradient(self.residuals(rational_matrix(delta)))
        floats = np.array([[float(Fraction(int(x.p), int(x.q))) for x in row] for row in g.tolist()])
        left, _, right = np.linalg.svd(floats)
        a, b = rational_matrix(left[:, :1]), rational_matrix(right[:1].T)
        along = inner(a, g * b)
        return bool(along > 0 and along * along > self.lam * self.lam * inner(a, a) * inner(b, b))

    def proves_optimal(self, delta: np.ndarray) -> bool:
        """Return whether delta is proved to be *exactly* optimal: ||G||_op <= lam and <G, delta> = -lam ||delta||_*.

        With W = -G / lam and ||W|| <= 1, equality holds iff W^T delta is symmetric, positive semidefinite and squares
        to delta^T delta. False proves nothing.
        """
        x = rational_matrix(delta)
        g = self.gradient(self.residuals(x))
        polar = g.transpose() * x * fmpq(-1)
        square = polar * polar - (x.transpose() * x) * (self.lam * self.lam)
        # what is cheap and hardly ever so comes first: elimination of large fractions takes minutes
        if polar != polar.transpose() or not is_zero(square) or inertia(polar)[2]:
            return False
        return inertia(block_matrix(self.lam, g))[2] == 0


def _skew_rank(q: fmpq_mat) -> int:
    """Return the dimension of {Q W : W skew}: the zeros that rotations of the factors force on the Hessian."""
    r, rank = q.ncols(), q.rank()
    return r * (r - 1) // 2 - (r - rank) * (r - rank - 1) // 2


def _linear_gauge_rank(left: fmpq_mat, right: fmpq_mat) -> int:
    """Return the dimension of {(u W, -v W^T)}: the zeros that the gauge GL(r) forces at lam = 0."""
    r = left.ncols()
    rows = []
    for i in range(r):
        for j in range(r):
            w = fmpq_mat(r, r)
            w[i, j] = fmpq(1)
            rows.append((left * w).entries() + (right * w.transpose() * fmpq(-1)).entries())
    return fmpq_mat(rows).rank()
