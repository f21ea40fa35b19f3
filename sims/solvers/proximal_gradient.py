"""Accelerated proximal gradient for a smooth convex function plus lam ||delta||_*, with restart on the objective.

For problems with few parameters and many samples, where the low-rank Newton method, which works in the space of the
N K measurements, is the expensive one. Reference: Beck, Teboulle (2009); restart: O'Donoghue, Candes (2015).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from sims.errors import BadInput
from sims.solvers.solution import Solution, Status
from theory.convex_lora import nuclear_norm, soft_threshold, spectral_norm

Matrix = Float[np.ndarray, "m p"]


def proximal_gradient(
    value: Callable[[Matrix], float],
    gradient: Callable[[Matrix], Matrix],
    start: Matrix,
    lam: float,
    smoothness: float,
    *,
    tolerance: float = 1e-9,
    max_steps: int = 2000,
) -> Solution[Matrix]:
    """Return a minimiser of value(delta) + lam ||delta||_*; ``smoothness`` bounds the gradient's Lipschitz constant.

    It stops when ||gradient||_op <= (1 + tolerance) lam and <gradient, delta> + lam ||delta||_* <= tolerance lam
    max(1, ||delta||_*), which are the optimality conditions; otherwise the status is MAX_STEPS.

    Raises:
        BadInput: lam or smoothness not positive and finite.
    """
    for name, number in (("lambda", lam), ("smoothness", smoothness)):
        if not (np.isfinite(number) and number > 0):
            raise BadInput(f"{name} {number} is not positive: expected a finite number > 0")
    delta, ahead, momentum = start, start, 1.0
    objective = value(delta) + lam * nuclear_norm(delta)
    status, violation, steps = Status.MAX_STEPS, np.inf, 0
    for steps in range(max_steps):
        new = soft_threshold(ahead - gradient(ahead) / smoothness, lam / smoothness)
        new_objective = value(new) + lam * nuclear_norm(new)
        if new_objective > objective and momentum > 1.0:
            ahead, momentum = delta, 1.0  # too fast: forget the momentum
            continue
        moved = float(np.linalg.norm(new - ahead))
        faster = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum**2))
        ahead = new + (momentum - 1.0) / faster * (new - delta)
        delta, objective, momentum = new, new_objective, faster
        if steps % 10 == 0 or moved == 0.0:
            violation = _violation(gradient(delta), delta, lam)
            if violation <= tolerance:
                status = Status.OPTIMAL
                break
    return Solution(delta, status, {"steps": steps, "objective": objective, "violation": violation})


def _violation(gradient: Matrix, delta: Matrix, lam: float) -> float:
    """Return how far the two optimality conditions are from holding, relative to lam."""
    norm = nuclear_norm(delta)
    alignment = float((gradient * delta).sum()) + lam * norm
    return max(spectral_norm(gradient) / lam - 1.0, alignment / (lam * max(1.0, norm)))
