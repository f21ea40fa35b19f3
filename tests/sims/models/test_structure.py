"""What makes each network what it is: order of tokens, causality, convolution, graphs; and sizes that are refused."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sims.errors import BadInput
from sims.models.cnn import random_cnn, unfolded
from sims.models.gcn import Graphs, normalised_adjacency, random_gcn, single_nodes, whole_graphs
from sims.models.mlp import random_hidden_layers
from sims.models.network import tangent_features
from sims.models.transformer_decoder import random_decoder
from sims.models.transformer_encoder import random_encoder
from tests.sims.models.small import NETWORKS, cnn, decoder, encoder, random_edges
from tests.tolerances import IDENTITY

CLOSE = {"rtol": IDENTITY[np.float64], "atol": IDENTITY[np.float64]}


def test_a_decoder_sees_no_later_token() -> None:
    network, ids = decoder()
    changed = ids.at[:, -1].set(0)
    np.testing.assert_allclose(network.hidden(changed)[:, :-1], network.hidden(ids)[:, :-1], **CLOSE)
    assert float(jnp.abs(network(changed) - network(ids)).max()) > IDENTITY[np.float64]


def test_an_encoder_sees_every_token_and_their_order() -> None:
    network, x = encoder()
    assert float(jnp.abs(network(x[:, ::-1]) - network(x)).max()) > IDENTITY[np.float64]
    assert float(jnp.abs(network(x.at[:, -1].set(0.0)) - network(x)).max()) > IDENTITY[np.float64]


def test_patches_make_the_convolution() -> None:
    network, x = cnn()
    layer = network.filters[0]
    kernel = layer.weight.reshape(-1, 3, 3, x.shape[-1]).transpose(1, 2, 3, 0)
    expected = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    np.testing.assert_allclose(unfolded(x) @ layer.weight.T, expected, **CLOSE)


def test_adjacency_is_normalised_by_degrees() -> None:
    path = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
    a, b = 1 / 2, 1 / 6**0.5
    expected = [[a, b, 0], [b, 1 / 3, b], [0, b, a]]
    np.testing.assert_allclose(normalised_adjacency(path), expected, **CLOSE)
    with pytest.raises(BadInput, match="not symmetric"):
        normalised_adjacency(np.triu(path))


def test_a_graph_is_the_mean_of_its_nodes_and_does_not_depend_on_their_order() -> None:
    network = random_gcn(key=jax.random.key(0), widths=(3, 4, 2))
    edges, nodes = random_edges(0, 5), np.random.default_rng(1).standard_normal((5, 3))
    whole = network(whole_graphs(edges[None], nodes[None]))[0]
    np.testing.assert_allclose(network(single_nodes(edges, nodes, range(5))).mean(axis=0), whole, **CLOSE)
    order = np.random.default_rng(2).permutation(5)
    moved = network(whole_graphs(edges[order][:, order][None], nodes[order][None]))[0]
    np.testing.assert_allclose(moved, whole, **CLOSE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: encoder()[0](jnp.ones((1, 4, 4))), "a sequence of 4 tokens is too long: this encoder takes up to 3"),
        (lambda: decoder()[0](jnp.ones((1, 6), int)), "a sequence of 6 tokens is too long"),
        (lambda: cnn()[0](jnp.ones((1, 4, 6, 2))), "images of 4 x 6: expected sides that 4 divides, for 2 stages"),
        (lambda: random_cnn(key=jax.random.key(0), channels=(1,), outputs=2), "expected at least two"),
        (lambda: random_cnn(key=jax.random.key(0), channels=(1, 0), outputs=2), "channels 0 is out of range"),
        (lambda: random_gcn(key=jax.random.key(0), widths=(3,)), "expected at least two"),
        (lambda: random_gcn(key=jax.random.key(0), widths=(3, 0)), "width 0 is out of range"),
        (lambda: single_nodes(random_edges(0, 3), np.ones((3, 2)), (3,)), "node 3 does not exist"),
        (
            lambda: random_encoder(key=jax.random.key(0), tokens=2, token_width=2, outputs=1, width=6, heads=4),
            "4 heads do not divide width 6",
        ),
        (
            lambda: random_decoder(key=jax.random.key(0), vocabulary=0, tokens=2, outputs=1, width=4),
            "vocabulary 0 is out of range",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        make()


def graphs(nodes: tuple[int, ...]) -> Graphs:
    return Graphs(jnp.ones((1, 4, 4)), jnp.ones(nodes), jnp.ones((1, 4)))


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("cnn", (8, 8, 2), r"images of shape \(8, 8, 2\): expected \(n, y, x, 2\)"),
        ("cnn", (1, 8, 8, 3), r"images of shape \(1, 8, 8, 3\)"),
        ("cnn", (1, 2, 8, 8), r"images of shape \(1, 2, 8, 8\)"),
        ("cnn", (64,), r"images of shape \(64,\)"),
        ("cnn", (1, 6, 8, 2), "images of 6 x 8: expected sides that 4 divides"),
        ("encoder", (1, 3, 5), r"tokens of shape \(1, 3, 5\): expected \(n, t, 4\)"),
        ("encoder", (3, 4), r"tokens of shape \(3, 4\)"),
        ("encoder", (1, 4, 4), "a sequence of 4 tokens is too long"),
        ("decoder", (4,), r"token numbers of shape \(4,\): expected \(n, t\)"),
        ("gcn", (1, 4, 2), r"node features of shape \(1, 4, 2\): expected \(n, t, 3\)"),
        ("hidden layers", (1, 4), r"inputs of shape \(1, 4\): expected \(n, 3\)"),
        ("hidden layers", (3,), r"inputs of shape \(3,\)"),
    ],
)
def test_inputs_of_another_shape_are_refused(name: str, inputs: tuple[int, ...], message: str) -> None:
    if name == "hidden layers":
        network: Any = random_hidden_layers(jax.random.key(0), (3, 5), dtype=jnp.float64)
    else:
        network = NETWORKS[name]()[0]
    given = graphs(inputs) if name == "gcn" else jnp.ones(inputs, jnp.int32 if name == "decoder" else jnp.float64)
    for apply in (network, lambda x: tangent_features(network, x)):
        with pytest.raises(BadInput, match=message):
            apply(given)
