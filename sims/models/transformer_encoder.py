"""A random frozen transformer encoder on sequences of vectors: mean pooling and a linear head."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from sims.errors import BadInput
from sims.models.network import Network, check_input
from sims.models.transformer_block import (
    Affine,
    Block,
    LayerNorm,
    block_matrices,
    check_sizes,
    gaussian_arrays,
    random_affines,
    random_blocks,
    through_blocks,
    unit_norm,
)
from sims.ntk.probes import Linear, plain

Array = Any


class TransformerEncoder(Network):
    """Tokens (n, t, d_token) -> outputs (n, K); the token embedding, positions and head are not adapted."""

    embedding: Affine
    positions: Float[Array, "t_max d"]
    blocks: tuple[Block, ...]
    norm: LayerNorm
    head: Affine

    @property
    def matrices(self) -> dict[str, Array]:
        """The six matrices of every block, ``0.query`` to ``L.down``."""
        return block_matrices(self.blocks)

    def pooled(self, inputs: Float[Array, "..."], linear: Linear = plain) -> Float[Array, "n d"]:
        """Return the mean over positions of the last hidden states at tokens (n, t, d_token).

        Raises `BadInput` for another shape or a sequence too long.
        """
        check_input("tokens", inputs, "n", "t", self.embedding.weight.shape[1])
        n, t, _ = inputs.shape
        if t > len(self.positions):
            raise BadInput(f"a sequence of {t} tokens is too long: this encoder takes up to {len(self.positions)}")
        h = self.embedding(inputs, linear=plain, name="embedding")
        h = h + jnp.broadcast_to(self.positions[:t], h.shape)
        everywhere = jnp.ones((n, t, t), bool)
        return self.norm(through_blocks(self.blocks, h, everywhere, linear)).mean(axis=1)

    def forward(self, inputs: Float[Array, "..."], linear: Linear) -> Float[Array, "n k"]:
        """Return the outputs (n, K)."""
        return self.head(self.pooled(inputs, linear), linear=plain, name="head")


def random_encoder(
    *,
    key: jax.Array,
    tokens: int,
    token_width: int,
    outputs: int,
    width: int,
    depth: int = 2,
    heads: int = 4,
    dtype: Any = jnp.float64,
) -> TransformerEncoder:
    """Return a random encoder of ``depth`` blocks for up to ``tokens`` vectors of ``token_width`` entries.

    Raises `BadInput` unless all sizes are positive and ``heads`` divides ``width``.
    """
    check_sizes(tokens=tokens, token_width=token_width, outputs=outputs, depth=depth)
    block_key, affine_key, position_key = jax.random.split(key, 3)
    embedding, head = random_affines(affine_key, [(width, token_width), (outputs, width)], dtype)
    (positions,) = gaussian_arrays(position_key, [(tokens, width)], dtype)
    blocks = random_blocks(block_key, depth, width, heads, dtype)
    return TransformerEncoder(embedding, positions, blocks, unit_norm(width, dtype), head)


def with_head(network: TransformerEncoder, head: Affine) -> TransformerEncoder:
    """Return the network with this head (K, d) on its pooled hidden states."""
    return eqx.tree_at(lambda net: net.head, network, head)
