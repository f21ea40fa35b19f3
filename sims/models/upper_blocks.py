"""The last blocks of a pretrained encoder as a backbone, on cached hidden states of the frozen blocks below them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sims.errors import BadInput
from sims.models.bert import Bert, HiddenBatch, TokenBatch, mean_over_tokens
from sims.models.network import Network
from sims.models.transformer_block import Block, block_matrices, through_blocks
from sims.ntk.probes import Linear

Array = Any


class UpperBlocks(Network):
    """Hidden states (n, t, d) -> features (n, d), the mean over tokens after the last block.

    ``first`` is the number of the first of these blocks in the whole encoder, so that the matrices keep their names.
    """

    blocks: tuple[Block, ...]
    first: int = eqx.field(static=True)

    @property
    def matrices(self) -> dict[str, Array]:
        """The six matrices of every block, ``FIRST.query`` to ``LAST.down``."""
        return block_matrices(self.blocks, first=self.first)

    def forward(self, inputs: HiddenBatch, linear: Linear) -> Float[Array, "n d"]:
        """Return the features (n, d)."""
        n, t = inputs.mask.shape
        allowed = jnp.broadcast_to(inputs.mask[:, None, :], (n, t, t))
        h = through_blocks(self.blocks, inputs.hidden, allowed, linear, first=self.first)
        return mean_over_tokens(h, inputs.mask)


def split_encoder(
    network: Bert, inputs: TokenBatch, blocks: int, *, chunk: int = 64
) -> tuple[UpperBlocks, HiddenBatch]:
    """Return the last ``blocks`` blocks and their inputs, computed ``chunk`` sentences at a time.

    Raises:
        BadInput: fewer than one block, or more than the encoder has.
    """
    depth = len(network.blocks)
    if not 1 <= blocks <= depth:
        raise BadInput(f"blocks {blocks} is out of range: this encoder has {depth}; choose 1 to {depth}")
    below = eqx.tree_at(lambda net: net.blocks, network, network.blocks[: depth - blocks])
    hidden = eqx.filter_jit(below.hidden)
    n = len(inputs.ids)
    parts = []
    for start in range(0, n, chunk):
        # the last piece overlaps the one before, so that all have one shape and one compiled program
        first = max(0, min(start, n - chunk))
        piece = jax.tree.map(lambda leaf, a=first: jnp.asarray(leaf[a : a + chunk]), inputs)
        parts.append(np.asarray(hidden(piece))[start - first :])
    return UpperBlocks(network.blocks[depth - blocks :], depth - blocks), HiddenBatch(
        jnp.asarray(np.concatenate(parts)), jnp.asarray(inputs.mask)
    )
