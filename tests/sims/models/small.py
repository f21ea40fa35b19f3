"""Small networks of every kind with a few inputs, for tests of what all of them promise."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sims.models.cnn import random_cnn
from sims.models.gcn import random_gcn, single_nodes, whole_graphs
from sims.models.network import Network
from sims.models.transformer_decoder import random_decoder
from sims.models.transformer_encoder import random_encoder


def encoder() -> tuple[Network, Any]:
    network = random_encoder(key=jax.random.key(0), tokens=3, token_width=4, outputs=2, width=6, depth=2, heads=2)
    return network, jax.random.normal(jax.random.key(1), (3, 3, 4))


def decoder() -> tuple[Network, Any]:
    network = random_decoder(key=jax.random.key(0), vocabulary=7, tokens=5, outputs=3, width=6, depth=1, heads=3)
    return network, jnp.array([[0, 3, 1, 6], [2, 2, 5, 4]])


def cnn() -> tuple[Network, Any]:
    network = random_cnn(key=jax.random.key(0), channels=(2, 3, 5), outputs=2)
    return network, jax.random.normal(jax.random.key(1), (3, 4, 8, 2))


def random_edges(seed: int, nodes: int) -> np.ndarray:
    upper = np.triu(np.random.default_rng(seed).random((nodes, nodes)) < 0.4, 1)
    return upper | upper.T


def gcn() -> tuple[Network, Any]:
    network = random_gcn(key=jax.random.key(0), widths=(3, 5, 2))
    edges = np.stack([random_edges(seed, 4) for seed in range(3)])
    return network, whole_graphs(edges, np.random.default_rng(5).standard_normal((3, 4, 3)))


def gcn_nodes() -> tuple[Network, Any]:
    nodes = np.random.default_rng(5).standard_normal((5, 3))
    return random_gcn(key=jax.random.key(0), widths=(3, 5, 2)), single_nodes(random_edges(0, 5), nodes, (4, 0, 1))


NETWORKS: dict[str, Callable[[], tuple[Network, Any]]] = {
    "encoder": encoder,
    "decoder": decoder,
    "cnn": cnn,
    "gcn": gcn,
    "gcn_nodes": gcn_nodes,
}
