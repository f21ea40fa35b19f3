"""The LoRA objective in its factors, with gradient and Hessian.

    L(u, v) = (1/n) sum_i l(f0_i + <G_i, u v^T>, y_i) + lam/2 (||u||^2 + ||v||^2) + <P, Q Q^T>,     Q = [u; v]

With z = (1/n) * gradient of the losses, G(z) = sum_ik z_ik G_ik and S = lam I + [[0, G(z)], [G(z)^T, 0]] + 2 P:

    gradient = S Q,   Hessian = S (x) I_r + J^T D J   (row-major vec of Q),   J[(U, V)]_ik = <G_ik, U v^T + u V^T>.

Arrays are numpy or JAX; dense features (n, k, m, p) here stand for one layer of moderate size. Kind: exact.
Source: derivatives of arXiv 2402.11867, eq. of section 4; checked against automatic differentiation in the tests.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Num

from theory.losses import Loss

Array = Any


def split(q: Float[Array, "d r"], d_out: int) -> tuple[Float[Array, "m r"], Float[Array, "p r"]]:
    """Return (u, v) from Q = [u; v]."""
    return q[:d_out], q[d_out:]


def predictions(gradients: Float[Array, "n k m p"], f0: Float[Array, "n k"], q: Float[Array, "d r"]) -> Array:
    """Return f0 + <G_ik, u v^T>, shape (n, k)."""
    u, v = split(q, gradients.shape[2])
    n, k, m, p = gradients.shape
    return f0 + (gradients.reshape(n * k, m * p) @ (u @ v.T).reshape(-1)).reshape(n, k)


def stationarity_matrix(
    gradient: Float[Array, "m p"], lam: Any, perturbation: Float[Array, "d d"] | None = None
) -> Float[Array, "d d"]:
    """Return S = lam I + [[0, G], [G^T, 0]] + 2 P: S Q is the gradient, S >= 0 certifies a global minimum."""
    xp = gradient.__array_namespace__()
    m, p = gradient.shape
    top = xp.concatenate([lam * xp.eye(m, dtype=gradient.dtype), gradient], axis=1)
    bottom = xp.concatenate([gradient.T, lam * xp.eye(p, dtype=gradient.dtype)], axis=1)
    s = xp.concatenate([top, bottom], axis=0)
    return s if perturbation is None else s + 2.0 * perturbation


def prediction_jacobian(gradients: Float[Array, "n k m p"], q: Float[Array, "d r"]) -> Float[Array, "nk dr"]:
    """Return J of (U, V) -> <G_ik, U v^T + u V^T>, rows ik, columns row-major in Q."""
    xp = gradients.__array_namespace__()
    n, k, m, p = gradients.shape
    u, v = split(q, m)
    by_u = gradients @ v
    by_v = xp.swapaxes(gradients, 2, 3) @ u
    return xp.concatenate([by_u, by_v], axis=2).reshape(n * k, (m + p) * q.shape[1])


def objective(
    gradients: Float[Array, "n k m p"],
    f0: Float[Array, "n k"],
    y: Num[Array, "..."],
    loss: Loss,
    lam: Any,
    q: Float[Array, "d r"],
    perturbation: Float[Array, "d d"] | None = None,
) -> Array:
    """Return L(u, v), a scalar."""
    value = loss.value(predictions(gradients, f0, q), y).mean() + 0.5 * lam * (q**2).sum()
    return value if perturbation is None else value + (q * (perturbation @ q)).sum()


def data_gradient(
    gradients: Float[Array, "n k m p"],
    f0: Float[Array, "n k"],
    y: Num[Array, "..."],
    loss: Loss,
    q: Float[Array, "d r"],
) -> Float[Array, "m p"]:
    """Return the gradient of the data term with respect to delta at u v^T, shape (m, p)."""
    n, k, m, p = gradients.shape
    z = loss.gradient(predictions(gradients, f0, q), y) / n
    return (z.reshape(-1) @ gradients.reshape(n * k, m * p)).reshape(m, p)


def gradient(
    gradients: Float[Array, "n k m p"],
    f0: Float[Array, "n k"],
    y: Num[Array, "..."],
    loss: Loss,
    lam: Any,
    q: Float[Array, "d r"],
    perturbation: Float[Array, "d d"] | None = None,
) -> Float[Array, "d r"]:
    """Return the gradient S Q with respect to Q, shape (d, r)."""
    g = data_gradient(gradients, f0, y, loss, q)
    return stationarity_matrix(g, lam, perturbation) @ q


def hessian(
    gradients: Float[Array, "n k m p"],
    f0: Float[Array, "n k"],
    y: Num[Array, "..."],
    loss: Loss,
    lam: Any,
    q: Float[Array, "d r"],
    perturbation: Float[Array, "d d"] | None = None,
) -> Float[Array, "dr dr"]:
    """Return the Hessian S (x) I_r + J^T D J with respect to the row-major vec of Q."""
    xp = q.__array_namespace__()
    n, k, _, _ = gradients.shape
    r = q.shape[1]
    g = data_gradient(gradients, f0, y, loss, q)
    s = stationarity_matrix(g, lam, perturbation)
    j = prediction_jacobian(gradients, q)
    d2 = loss.hessian(predictions(gradients, f0, q), y) / n
    weighted = (d2 @ j.reshape(n, k, -1)).reshape(n * k, -1)
    return xp.kron(s, xp.eye(r, dtype=q.dtype)) + j.T @ weighted


def hessian_product(
    gradients: Float[Array, "n k m p"],
    f0: Float[Array, "n k"],
    y: Num[Array, "..."],
    loss: Loss,
    lam: Any,
    q: Float[Array, "d r"],
    direction: Float[Array, "d r"],
    perturbation: Float[Array, "d d"] | None = None,
) -> Float[Array, "d r"]:
    """Return the Hessian applied to a direction (U, V), without forming the matrix, shape (d, r)."""
    n, k, m, p = gradients.shape
    u, v = split(q, m)
    du, dv = split(direction, m)
    flat = gradients.reshape(n * k, m * p)
    change = (flat @ (du @ v.T + u @ dv.T).reshape(-1)).reshape(n, k)
    d2 = loss.hessian(predictions(gradients, f0, q), y) / n
    weighted = (d2 @ change[:, :, None])[:, :, 0]
    curved = stationarity_matrix((weighted.reshape(-1) @ flat).reshape(m, p), 0.0)
    g = data_gradient(gradients, f0, y, loss, q)
    return stationarity_matrix(g, lam, perturbation) @ direction + curved @ q


def gauge_directions(u: Float[Array, "m r"], v: Float[Array, "p r"], *, weight_decay: bool) -> Float[Array, "dr g"]:
    """Return directions along which the objective is constant: Q W, W skew (lam > 0), or (u W, -v W^T) (lam = 0).

    One column per generator, not orthogonalised; their span has dimension r(r-1)/2 or r^2 at full-rank factors.
    """
    xp = u.__array_namespace__()
    r = u.shape[1]
    columns = []
    for i in range(r):
        for j in range(r):
            if weight_decay and j >= i:
                continue
            generator = np.zeros((r, r))
            generator[i, j] = 1.0
            if weight_decay:
                generator[j, i] = -1.0
            w = xp.asarray(generator, dtype=u.dtype)
            columns.append(xp.concatenate([u @ w, -v @ w.T]).reshape(-1))
    if not columns:
        return xp.zeros(((u.shape[0] + v.shape[0]) * r, 0))
    return xp.stack(columns, axis=1)
