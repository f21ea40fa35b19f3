"""Explicit spurious minima without weight decay: families C and C0 (squared loss, lam = 0, P = 0).

On orthonormal u_1..u_m in R^m and v_1..v_m, extra right vectors, in R^p (coordinate vectors), r < m <= p, planted point
Q = scale [u_1..u_r; v_1..v_r]:

* C  (KN = r p + 1): strict modulo the gauge GL(r), whose r^2 zeros are the Hessian's only ones. Sharpness of Theorem Z.
* C0 (KN = 1 + r (m - r)): family C without the features that fix the planted block; a flat spurious minimum that shows
  that Theorem Z needs generic features.

Source: this project (sharpness of Theorem Z; arXiv 2605.03724's capacity condition in the worst case).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

Array = np.ndarray


@dataclass(frozen=True)
class ZeroDecayInstance:
    """Features, targets, planted factors; value in the unscaled objective (sum over samples); the optimum is 0."""

    family: Literal["C", "C0"]
    gradients: Float[Array, "n 1 m p"]
    targets: Float[Array, "n 1"]
    u: Float[Array, "m r"]
    v: Float[Array, "p r"]
    value: float
    zero_eigenvalues: int
    next_eigenvalue: float

    @property
    def n(self) -> int:
        """Number of measurements KN."""
        return self.gradients.shape[0]


def zero_decay_instance(
    family: Literal["C", "C0"],
    rank: int,
    d_out: int,
    d_in: int,
    *,
    scale: float = 1.0,
    target: float = 1.0,
    coupling: float = 3.0,
) -> ZeroDecayInstance:
    """Return the instance; it is a spurious minimum iff 2 coupling^2 scale^2 > target.

    Raises:
        ValueError: not 1 <= rank < d_out <= d_in.
    """
    if not 1 <= rank < d_out <= d_in:
        raise ValueError(f"rank {rank}, shape {d_out} x {d_in}: families C and C0 need 1 <= rank < d_out <= d_in")
    u, v = np.eye(d_out), np.eye(d_in)
    features: list[np.ndarray] = []
    targets: list[float] = []
    if family == "C":
        right = [*range(rank), *range(d_out, d_in)]
        for k in range(rank):
            for column in right:
                features.append(np.outer(u[:, k], v[:, column]))
                targets.append(scale**2 if column == k else 0.0)
    features.append(sum((np.outer(u[:, j], v[:, j]) for j in range(rank, d_out)), np.zeros((d_out, d_in))))
    targets.append(target)
    for k in range(rank):
        for j in range(rank, d_out):
            features.append(coupling * (np.outer(u[:, j], v[:, k]) + np.outer(u[:, k], v[:, j])))
            targets.append(0.0)
    nearest = min(target, 2.0 * scale**2, 2.0 * coupling**2 * scale**2 - target)
    if family == "C" and d_in > d_out:
        nearest = min(nearest, scale**2)
    zeros = rank**2 if family == "C" else rank**2 + rank * (rank + d_in - d_out)
    return ZeroDecayInstance(
        family=family,
        gradients=np.array(features)[:, None],
        targets=np.array(targets)[:, None],
        u=scale * u[:, :rank],
        v=scale * v[:, :rank],
        value=0.5 * target**2,
        zero_eigenvalues=zeros,
        next_eigenvalue=nearest,
    )
