"""One transformer block: self-attention and an MLP, each with layer norm and a residual connection.

The six matrices query, key, value, output, up and down are adaptable; layer norm and biases are there and stay frozen.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from sims.errors import BadInput
from sims.ntk.probes import Linear

Array = Any
KINDS = ("query", "key", "value", "output", "up", "down")
ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "gelu_new": lambda z: jax.nn.gelu(z, approximate=True),
    "relu": jax.nn.relu,
}


class Affine(eqx.Module):
    """Weight (d_out, d_in) and bias (d_out,)."""

    weight: Float[Array, "d_out d_in"]
    bias: Float[Array, " d_out"]

    def __call__(self, h: Float[Array, "*n d_in"], *, linear: Linear, name: str) -> Float[Array, "*n d_out"]:
        """Return h weight^T + bias, the product through the hook."""
        z = linear(name, self.weight, h)
        return z + jnp.broadcast_to(self.bias, z.shape)


class LayerNorm(eqx.Module):
    """Normalisation over the last axis, then an entrywise affine map."""

    scale: Float[Array, " d"]
    shift: Float[Array, " d"]
    epsilon: float = eqx.field(static=True)

    def __call__(self, h: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        """Return the normalised h."""
        centred = h - h.mean(axis=-1, keepdims=True)
        deviation = jnp.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.epsilon)
        scale, shift = jnp.broadcast_to(self.scale, h.shape), jnp.broadcast_to(self.shift, h.shape)
        return centred / deviation * scale + shift


class Block(eqx.Module):
    """Attention then MLP; ``norm_first`` puts layer norm before each of them (and not after the residual sum)."""

    query: Affine
    key: Affine
    value: Affine
    output: Affine
    up: Affine
    down: Affine
    attention_norm: LayerNorm
    mlp_norm: LayerNorm
    heads: int = eqx.field(static=True)
    norm_first: bool = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def matrices(self, prefix: str) -> dict[str, Array]:
        """Return the six adaptable matrices, named ``prefix.kind``."""
        return {f"{prefix}.{kind}": getattr(self, kind).weight for kind in KINDS}

    def __call__(
        self, h: Float[Array, "n t d"], allowed: Bool[Array, "n t t"], *, linear: Linear, prefix: str
    ) -> Float[Array, "n t d"]:
        """Return the block's output; position a attends to position b of sample i if ``allowed[i, a, b]``."""
        if self.norm_first:
            h = h + self._attention(self.attention_norm(h), allowed, linear, prefix)
            return h + self._mlp(self.mlp_norm(h), linear, prefix)
        h = self.attention_norm(h + self._attention(h, allowed, linear, prefix))
        return self.mlp_norm(h + self._mlp(h, linear, prefix))

    def _attention(self, h: Array, allowed: Array, linear: Linear, prefix: str) -> Array:
        n, t, _ = h.shape
        width = self.query.weight.shape[0] // self.heads
        parts = (
            getattr(self, kind)(h, linear=linear, name=f"{prefix}.{kind}").reshape(n, t, self.heads, width)
            for kind in ("query", "key", "value")
        )
        query, key, value = parts
        scores = jnp.einsum("nahd,nbhd->nhab", query, key) / width**0.5
        # finite, so that a row without an allowed position does not turn into NaN
        scores = jnp.where(allowed[:, None], scores, jnp.finfo(h.dtype).min)
        mixed = jnp.einsum("nhab,nbhd->nahd", jax.nn.softmax(scores, axis=-1), value)
        return self.output(mixed.reshape(n, t, -1), linear=linear, name=f"{prefix}.output")

    def _mlp(self, h: Array, linear: Linear, prefix: str) -> Array:
        inner = ACTIVATIONS[self.activation](self.up(h, linear=linear, name=f"{prefix}.up"))
        return self.down(inner, linear=linear, name=f"{prefix}.down")


def block_matrices(blocks: Sequence[Block], *, first: int = 0) -> dict[str, Array]:
    """Return the six adaptable matrices of every block, ``FIRST.query`` to ``LAST.down``."""
    return {name: w for i, block in enumerate(blocks, first) for name, w in block.matrices(str(i)).items()}


def through_blocks(
    blocks: Sequence[Block],
    h: Float[Array, "n t d"],
    allowed: Bool[Array, "n t t"],
    linear: Linear,
    *,
    first: int = 0,
) -> Float[Array, "n t d"]:
    """Return the hidden states after all blocks, whose matrices have the names of `block_matrices`."""
    for i, block in enumerate(blocks, first):
        h = block(h, allowed, linear=linear, prefix=str(i))
    return h


def gaussian_arrays(key: jax.Array, shapes: Sequence[tuple[int, ...]], dtype: Any) -> list[Array]:
    """Return standard normal arrays of these shapes, from one draw: a draw of every shape would be compiled apart."""
    sizes = [prod(shape) for shape in shapes]
    flat = np.asarray(jax.random.normal(key, (sum(sizes),), dtype))
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return [jnp.asarray(part.reshape(shape)) for part, shape in zip(parts, shapes, strict=True)]


def random_affines(key: jax.Array, shapes: Sequence[tuple[int, int]], dtype: Any) -> list[Affine]:
    """Return Gaussian weights of standard deviation 1/sqrt(d_in), which keep the size of inputs, and biases of 0.1."""
    drawn = gaussian_arrays(key, [*shapes, *((d_out,) for d_out, _ in shapes)], dtype)
    weights, biases = drawn[: len(shapes)], drawn[len(shapes) :]
    return [Affine(w / w.shape[1] ** 0.5, 0.1 * b) for w, b in zip(weights, biases, strict=True)]


def random_blocks(key: jax.Array, depth: int, width: int, heads: int, dtype: Any) -> tuple[Block, ...]:
    """Return ``depth`` random blocks with an MLP of four times the width; raises as `random_block`."""
    return tuple(random_block(k, width, heads, 4 * width, dtype) for k in jax.random.split(key, depth))


def random_block(key: jax.Array, width: int, heads: int, hidden: int, dtype: Any) -> Block:
    """Return a random block with layer norm first.

    Raises `BadInput` unless all sizes are positive and ``heads`` divides ``width``.
    """
    check_sizes(width=width, heads=heads, hidden=hidden)
    if width % heads:
        raise BadInput(f"{heads} heads do not divide width {width}")
    shapes = dict.fromkeys(KINDS, (width, width)) | {"up": (hidden, width), "down": (width, hidden)}
    parts = dict(zip(KINDS, random_affines(key, [shapes[kind] for kind in KINDS], dtype), strict=True))
    return Block(
        **parts,
        attention_norm=unit_norm(width, dtype),
        mlp_norm=unit_norm(width, dtype),
        heads=heads,
        norm_first=True,
        activation="gelu",
    )


def unit_norm(width: int, dtype: Any) -> LayerNorm:
    """Return layer norm without rescaling."""
    return LayerNorm(jnp.ones(width, dtype), jnp.zeros(width, dtype), 1e-5)


def check_sizes(**sizes: int) -> None:
    """Raise `BadInput` naming the first size below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise BadInput(f"{name} {size} is out of range: expected at least 1")
