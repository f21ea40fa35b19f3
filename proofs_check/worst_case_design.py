"""Worst-case features by semidefinite programming: where strict spurious minima exist with weight decay.

Fix the planted point Q = [u_1..u_r; v_1..v_r] (orthonormal) and a stationarity matrix S with S Q = 0 and one negative
eigenvalue: the data term's gradient must be G = -(w sum u_k v_k^T + tau a b^T), tau > w. The squared loss does not
change under rotations of the measurements, so one of the KN features may carry the whole residual: it is -G, and the
KN - 1 others are free with residual 0. The Hessian is S (x) I + (curvature of feature 1) + A* X A with
X = sum_i vec(G_i) vec(G_i)^T of rank at most KN - 1, *linear* in X:

    minimise <C, X>  subject to  Hessian >= floor off the gauge,  X >= 0              (C > 0 random: another instance).

Its solutions have the least rank possible, which is r(r+3)/2 - 1: on the *deciding subspace*
N = {x z^T + Q B, B symmetric}, x = [a; b], the form of S has no positive value and dim N = r(r+3)/2, so with fewer
measurements some direction of N, none of them a gauge direction, has no positive curvature whatever the features are.
With W the projector on such directions, 0 <= W <= I, trace W = dim N - KN, this is again a semidefinite bound. The
planted structure is no restriction there: rotations and the singular values of u v^T leave dim N and the signs on it
alone, and more negative eigenvalues of S only enlarge N.

Source: this project (Theorem W, step W3, which needs no generic features here).
"""

from dataclasses import dataclass
from types import ModuleType

import numpy as np
from jaxtyping import Float

from proofs_check.rational import inertia, rational_matrix
from sims.convex_problem import ConvexProblem, make_problem
from sims.errors import BadInput
from sims.ntk.features import DenseFeatures
from theory import factored_objective as lora
from theory.losses import SQUARED

WEIGHT, SPREAD, FLOOR = 1.0, 2.0, 0.5  # w, tau and the curvature asked for; S is 1 on the rest, so floor < 1 is free
_GRID = 2.0**-16  # features are rounded to this grid, so that predictions and targets are exact floats
_RANK = 1e-5  # eigenvalues of X below this fraction of the largest are the interior-point method's, not the optimum's
_PADDING = 0.25  # standard deviation of features added beyond those that are needed


@dataclass(frozen=True)
class Design:
    """Features and targets with a planted stationary point; lam = w / KN; ``curvature`` is in units of w (float)."""

    problem: ConvexProblem
    u: Float[np.ndarray, "m r"]
    v: Float[np.ndarray, "p r"]
    curvature: float

    @property
    def lam(self) -> float:
        """Weight decay in the scaling with the mean over samples."""
        return WEIGHT / self.problem.n


@dataclass(frozen=True)
class Structure:
    """Planted point, gradient, S and the bases that depend on (r, m, p) alone."""

    q: Float[np.ndarray, "d r"]
    first: Float[np.ndarray, "m p"]
    s: Float[np.ndarray, "d d"]
    tangent: Float[np.ndarray, "t m p"]
    deciding: Float[np.ndarray, "dr c"]
    gauge: Float[np.ndarray, "dr g"]

    @property
    def d_out(self) -> int:
        """Rows of the update."""
        return self.first.shape[0]


def structure(rank: int, m: int, p: int) -> Structure:
    """Return the planted structure on coordinate vectors.

    Raises:
        BadInput: rank outside 1..min(m, p) - 1: then S Q = 0 leaves no room for a negative eigenvalue.
    """
    if not 1 <= rank < min(m, p):
        raise BadInput(f"rank {rank} with shape {m} x {p}: a negative eigenvalue of S needs 1 <= rank < min(m, p)")
    u, v = np.eye(m)[:, :rank], np.eye(p)[:, :rank]
    first = WEIGHT * u @ v.T
    first[rank, rank] = SPREAD
    q = np.concatenate([u, v])
    tangent = []
    for i in range(m):
        for j in range(p):
            if min(i, j) < rank and not (i == j and i < rank):
                tangent.append(np.zeros((m, p)))
                tangent[-1][i, j] = 1.0
    for k in range(1, rank):  # diagonal, orthogonal to u v^T: feature 1 already holds that direction
        diagonal = np.zeros((m, p))
        diagonal[range(k), range(k)] = 1.0
        diagonal[k, k] = -k
        tangent.append(diagonal / np.sqrt(k * (k + 1)))
    x = np.zeros(m + p)
    x[rank] = x[m + rank] = 1.0
    columns = [np.outer(x, np.eye(rank)[k]).reshape(-1) for k in range(rank)]
    for i in range(rank):
        for j in range(i + 1):
            b = np.zeros((rank, rank))
            b[i, j] = b[j, i] = 1.0
            columns.append((q @ b).reshape(-1))
    deciding = np.stack(columns, axis=1)
    gauge = lora.gauge_directions(u, v, weight_decay=True)
    s = lora.stationarity_matrix(-first, WEIGHT)
    return Structure(q, first, s, np.array(tangent).reshape(-1, m, p), deciding, gauge)


