"""Family A' for the logistic loss with weight decay: a strict spurious local minimum at KN = r(r+3)/2.

A logistic residual never vanishes, so the measurements of family A' (residual zero but for the first) are mixed. Let
E_1..E_{n-1} be its features with target 0 and D = c' sum_k u_k v_k^T + tau a b^T. With W (n, n-1) orthonormal columns
orthogonal to (1, ..., 1), no offsets, and all labels +1,

    B_i = D + sqrt(n) sum_j W_ij E_j,     lam = c' sigma(-r c' s^2)     (mean over samples, sigma logistic).

At Q = s [u_1..u_r; v_1..v_r] every prediction is r c' s^2, all residuals are equal, their sum sees D only, and
G(y) = -lam sum_k u_k v_k^T - (lam tau / c') a b^T: the gradient vanishes and S has a negative eigenvalue. All
curvatures are equal too, so that the Hessian is that of family A' with another weight: positive definite off the
rotations as soon as c^2 sigma(r c' s^2) > (tau / c' - 1) / (2 s^2). Multiplying feature and label by -1 gives mixed
labels.
Kind: exact. Source: this project (Theorem W is sharp for the logistic loss, too).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.planted_families import planted_instance

Array = np.ndarray


@dataclass(frozen=True)
class LogisticInstance:
    """Features, labels +-1 and planted factors; the Hessian has ``zero_eigenvalues`` zeros there, all of the gauge."""

    gradients: Float[Array, "n 1 m p"]
    labels: Float[Array, "n 1"]
    u: Float[Array, "m r"]
    v: Float[Array, "p r"]
    lam: float
    value: float
    zero_eigenvalues: int

    @property
    def n(self) -> int:
        """Number of measurements KN."""
        return self.gradients.shape[0]


def logistic_instance(
    rank: int, d_out: int, d_in: int, *, scale: float = 1.0, coupling: float = 3.0, spread: float = 2.0
) -> LogisticInstance:
    """Return the instance (c' = 1, ``coupling`` c, ``spread`` tau) with labels of alternating sign.

    ``value`` is the objective with the mean over samples.

    Raises:
        ValueError: rank or shape that family A' does not have.
    """
    made = planted_instance("A'", rank, d_out, d_in, scale=scale, coupling=coupling, spread=spread)
    first, others = made.gradients[0], made.gradients[1:]
    n = made.n
    # QR of [1, e_1, ..., e_{n-1}]: the columns after the first are an orthonormal basis of (1, ..., 1)'s complement
    basis = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, : n - 1]]))[0][:, 1:]
    mixed = first[None] + np.sqrt(n) * np.einsum("ij,jkmp->ikmp", basis, others)
    signs = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    margin = rank * scale**2
    lam = 1.0 / (1.0 + np.exp(margin))
    return LogisticInstance(
        gradients=signs[:, None, None, None] * mixed,
        labels=signs[:, None],
        u=made.u,
        v=made.v,
        lam=float(lam),
        value=float(np.log1p(np.exp(-margin)) + lam * rank * scale**2),
        zero_eigenvalues=rank * (rank - 1) // 2,
    )
