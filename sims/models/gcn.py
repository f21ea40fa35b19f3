"""A random frozen graph convolutional network. One sample is a graph with a readout; t = its nodes.

A layer is h -> activation(A h W^T + b) with the normalised adjacency A: a linear map whose input is A h. The readout is
a weight for each node: 1/t everywhere gives outputs of the graph, a unit vector those of one node, so that
classification of nodes is the same model with one sample a node.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from sims.errors import BadInput
from sims.models.network import Network, check_input
from sims.models.transformer_block import Affine, check_sizes, random_affines
from sims.ntk.probes import Linear

Array = Any


class Graphs(eqx.Module):
    """Normalised adjacency (n, t, t), node features (n, t, d), readout weights (n, t); made by the functions below.

    Graphs with fewer than t nodes are padded with isolated nodes of readout 0.
    """

    adjacency: Float[Array, "n t t"]
    nodes: Float[Array, "n t d"]
    readout: Float[Array, "n t"]


class GCN(Network):
    """Graphs -> outputs (n, K); all matrices ``gcn0``, ``gcn1``, ... are adaptable, the last layer is linear."""

    layers: tuple[Affine, ...]

    @property
    def matrices(self) -> dict[str, Array]:
        """The weights of all layers."""
        return {f"gcn{i}": layer.weight for i, layer in enumerate(self.layers)}

    def forward(self, inputs: Graphs, linear: Linear) -> Float[Array, "n k"]:
        """Return the outputs (n, K): readout of the last layer's nodes; raise `BadInput` for other node features."""
        check_input("node features", inputs.nodes, "n", "t", self.layers[0].weight.shape[1])
        h = inputs.nodes
        for i, layer in enumerate(self.layers):
            h = layer(inputs.adjacency @ h, linear=linear, name=f"gcn{i}")
            if i < len(self.layers) - 1:
                h = jax.nn.gelu(h, approximate=False)
        return jnp.einsum("nt,ntk->nk", inputs.readout, h)


def normalised_adjacency(edges: Bool[np.ndarray, "t t"]) -> Float[np.ndarray, "t t"]:
    """Return D^{-1/2} (A + I) D^{-1/2} with D the degrees of A + I. Source: Kipf and Welling 2017, arXiv 1609.02907.

    Raises `BadInput` if the edges are not symmetric.
    """
    if not np.array_equal(edges, edges.T):
        raise BadInput("the adjacency matrix is not symmetric: expected an undirected graph")
    with_self = (edges | np.eye(len(edges), dtype=bool)).astype(np.float64)
    scale = 1.0 / np.sqrt(with_self.sum(axis=1))
    return scale[:, None] * with_self * scale[None, :]


def whole_graphs(edges: Bool[np.ndarray, "n t t"], nodes: Float[np.ndarray, "n t d"]) -> Graphs:
    """Return one sample a graph, with the mean over its nodes as readout."""
    n, t, _ = nodes.shape
    adjacency = np.stack([normalised_adjacency(e) for e in edges])
    return Graphs(jnp.asarray(adjacency), jnp.asarray(nodes), jnp.full((n, t), 1.0 / t))


def single_nodes(edges: Bool[np.ndarray, "t t"], nodes: Float[np.ndarray, "t d"], chosen: Sequence[int]) -> Graphs:
    """Return one sample for each chosen node of one graph.

    Raises `BadInput` for a node that does not exist.
    """
    t, n = len(nodes), len(chosen)
    wrong = [node for node in chosen if not 0 <= node < t]
    if wrong:
        raise BadInput(f"node {wrong[0]} does not exist: the graph has nodes 0 to {t - 1}")
    adjacency = jnp.asarray(normalised_adjacency(edges))
    readout = jnp.asarray(np.eye(t)[list(chosen)])
    return Graphs(
        jnp.broadcast_to(adjacency, (n, t, t)), jnp.broadcast_to(jnp.asarray(nodes), (n, *nodes.shape)), readout
    )


def random_gcn(*, key: jax.Array, widths: Sequence[int], dtype: Any = jnp.float64) -> GCN:
    """Return a random network of widths (d, ..., K).

    Raises `BadInput` for fewer than two widths or one below 1.
    """
    if len(widths) < 2:
        raise BadInput(f"widths {tuple(widths)}: expected at least two, of the node features and of the outputs")
    check_sizes(width=min(widths))
    return GCN(tuple(random_affines(key, [(d_out, d_in) for d_in, d_out in pairwise(widths)], dtype)))