def _cvxpy() -> ModuleType:
    try:
        import cvxpy
    except ImportError:
        raise BadInput("cvxpy is missing: run make setup, which installs it") from None
    return cvxpy


def least_features(known: Structure, seed: int) -> Float[np.ndarray, "c m p"]:
    """Return the free features that the semidefinite program finds, strongest first, from a random objective C > 0.

    Raises:
        BadInput: cvxpy is missing, or its solver did not reach an optimum.
    """
    cvxpy = _cvxpy()
    rank, size = known.q.shape[1], known.tangent.shape[0]
    g = np.random.default_rng(seed)
    off = _off_gauge(known)
    rows = lora.prediction_jacobian(np.concatenate([known.first[None], known.tangent])[:, None], known.q) @ off
    fixed = off.T @ np.kron(known.s, np.eye(rank)) @ off + np.outer(rows[0], rows[0])
    mixing = np.eye(size) + 0.5 * g.standard_normal((size, size)) / np.sqrt(size)
    free = cvxpy.Variable((size, size), PSD=True)
    margin = fixed + rows[1:].T @ free @ rows[1:] - FLOOR * np.eye(off.shape[1])
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.trace(mixing @ mixing.T @ free)), [(margin + margin.T) / 2 >> 0])
    problem.solve(solver=cvxpy.CLARABEL)
    if problem.status != cvxpy.OPTIMAL:
        raise BadInput(f"the semidefinite program of rank {rank} ended {problem.status}: expected optimal, try a seed")
    values, vectors = np.linalg.eigh(free.value)
    kept = [i for i in np.argsort(-values) if values[i] > _RANK * max(values[-1], 1e-300)]
    return np.einsum("tc,tij->cij", vectors[:, kept] * np.sqrt(values[kept]), known.tangent)


def design(known: Structure, free: Float[np.ndarray, "c m p"], measurements: int, seed: int) -> Design:
    """Return an instance with this number of measurements: feature 1 and the strongest free ones, more drawn if needed.

    Features are rounded to a grid on which all predictions at the planted point are exact: stationarity is exact too.
    """
    m, p = known.first.shape
    rank = known.q.shape[1]
    extra = max(0, measurements - 1 - len(free))
    padding = _PADDING * np.random.default_rng(seed).standard_normal((extra, m, p))
    gradients = np.concatenate([known.first[None], free[: max(0, measurements - 1)], padding])
    gradients = np.round(gradients / _GRID) * _GRID
    predictions = np.trace(gradients[:, :rank, :rank], axis1=1, axis2=2)
    targets = predictions + np.where(np.arange(len(gradients)) == 0, 1.0, 0.0)
    problem = make_problem(
        [DenseFeatures(gradients[:, None])], np.zeros((len(gradients), 1)), targets[:, None], SQUARED
    )
    return Design(problem, known.q[:m], known.q[m:], _curvature(known, gradients))


def _off_gauge(known: Structure) -> np.ndarray:
    """Return an orthonormal basis of the complement of the gauge directions."""
    left, _, _ = np.linalg.svd(known.gauge)
    return left[:, known.gauge.shape[1] :]


def _curvature(known: Structure, gradients: np.ndarray) -> float:
    """Return the smallest eigenvalue off the gauge of the Hessian of the sum over measurements."""
    rows = lora.prediction_jacobian(gradients[:, None], known.q)
    off = _off_gauge(known)
    hessian = np.kron(known.s, np.eye(known.q.shape[1])) + rows.T @ rows
    return float(np.linalg.eigvalsh(off.T @ hessian @ off)[0])


def curvature_bound(known: Structure, measurements: int) -> float:
    """Return the semidefinite bound on the smallest off-gauge eigenvalue of *any* KN features; inf if KN is enough.

    Kind: upper bound (numerical, by cvxpy). The rank constraint is relaxed to 0 <= W <= I and a projector's trace.
    """
    basis, _ = np.linalg.qr(known.deciding)
    size = basis.shape[1]
    if measurements >= size:
        return float("inf")
    cvxpy = _cvxpy()
    form = basis.T @ np.kron(known.s, np.eye(known.q.shape[1])) @ basis
    w = cvxpy.Variable((size, size), PSD=True)
    count = size - measurements
    constraints = [np.eye(size) - w >> 0, cvxpy.trace(w) == count]
    problem = cvxpy.Problem(cvxpy.Maximize(cvxpy.trace(form @ w) / count), constraints)
    problem.solve(solver=cvxpy.CLARABEL)
    return float(problem.value)


def proves_exclusion(known: Structure, measurements: int) -> bool:
    """Return whether it is proved (rationals) that *no* KN features make the planted point strict; False: nothing is.

    The form of S on N has no positive direction, N meets the gauge in 0 only, and dim N > KN: some direction of N is
    invisible to all measurements and has curvature <= 0.
    """
    rank = known.q.shape[1]
    basis = rational_matrix(known.deciding)
    form = basis.transpose() * rational_matrix(np.kron(known.s, np.eye(rank))) * basis
    both = rational_matrix(np.concatenate([known.deciding, known.gauge], axis=1))
    independent = both.rank() == both.ncols()
    return independent and inertia(form)[0] == 0 and basis.ncols() > measurements
