"""Proofs about a candidate in rational and ball arithmetic: the ``--exact`` half of ``certify``.

* squared loss, rational candidate: everything is rational. Gradient S Q = 0 is tested as an identity, the inertia of S
  and of the Hessian by exact elimination, optimality of delta through (W^T delta)^2 = delta^T delta with W = -G / lam.
* any loss, any candidate: the duality gap is enclosed by balls (dual point scaled until ||G(z)||_op <= lam is proved),
  so 'global minimum up to the relative tolerance' is a theorem about the floats in the file.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb, ctx, fmpq, fmpq_mat

from proofs_check.exact_span import exactly_unreachable
from proofs_check.rational import (
    BITS,
    ball_matrix,
    ball_sum,
    block_matrix,
    frobenius_ball,
    inertia,
    is_zero,
    proves_positive_definite,
    trace,
)
from sims.convex_problem import ConvexProblem
from sims.rationals import rational, rational_features, rational_matrix
from theory.convex_lora import ATTAINED_ZERO

_SHRINKS = (1e-13, 1e-11, 1e-9)  # tried in turn: how far the dual point is pulled inside the feasible set
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
    def strict_spurious(self) -> bool:
        """Whether it is a strict minimum that is not global: S has a negative direction."""
        return self.strict_minimum and self.s_inertia[2] > 0


def _dense_rows(problem: ConvexProblem) -> list[fmpq_mat]:
    (features,) = problem.layers
    return list(rational_features(features))


def _inner(a: fmpq_mat, b: fmpq_mat) -> fmpq:
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
        return [(_inner(g, delta) + e) / self.n for g, e in zip(self.features, self.offsets)]

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
        value = self.data_value(z) - _inner(self.gradient(z), x)
        return Fraction(int(value.p), int(value.q))

    def proves_infeasible(self, delta: np.ndarray) -> bool:
        """Return whether ||G||_op > lam is proved at delta, which contradicts optimality."""
        return inertia(block_matrix(self.lam, self.gradient(self.residuals(rational_matrix(delta)))))[2] > 0

    def proves_optimal(self, delta: np.ndarray) -> bool:
        """Return whether delta is proved to be *exactly* optimal: ||G||_op <= lam and <G, delta> = -lam ||delta||_*.

        With W = -G / lam and ||W|| <= 1, equality holds iff W^T delta is symmetric, positive semidefinite and squares
        to delta^T delta. False proves nothing.
        """
        x = rational_matrix(delta)
        g = self.gradient(self.residuals(x))
        if inertia(block_matrix(self.lam, g))[2]:
            return False
        polar = g.transpose() * x * fmpq(-1)
        square = polar * polar - (x.transpose() * x) * (self.lam * self.lam)
        return polar == polar.transpose() and is_zero(square) and inertia(polar)[2] == 0


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


@dataclass(frozen=True)
class GapEnclosure:
    """Balls around an upper bound of the primal and a lower bound of the dual; ``feasible`` must be True.

    ``attained_zero``: at lam = 0 with the squared loss, the primal is proved to be at most ``ATTAINED_ZERO`` of the loss
    at delta = 0, which counts as zero.
    """

    primal: arb
    dual: arb
    feasible: bool
    attained_zero: bool = False

    def proves_gap_below(self, tolerance: float) -> bool:
        """Return whether primal - dual <= tolerance |primal| is proved, and a negative gap is not."""
        if self.attained_zero:
            return True
        gap = self.primal - self.dual
        return bool(self.feasible and gap <= arb(tolerance) * abs(self.primal) and not gap < 0)


def gap_enclosure(
    problem: ConvexProblem,
    delta: np.ndarray,
    lam: Fraction,
    factors: tuple[np.ndarray, np.ndarray] | None = None,
    bits: int = BITS,
) -> GapEnclosure:
    """Return a rigorous enclosure of primal and dual objective at a float candidate, for any of the three losses.

    With ``factors`` the primal is the factored objective (penalty of the factors), otherwise the nuclear norm, bounded
    above through a float SVD whose defect is paid for in Frobenius norm. At lam = 0 the dual point is a residual
    projected exactly onto what no update can reach.
    """
    previous, ctx.prec = ctx.prec, bits
    try:
        rows = _dense_rows(problem)
        x = rational_matrix(delta)
        if factors is not None:
            u, v = (rational_matrix(f) for f in factors)
            x = u * v.transpose()
        f0 = [rational(float(a)) for a in problem.f0.flat]
        predictions = [_inner(g, x) + f for g, f in zip(rows, f0)]
        z, feasible = _feasible_dual(problem, rows, predictions, delta, lam, bits)
        losses, conjugates = _loss_balls(problem, predictions, z, f0)
        penalty = _penalty_ball(delta, x, factors) if lam != 0 else arb(0)
        n = arb(problem.n)
        attained = False
        if lam == 0 and problem.loss.name == "squared":
            targets = [rational(float(a)) for a in problem.y.flat]
            at_zero = sum(((a - b) ** 2 for a, b in zip(f0, targets)), fmpq(0))
            here = sum(((a - b) ** 2 for a, b in zip(predictions, targets)), fmpq(0))
            attained = here <= rational(ATTAINED_ZERO) * at_zero
        return GapEnclosure(losses / n + arb(rational(lam)) * penalty, -conjugates / n, feasible, attained)
    finally:
        ctx.prec = previous


def _feasible_dual(
    problem: ConvexProblem,
    rows: list[fmpq_mat],
    predictions: list[fmpq],
    delta: np.ndarray,
    lam: Fraction,
    bits: int,
) -> tuple[list[fmpq], bool]:
    """Return a dual point, one exact number a measurement, and whether it is proved feasible."""
    zero = [fmpq(0)] * len(rows)
    if lam == 0:
        return exactly_unreachable(problem, rows, predictions) or zero, True
    for shrink in _SHRINKS:
        z = [rational(float(weight)) for weight in _float_dual(problem, predictions, delta, float(lam), shrink).flat]
        gradient = fmpq_mat(rows[0].nrows(), rows[0].ncols())
        for weight, g in zip(z, rows):
            if weight != 0:
                gradient = gradient + (weight / problem.n) * g
        if not any(z) or proves_positive_definite(ball_matrix(block_matrix(rational(lam), gradient)), bits):
            return z, True
    return zero, True


def _penalty_ball(delta: np.ndarray, x: fmpq_mat, factors: tuple[np.ndarray, np.ndarray] | None) -> arb:
    if factors is not None:
        u, v = factors
        return ball_sum(arb(rational(float(a))) ** 2 for part in (u, v) for a in part.flat) / 2
    left, s, right = np.linalg.svd(delta, full_matrices=False)
    u, v = left * np.sqrt(s), right.T * np.sqrt(s)
    defect = frobenius_ball(rational_matrix(u) * rational_matrix(v).transpose() - x)
    half = ball_sum(arb(rational(float(a))) ** 2 for part in (u, v) for a in part.flat) / 2
    return half + defect * arb(min(delta.shape)).sqrt()


def _float_dual(
    problem: ConvexProblem, predictions: list[fmpq], delta: np.ndarray, lam: float, shrink: float
) -> np.ndarray:
    """Return a float dual point, shrunk a little so that strict feasibility can be proved.

    The loss's gradient is taken at predictions that were computed exactly: where they nearly meet the targets (small
    lam) floats would have lost the difference.
    """
    n, k = problem.n, problem.k
    if problem.loss.name == "squared":
        exact = (p - rational(float(t)) for p, t in zip(predictions, problem.y.flat))
        z = np.array([_nearest(x) for x in exact]).reshape(n, k)
    else:
        z = problem.loss.gradient(np.array([_nearest(x) for x in predictions]).reshape(n, k), problem.y)
    (layer,) = problem.layers
    top = float(np.linalg.norm(layer.adjoint(z / n), 2))
    scaled = z * min(1.0, lam / top if top > 0 else 1.0) * (1.0 - shrink)
    if problem.loss.name == "cross_entropy":
        # the simplex needs sum_j z_j = 0 exactly: entries on a grid of 2^-50 add without rounding
        grid = 2.0**-50
        scaled = np.round(scaled / grid) * grid
        scaled[np.arange(n), problem.y] -= scaled.sum(axis=1)
    return scaled


def _nearest(x: fmpq) -> float:
    return float(Fraction(int(x.p), int(x.q)))


def _loss_balls(problem: ConvexProblem, predictions: list[fmpq], z: list[fmpq], f0: list[fmpq]) -> tuple[arb, arb]:
    """Return balls of sum_i l(p_i, y_i) and of sum_i [l*(z_i, y_i) - <z_i, f0_i>]."""
    name, k = problem.loss.name, problem.k
    value, conjugate = arb(0), arb(0)
    for i in range(problem.n):
        p = [arb(x) for x in predictions[i * k : (i + 1) * k]]
        w = z[i * k : (i + 1) * k]
        conjugate -= ball_sum(arb(a * b) for a, b in zip(w, f0[i * k : (i + 1) * k]))
        if name == "cross_entropy":
            label = int(problem.y[i])
            value += ball_sum(x.exp() for x in p).log() - p[label]
            simplex = [a + (1 if j == label else 0) for j, a in enumerate(w)]
            conjugate += ball_sum(_entropy(q) for q in simplex)
            continue
        for j in range(k):
            y = rational(float(problem.y[i, j]))
            if name == "squared":
                value += (p[j] - arb(y)) ** 2 / 2
                conjugate += arb(w[j] * w[j] / 2 + w[j] * y)
            else:
                value += (-arb(y) * p[j]).exp().log1p()
                q = -y * w[j]
                conjugate += _entropy(q) + _entropy(1 - q)
    return value, conjugate


def _entropy(q: fmpq) -> arb:
    if q < 0:
        return arb("nan")  # outside the domain of the conjugate: the enclosure then proves nothing
    return arb(0) if q == 0 else arb(q) * arb(q).log()
