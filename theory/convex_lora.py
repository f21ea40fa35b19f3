"""Primal, dual and optimality conditions of nuclear-norm regularised fine-tuning in the linearised model.

    minimise over delta   (1/n) sum_i l(f0_i + <G_i, delta>, y_i) + lam sum_l ||delta_l||_*
    maximise over z       -(1/n) sum_i [ l*(z_i, y_i) - <z_i, f0_i> ]   with  || (1/n) sum_ik z_ik G_ik^l ||_op <= lam

for one or several adapted matrices l. Numbers and arrays come in; the features stay outside, so that one set of
formulas serves every representation of them. Reference: Recht, Fazel, Parrilo (2010); arXiv 2402.11867, section 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from theory.losses import Loss

Array = Any


def primal_value(loss_values: Float[Array, " n"], nuclear_norms: Sequence[float], lam: float) -> float:
    """Return the primal objective. Kind: exact."""
    return float(loss_values.mean()) + lam * float(sum(nuclear_norms))


def feasible_scale(spectral_norms: Sequence[float], lam: float) -> float:
    """Return the s in [0, 1] that makes s z dual feasible, given the spectral norms of every layer's (1/n) sum z G.

    Kind: exact. Shrinking towards zero keeps the conjugates finite for the squared, logistic and softmax losses.
    """
    top = max(spectral_norms, default=0.0)
    return 1.0 if top <= lam else lam / top


def dual_value(
    loss: Loss, dual: Float[Array, "n k"], f0: Float[Array, "n k"], y: Num[Array, "..."], scale: float = 1.0
) -> float:
    """Return the dual objective at scale * dual, a lower bound of the optimum when that point is feasible.

    Kind: lower bound; -inf where the point leaves the domain of the conjugate.
    """
    z = scale * dual
    return float(((z * f0).sum(axis=1) - loss.conjugate(z, y)).mean())


def relative_gap(gap: float, primal: float) -> float:
    """Return gap / |primal|, the scale-free distance from optimality: 0/0 is 0 and x/0 is infinite.

    Unchanged when loss and lam are multiplied by the same number, so nothing is 'nearly optimal' for being small.
    Kind: exact.
    """
    if gap == 0.0:
        return 0.0
    return gap / abs(primal) if primal != 0.0 else float("inf")


def lambda_max(spectral_norms: Sequence[float]) -> float:
    """Return the smallest lam at which delta = 0 is optimal: the largest spectral norm of the gradient at 0.

    Kind: exact.
    """
    return max(spectral_norms, default=0.0)


def nuclear_norm(delta: Float[Array, "d_out d_in"]) -> float:
    """Return the sum of singular values. Kind: exact."""
    return float(np.linalg.svd(np.asarray(delta), compute_uv=False).sum())


def spectral_norm(matrix: Float[Array, "d_out d_in"]) -> float:
    """Return the largest singular value. Kind: exact."""
    return float(np.linalg.svd(np.asarray(matrix), compute_uv=False)[0]) if min(matrix.shape) else 0.0


def soft_threshold(matrix: Float[Array, "d_out d_in"], threshold: float) -> Float[Array, "d_out d_in"]:
    """Return the proximal point argmin_X 0.5 ||X - matrix||_F^2 + threshold ||X||_*. Kind: exact."""
    left, s, right = np.linalg.svd(np.asarray(matrix), full_matrices=False)
    return (left * np.maximum(s - threshold, 0.0)) @ right


ATTAINED_ZERO = 1e-16  # of the loss at delta = 0: at lam = 0 a smaller squared loss is an interpolation up to rounding


@dataclass(frozen=True)
class OptimalityReport:
    """Everything that decides whether a candidate is optimal, each number recomputed from data and candidate.

    ``dual`` is a lower bound of the optimal value; where ``rounding`` (absolute, of primal and dual together) was
    estimated it has been taken off, so that a negative gap is a fault and not a matter of rounding. ``attained_zero``:
    None for lam > 0; at lam = 0, whether the loss is the squared one and at most ``ATTAINED_ZERO`` of that at
    delta = 0. Where it is False a primal of 0.0 has only underflown or been rounded away: it proves nothing.
    """

    primal: float
    dual: float
    spectral_norm_ratio: float
    alignment: float
    rounding: float = 0.0
    attained_zero: bool | None = None

    @property
    def gap(self) -> float:
        """Primal minus dual, an upper bound of the distance to the optimal value."""
        return self.primal - self.dual

    @property
    def relative_gap(self) -> float:
        """Gap over |primal|, 0 where the primal counts as zero; see ``relative_gap`` of this module."""
        if self.attained_zero:
            return 0.0
        if self.attained_zero is False and self.primal == 0.0:
            return float("inf")
        return relative_gap(self.gap, self.primal)


def optimality_report(
    loss: Loss,
    predictions: Float[Array, "n k"],
    f0: Float[Array, "n k"],
    y: Num[Array, "..."],
    gradients: Sequence[Float[Array, "..."]],
    deltas: Sequence[Float[Array, "..."]],
    lam: float,
    nuclear_norms: Sequence[float] | None = None,
) -> OptimalityReport:
    """Return primal, feasible dual, ||gradient||_op / lam and the alignment residual of KKT.

    ``gradients`` are the data term's gradients at ``deltas``, layer by layer. Optimal iff the ratio is <= 1 and
    alignment = sum_l <gradient_l, delta_l> + lam ||delta_l||_* is 0. ``nuclear_norms`` may be given where factors make
    them cheap. Kind: exact for lam > 0.
    """
    nuclear = [nuclear_norm(d) for d in deltas] if nuclear_norms is None else list(nuclear_norms)
    tops = [spectral_norm(g) for g in gradients]
    dual = loss.gradient(predictions, y)
    aligned = sum(float((g * d).sum()) + lam * s for g, d, s in zip(gradients, deltas, nuclear))
    return OptimalityReport(
        primal=primal_value(loss.value(predictions, y), nuclear, lam),
        dual=dual_value(loss, dual, f0, y, feasible_scale(tops, lam)),
        spectral_norm_ratio=max(tops, default=0.0) / lam if lam > 0 else float("inf"),
        alignment=aligned,
    )
