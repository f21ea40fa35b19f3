"""The hidden layers of a multilayer perceptron as a backbone: inputs -> features of the last hidden layer.

No biases and no output layer: the head is apart, so that it can be trained or frozen on its own.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Float

from sims.models.network import Network, check_input
from sims.models.transformer_block import ACTIVATIONS
from sims.ntk.probes import Linear

Array = Any


class HiddenLayers(Network):
    """h -> activation(W h), layer by layer; the matrices are ``hidden1``, ``hidden2``, ..."""

    weights: tuple[Float[Array, "_ _"], ...]
    activation: str = eqx.field(static=True, default="relu")

    @property
    def matrices(self) -> dict[str, Array]:
        """The weight matrices (d_out, d_in) in forward order."""
        return {f"hidden{i}": weight for i, weight in enumerate(self.weights, start=1)}

    def forward(self, inputs: Float[Array, "..."], linear: Linear) -> Float[Array, "n p"]:
        """Return the features (n, p) of the last hidden layer at inputs (n, d); raise `BadInput` for another shape."""
        check_input("inputs", inputs, "n", self.weights[0].shape[1] if self.weights else "d")
        h = inputs
        for name, weight in self.matrices.items():
            h = ACTIVATIONS[self.activation](linear(name, weight, h))
        return h


def random_hidden_layers(
    key: jax.Array, widths: Sequence[int], *, activation: str = "relu", gain: float = 2**0.5, dtype: Any
) -> HiddenLayers:
    """Return layers of widths (d_0, ..., d_L) with independent N(0, gain^2 / d_in) entries.

    The default gain keeps the second moment of a ReLU network. Layer l has the key fold_in(key, l), so that a deeper
    network begins with the same matrices.
    """
    return HiddenLayers(_gaussian_layers(key, tuple(widths), gain, dtype), activation)


@partial(jax.jit, static_argnames=("widths", "gain", "dtype"))
def _gaussian_layers(key: jax.Array, widths: tuple[int, ...], gain: float, dtype: Any) -> tuple[Array, ...]:
    return tuple(
        jax.random.normal(jax.random.fold_in(key, layer), (d_out, d_in), dtype) * (gain / d_in**0.5)
        for layer, (d_in, d_out) in enumerate(pairwise(widths))
    )
