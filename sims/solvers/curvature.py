"""Inverse of the damped, positive version of S = [[lam I, G], [G^T, lam I]], which preconditions every Newton step.

S has eigenvalues lam +- sigma, sigma the singular values of G. While all sigma lie below lam, one Cholesky
factorisation of the smaller block is enough; otherwise one eigendecomposition of the smaller Gram matrix of G, of which
every block of |S|^{-1} is a function. Neither forms the inverse unless dense features ask for it.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.linalg import blas, lapack

from sims.ntk.features import FactorMetric

Array = Any


class Layer:
    """One layer's gradient (that of the data term, and that of the factored objective) and its curvature."""

    def __init__(self, gradient: Array, u: Array, v: Array, lam: float) -> None:
        """Take the data term's gradient G, shape (m, p), at the factors (u, v)."""
        self.transposed = gradient.shape[0] > gradient.shape[1]
        self.wide = gradient.T if self.transposed else gradient
        self.lam = lam
        self.gram = self.wide @ self.wide.T
        self.grad = (gradient @ v + lam * u, gradient.T @ u + lam * v)
        self._spectrum: tuple[Array, Array] | None = None

    @property
    def squared_norm(self) -> float:
        """Squared Frobenius norm of the factored objective's gradient."""
        return sum(float((part**2).sum()) for part in self.grad)

    def spectrum(self) -> tuple[Array, Array]:
        """Return singular values of G (ascending) and its singular vectors on the smaller side."""
        if self._spectrum is None:
            squares, vectors = np.linalg.eigh(self.gram)
            self._spectrum = np.sqrt(np.maximum(squares, 0.0)), vectors
        return self._spectrum

    def _cholesky(self, level: float) -> Array | None:
        """Return L with L L^T = level^2 I - G G^T, or None if a singular value of G is not below the level."""
        shifted = -self.gram
        shifted[np.diag_indices_from(shifted)] += level**2
        lower, failed = lapack.dpotrf(shifted.T, lower=True, overwrite_a=True)
        return None if failed else lower

    def below(self, level: float) -> bool:
        """Return whether every singular value of G is below the level."""
        if self._spectrum is not None:
            return bool(self._spectrum[0][-1] < level)
        return self._cholesky(level) is not None

    def metric(self, damping: float, *, signed: bool = False) -> "HalvedMetric":
        """Return |S|^{-1} with the damping added: eigenvalues lam + sigma, |lam - sigma| and lam of S.

        ``signed`` keeps the sign of lam - sigma (its modulus at least the damping): the exact Newton step then.
        """
        level = self.lam + damping
        if self._spectrum is None or self._spectrum[0][-1] < self.lam + 0.5 * damping:
            lower = self._cholesky(level)
            # squared pivots bound the smallest eigenvalue from above: below this one, sigma > lam + damping / 2
            if lower is not None and np.diag(lower).min() ** 2 >= damping * self.lam:
                return CholeskyMetric(self.wide, lower, level, self.transposed)
        return SpectralMetric(self.wide, *self.spectrum(), self.lam, damping, self.transposed, signed=signed)


