"""What every network promises: features equal to automatic differentiation, for all maps, subsets and chunks."""

from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sims.errors import BadInput
from sims.models.network import (
    Network,
    chosen_maps,
    outputs_after,
    outputs_after_low_rank,
    tangent_features,
)
from sims.ntk.features import FactoredFeatures
from sims.ntk.kernels import empirical_ntk
from sims.ntk.probes import factored_features
from tests.sims.models.small import NETWORKS
from tests.tolerances import DERIVATIVE, IDENTITY, TAYLOR_SLOPE

each_network = pytest.mark.parametrize("name", NETWORKS)


@cache
def drawn(name: str) -> tuple[Network, Any, tuple[FactoredFeatures, ...]]:
    network, inputs = NETWORKS[name]()
    return network, inputs, tangent_features(network, inputs)


@cache
def jacobians(name: str) -> list[np.ndarray]:
    """Reverse-mode Jacobians with respect to the stored weights themselves, not through the hook."""
    network, inputs, _ = drawn(name)

    def outputs(weights: list[jax.Array]) -> jax.Array:
        return eqx.tree_at(lambda net: list(net.matrices.values()), network, weights)(inputs)

    return [np.asarray(j) for j in jax.jit(jax.jacrev(outputs))(list(network.matrices.values()))]


@each_network
def test_features_are_the_jacobians_of_every_map(name: str) -> None:
    network, _, features = drawn(name)
    assert len(features) == len(network.names) == len(jacobians(name))
    for map_name, found, expected in zip(network.names, features, jacobians(name), strict=True):
        np.testing.assert_allclose(
            found.dense(), expected, atol=DERIVATIVE[np.float64] * abs(expected).max(), rtol=0, err_msg=map_name
        )
        # a wrong gradient could only agree with a gradient that is zero
        assert abs(expected).max() > IDENTITY[np.float64]


@each_network
def test_kernel_from_factors_is_the_dense_contraction(name: str) -> None:
    _, _, features = drawn(name)
    flat = np.concatenate([j.reshape(*j.shape[:2], -1) for j in jacobians(name)], axis=2)
    expected = np.einsum("nkp,mlp->nkml", flat, flat)
    found = np.asarray(empirical_ntk(features))
    np.testing.assert_allclose(found, expected, atol=IDENTITY[np.float64] * abs(expected).max(), rtol=0)


@each_network
def test_linearisation_error_is_second_order(name: str) -> None:
    network, inputs, features = drawn(name)
    rng = np.random.default_rng(1)
    directions = {m: jnp.asarray(rng.standard_normal(f.shape)) for m, f in zip(network.names, features, strict=True)}
    start = network(inputs)
    change = sum(f.apply(d) for f, d in zip(features, directions.values(), strict=True))

    @jax.jit
    def error(step: jax.Array) -> jax.Array:
        after = outputs_after(network, inputs, jax.tree.map(lambda d: step * d, directions))
        return jnp.linalg.norm(after - start - step * change)

    steps = 10.0 ** np.linspace(-5, -3, 5)
    slope = np.polyfit(np.log(steps), np.log([float(error(jnp.asarray(s))) for s in steps]), 1)[0]
    assert slope == pytest.approx(2.0, abs=TAYLOR_SLOPE)


def test_a_subset_in_chunks_gives_the_same_features() -> None:
    network, inputs, whole = drawn("encoder")
    maps = ("1.value", "0.query")
    for chunk in (1, 2, 3, 9):
        parts = tangent_features(network, inputs, maps=maps, chunk=chunk)
        for name, part in zip(maps, parts, strict=True):
            expected = whole[network.names.index(name)]
            for found, other in zip(jax.tree.leaves(part), jax.tree.leaves(expected), strict=True):
                np.testing.assert_allclose(found, other, atol=IDENTITY[np.float64])


@each_network
def test_low_rank_and_full_updates_are_one_thing(name: str) -> None:
    network, inputs, _ = drawn(name)
    rng = np.random.default_rng(2)
    factors = {m: tuple(jnp.asarray(rng.standard_normal((d, 2))) for d in w.shape) for m, w in network.matrices.items()}
    full = outputs_after(network, inputs, {m: u @ v.T for m, (u, v) in factors.items()})
    found = outputs_after_low_rank(network, inputs, factors)
    np.testing.assert_allclose(found, full, rtol=IDENTITY[np.float64], atol=IDENTITY[np.float64])
    assert float(jnp.abs(full - network(inputs)).max()) > IDENTITY[np.float64]


def test_a_map_used_twice_has_the_positions_of_both_uses() -> None:
    weight, x = jnp.asarray([[2.0, 1.0], [0.5, -1.0]]), jnp.asarray([[1.0, 3.0], [0.2, -0.4]])

    def run(w: Any, inputs: Any, tap: Any) -> Any:
        h = jnp.tanh(tap("w", inputs, inputs @ w.T))
        return tap("w", h, h @ w.T)

    (found,) = factored_features(run, weight, x, ["w"])
    expected = jax.jacrev(lambda w: run(w, x, lambda name, h, z: z))(weight)
    assert found.activation.shape == (2, 2, 2)
    np.testing.assert_allclose(found.dense(), expected, atol=DERIVATIVE[np.float64])


@pytest.mark.parametrize(
    ("maps", "chunk", "message"),
    [
        (("0.keys",), None, "no adapted map '0.keys': expected some of 0.query, 0.key"),
        ((), None, "expected at least one, each at most once"),
        (("0.key", "0.key"), None, "each at most once"),
        (("0.key",), 0, "3 samples in chunks of 0"),
    ],
)
def test_bad_choices_of_maps_are_refused(maps: tuple[str, ...], chunk: int | None, message: str) -> None:
    network, inputs, _ = drawn("encoder")
    with pytest.raises(BadInput, match=message):
        tangent_features(network, inputs, maps=maps, chunk=chunk)


def test_a_network_that_hides_a_map_and_no_samples_are_refused() -> None:
    x = jnp.ones((2, 2))
    with pytest.raises(BadInput, match="the network has no adapted map 'a'"):
        factored_features(lambda w, inputs, tap: inputs @ w, x, x, ["a"])
    with pytest.raises(BadInput, match="0 samples in chunks of None"):
        factored_features(lambda w, inputs, tap: tap("a", inputs, inputs @ w), x, jnp.ones((0, 2)), ["a"])


def test_updates_that_do_not_fit_are_refused() -> None:
    network, inputs, _ = drawn("encoder")
    with pytest.raises(BadInput, match=r"update of 0.up has shape \(2, 2\), expected \(24, 6\)"):
        outputs_after(network, inputs, {"0.up": jnp.ones((2, 2))})
    with pytest.raises(BadInput, match=r"update of 0.up has shape \(6, 24\), expected \(24, 6\)"):
        outputs_after_low_rank(network, inputs, {"0.up": (jnp.ones((6, 1)), jnp.ones((24, 1)))})
    with pytest.raises(BadInput, match="no adapted map 'head'"):
        outputs_after(network, inputs, {"head": jnp.ones((2, 6))})


def test_maps_are_chosen_by_kind_and_block() -> None:
    network = drawn("encoder")[0]
    assert chosen_maps(network, ("query", "value"), last_only=True) == ("1.query", "1.value")
    assert chosen_maps(network, ("up",), last_only=False) == ("0.up", "1.up")
    with pytest.raises(BadInput, match="no maps of kind keys: expected some of query, key, value, output, up, down"):
        chosen_maps(network, ("keys",), last_only=True)
