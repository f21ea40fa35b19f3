"""Float certificates, recomputed from data and candidate alone: nothing a solver says is used.

Two questions: is delta a global minimiser of the convex problem (duality gap, KKT), and what kind of critical point of
the factored objective is (u, v) (gradient, inertia of the Hessian, gauge, sign of S)?
Source: arXiv 2402.11867, sections 3-4, and this project; lambda_min(S) >= 0 is the global certificate.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse.linalg as sparse
from jaxtyping import Float

from sims.convex_problem import ConvexProblem
from theory import factored_objective as lora
from theory.factorisation import factor_penalty

Kind = Literal[
    "global_minimum",
    "spurious_local_minimum",
    "spurious_second_order_point",
    "saddle",
    "not_stationary",
    "inconclusive",
]
GRADIENT_TOLERANCE = 1e-8  # of the gradient, relative to ||S|| ||Q||
ZERO_TOLERANCE = 1e-8  # an eigenvalue counts as zero below this fraction of the largest
_DENSE_HESSIAN = 2000  # rows up to which the whole spectrum is computed


@dataclass(frozen=True)
class CriticalPoint:
    """Second-order facts about Q = [u; v]; eigenvalues are of the Hessian, ``lowest_s`` of S = lam I + M + 2P."""

    objective: float
    gradient_norm: float
    relative_gradient_norm: float
    min_eigenvalue: float
    zeros: int
    next_eigenvalue: float
    scale: float
    gauge_dimension: int
    lowest_s: float
    s_scale: float
    rank: int
    negative_directions: int

    @property
    def stationary(self) -> bool:
        """Whether the gradient vanishes up to rounding."""
        return self.relative_gradient_norm <= GRADIENT_TOLERANCE

    @property
    def second_order(self) -> bool:
        """Whether the point is stationary with a positive semidefinite Hessian, up to rounding."""
        return self.stationary and self.min_eigenvalue >= -ZERO_TOLERANCE * self.scale

    @property
    def is_global(self) -> bool:
        """Whether S >= 0 up to rounding, which with stationarity proves a global minimum."""
        return self.stationary and self.lowest_s >= -ZERO_TOLERANCE * self.s_scale

    @property
    def kind(self) -> Kind:
        """The verdict word. S must be clearly indefinite (1e-6 of its scale) for a point to be called spurious."""
        if not self.stationary:
            return "not_stationary"
        if not self.second_order:
            return "saddle"
        if self.is_global:
            return "global_minimum"
        if self.lowest_s > -1e-6 * self.s_scale:
            return "inconclusive"
        return "spurious_local_minimum" if self.zeros == self.gauge_dimension else "spurious_second_order_point"

    def json(self) -> dict[str, Any]:
        """Return the 'stationarity' object of ``certify --json``."""
        return {
            "gradient_norm": self.gradient_norm,
            "min_hessian_eigenvalue": self.min_eigenvalue,
            "gauge_zeros": self.zeros,
            "next_eigenvalue": self.next_eigenvalue,
            "gauge_dimension": self.gauge_dimension,
            "lambda_min_s": self.lowest_s,
        }


def critical_point(
    problem: ConvexProblem,
    u: Float[np.ndarray, "m r"],
    v: Float[np.ndarray, "p r"],
    lam: float,
    perturbation: Float[np.ndarray, "d d"] | None = None,
) -> CriticalPoint:
    """Return the second-order facts at (u, v) of a problem with one layer, in float64.

    Above ``_DENSE_HESSIAN`` rows only the lowest part of the Hessian's spectrum is computed (LOBPCG).

    Raises:
        RuntimeError: those eigenvalues did not converge.
    """
    q = np.concatenate([u, v])
    predictions = problem.predictions_low_rank([(u, v)])
    (gradient,) = problem.data_gradients(predictions)
    s = lora.stationarity_matrix(gradient, lam, perturbation)
    s_values = np.linalg.eigvalsh(s)
    # the gradient at delta = 0 keeps the scale meaningful at lam = 0, where S vanishes at a global minimum
    s_scale = max(float(np.abs(s_values).max()), problem.lambda_max())
    norm = float(np.linalg.norm(s @ q))
    objective = float(problem.loss.value(predictions, problem.y).mean()) + lam * float(factor_penalty(u, v))
    if perturbation is not None:
        objective += float((q * (perturbation @ q)).sum())
    rank = int(np.linalg.matrix_rank(q, tol=1e-6 * max(float(np.linalg.norm(q, 2)), 1e-300))) if q.size else 0
    eigenvalues, scale = _hessian_spectrum(problem, s, u, v, predictions)
    zero = ZERO_TOLERANCE * scale
    above = eigenvalues[eigenvalues > zero]
    gauge = lora.gauge_directions(u, v, weight_decay=lam > 0 or perturbation is not None)
    return CriticalPoint(
        objective=objective,
        gradient_norm=norm,
        # near Q = 0, a critical point itself, ||S|| ||Q|| is no scale
        relative_gradient_norm=norm / max(s_scale * max(float(np.linalg.norm(q)), 1e-3), 1e-300),
        min_eigenvalue=float(eigenvalues[0]) if eigenvalues.size else 0.0,
        zeros=int((np.abs(eigenvalues) <= zero).sum()),
        next_eigenvalue=float(above[0]) if above.size else float("inf"),
        scale=scale,
        gauge_dimension=int(np.linalg.matrix_rank(gauge, tol=1e-8 * max(1.0, float(np.abs(q).max()))))
        if gauge.size
        else 0,
        lowest_s=float(s_values[0]),
        s_scale=s_scale,
        rank=rank,
        negative_directions=int((s_values < -1e-6 * s_scale).sum()),
    )


def _hessian_spectrum(
    problem: ConvexProblem, s: np.ndarray, u: np.ndarray, v: np.ndarray, predictions: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return ascending eigenvalues (all, or the lowest ones of a large Hessian) and the largest absolute value."""
    (features,) = problem.layers
    d, r = s.shape[0], u.shape[1]
    if r == 0:
        return np.zeros(0), float(np.abs(s).max())
    by_u = features.project_input(v.T).dense()
    by_v = np.swapaxes(features.project_output(u).dense(), 2, 3)
    jacobian = np.concatenate([by_u, by_v], axis=2).reshape(problem.n, problem.k, d * r)
    curvature = problem.loss.hessian(predictions, problem.y) / problem.n
    flat = jacobian.reshape(-1, d * r)
    if d * r <= _DENSE_HESSIAN:
        weighted = (curvature @ jacobian).reshape(flat.shape)
        values = np.linalg.eigvalsh(np.kron(s, np.eye(r)) + flat.T @ weighted)
        return values, float(np.abs(values).max())

    def product(x: np.ndarray) -> np.ndarray:
        change = (flat @ x.reshape(-1)).reshape(problem.n, problem.k, 1)
        return (s @ x.reshape(d, r)).reshape(-1) + flat.T @ (curvature @ change).reshape(-1)

    operator = sparse.LinearOperator(
        (d * r, d * r), matvec=product, matmat=lambda x: np.stack([*map(product, x.T)], 1), dtype=np.float64
    )
    top = float(abs(sparse.eigsh(operator, k=1, which="LM", return_eigenvectors=False)[0]))
    # a block method: multiplicities (the gauge, plateaus) are what is counted, and a single Krylov space misses them
    block = np.random.default_rng(0).standard_normal((d * r, min(d * r // 5, r * r + 4)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # slow convergence is judged by the residual below
        lowest, vectors = sparse.lobpcg(operator, block, largest=False, tol=1e-9 * top, maxiter=2000)
    residuals = np.linalg.norm(np.stack([*map(product, vectors.T)], 1) - vectors * lowest, axis=0)
    if residuals.max() > ZERO_TOLERANCE * top:
        raise RuntimeError(f"the lowest Hessian eigenvalues did not converge: residual {residuals.max() / top:.1e}")
    return np.sort(lowest), top
