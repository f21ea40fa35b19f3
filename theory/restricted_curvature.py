"""LoRA without linearisation: restricted strong convexity and smoothness, and what they say about second-order points.

f is any C^2 loss of the update X (m, n), f_lam(X) = f(X) + lam ||X||_*, and X* satisfies -grad f(X*) in lam d||X*||_*:

* alpha (RSC about X*): <grad f(X) - grad f(X*), X - X*> >= alpha ||X - X*||_F^2,
* beta (RSM): D^2 f(X)[UX + XV, UX + XV] <= beta ||UX + XV||_F^2 for rank-one U, V,

for every X with rank at most r and ||X - X*||_F <= D. At a second-order point (A, B) of f(A B^T) + lam/2 (||A||^2 +
||B||^2) with X = A B^T, r* = rank X*:

    ||grad f restricted to the complement of X|| <= lam + beta sigma_r(X),
    (2 kappa alpha - 1) ||X - X*||^2 + ||X - X_{r*}||^2 <= 0   with kappa = sigma_{r*}(X) / (beta sigma_r(X)).

Only the first-order condition at X* enters. Source: Kim, Kim, Ryu (2025), arXiv 2502.09376, Theorems 1 and 2,
Corollary 1, Lemma 1.
"""

from dataclasses import dataclass
from math import ceil, inf, log

import numpy as np
from jaxtyping import Float

Array = np.ndarray
_RANK = 1e-9  # singular values below this fraction of the largest are rounding


def is_special_regime(alpha: float, beta: float) -> bool:
    """Return whether 2 alpha > beta, where every second-order point within D is X*. Kind: sufficient (Theorem 1)."""
    return 2.0 * alpha > beta


def strong_convexity_quotient(
    gradient: Float[Array, "m n"],
    gradient_star: Float[Array, "m n"],
    x: Float[Array, "m n"],
    x_star: Float[Array, "m n"],
) -> float:
    """Return <grad f(X) - grad f(X*), X - X*> / ||X - X*||_F^2. Kind: upper bound of alpha."""
    step = x - x_star
    return float(((gradient - gradient_star) * step).sum() / (step**2).sum())


def smoothness_quotient(curvature: float, direction: Float[Array, "m n"]) -> float:
    """Return D^2 f[H, H] / ||H||_F^2, a lower bound of any valid beta. Kind: lower bound."""
    return float(curvature / (direction**2).sum())


@dataclass(frozen=True)
class SpectralSplit:
    """Gradient against the singular bases of X of rank k: -lam L R^T plus a part orthogonal to both.

    ``mismatch`` is the Frobenius norm of what is neither, zero at a balanced stationary point; ``top`` is the leading
    singular triple of the orthogonal part.
    """

    left: Float[Array, "m k"]
    values: Float[Array, " k"]
    right: Float[Array, "n k"]
    orthogonal: Float[Array, "m n"]
    mismatch: float
    top: tuple[Float[Array, " m"], float, Float[Array, " n"]]

    def sigma(self, index: int) -> float:
        """Return the singular value sigma_index of X, counted from 1; 0 beyond the rank, infinity for index 0."""
        if index == 0:
            return inf
        return float(self.values[index - 1]) if index <= self.values.size else 0.0


def spectral_split(x: Float[Array, "m n"], gradient: Float[Array, "m n"], lam: float) -> SpectralSplit:
    """Return grad f at X = A B^T, split by the singular bases of X. Kind: exact (first step of Theorem 1)."""
    left, values, right = np.linalg.svd(x, full_matrices=False)
    keep = values > _RANK * values[0] if values[0] > 0 else np.zeros(values.size, dtype=bool)
    left, values, right = left[:, keep], values[keep], right[keep].T
    off = gradient - left @ (left.T @ gradient)
    orthogonal = off - (off @ right) @ right.T
    mismatch = float(np.linalg.norm(gradient + lam * left @ right.T - orthogonal))
    a, s, b = np.linalg.svd(orthogonal)
    return SpectralSplit(left, values, right, orthogonal, mismatch, (a[:, 0], float(s[0]), b[0]))


def escape_direction(split: SpectralSplit) -> Float[Array, "m n"]:
    """Return H = UX + XV with U = -a u_r^T, V = v_r b^T: (a, b) leads the orthogonal part, (u_r, v_r) is the last pair.

    ||H||^2 = 2 sigma_r^2. Kind: exact (second step).
    """
    a, _, b = split.top
    return split.values[-1] * (np.outer(split.left[:, -1], b) - np.outer(a, split.right[:, -1]))


def subgradient_near(split: SpectralSplit, lam: float) -> tuple[Float[Array, "m n"], Float[Array, "m n"]]:
    """Return (g, Z): g in lam d||X||_* closest to -grad f in the orthogonal part, and Z = g + grad f there.

    ||Z||_op = max(0, ||orthogonal part|| - lam). Kind: exact (third step).
    """
    a, s, b = np.linalg.svd(split.orthogonal, full_matrices=False)
    g = lam * split.left @ split.right.T - (a * np.minimum(s, lam)) @ b
    return g, (a * np.maximum(s - lam, 0.0)) @ b


