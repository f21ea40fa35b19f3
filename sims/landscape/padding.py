"""Shapes rounded up, so that searches of similar size share one compiled program.

Added rows of Q are masked, added measurements have zero features and constant loss. The mean over samples then divides
by more, so lam and P shrink by the same factor and the stationary points stay where they are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from sims.landscape.landscape import Landscape


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


@dataclass(frozen=True)
class Padding:
    """How (m, p, r, n) are embedded in (M, P, R, N); ``scale`` = n / N multiplies the objective."""

    m: int
    p: int
    r: int
    wide_m: int
    wide_n: int
    mask: Float[np.ndarray, "D R"]
    scale: float

    @classmethod
    def of(cls, landscape: Landscape, rank: int, *, rounded: bool) -> "Padding":
        """Return the embedding: m and p up to multiples of 4, r of 2, n of 8 if ``rounded``, else as they are."""
        n, _, m, p = landscape.gradients.shape
        steps = (4, 4, 2, 8) if rounded else (1, 1, 1, 1)
        wide_m, wide_p, wide_r, wide_n = (_up(size, step) for size, step in zip((m, p, rank, n), steps))
        mask = np.zeros((wide_m + wide_p, wide_r))
        inner = np.ones((m + p, rank)) if landscape.mask is None else landscape.mask
        mask[:m, :rank], mask[wide_m : wide_m + p, :rank] = inner[:m], inner[m:]
        return cls(m, p, rank, wide_m, wide_n, mask, n / wide_n)

    def embed(self, q: Float[np.ndarray, "*b d r"]) -> Float[np.ndarray, "*b D R"]:
        """Return Q with zeros in the added rows and columns."""
        wide = np.zeros((*q.shape[:-2], *self.mask.shape))
        wide[..., : self.m, : self.r] = q[..., : self.m, :]
        wide[..., self.wide_m : self.wide_m + self.p, : self.r] = q[..., self.m :, :]
        return wide

    def extract(self, wide: Float[np.ndarray, "*b D R"]) -> Float[np.ndarray, "*b d r"]:
        """Return Q without the added rows and columns."""
        top, bottom = wide[..., : self.m, : self.r], wide[..., self.wide_m : self.wide_m + self.p, : self.r]
        return np.concatenate([top, bottom], axis=-2)

    def arrays(self, landscape: Landscape) -> tuple[Any, ...]:
        """Return (gradients, f0, y, lam, P, mask) of the padded objective."""
        n, k, m, p = landscape.gradients.shape
        size = self.mask.shape[0]
        gradients = np.zeros((self.wide_n, k, self.wide_m, size - self.wide_m))
        gradients[:n, :, :m, :p] = landscape.gradients
        f0 = np.zeros((self.wide_n, k))
        f0[:n] = landscape.f0
        y = np.zeros((self.wide_n, *landscape.y.shape[1:]), dtype=landscape.y.dtype)
        y[:n] = landscape.y
        penalty = np.zeros((size, size))
        if landscape.perturbation is not None:
            kept = np.r_[0:m, self.wide_m : self.wide_m + p]
            penalty[np.ix_(kept, kept)] = self.scale * landscape.perturbation
        return gradients, f0, y, self.scale * landscape.lam, penalty, self.mask
