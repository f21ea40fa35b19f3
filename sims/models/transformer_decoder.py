"""A random frozen transformer decoder on token sequences: causal attention, outputs at the last position."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

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


class TransformerDecoder(Network):
    """Token numbers (n, t) -> outputs (n, K) at the last position; embeddings and head are not adapted."""

    embedding: Float[Array, "vocabulary d"]
    positions: Float[Array, "t_max d"]
    blocks: tuple[Block, ...]
    norm: LayerNorm
    head: Affine

    @property
    def matrices(self) -> dict[str, Array]:
        """The six matrices of every block, ``0.query`` to ``L.down``."""
        return block_matrices(self.blocks)

    def hidden(self, inputs: Int[Array, "..."], linear: Linear = plain) -> Float[Array, "n t d"]:
        """Return the last hidden states at token numbers (n, t); that of position a depends on tokens 0..a only.

        Raises `BadInput` for another shape or a sequence too long.
        """
        check_input("token numbers", inputs, "n", "t")
        n, t = inputs.shape
        if t > len(self.positions):
            raise BadInput(f"a sequence of {t} tokens is too long: this decoder takes up to {len(self.positions)}")
        h = self.embedding[inputs]
        h = h + jnp.broadcast_to(self.positions[:t], h.shape)
        causal = jnp.broadcast_to(jnp.tril(jnp.ones((t, t), bool)), (n, t, t))
        return self.norm(through_blocks(self.blocks, h, causal, linear))

    def forward(self, inputs: Int[Array, "..."], linear: Linear) -> Float[Array, "n k"]:
        """Return the outputs (n, K): the head at the last position."""
        return self.head(self.hidden(inputs, linear)[:, -1], linear=plain, name="head")


def random_decoder(
    *,
    key: jax.Array,
    vocabulary: int,
    tokens: int,
    outputs: int,
    width: int,
    depth: int = 2,
    heads: int = 4,
    dtype: Any = jnp.float64,
) -> TransformerDecoder:
    """Return a random decoder of ``depth`` blocks for up to ``tokens`` tokens out of ``vocabulary``.

    Raises `BadInput` unless all sizes are positive and ``heads`` divides ``width``.
    """
    check_sizes(vocabulary=vocabulary, tokens=tokens, outputs=outputs, depth=depth)
    block_key, embedding_key, head_key = jax.random.split(key, 3)
    embedding, positions = gaussian_arrays(embedding_key, [(vocabulary, width), (tokens, width)], dtype)
    (head,) = random_affines(head_key, [(outputs, width)], dtype)
    blocks = random_blocks(block_key, depth, width, heads, dtype)
    return TransformerDecoder(embedding, positions, blocks, unit_norm(width, dtype), head)
