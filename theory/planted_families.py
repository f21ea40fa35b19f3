"""Explicit instances with planted second-order stationary points: families A, A' and B.

All live on orthonormal u_1..u_r, a in R^m and v_1..v_r, b in R^p (here coordinate vectors) and use the squared loss
*without* the factor 1/n, so in this package's scaling lam is ``weight / n``. The planted point is Q = scale [u; v].
With the default constants every number is an integer, so the statements can be proved in rational arithmetic.

* A  (KN = r(r+3)/2): strict spurious local minimum; the global minimiser has rank r.
* A' (KN = r(r+3)/2): strict spurious local minimum; the global minimiser has rank 1.
* B  (KN = r + 1, above the paper's threshold for r >= 3): a manifold of spurious second-order points with P = 0.

Source: this project (sharpness of Theorem W; counterexample to Theorem 4.1 without the perturbation).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

Array = np.ndarray
Family = Literal["A", "A'", "B"]


@dataclass(frozen=True)
class PlantedInstance:
    """Features, targets, planted factors and everything known in closed form about them."""

    family: Family
    gradients: Float[Array, "n 1 m p"]
    targets: Float[Array, "n 1"]
    u: Float[Array, "m r"]
    v: Float[Array, "p r"]
    optimum: Float[Array, "m p"]
    weight: float
    value: float
    optimal_value: float
    zero_eigenvalues: int
    next_eigenvalue: float

    @property
    def n(self) -> int:
        """Number of measurements KN."""
        return self.gradients.shape[0]

    @property
    def lam(self) -> float:
        """Weight decay in the scaling with the mean over samples."""
        return self.weight / self.n


def planted_instance(
    family: Family,
    rank: int,
    d_out: int | None = None,
    d_in: int | None = None,
    *,
    weight: float = 1.0,
    scale: float = 1.0,
    diagonal: float = 1.0,
    coupling: float = 3.0,
    spread: float = 2.0,
) -> PlantedInstance:
    """Return the instance; values and eigenvalues are in the unscaled objective (sum over samples, weight = lam n).

    ``spread`` is tau, ``coupling`` c, ``diagonal`` c' of the construction; spurious needs tau > c' and
    c^2 > weight (tau / c' - 1) / (2 scale^2). The closed forms for ``next_eigenvalue`` hold at the default constants.

    Raises:
        ValueError: rank < 1, or m, p below rank + 1.
    """
    m, p = (rank + 1 if size is None else size for size in (d_out, d_in))
    if rank < 1 or min(m, p) < rank + 1:
        raise ValueError(f"rank {rank} with shape {m} x {p}: family {family} needs 1 <= rank < min(m, p)")
    left, right = np.eye(m), np.eye(p)
    u, v, a, b = left[:, :rank], right[:, :rank], left[:, rank], right[:, rank]
    far = spread * np.outer(a, b)
    features: list[np.ndarray] = []
    targets: list[float] = []

    def add(feature: np.ndarray, target: float) -> None:
        features.append(feature)
        targets.append(target)

    if family == "A":
        for k in range(rank):
            planted = diagonal * np.outer(u[:, k], v[:, k]) + (far if k == 0 else 0.0)
            add(planted, diagonal * scale**2 + weight / diagonal)
    else:
        add(diagonal * (u @ v.T) + far, rank * diagonal * scale**2 + weight / diagonal)
    for k in range(rank):
        add(coupling * (np.outer(a, v[:, k]) + np.outer(u[:, k], b)), 0.0)
    if family != "B":
        off = diagonal / np.sqrt(2.0) if family == "A" else 1.0
        for k in range(rank):
            for j in range(k + 1, rank):
                add(off * (np.outer(u[:, k], v[:, j]) + np.outer(u[:, j], v[:, k])), 0.0)
    if family == "A'":
        for k in range(rank - 1):
            add(np.outer(u[:, k], v[:, k]) - np.outer(u[:, k + 1], v[:, k + 1]), 0.0)

    target = targets[0]
    far_optimum = ((target - weight / spread) / spread) * np.outer(a, b)
    if family == "A":
        rest = (target - weight / diagonal) / diagonal
        optimum = far_optimum + rest * (u[:, 1:] @ v[:, 1:].T)
        value = rank * (weight * scale**2 + weight**2 / (2 * diagonal**2))
        step = 1 / diagonal - 1 / spread
        optimal = value - weight * step * (target - 0.5 * weight * (1 / diagonal + 1 / spread))
    else:
        optimum = far_optimum
        value = weight * rank * scale**2 + weight**2 / (2 * diagonal**2)
        optimal = weight * target / spread - weight**2 / (2 * spread**2)
    wide = max(m, p) >= rank + 2
    nearest = 2.0
    if family == "A'":
        nearest = min(2.0, 4.0 - 4.0 * float(np.cos(np.pi / rank)))
    return PlantedInstance(
        family=family,
        gradients=np.array(features)[:, None],
        targets=np.array(targets)[:, None],
        u=scale * u,
        v=scale * v,
        optimum=optimum,
        weight=weight,
        value=value,
        optimal_value=optimal,
        zero_eigenvalues=rank**2 - 1 if family == "B" else rank * (rank - 1) // 2,
        next_eigenvalue=min(nearest, 1.0) if wide else nearest,
    )
