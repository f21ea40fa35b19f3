"""A proof in ball arithmetic that the logistic loss has a strict spurious local minimum at rank 1 (family D).

Features on orthonormal u, a and v, b in R^2 (coordinate vectors), labels y, lam = 0, loss sum log(1 + exp(-y p)):

    G_1 = 3 u v^T + a b^T (y = +1),  G_2 = u v^T (y = -1),  G_3 = G_4 = 3 (a v^T + u b^T) (y = +1, -1).

With q the root of 3 sigma(-3 q) = sigma(q), the point (sqrt q u, sqrt q v) is stationary: the u v^T part of the data
gradient is sigma(q) - 3 sigma(-3 q) = 0, the parts of G_3 and G_4 cancel (both predictions are 0), and what is left,
-sigma(-3 q) a b^T, is orthogonal to u and v. The Hessian vanishes on the gauge (u, -v) and is proved positive definite
on its complement. KN = 4 > r max(m, n) = 2: Theorem Z does not apply.

The infimum is 2 log 2, at every rank: G_3 = G_4 with opposite labels cost log(1 + e^p) + log(1 + e^-p) >= 2 log 2 at
any update, and delta = t (1, 2)^T (-1, 2) of rank one has predictions t, -t, 0, 0 and loss 2 log 2 + 2 log(1 + e^-t).
Source: this project.
"""

from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat, ctx, fmpq

from proofs_check.rational import BITS, ball_sum, proves_positive_definite
from sims.convex_problem import ConvexProblem, make_problem
from sims.ntk.features import DenseFeatures
from theory.losses import LOGISTIC

RANK, MEASUREMENTS = 1, 4
LABELS = np.array([[1.0], [-1.0], [1.0], [-1.0]])
_FAR = 64.0  # t of the point of rank one that is evaluated: 2 log(1 + e^-t) above the infimum


@dataclass(frozen=True)
class LogisticProof:
    """Balls around q, the loss at the planted point (sum over samples), the infimum 2 log 2, a loss near it at rank 1.

    ``root_enclosed``: a sign change proves a root inside the ball q. ``strict``: the Hessian is proved positive
    definite off the gauge for every point of the ball. ``eigenvalues``: the three beside the gauge's zero, ascending.
    """

    q: arb
    value: arb
    infimum: arb
    lower_value: arb
    root_enclosed: bool
    strict: bool
    eigenvalues: tuple[arb, arb, arb]

    @property
    def excess(self) -> float:
        """A proved lower bound of how far the local minimum lies above another point of rank 1, near the infimum."""
        return float((self.value - self.lower_value).lower())

    @property
    def spurious(self) -> bool:
        """Whether everything is proved: a strict local minimum (modulo gauge) that is not global within its rank."""
        return bool(self.root_enclosed and self.strict and self.value > self.lower_value)


def family_d() -> np.ndarray:
    """Return the four features, shape (4, 1, 2, 2)."""
    u, a = np.eye(2)
    near, far, cross = np.outer(u, u), np.outer(a, a), np.outer(a, u) + np.outer(u, a)
    return np.array([3.0 * near + far, near, 3.0 * cross, 3.0 * cross])[:, None]


def family_d_problem() -> ConvexProblem:
    """Return the problem (mean over the four samples); its planted point is sqrt(q) [u; v]."""
    return make_problem([DenseFeatures(family_d())], np.zeros((4, 1)), LABELS, LOGISTIC)


def planted_factors(q: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (u, v), shapes (2, 1), of the planted point for a float q."""
    u = np.sqrt(q) * np.eye(2)[:, :1]
    return u, u.copy()


def far_update(t: float) -> np.ndarray:
    """Return t (1, 2)^T (-1, 2), shape (2, 2), rank one: its predictions are t, -t, 0, 0."""
    return t * np.outer([1.0, 2.0], [-1.0, 2.0])


def prove_family_d(bits: int = BITS) -> LogisticProof:
    """Return the proof, with balls of this precision."""
    previous, ctx.prec = ctx.prec, bits
    try:
        q, enclosed = _root(bits)
        one, three = _sigmoid(-q), _sigmoid(-3 * q)
        curvatures = [three * (1 - three), one * (1 - one), arb(1) / 4, arb(1) / 4]
        hessian = _hessian(q, curvatures, three)
        along_gauge = 2 * q * (9 * curvatures[0] + curvatures[1])  # eigenvector (u, v) beside the gauge (u, -v)
        cross = 2 * q * (9 * curvatures[2] + 9 * curvatures[3]) - three
        eigenvalues = (three, along_gauge, cross)
        predictions = [3 * q, q, arb(0), arb(0)]
        better = [arb(int(p)) for p in np.tensordot(family_d()[:, 0], far_update(_FAR), axes=2)]
        return LogisticProof(
            q=q,
            value=_loss(predictions),
            infimum=2 * arb(2).log(),
            lower_value=_loss(better),
            root_enclosed=enclosed,
            strict=proves_positive_definite(_restricted(hessian), bits),
            eigenvalues=eigenvalues,
        )
    finally:
        ctx.prec = previous


def _sigmoid(x: arb) -> arb:
    return 1 / (1 + (-x).exp())


def _balance(q: arb) -> arb:
    """Return 3 sigma(-3 q) - sigma(q), which decreases in q."""
    return 3 * _sigmoid(-3 * q) - _sigmoid(q)


def _root(bits: int) -> tuple[arb, bool]:
    """Return a ball between two rationals at which the balance is proved positive and negative."""
    low, high = fmpq(0), fmpq(1)
    for _ in range(bits // 2):
        middle = (low + high) / 2
        sign = _balance(arb(middle))
        if sign > 0:
            low = middle
        elif sign < 0:
            high = middle
        else:
            break
    return arb(low).union(arb(high)), bool(_balance(arb(low)) > 0 and _balance(arb(high)) < 0)


def _loss(predictions: list[arb]) -> arb:
    labels = [int(y) for y in LABELS[:, 0]]
    return ball_sum((-y * p).exp().log1p() for y, p in zip(labels, predictions, strict=True))


def _hessian(q: arb, curvatures: list[arb], weight: arb) -> arb_mat:
    """Return S + J^T D J at the planted point in coordinates (u-part, a-part; v-part, b-part), S = -weight a b^T."""
    root = q.sqrt()
    rows = []
    for feature in family_d()[:, 0]:
        # derivative of the prediction: G v for the left factor, G^T u for the right one
        left, right = feature[:, 0], feature[0, :]
        rows.append([root * arb(int(x)) for x in (*left, *right)])
    entries = [
        [ball_sum(c * row[i] * row[j] for c, row in zip(curvatures, rows, strict=True)) for j in range(4)]
        for i in range(4)
    ]
    entries[1][3] -= weight
    entries[3][1] -= weight
    return arb_mat(entries)


def _restricted(hessian: arb_mat) -> arb_mat:
    """Return the Hessian on the complement of the gauge (u, -v), spanned by (u, v), (a, 0) and (0, b)."""
    basis = arb_mat([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
    return basis.transpose() * hessian * basis
