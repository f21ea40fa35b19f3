"""Pairs of sentences through the last blocks of an encoder that was made for single sentences.

Each sentence is encoded by itself: both stand in one sequence, and attention stays within a sentence. What the head
sees of the two means over tokens u and v, scaled to length sqrt(d), is |u - v| and their elementwise product.
Source of the features: Conneau and others 2017, arXiv 1705.02364; Reimers and Gurevych 2019, arXiv 1908.10084.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from sims.models.bert import HiddenBatch, mean_over_tokens
from sims.models.network import Network
from sims.models.transformer_block import Block, block_matrices, through_blocks
from sims.ntk.probes import Linear

Array = Any


class PairBatch(eqx.Module):
    """Hidden states (n, t, d), and the sentence (n, t) each belongs to: 1 or 2, 0 for padding."""

    hidden: Float[Array, "n t d"]
    sentence: Int[Array, "n t"]


class PairBlocks(Network):
    """Hidden states of pairs -> features (n, 2 d). ``first`` is the number of the first block in the whole encoder."""

    blocks: tuple[Block, ...]
    first: int = eqx.field(static=True)

    @property
    def matrices(self) -> dict[str, Array]:
        """The six matrices of every block, ``FIRST.query`` to ``LAST.down``."""
        return block_matrices(self.blocks, first=self.first)

    def forward(self, inputs: PairBatch, linear: Linear) -> Float[Array, "n k"]:
        """Return the features (n, 2 d)."""
        # padding attends to padding, which nobody reads
        allowed = inputs.sentence[:, :, None] == inputs.sentence[:, None, :]
        h = through_blocks(self.blocks, inputs.hidden, allowed, linear, first=self.first)
        u, v = (_scaled(mean_over_tokens(h, inputs.sentence == which)) for which in (1, 2))
        return jnp.concatenate([jnp.abs(u - v), u * v], axis=1)


def _scaled(pooled: Float[Array, "n d"]) -> Float[Array, "n d"]:
    return pooled * jnp.sqrt(pooled.shape[1] / (pooled**2).sum(axis=1, keepdims=True))


def side_by_side(first: HiddenBatch, second: HiddenBatch) -> PairBatch:
    """Return the tokens of each pair in one sequence, the first sentence before the second, padding at the end."""
    masks = [np.asarray(batch.mask) for batch in (first, second)]
    lengths = [mask.sum(axis=1) for mask in masks]
    hidden = np.zeros((len(masks[0]), int(sum(lengths).max()), first.hidden.shape[2]), first.hidden.dtype)
    sentence = np.zeros(hidden.shape[:2], dtype=np.int32)
    for which, (batch, mask) in enumerate(zip((first, second), masks, strict=True), start=1):
        rows, columns = np.nonzero(mask)
        places = columns + (lengths[0][rows] if which == 2 else 0)
        hidden[rows, places] = np.asarray(batch.hidden)[rows, columns]
        sentence[rows, places] = which
    return PairBatch(jnp.asarray(hidden), jnp.asarray(sentence))
