"""The factored objective in ball arithmetic: value, gradient and Hessian over balls, for any loss and one layer.

Features, offsets, targets and lam are exact (floats count as the rationals they are), so what comes out contains the
true number for every Q inside the balls that went in. Precision is that of ``flint.ctx``, set by the caller.
"""

from fractions import Fraction

import numpy as np
from flint import arb, arb_mat, fmpq

from proofs_check.rational import ball_sum
from sims.convex_problem import ConvexProblem
from sims.rationals import rational, rational_features


class BallObjective:
    """L(u, v) = (1/n) sum_i l(f0_i + <G_i, u v^T>, y_i) + lam/2 (||u||^2 + ||v||^2), Q = [u; v] an arb_mat (d, r)."""

    def __init__(self, problem: ConvexProblem, lam: Fraction) -> None:
        (layer,) = problem.layers
        self.n, self.k, (self.m, self.p) = problem.n, problem.k, layer.shape
        self.loss, self.lam = problem.loss.name, arb(rational(lam))
        # factors are multiplied in rationals: in floats the product would be another problem
        self.features = [arb_mat(g) for g in rational_features(layer)]
        self.transposed = [g.transpose() for g in self.features]
        self.f0 = [arb(float(a)) for a in problem.f0.flat]
        self.y = np.asarray(problem.y)

    def split(self, q: arb_mat) -> tuple[arb_mat, arb_mat]:
        """Return (u, v)."""
        rows = q.tolist()
        return arb_mat(rows[: self.m]), arb_mat(rows[self.m :])

    def predictions(self, q: arb_mat) -> list[arb]:
        """Return f0 + <G_ik, u v^T>, row-major in (i, k)."""
        u, v = self.split(q)
        return self._predictions_at(u * v.transpose())

    def _predictions_at(self, delta: arb_mat) -> list[arb]:
        entries = delta.entries()
        return [f + ball_sum(a * b for a, b in zip(g.entries(), entries)) for g, f in zip(self.features, self.f0)]

    def value_at(self, delta: arb_mat) -> arb:
        """Return the mean loss at an update, without any penalty."""
        return _value(self.loss, self._predictions_at(delta), self.y, self.k) / self.n

    def value(self, q: arb_mat) -> arb:
        """Return the objective."""
        penalty = ball_sum(x * x for x in q.entries()) / 2
        return _value(self.loss, self.predictions(q), self.y, self.k) / self.n + self.lam * penalty

    def _residuals(self, predictions: list[arb]) -> list[arb]:
        return [z / self.n for z in _gradient(self.loss, predictions, self.y, self.k)]

    def stationarity_matrix(self, q: arb_mat) -> arb_mat:
        """Return S = lam I + [[0, G], [G^T, 0]]."""
        g = arb_mat(self.m, self.p)
        for z, feature in zip(self._residuals(self.predictions(q)), self.features):
            g = g + feature * z
        d = self.m + self.p
        rows = [[arb(0)] * d for _ in range(d)]
        for i in range(d):
            rows[i][i] = self.lam
        for i in range(self.m):
            for j in range(self.p):
                rows[i][self.m + j] = rows[self.m + j][i] = g[i, j]
        return arb_mat(rows)

    def gradient(self, q: arb_mat) -> arb_mat:
        """Return S Q as a column, row-major in Q."""
        return column((self.stationarity_matrix(q) * q).entries())

    def hessian(self, q: arb_mat) -> arb_mat:
        """Return S (x) I_r + J^T D J, row-major in Q."""
        u, v = self.split(q)
        r, d = q.ncols(), self.m + self.p
        rows = [(g * v).entries() + (t * u).entries() for g, t in zip(self.features, self.transposed)]
        jacobian = arb_mat(rows)
        weighted = _curvature(self.loss, self.predictions(q), self.k) * jacobian
        hessian = (jacobian.transpose() * weighted * (arb(1) / self.n)).tolist()
        s = self.stationarity_matrix(q)
        for i in range(d):
            for j in range(d):
                for c in range(r):
                    hessian[i * r + c][j * r + c] += s[i, j]
        return arb_mat(hessian)


def exact_matrix(array: np.ndarray) -> arb_mat:
    """Return the float array (m, n) as balls of radius zero."""
    m, n = array.shape
    return arb_mat(m, n, [arb(float(x)) for x in array.reshape(-1)])


def column(entries: list[arb]) -> arb_mat:
    """Return the entries as a matrix with one column."""
    return arb_mat(len(entries), 1, entries)


def midpoints(matrix: arb_mat) -> np.ndarray:
    """Return the midpoints as floats, shape (m, n); no proof may rest on them."""
    return np.array([[float(x.mid()) for x in row] for row in matrix.tolist()])


def _sigmoid(x: arb) -> arb:
    return 1 / (1 + (-x).exp())


def _softmax(p: list[arb]) -> list[arb]:
    # differences p_j - p_i keep the balls in (0, 1) where e^p over e^p would not
    return [1 / ball_sum((b - a).exp() for b in p) for a in p]


def _target(y: np.ndarray, i: int, j: int) -> fmpq:
    return rational(float(y[i, j]))


def _value(loss: str, p: list[arb], y: np.ndarray, k: int) -> arb:
    total = arb(0)
    for i in range(len(p) // k):
        row = p[i * k : (i + 1) * k]
        if loss == "cross_entropy":
            total += ball_sum((b - row[int(y[i])]).exp() for b in row).log()
        elif loss == "squared":
            errors = [a - arb(_target(y, i, j)) for j, a in enumerate(row)]
            total += ball_sum(e * e for e in errors) / 2  # e ** 2 is not a number for balls around zero
        else:
            total += ball_sum((-arb(_target(y, i, j)) * a).exp().log1p() for j, a in enumerate(row))
    return total


def _gradient(loss: str, p: list[arb], y: np.ndarray, k: int) -> list[arb]:
    out: list[arb] = []
    for i in range(len(p) // k):
        row = p[i * k : (i + 1) * k]
        if loss == "cross_entropy":
            out += [a - (1 if j == int(y[i]) else 0) for j, a in enumerate(_softmax(row))]
        elif loss == "squared":
            out += [a - arb(_target(y, i, j)) for j, a in enumerate(row)]
        else:
            labels = [arb(_target(y, i, j)) for j in range(k)]
            out += [-t * _sigmoid(-t * a) for t, a in zip(labels, row)]
    return out


def _curvature(loss: str, p: list[arb], k: int) -> arb_mat:
    """Return the block-diagonal second derivative of the sum of losses."""
    size = len(p)
    out = arb_mat(size, size)
    for i in range(size):
        if loss == "squared":
            out[i, i] = arb(1)
        elif loss == "logistic":
            s = _sigmoid(p[i])
            out[i, i] = s * _sigmoid(-p[i])
    if loss == "cross_entropy":
        for start in range(0, size, k):
            probabilities = _softmax(p[start : start + k])
            for a, first in enumerate(probabilities):
                for b, second in enumerate(probabilities):
                    out[start + a, start + b] = (first if a == b else arb(0)) - first * second
    return out
