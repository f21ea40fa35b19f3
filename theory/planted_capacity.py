"""Spurious minima inside the rank constraint although r(m + n) - r^2 > 1.35 KN: family C with an exact interpolant.

Family C (squared loss, lam = 0, KN = r p + 1) has a strict spurious minimum, but its convex optimum 0 need not be
reached at rank r. One feature is changed, u_1 v_1^T -> u_1 v_1^T + w_j w_k^T / far (j != k beyond the planted block):
the planted point predicts the same values, and

    X = sum_{2 <= k <= r} planted pairs + (far w_j + w_k) w_k'^T     (rank r)

meets every target. So the planted point is a strict local minimum, modulo GL(r), with positive loss, while rank r
reaches loss zero. Every number is a dyadic rational. Source: this project.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.planted_zero_decay import zero_decay_instance

Array = np.ndarray


@dataclass(frozen=True)
class CapacityInstance:
    """Features, targets, the planted factors (u, v), and factors of rank r with loss exactly zero."""

    gradients: Float[Array, "n 1 m p"]
    targets: Float[Array, "n 1"]
    u: Float[Array, "m r"]
    v: Float[Array, "p r"]
    best_u: Float[Array, "m r"]
    best_v: Float[Array, "p r"]
    value: float

    @property
    def n(self) -> int:
        """Number of measurements KN = r p + 1."""
        return self.gradients.shape[0]


def capacity_instance(rank: int, d_out: int, d_in: int, *, far: float = 16.0) -> CapacityInstance:
    """Return the instance; ``far`` (a power of two keeps it exact) sets how small the change of family C is.

    Raises:
        ValueError: not 1 <= rank <= d_out - 2, or d_out > d_in.
    """
    if not 1 <= rank <= d_out - 2 or d_out > d_in:
        raise ValueError(f"rank {rank}, shape {d_out} x {d_in}: expected 1 <= rank <= d_out - 2 and d_out <= d_in")
    made = zero_decay_instance("C", rank, d_out, d_in)
    gradients = made.gradients.copy()
    gradients[0, 0, rank, rank + 1] += 1.0 / far  # the feature of the entry (1, 1)
    best_u, best_v = made.u.copy(), made.v.copy()
    best_u[:, 0], best_v[:, 0] = 0.0, 0.0
    best_u[rank, 0], best_u[rank + 1, 0], best_v[rank + 1, 0] = far, 1.0, 1.0
    return CapacityInstance(gradients, made.targets, made.u, made.v, best_u, best_v, made.value)
