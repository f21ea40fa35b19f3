"""Losses of updates for `sims.landscape.smooth`: a frozen network with some weights updated, and quadratics."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sims.landscape.smooth import DataTerm, SmoothLandscape
from sims.networks import FrozenMLP
from sims.ntk.tangents import updated
from theory.losses import Loss

Array = Any


class NetworkLoss:
    """f(data, updates): mean loss of a frozen network whose chosen layers carry the updates; data = (network, x, y).

    Equal arguments give equal objects, so that the compiled code is shared.
    """

    def __init__(self, layers: tuple[int, ...], loss: Loss) -> None:
        self.layers, self.loss = layers, loss

    def __call__(self, data: tuple[FrozenMLP, Array, Array], updates: tuple[Array, ...]) -> Array:
        """Return the mean loss."""
        network, x, y = data
        return self.loss.value(updated(network, updates, layers=self.layers)(x), y).mean()

    def __eq__(self, other: object) -> bool:
        """Compare layers and loss."""
        return isinstance(other, NetworkLoss) and (self.layers, self.loss) == (other.layers, other.loss)

    def __hash__(self) -> int:
        """Hash layers and loss."""
        return hash((self.layers, self.loss))


def _quadratic(data: tuple[Array, Array], updates: tuple[Array, ...]) -> Array:
    """Return ||T vec(updates) - t||^2 / 2 for data = (T, t)."""
    matrix, target = data
    flat = jnp.concatenate([x.reshape(-1) for x in updates])
    return 0.5 * ((matrix @ flat - target) ** 2).sum()


QUADRATIC: DataTerm = _quadratic


def network_landscape(
    network: FrozenMLP, x: Any, y: Any, loss: Loss, layers: Sequence[int], lam: float
) -> SmoothLandscape:
    """Return the landscape of updates of these layers of the network, on inputs x and targets y as the loss takes."""
    chosen = tuple(layers)
    shapes = tuple((network.widths[layer + 1], network.widths[layer]) for layer in chosen)
    return SmoothLandscape(NetworkLoss(chosen, loss), (network, jnp.asarray(x), jnp.asarray(y)), shapes, lam)


def quadratic_landscape(
    matrix: Float[np.ndarray, "q w"], target: Float[np.ndarray, " q"], shapes: Sequence[tuple[int, int]], lam: float
) -> SmoothLandscape:
    """Return the landscape of ||T vec(updates) - t||^2 / 2 up to a constant, the updates concatenated row by row.

    T is replaced by its triangular factor, so that problems of one shape share their compiled code.
    """
    frame, triangle = np.linalg.qr(matrix)
    width = matrix.shape[1]
    square, goal = np.zeros((width, width)), np.zeros(width)
    square[: len(triangle)], goal[: len(triangle)] = triangle, frame.T @ target
    data = (jnp.asarray(square), jnp.asarray(goal))
    return SmoothLandscape(QUADRATIC, data, tuple((int(m), int(n)) for m, n in shapes), lam)
