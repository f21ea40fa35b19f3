"""The encoder of the BERT family (BERT, RoBERTa and models distilled from them), with frozen heads.

Only the six matrices of every block are adaptable: embeddings, layer norm, biases and heads stay frozen.
Source: Devlin and others 2019, arXiv 1810.04805; Liu and others 2019, arXiv 1907.11692.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from sims.errors import BadInput
from sims.models.network import Network
from sims.models.transformer_block import Affine, Block, LayerNorm, block_matrices, through_blocks
from sims.ntk.probes import Linear, plain

Array = Any


class TokenBatch(eqx.Module):
    """Token numbers (n, t), padded on the right, and which of them are tokens (n, t)."""

    ids: Int[Array, "n t"]
    mask: Bool[Array, "n t"]


class Head(eqx.Module):
    """A frozen map from hidden states to outputs."""

    @abstractmethod
    def __call__(self, hidden: Float[Array, "n t d"], mask: Bool[Array, "n t"]) -> Float[Array, "n k"]:
        """Return the outputs (n, K)."""


class MeanHead(Head):
    """A linear map of the mean over tokens."""

    linear: Affine

    def __call__(self, hidden: Float[Array, "n t d"], mask: Bool[Array, "n t"]) -> Float[Array, "n k"]:
        """Return the outputs (n, K)."""
        return self.linear(mean_over_tokens(hidden, mask), linear=plain, name="head")


class FirstTokenHead(Head):
    """A linear map of tanh of an affine map of the first token: the classification head of checkpoints."""

    dense: Affine
    linear: Affine

    def __call__(self, hidden: Float[Array, "n t d"], mask: Bool[Array, "n t"]) -> Float[Array, "n k"]:  # noqa: ARG002
        """Return the outputs (n, K)."""
        inner = jnp.tanh(self.dense(hidden[:, 0], linear=plain, name="dense"))
        return self.linear(inner, linear=plain, name="head")


class Bert(Network):
    """Token batches -> outputs (n, K).

    ``offset`` is the position of the first token: 0 for BERT. RoBERTa counts from the number after that of its padding
    token, and a padding token inside a text has that number as its position and is not counted.
    """

    words: Float[Array, "vocabulary d"]
    positions: Float[Array, "t_max d"]
    token_type: Float[Array, " d"]
    norm: LayerNorm
    blocks: tuple[Block, ...]
    head: Head | None
    offset: int = eqx.field(static=True)

    @property
    def matrices(self) -> dict[str, Array]:
        """The six matrices of every block, ``0.query`` to ``L.down``."""
        return block_matrices(self.blocks)

    @property
    def longest(self) -> int:
        """The largest number of tokens."""
        return len(self.positions) - self.offset

    def hidden(self, inputs: TokenBatch, linear: Linear = plain) -> Float[Array, "n t d"]:
        """Return the last hidden states; those of padding mean nothing.

        Raises `BadInput` for a sequence too long.
        """
        n, t = inputs.ids.shape
        if t > self.longest:
            raise BadInput(f"a sequence of {t} tokens is too long: this checkpoint takes up to {self.longest}")
        h = self.words[inputs.ids]
        places = jnp.arange(t)
        if self.offset > 0:
            counted = inputs.ids != self.offset - 1
            places = jnp.where(counted, jnp.cumsum(counted, axis=1), 0) + self.offset - 1
        placed = self.positions[places]
        h = h + jnp.broadcast_to(placed + jnp.broadcast_to(self.token_type, placed.shape), h.shape)
        h = self.norm(h)
        allowed = jnp.broadcast_to(inputs.mask[:, None, :], (n, t, t))
        return through_blocks(self.blocks, h, allowed, linear)

    @eqx.filter_jit
    def pooled(self, inputs: TokenBatch) -> Float[Array, "n d"]:
        """Return the mean over tokens of the last hidden states."""
        return mean_over_tokens(self.hidden(inputs), inputs.mask)

    def forward(self, inputs: TokenBatch, linear: Linear) -> Float[Array, "n k"]:
        """Return the outputs (n, K); raise `BadInput` if there is no head."""
        if self.head is None:
            raise BadInput("this checkpoint has no classification head: give it one with `with_mean_head`")
        return self.head(self.hidden(inputs, linear), inputs.mask)


class HiddenBatch(eqx.Module):
    """Hidden states (n, t, d) and which of them belong to tokens (n, t)."""

    hidden: Float[Array, "n t d"]
    mask: Bool[Array, "n t"]


class LastBlock(Network):
    """The last block of a checkpoint and its head, on the hidden states before that block."""

    block: Block
    head: Head
    name: str = eqx.field(static=True)

    @property
    def matrices(self) -> dict[str, Array]:
        """The six matrices of the block, under the names they have in the whole network."""
        return self.block.matrices(self.name)

    def forward(self, inputs: HiddenBatch, linear: Linear) -> Float[Array, "n k"]:
        """Return the outputs (n, K)."""
        n, t = inputs.mask.shape
        allowed = jnp.broadcast_to(inputs.mask[:, None, :], (n, t, t))
        return self.head(self.block(inputs.hidden, allowed, linear=linear, prefix=self.name), inputs.mask)


def last_block(network: Bert, inputs: TokenBatch) -> tuple[LastBlock, HiddenBatch]:
    """Return the last block and its inputs: the same outputs and features of that block, without the others' cost.

    Raises `BadInput` if there is no head.
    """
    if network.head is None:
        raise BadInput("this checkpoint has no classification head: give it one with `with_mean_head`")
    below = eqx.tree_at(lambda net: net.blocks, network, network.blocks[:-1])
    hidden = eqx.filter_jit(below.hidden)(inputs)
    name = str(len(network.blocks) - 1)
    return LastBlock(network.blocks[-1], network.head, name), HiddenBatch(hidden, jnp.asarray(inputs.mask))


def mean_over_tokens(hidden: Float[Array, "n t d"], mask: Bool[Array, "n t"]) -> Float[Array, "n d"]:
    """Return the mean over the tokens that are not padding."""
    weight = mask.astype(hidden.dtype)
    return jnp.einsum("nt,ntd->nd", weight / weight.sum(axis=1, keepdims=True), hidden)


def with_mean_head(network: Bert, head: Affine) -> Bert:
    """Return the network with this linear head (K, d) on the mean over tokens, in place of its own."""
    return eqx.tree_at(lambda net: net.head, network, MeanHead(head), is_leaf=lambda leaf: leaf is None)