def truncated(x: Float[Array, "m n"], rank: int) -> Float[Array, "m n"]:
    """Return the best approximation of rank at most ``rank``. Kind: exact (Eckart, Young)."""
    left, s, right = np.linalg.svd(x, full_matrices=False)
    return (left[:, :rank] * s[:rank]) @ right[:rank]


def distance_bound(tail: float, alpha: float, beta: float, sigma_star: float, sigma_last: float) -> float:
    """Return how far from X* a second-order point that is not X* must lie, in Frobenius norm (not squared).

    ``tail`` is ||X - X_{r*}||_F, ``sigma_star`` sigma_{r*}(X), ``sigma_last`` sigma_r(X). Infinite when 2 alpha
    sigma_{r*} >= beta sigma_r: then no such point exists. Kind: lower bound (Theorem 1, generic regime).
    """
    factor = 1.0 - 2.0 * alpha * sigma_star / (beta * sigma_last) if sigma_last > 0 else -inf
    return tail / factor**0.5 if factor > 0 else inf


def loudness_bound(
    values: Float[Array, " k"], rank: int, rank_star: int, alpha: float, beta: float, star_norm: float
) -> float:
    """Return the least Frobenius norm of a spurious second-order point with these singular values, infinite if none.

    ``star_norm`` is ||X*||_F. Kind: lower bound (Corollary 1, rank > rank of X*).

    Raises:
        ValueError: rank <= rank_star, rank_star < 1, or fewer than ``rank`` singular values.
    """
    if not 1 <= rank_star < rank <= values.size:
        raise ValueError(f"ranks r* = {rank_star}, r = {rank} with {values.size} values: expected 1 <= r* < r <= count")
    tail = float((values[rank_star:rank] ** 2).sum()) ** 0.5
    return distance_bound(tail, alpha, beta, float(values[rank_star - 1]), float(values[rank - 1])) - star_norm


def decay_window(epsilon: float, step: float, lam: float) -> int:
    """Return the fewest steps after which decay alone shrinks any matrix to epsilon / 4 of its size. Kind: exact.

    Raises:
        ValueError: epsilon or step lam outside (0, 1).
    """
    _check_decay(1, epsilon, step * lam)
    return ceil(log(epsilon / 4) / log(1 - step * lam))


def decay_rank_bound(batch: int, epsilon: float, step: float, lam: float) -> int:
    """Return b ceil(log(epsilon/4) / log(1 - step lam)): the rank that approximates the limit of SGD with weight decay.

    For gradients of rank one per sample: if ||X_t|| converges, some W with this rank has ||X/||X|| - W|| < epsilon.
    The last ``decay_window`` steps add at most b ranks each, and what is older has shrunk to epsilon ||X|| / 4.
    Kind: upper bound. Source: arXiv 2502.09376, Lemma 1 (after Galanti et al. 2022), with whole steps counted.

    Raises:
        ValueError: batch < 1, epsilon outside (0, 1), or step lam outside (0, 1).
    """
    _check_decay(batch, epsilon, step * lam)
    return batch * decay_window(epsilon, step, lam)


def printed_decay_rank_bound(batch: int, epsilon: float, step: float, lam: float) -> float:
    """Return b log(epsilon/4) / log(1 - step lam), the count of Lemma 1 as printed, steps not rounded up.

    Kind: upper bound for step lam <= 3/4, where floor(x) steps still shrink below epsilon; none above (claim
    KKR-L1-PRINTED has counterexamples).

    Raises:
        ValueError: batch < 1, epsilon outside (0, 1), or step lam outside (0, 1).
    """
    _check_decay(batch, epsilon, step * lam)
    return batch * log(epsilon / 4) / log(1 - step * lam)


def _check_decay(batch: int, epsilon: float, decay: float) -> None:
    if batch < 1 or not 0 < epsilon < 1 or not 0 < decay < 1:
        raise ValueError(f"batch {batch}, epsilon {epsilon}, step * lam {decay}: expected >= 1, (0, 1), (0, 1)")


def relative_rank(values: Float[Array, " k"], epsilon: float, *, spectral: bool = False) -> int:
    """Return the least rank of a W with ||X/||X|| - W|| < epsilon, from the singular values of X, descending.

    Frobenius norms, or spectral ones. Kind: exact (Eckart, Young, Mirsky).
    """
    if spectral:
        return int((values >= epsilon * values[0]).sum())
    tails = np.sqrt(np.append(np.cumsum(values[::-1] ** 2)[::-1], 0.0))
    return int(np.argmax(tails < epsilon * tails[0]))
