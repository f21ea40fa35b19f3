"""Newton's steps from a point that looks stationary: a minimum that is there attracts them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from proofs_check.hessian_spectrum import hessian_spectrum
from sims.convex_problem import ConvexProblem
from theory import factored_objective as lora

_STEPS = 12
_DAMPING = 1e-13  # of the Hessian's scale: the gauge's directions have no gradient and must not be divided by zero


@dataclass(frozen=True)
class Polished:
    """Where Newton's steps ended, the gradient's norm before and after, and how far they went, over the factors'."""

    u: Float[np.ndarray, "m r"]
    v: Float[np.ndarray, "p r"]
    gradient_before: float
    gradient_after: float
    moved: float


def polished(problem: ConvexProblem, u: Float[np.ndarray, "m r"], v: Float[np.ndarray, "p r"], lam: float) -> Polished:
    """Return the end of Newton's steps on the factored objective of one layer, while they make the gradient smaller."""
    m = u.shape[0]
    q = before = start = np.concatenate([u, v])
    first = last = np.inf
    for step in range(_STEPS + 1):
        predictions = problem.predictions_low_rank([(q[:m], q[m:])])
        (gradient,) = problem.data_gradients(predictions)
        s = lora.stationarity_matrix(gradient, lam)
        residual = s @ q
        norm = float(np.linalg.norm(residual))
        if step == 0:
            first = norm
        elif norm >= last:  # rounding is reached, or nothing is there
            q = before
            break
        last = norm
        if norm == 0.0 or step == _STEPS:
            break
        spectrum = hessian_spectrum(problem, s, q[:m], q[m:], predictions)
        before, q = q, q - spectrum.solve(residual, _DAMPING * spectrum.scale)
    size = float(np.linalg.norm(start))
    moved = float(np.linalg.norm(q - start)) / size if size > 0 else 0.0
    return Polished(q[:m], q[m:], first, last, moved)
