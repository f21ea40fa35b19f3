"""Factored tangent features against dense Jacobians by reverse-mode differentiation with respect to the weights."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.errors import BadInput
from sims.networks import FrozenMLP, random_mlp
from sims.ntk.tangents import linearised, tangent_features, updated
from tests.strategies import seeds
from tests.tolerances import DERIVATIVE, ROUNDING, TAYLOR_SLOPE

# every depth from 1 to 4, K = 1, 2 and 3, all layers, one, a subset out of order, negative indices; each case compiles
CASES = (
    ((4, 1), None, "relu", "ntk"),
    ((4, 5, 2), None, "relu", "standard"),
    ((4, 5, 2), (-1,), "gelu", "ntk"),
    ((3, 6, 5, 3), (2, 0), "relu", "ntk"),
    ((3, 6, 5, 3), (1,), "tanh", "ntk"),
    ((3, 6, 5, 3), None, "gelu", "standard"),
    ((2, 4, 5, 3, 1), None, "tanh", "standard"),
    ((2, 4, 5, 3, 1), None, "gelu", "ntk"),
)
cases = st.sampled_from(CASES)
activations = st.sampled_from(("relu", "gelu", "tanh"))
parametrisations = st.sampled_from(("ntk", "standard"))


@jax.jit
def dense_jacobians(network: FrozenMLP, x: jax.Array) -> tuple[jax.Array, ...]:
    """One (n, k, d_out, d_in) array for each layer, by jacrev."""
    return jax.jacrev(lambda weights: eqx.tree_at(lambda net: net.weights, network, weights)(x))(network.weights)


def draw(seed: int, widths: tuple[int, ...], n: int = 3, **options: object) -> tuple[FrozenMLP, np.ndarray]:
    network = random_mlp(widths, key=jax.random.key(seed), **options)  # type: ignore[arg-type]
    return network, np.random.default_rng(seed).standard_normal((n, widths[0]))


@given(seeds, cases)
def test_features_are_the_dense_jacobians(seed: int, case: tuple) -> None:
    widths, layers, activation, parametrisation = case
    options = {"activation": activation, "parametrisation": parametrisation, "weight_std": 1.3, "bias_std": 0.2}
    network, x = draw(seed, widths, **options)
    jacobians = dense_jacobians(network, x)
    features = tangent_features(network, x, layers=layers)
    chosen = range(network.depth) if layers is None else layers
    assert len(features) == len(chosen)
    for layer, found in zip(chosen, features, strict=True):
        np.testing.assert_allclose(found.dense(), jacobians[layer], rtol=DERIVATIVE[x.dtype], atol=DERIVATIVE[x.dtype])


def test_features_are_factored_with_one_position_and_keep_the_precision() -> None:
    network, x = draw(0, (4, 6, 5, 3), dtype=jnp.float32)
    for layer, features in enumerate(tangent_features(network, x)):
        d_in, d_out = network.widths[layer : layer + 2]
        assert features.signal.shape == (3, 3, 1, d_out)
        assert features.activation.shape == (3, 1, d_in)
        assert features.signal.dtype == features.activation.dtype == jnp.float32


def test_no_array_of_the_size_of_the_jacobian_is_formed() -> None:
    """The largest value in the traced program is of N K widths, far below N K parameters."""
    widths, n = (50, 60, 70, 4), 5
    network, x = draw(0, widths, n=n)
    features = jax.make_jaxpr(lambda net, points: tangent_features(net, points))(network, x)

    def sizes(jaxpr: object) -> list[int]:
        found = [v.aval.size for eqn in jaxpr.eqns for v in eqn.outvars]  # type: ignore[attr-defined]
        for eqn in jaxpr.eqns:  # type: ignore[attr-defined]
            for value in eqn.params.values():
                inner = getattr(value, "jaxpr", None)
                found += sizes(inner) if inner is not None else []
        return found

    largest = max(sizes(features.jaxpr))
    assert n * 4 * max(widths) <= largest <= max(n * 4 * max(widths), max(w.size for w in network.weights))


@given(seeds, activations)
def test_last_layer_signal_is_the_identity(seed: int, activation: str) -> None:
    network, x = draw(seed, (3, 5, 2), activation=activation)
    (last,) = tangent_features(network, x, layers=(-1,))
    np.testing.assert_array_equal(last.signal[:, :, 0, :], np.broadcast_to(np.eye(2), (3, 2, 2)))


@given(seeds, parametrisations)
def test_linearised_network_is_exact_for_a_single_layer(seed: int, parametrisation: str) -> None:
    network, x = draw(seed, (4, 6, 2), parametrisation=parametrisation)
    delta = np.random.default_rng(seed + 1).standard_normal((2, 6))
    features = tangent_features(network, x, layers=(1,))
    found = linearised(network, x, features, [delta])
    expected = updated(network, [delta], layers=(1,))(x)
    # f is linear in its last matrix
    np.testing.assert_allclose(found, expected, rtol=DERIVATIVE[x.dtype], atol=DERIVATIVE[x.dtype])


@pytest.mark.parametrize("parametrisation", ["ntk", "standard"])
@pytest.mark.parametrize("layers", [None, (0, 2)])
def test_linearisation_error_is_second_order(parametrisation: str, layers: tuple[int, ...] | None) -> None:
    network, x = draw(0, (4, 8, 7, 2), activation="tanh", parametrisation=parametrisation)
    features = tangent_features(network, x, layers=layers)
    rng = np.random.default_rng(1)
    directions = [rng.standard_normal(f.shape) / np.sqrt(f.d_in) for f in features]
    steps = 10.0 ** np.linspace(-4, -2, 9)
    errors = []
    for step in steps:
        deltas = [step * d for d in directions]
        exact = updated(network, deltas, layers=layers)(x)
        errors.append(np.linalg.norm(np.asarray(exact - linearised(network, x, features, deltas))))
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(2.0, abs=TAYLOR_SLOPE)


def test_updated_changes_only_the_named_layers() -> None:
    network, _ = draw(0, (3, 4, 5, 2))
    changed = updated(network, [np.ones((5, 4))], layers=(1,))
    np.testing.assert_array_equal(changed.weights[0], network.weights[0])
    np.testing.assert_allclose(changed.weights[1] - network.weights[1], 1.0, rtol=ROUNDING[np.float64])
    np.testing.assert_array_equal(changed.weights[2], network.weights[2])


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((2,), "layer 2 does not exist: the network has 2 weight matrices, 0 to 1"),
        ((-3,), "layer -3 does not exist"),
        ((), "expected at least one layer"),
        ((1, -1), "each at most once"),
    ],
)
def test_bad_layers_are_refused(layers: tuple[int, ...], message: str) -> None:
    network, x = draw(0, (3, 4, 2))
    with pytest.raises(BadInput, match=message):
        tangent_features(network, x, layers=layers)


def test_updates_that_do_not_fit_are_refused() -> None:
    network, x = draw(0, (3, 4, 2))
    features = tangent_features(network, x)
    with pytest.raises(BadInput, match="1 updates for 2 layers"):
        linearised(network, x, features, [np.zeros((4, 3))])
    with pytest.raises(BadInput, match=r"update 1 has shape \(4, 2\), expected \(2, 4\)"):
        updated(network, [np.zeros((4, 3)), np.zeros((4, 2))])
    with pytest.raises(BadInput, match=r"input has shape \(2, 9\), expected \(n, 3\)"):
        tangent_features(network, np.ones((2, 9)))
