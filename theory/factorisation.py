"""Nuclear norm through factors: delta = u v^T, Q = [u; v].

Reference: Recht, Fazel, Parrilo (2010), Lemma 5.1; arXiv 2402.11867, Lemma 2.2.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

Array = Any


def factor_penalty(u: Float[Array, "m r"], v: Float[Array, "n r"]) -> Any:
    """Return (||u||_F^2 + ||v||_F^2) / 2, an upper bound of ||u v^T||_*. Kind: upper bound (Lemma 2.2)."""
    return 0.5 * ((u**2).sum() + (v**2).sum())


def balanced_factors(
    delta: Float[Array, "m n"], rank: int | None = None, *, tolerance: float = 0.0
) -> tuple[Float[Array, "m r"], Float[Array, "n r"]]:
    """Return (u, v) with u v^T = delta, u^T u = v^T v and penalty ||delta||_*: the minimisers of Lemma 2.2.

    ``rank`` is the number of columns (default: the number of singular values above ``tolerance`` times the largest); a
    larger rank pads with zeros.

    Raises:
        ValueError: delta has more than ``rank`` singular values above the tolerance.
    """
    left, s, right = np.linalg.svd(np.asarray(delta), full_matrices=False)
    above = int((s > tolerance * (s[0] if s.size else 0.0)).sum())
    columns = above if rank is None else rank
    if rank is not None and above > rank and s[rank] > 1e-12 * s[0]:
        raise ValueError(f"delta has rank {above}, more than the {rank} columns asked for: ask for at least {above}")
    keep = min(columns, s.size)
    root = np.sqrt(s[:keep])
    u = np.zeros((delta.shape[0], columns))
    v = np.zeros((delta.shape[1], columns))
    u[:, :keep], v[:, :keep] = left[:, :keep] * root, right[:keep].T * root
    return u, v


def rebalanced(
    u: Float[Array, "m r"], v: Float[Array, "n r"], *, tolerance: float = 0.0
) -> tuple[Float[Array, "m k"], Float[Array, "n k"]]:
    """Return balanced factors of u v^T, columns ordered by singular value, without forming the product.

    Columns whose singular value is at most ``tolerance`` times the largest are dropped. Kind: exact.
    """
    qu, ru = np.linalg.qr(np.asarray(u))
    qv, rv = np.linalg.qr(np.asarray(v))
    left, s, right = np.linalg.svd(ru @ rv.T)
    keep = s > tolerance * s[0] if s.size and s[0] > 0 else np.zeros(s.size, dtype=bool)
    root = np.sqrt(s[keep])
    return (qu @ left[:, : s.size][:, keep]) * root, (qv @ right.T[:, : s.size][:, keep]) * root


def imbalance(u: Float[Array, "m r"], v: Float[Array, "n r"]) -> float:
    """Return ||u^T u - v^T v||_F, zero at every stationary point with lam > 0 and P = 0. Kind: exact."""
    return float(np.linalg.norm(np.asarray(u.T @ u - v.T @ v)))


def penalty_gap(u: Float[Array, "m r"], v: Float[Array, "n r"]) -> float:
    """Return ||u^T u - v^T v||_* / 2 >= penalty - ||u v^T||_*: how far a point is from the least penalty, at most.

    With A = u^T u and B = v^T v the difference is half the squared Bures distance of A and B, at most half the squared
    distance of their roots, at most this. Kind: upper bound (Powers, Stormer 1970, Lemma 4.1).
    """
    return 0.5 * float(np.abs(np.linalg.eigvalsh(np.asarray(u.T @ u - v.T @ v))).sum())


def lift(u: Float[Array, "m r"], v: Float[Array, "n r"]) -> Float[Array, "d d"]:
    """Return Z = Q Q^T of the semidefinite form; its off-diagonal block is u v^T and tr Z = 2 penalty."""
    q = np.concatenate([u, v])
    return q @ q.T
