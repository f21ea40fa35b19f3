"""The factored objective of one layer with dense features, as data."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from sims.convex_problem import ConvexProblem
from sims.ntk.features import DenseFeatures
from theory.losses import Loss


@dataclass(frozen=True)
class Landscape:
    """Objective of one layer with dense features: what a search needs to know.

    gradients (n, k, m, p), f0 (n, k), y as the loss takes it, lam >= 0, perturbation P (m+p, m+p) or None. ``mask``
    (m+p, r) of zeros and ones confines Q to a pattern: block-diagonal features with a block pattern are several layers.
    """

    gradients: Float[np.ndarray, "n k m p"]
    f0: Float[np.ndarray, "n k"]
    y: Any
    loss: Loss
    lam: float
    perturbation: Float[np.ndarray, "d d"] | None = None
    mask: Float[np.ndarray, "d r"] | None = None

    @property
    def d_out(self) -> int:
        """Rows m of the update."""
        return self.gradients.shape[2]

    @property
    def size(self) -> int:
        """Rows m + p of Q."""
        return self.gradients.shape[2] + self.gradients.shape[3]

    def convex_problem(self) -> ConvexProblem:
        """Return the same data term as a convex problem (P stays outside)."""
        return ConvexProblem((DenseFeatures(self.gradients),), self.f0, self.y, self.loss)
