"""A random frozen transformer encoder on sequences of vectors: mean pooling and a linear head."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from sims.errors import BadInput
from sims.models.network import Network
from sims.models.transformer_block import (
    Affine,
    Block,
    LayerNorm,
    check_sizes,
    gaussian_arrays,
    random_affines,
    random_block,
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
        return {name: w for i, block in enumerate(self.blocks) for name, w in block.matrices(str(i)).items()}

    def pooled(self, inputs: Float[Array, "n t d_token"], linear: Linear = plain) -> Float[Array, "n d"]:
        """Return the mean over positions of the last hidden states; raise `BadInput` for a sequence too long."""
        n, t, _ = inputs.shape
        if t > len(self.positions):
            raise BadInput(f"a sequence of {t} tokens is too long: this encoder takes up to {len(self.positions)}")
        h = self.embedding(inputs, linear=plain, name="embedding")
        h = h + jnp.broadcast_to(self.positions[:t], h.shape)
        everywhere = jnp.ones((n, t, t), bool)
        for i, block in enumerate(self.blocks):
            h = block(h, everywhere, linear=linear, prefix=str(i))
        return self.norm(h).mean(axis=1)

    def forward(self, inputs: Float[Array, "n t d_token"], linear: Linear) -> Float[Array, "n k"]:
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
    blocks = tuple(random_block(k, width, heads, 4 * width, dtype) for k in jax.random.split(block_key, depth))
    return TransformerEncoder(
        embedding=embedding,
        positions=positions,
        blocks=blocks,
        norm=unit_norm(width, dtype),
        head=head,
    )


def with_head(network: TransformerEncoder, head: Affine) -> TransformerEncoder:
    """Return the network with this head (K, d) on its pooled hidden states."""
    return eqx.tree_at(lambda net: net.head, network, head)
