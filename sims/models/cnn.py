"""A random frozen convolutional network; a convolution is a linear map on patches, with t = positions of its output."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from sims.errors import BadInput
from sims.models.network import Network, check_input
from sims.models.transformer_block import Affine, check_sizes, random_affines
from sims.ntk.probes import Linear

Array = Any
SIDE = 3  # of the filters


class CNN(Network):
    """Images (n, height, width, channels) -> outputs (n, K).

    Each stage: 3 x 3 convolution with zero padding, GELU, mean over 2 x 2 blocks. Then mean pooling over the positions
    left and a linear head. Filters are matrices (c_out, 9 c_in) on unfolded patches, named ``conv0``, ``conv1``, ...;
    they and ``head`` are adaptable.
    """

    filters: tuple[Affine, ...]
    head: Affine

    @property
    def matrices(self) -> dict[str, Array]:
        """The filters and the head."""
        return {f"conv{i}": layer.weight for i, layer in enumerate(self.filters)} | {"head": self.head.weight}

    def forward(self, inputs: Float[Array, "..."], linear: Linear) -> Float[Array, "n k"]:
        """Return the outputs (n, K) at images (n, y, x, c).

        Raises `BadInput` for another shape, or images whose sides cannot be halved once a stage.
        """
        check_input("images", inputs, "n", "y", "x", self.filters[0].weight.shape[1] // SIDE**2)
        factor = 2 ** len(self.filters)
        if inputs.shape[1] % factor or inputs.shape[2] % factor:
            raise BadInput(
                f"images of {inputs.shape[1]} x {inputs.shape[2]}: expected sides that {factor} divides, "
                f"for {len(self.filters)} stages"
            )
        h = inputs
        for i, layer in enumerate(self.filters):
            z = layer(unfolded(h), linear=linear, name=f"conv{i}")
            h = halved(jax.nn.gelu(z, approximate=False))
        return self.head(h.mean(axis=(1, 2)), linear=linear, name="head")


def unfolded(h: Float[Array, "n y x c"]) -> Float[Array, "n y x c9"]:
    """Return the 3 x 3 patch around every position, zeros outside, flattened as (row, column, channel)."""
    _, y, x, _ = h.shape
    padded = jnp.pad(h, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return jnp.concatenate([padded[:, a : a + y, b : b + x] for a in range(SIDE) for b in range(SIDE)], axis=-1)


def halved(h: Float[Array, "n y x c"]) -> Float[Array, "n y2 x2 c"]:
    """Return means over 2 x 2 blocks."""
    n, y, x, c = h.shape
    return h.reshape(n, y // 2, 2, x // 2, 2, c).mean(axis=(2, 4))


def random_cnn(*, key: jax.Array, channels: Sequence[int], outputs: int, dtype: Any = jnp.float64) -> CNN:
    """Return a random network of ``len(channels) - 1`` stages with K = ``outputs``.

    ``channels`` are those of the images, then those after every stage. Raises `BadInput` for fewer than two entries or
    a size below 1.
    """
    if len(channels) < 2:
        raise BadInput(f"channels {tuple(channels)}: expected at least two, those of the images and of one stage")
    check_sizes(outputs=outputs, channels=min(channels))
    shapes = [(c_out, SIDE * SIDE * c_in) for c_in, c_out in pairwise(channels)]
    *filters, head = random_affines(key, [*shapes, (outputs, channels[-1])], dtype)
    return CNN(tuple(filters), head)
