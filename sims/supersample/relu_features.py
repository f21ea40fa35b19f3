"""Frozen random ReLU features: the backbone of the heads that the supersample protocol retrains."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sims.errors import BadInput


@dataclass(frozen=True)
class ReluFeatures:
    """The map x -> relu(W (x - centre) / (spread sqrt d)), W (h, d) standard normal; drawn by `relu_features`."""

    weight: Float[np.ndarray, "h d"]
    centre: float
    spread: float

    def __call__(self, x: Float[np.ndarray, "*batch d"]) -> Float[np.ndarray, "*batch h"]:
        """Return the features of inputs."""
        scale = self.spread * self.weight.shape[1] ** 0.5
        return np.maximum(((x - self.centre) / scale) @ self.weight.T, 0.0)


def relu_features(rng: np.random.Generator, pool: Float[np.ndarray, "n d"], width: int) -> ReluFeatures:
    """Return random features of this width; inputs are centred and scaled by one mean and deviation of the whole pool.

    The two numbers are symmetric in the examples of the pool, so that they say nothing about which were trained on.
    Raises BadInput for a width below 1.
    """
    if width < 1:
        raise BadInput(f"width {width}: expected at least 1 feature")
    spread = float(pool.std())
    return ReluFeatures(rng.standard_normal((width, pool.shape[1])), float(pool.mean()), spread if spread > 0 else 1.0)
