"""Tangent features of a frozen network: back-propagated signal x layer input, for any subset of its weight matrices.

The technique, zero probes on the pre-activations, is that of `sims.ntk.probes`. No array of size N x K x parameters is
ever formed: memory is O(N K widths).
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
from jaxtyping import Float

from sims.errors import BadInput
from sims.networks import FrozenMLP
from sims.ntk.features import FactoredFeatures, TangentFeatures
from sims.ntk.probes import Tap, factored_features

Array = Any


def tangent_features(
    network: FrozenMLP, x: Float[Array, "n d0"], *, layers: Sequence[int] | None = None
) -> tuple[FactoredFeatures, ...]:
    """Return the features of the K outputs at x (n, d_0), one object a layer in ``layers`` (default: all, in order).

    ``features[j].dense()[i, k]`` is the gradient of f_k(x_i) with respect to ``network.weights[layers[j]]``, the
    parametrisation's scale included. Raises `BadInput` for an input of another width, an empty, repeated or
    non-existent layer.
    """
    chosen = checked_layers(network, layers)
    return factored_features(_run, network, network.as_input(x), [str(layer) for layer in chosen])


def _run(network: FrozenMLP, x: Array, tap: Tap) -> Array:
    h = x
    for layer in range(network.depth):
        # the scale goes on the inputs: they are the smaller of the two factors
        z = tap(str(layer), network.scale(layer) * h, network.pre_activation(layer, h))
        h = network.activate(z) if layer < network.depth - 1 else z
    return h


def linearised(
    network: FrozenMLP,
    x: Float[Array, "n d0"],
    features: Sequence[TangentFeatures],
    deltas: Sequence[Float[Array, "_ _"]],
) -> Float[Array, "n k"]:
    """Return f(x) + sum over layers of <G, delta>: the linearised network, exact in the NTK regime.

    ``features`` are those of ``network`` at x. Raises `BadInput` when the numbers or shapes of the two lists differ.
    """
    _check_deltas([f.shape for f in features], deltas)
    value = network(x)
    for layer_features, delta in zip(features, deltas, strict=True):
        value = value + layer_features.apply(delta)
    return value


def updated(
    network: FrozenMLP, deltas: Sequence[Float[Array, "_ _"]], *, layers: Sequence[int] | None = None
) -> FrozenMLP:
    """Return the network with ``deltas[j]`` added to ``weights[layers[j]]`` (default: all layers, in order).

    Raises `BadInput` for a layer that does not exist or a delta of another shape.
    """
    chosen = checked_layers(network, layers)
    _check_deltas([tuple(network.weights[layer].shape) for layer in chosen], deltas)
    weights = list(network.weights)
    for layer, delta in zip(chosen, deltas, strict=True):
        weights[layer] = weights[layer] + delta
    return eqx.tree_at(lambda net: net.weights, network, tuple(weights))


def checked_layers(network: FrozenMLP, layers: Sequence[int] | None) -> tuple[int, ...]:
    """Return the layer indices as non-negative numbers, negative ones counted from the end.

    Raises `BadInput` when there are none, one is repeated or does not exist.
    """
    depth = network.depth
    if layers is None:
        return tuple(range(depth))
    wrong = [layer for layer in layers if not -depth <= layer < depth]
    if wrong:
        raise BadInput(f"layer {wrong[0]} does not exist: the network has {depth} weight matrices, 0 to {depth - 1}")
    chosen = tuple(int(layer) % depth for layer in layers)
    if not chosen or len(set(chosen)) < len(chosen):
        raise BadInput(f"layers {tuple(layers)}: expected at least one layer, each at most once")
    return chosen


def _check_deltas(shapes: Sequence[tuple[int, ...]], deltas: Sequence[Array]) -> None:
    if len(deltas) != len(shapes):
        raise BadInput(f"{len(deltas)} updates for {len(shapes)} layers: give one update a layer")
    for position, (shape, delta) in enumerate(zip(shapes, deltas, strict=True)):
        if tuple(delta.shape) != tuple(shape):
            raise BadInput(f"update {position} has shape {tuple(delta.shape)}, expected {tuple(shape)}")
