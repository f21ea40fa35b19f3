"""Float certificates, recomputed from data and candidate alone: nothing a solver says is used.

Two questions: is delta a global minimiser of the convex problem (duality gap, KKT), and what kind of critical point of
the factored objective is (u, v) (gradient, inertia of the Hessian, gauge, sign of S)?
Source: arXiv 2402.11867, sections 3-4, and this project; lambda_min(S) >= 0 is the global certificate.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from proofs_check.hessian_spectrum import DENSE_ROWS, hessian_spectrum
from sims.convex_problem import ConvexProblem
from sims.rounding import gradient_rounding, prediction_rounding
from theory import factored_objective as lora
from theory.factorisation import factor_penalty

Kind = Literal[
    "global_minimum",
    "local_minimum",
    "second_order_point",
    "saddle",
    "not_stationary",
    "inconclusive",
]
ABOVE_OPTIMUM = frozenset({"local_minimum", "second_order_point"})
GRADIENT_TOLERANCE = 1e-8  # of the gradient, relative to ||S|| ||Q||
ZERO_TOLERANCE = 1e-8  # an eigenvalue counts as zero below this fraction of the largest
_NEAR_ZERO = 1e-3  # of the natural size of the factors: near Q = 0, a critical point itself, ||S|| ||Q|| is no scale


@dataclass(frozen=True)
class CriticalPoint:
    """Second-order facts about Q = [u; v]; eigenvalues are of the Hessian, ``lowest_s`` of S = lam I + M + 2P.

    A 'local_minimum' (strict modulo the gauge) and a 'second_order_point' are above the convex optimum; whether they
    are spurious, that is beaten by a point of their own rank, is asked by ``certify``.
    """

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
        """The verdict word. Above the optimum is what has a clearly indefinite S (1e-6 of its scale)."""
        if not self.stationary:
            return "not_stationary"
        if not self.second_order:
            return "saddle"
        if self.is_global:
            return "global_minimum"
        if self.lowest_s > -1e-6 * self.s_scale:
            return "inconclusive"
        return "local_minimum" if self.zeros == self.gauge_dimension else "second_order_point"

    @property
    def above_optimum(self) -> bool:
        """Whether the point is second-order and certainly not a minimum of the convex problem."""
        return self.kind in ABOVE_OPTIMUM

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


@dataclass(frozen=True)
class FirstOrder:
    """Gradient and S at (u, v): what needs no Hessian. ``size`` is ||Q||, ``natural`` the size factors have here."""

    predictions: np.ndarray
    s: np.ndarray
    gradient_norm: float
    lowest_s: float
    s_norm: float
    s_rounding: float
    steepest: float
    size: float
    natural: float
    negative_values: np.ndarray

    @property
    def s_scale(self) -> float:
        """Scale of S; the gradient at delta = 0 keeps it meaningful at lam = 0, where S vanishes at the optimum."""
        return max(self.s_norm, self.steepest)

    @property
    def relative_gradient_norm(self) -> float:
        """||S Q|| over ||S|| ||Q||."""
        return self.gradient_norm / max(self.s_scale * max(self.size, _NEAR_ZERO * self.natural), 1e-300)

    @property
    def gradient_rounding(self) -> float:
        """How far rounding can have moved the gradient."""
        return (self.s_rounding + 4e-16 * self.s_norm) * self.size


def first_order(
    problem: ConvexProblem,
    u: Float[np.ndarray, "m r"],
    v: Float[np.ndarray, "p r"],
    lam: float,
    perturbation: Float[np.ndarray, "d d"] | None = None,
) -> FirstOrder:
    """Return gradient and S at (u, v) of a problem with one layer, with their rounding."""
    q = np.concatenate([u, v])
    predictions = problem.predictions_low_rank([(u, v)])
    z = problem.loss.gradient(predictions, problem.y)
    (layer,) = problem.layers
    moved = problem.loss.curvature * prediction_rounding(problem.layers, problem.f0, [(u, v)])
    s = lora.stationarity_matrix(layer.adjoint(z) / problem.n, lam, perturbation)
    values = np.linalg.eigvalsh(s)
    steepest = problem.lambda_max()
    # loss over gradient: the size that an update of this problem has, in its own units
    at_zero = float(problem.loss.value(problem.f0, problem.y).mean())
    return FirstOrder(
        predictions=predictions,
        s=s,
        gradient_norm=float(np.linalg.norm(s @ q)),
        lowest_s=float(values[0]),
        s_norm=float(np.abs(values).max()),
        s_rounding=gradient_rounding(layer, z, moved) / problem.n,
        steepest=steepest,
        size=float(np.linalg.norm(q)),
        natural=float(np.sqrt(at_zero / steepest)) if steepest > 0 else 0.0,
        negative_values=values[values < 0],
    )


def critical_point(
    problem: ConvexProblem,
    u: Float[np.ndarray, "m r"],
    v: Float[np.ndarray, "p r"],
    lam: float,
    perturbation: Float[np.ndarray, "d d"] | None = None,
    *,
    zero_tolerance: float = ZERO_TOLERANCE,
    dense_rows: int = DENSE_ROWS,
) -> CriticalPoint:
    """Return the second-order facts at (u, v) of a problem with one layer, in float64.

    Above ``dense_rows`` rows the Hessian is not formed; its inertia is counted through the measurements. Eigenvalues
    below ``zero_tolerance`` of the largest count as zeros. No threshold is an absolute number.
    """
    first = first_order(problem, u, v, lam, perturbation)
    q = np.concatenate([u, v])
    objective = float(problem.loss.value(first.predictions, problem.y).mean()) + lam * float(factor_penalty(u, v))
    if perturbation is not None:
        objective += float((q * (perturbation @ q)).sum())
    rank = int(np.linalg.matrix_rank(q, tol=1e-6 * max(float(np.linalg.norm(q, 2)), 1e-300))) if q.size else 0
    spectrum = hessian_spectrum(problem, first.s, u, v, first.predictions, dense_rows=dense_rows)
    zero = zero_tolerance * spectrum.scale
    return CriticalPoint(
        objective=objective,
        gradient_norm=first.gradient_norm,
        relative_gradient_norm=first.relative_gradient_norm,
        min_eigenvalue=spectrum.smallest(),
        zeros=spectrum.within(zero) if spectrum.diagonal.size else 0,
        next_eigenvalue=spectrum.next_above(zero),
        scale=spectrum.scale or first.s_norm,
        gauge_dimension=gauge_dimension(u, v, weight_decay=lam > 0 or perturbation is not None),
        lowest_s=first.lowest_s,
        s_scale=first.s_scale,
        rank=rank,
        negative_directions=int((first.negative_values < -1e-6 * first.s_scale).sum()),
    )


def gauge_dimension(u: Float[np.ndarray, "m r"], v: Float[np.ndarray, "p r"], *, weight_decay: bool) -> int:
    """Return the dimension of {Q W, W skew} (weight decay), or of {(u W, -v W^T)}: zeros that the gauge forces.

    From the ranks of the factors: W counts unless it vanishes on them. Kind: exact, for the numerical ranks.
    """
    r = u.shape[1]

    def rank(factor: np.ndarray) -> int:
        return int(np.linalg.matrix_rank(factor, tol=1e-8 * float(np.linalg.norm(factor, 2)))) if factor.any() else 0

    if weight_decay:
        idle = r - rank(np.concatenate([u, v]))
        return r * (r - 1) // 2 - idle * (idle - 1) // 2
    return r * r - (r - rank(u)) * (r - rank(v))
