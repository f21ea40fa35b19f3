"""The duality gap in balls, for any of the three losses: 'global minimum up to the tolerance' as a theorem."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb, ctx, fmpq, fmpq_mat

from proofs_check.exact import inner
from proofs_check.exact_span import exactly_unreachable
from proofs_check.rational import (
    BITS,
    ball_matrix,
    ball_sum,
    block_matrix,
    frobenius_ball,
    proves_positive_definite,
)
from sims.convex_problem import ConvexProblem
from sims.rationals import rational, rational_features, rational_matrix
from theory.convex_lora import ATTAINED_ZERO

_SHRINKS = (1e-13, 1e-11, 1e-9)  # tried in turn: how far the dual point is pulled inside the feasible set


@dataclass(frozen=True)
class GapEnclosure:
    """Balls around an upper bound of the primal and a lower bound of the dual; ``feasible`` must be True.

    ``attained_zero``: lam = 0, squared loss, and the primal is proved to be at most ``ATTAINED_ZERO`` of the loss at
    delta = 0, which counts as zero.
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
        rows = list(rational_features(problem.layers[0]))
        x = rational_matrix(delta)
        if factors is not None:
            u, v = (rational_matrix(f) for f in factors)
            x = u * v.transpose()
        f0 = [rational(float(a)) for a in problem.f0.flat]
        predictions = [inner(g, x) + f for g, f in zip(rows, f0)]
        z, feasible = _feasible_dual(problem, rows, predictions, lam, bits)
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
    lam: Fraction,
    bits: int,
) -> tuple[list[fmpq], bool]:
    """Return a dual point, one exact number a measurement, and whether it is proved feasible."""
    zero = [fmpq(0)] * len(rows)
    if lam == 0:
        return exactly_unreachable(problem, rows, predictions) or zero, True
    for shrink in _SHRINKS:
        z = [rational(float(weight)) for weight in _float_dual(problem, predictions, float(lam), shrink).flat]
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


def _float_dual(problem: ConvexProblem, predictions: list[fmpq], lam: float, shrink: float) -> np.ndarray:
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