class HalvedMetric(FactorMetric):
    """A metric written on the (shorter, longer) side of the gradient, which is (v, u) where ``transposed``."""

    transposed: bool
    definite: bool  # S itself is positive, up to the damping

    def matrix(self) -> Float[Array, "d d"]:
        """Return the symmetric matrix on stacked (u, v)."""
        short, cross, long = self._blocks()
        blocks = [[long, cross.T], [cross, short]] if self.transposed else [[short, cross], [cross.T, long]]
        return np.block(blocks)

    def apply(self, x: Float[Array, "m r"], y: Float[Array, "p r"]) -> tuple[Array, Array]:
        """Return the metric times (x; y), in two parts."""
        if self.transposed:
            short, long = self._apply(y, x)
            return long, short
        return self._apply(x, y)

    def sandwich(self, s: Float[Array, "a m"], a: Float[Array, "b p"]) -> tuple[Array, Array, Array]:
        """Return s M_uu s^T, a M_vv a^T and s M_uv a^T."""
        if self.transposed:
            short, long, cross = self._sandwich(a, s)
            return long, short, cross.T
        return self._sandwich(s, a)

    @abstractmethod
    def _blocks(self) -> tuple[Array, Array, Array]:
        """Return the blocks (short, short), (short, long) and (long, long)."""

    @abstractmethod
    def _apply(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return the metric times (x on the shorter side; y on the longer one)."""

    @abstractmethod
    def _sandwich(self, s: Array, a: Array) -> tuple[Array, Array, Array]:
        """Return s M_short s^T, a M_long a^T and s M_cross a^T."""


class CholeskyMetric(HalvedMetric):
    """(S + damping)^{-1} for S positive definite, from L L^T = level^2 I - W W^T with level = lam + damping."""

    def __init__(self, wide: Array, lower: Array, level: float, transposed: bool) -> None:
        self.wide, self.lower, self.level, self.transposed = wide, lower, level, transposed
        self.definite = True

    def _blocks(self) -> tuple[Array, Array, Array]:
        root, _ = lapack.dtrtri(self.lower, lower=True)
        short = root.T @ root
        cross = -short @ self.wide
        long = (np.eye(self.wide.shape[1]) - self.wide.T @ cross) / self.level
        return self.level * short, cross, long

    def _apply(self, x: Array, y: Array) -> tuple[Array, Array]:
        short, _ = lapack.dpotrs(self.lower, self.level * x - self.wide @ y, lower=True)
        return short, (y - self.wide.T @ short) / self.level

    def _sandwich(self, s: Array, a: Array) -> tuple[Array, Array, Array]:
        rows = np.concatenate([s, a @ self.wide.T])
        # the transpose of a C-contiguous array is the Fortran order that BLAS works in, without a copy
        halves = blas.dtrsm(1.0, self.lower, rows.T, lower=True, overwrite_b=True).T
        left, right = halves[: s.shape[0]], halves[s.shape[0] :]
        short, long, cross = left @ left.T, a @ a.T, left @ right.T
        short *= self.level
        long += right @ right.T
        long /= self.level
        return short, long, np.negative(cross, out=cross)


class SpectralMetric(HalvedMetric):
    """|S|^{-1} with damping as functions of the singular values of G."""

    def __init__(
        self,
        wide: Array,
        sigma: Array,
        vectors: Array,
        lam: float,
        damping: float,
        transposed: bool,
        *,
        signed: bool,
    ) -> None:
        rest = lam + damping
        difference = lam - sigma
        minus = np.abs(difference) + damping
        if signed:
            minus = np.where(difference < -damping, difference, minus)
        self.definite = not bool((difference < -damping).any())
        product = (rest + sigma) * minus
        below = sigma < lam
        safe = np.where(sigma > 0, sigma, 1.0)
        # mean and half difference of the two inverse eigenvalues; below lam written without cancellation
        self.mean = 0.5 * (rest + sigma + minus) / product
        self.slope = np.where(below, -1.0 / product, 0.5 * (minus - rest - sigma) / (product * safe))
        self.curved = np.where(below, 1.0 / (rest * product), (self.mean - 1.0 / rest) / safe**2)
        self.rest, self.vectors, self.wide, self.transposed = rest, vectors, wide, transposed

    def _blocks(self) -> tuple[Array, Array, Array]:
        q, pulled = self.vectors, self.wide.T @ self.vectors
        long = np.eye(self.wide.shape[1]) / self.rest + (pulled * self.curved) @ pulled.T
        return (q * self.mean) @ q.T, (q * self.slope) @ pulled.T, long

    def _apply(self, x: Array, y: Array) -> tuple[Array, Array]:
        q, wide = self.vectors, self.wide
        on_short, on_long = q.T @ x, q.T @ (wide @ y)
        mean, slope, curved = self.mean[:, None], self.slope[:, None], self.curved[:, None]
        short = q @ (mean * on_short + slope * on_long)
        return short, y / self.rest + wide.T @ (q @ (slope * on_short + curved * on_long))

    def _sandwich(self, s: Array, a: Array) -> tuple[Array, Array, Array]:
        left, right = s @ self.vectors, (a @ self.wide.T) @ self.vectors
        weighted = left * self.mean
        long = a @ a.T / self.rest + (right * self.curved) @ right.T
        return weighted @ left.T, long, (left * self.slope) @ right.T
