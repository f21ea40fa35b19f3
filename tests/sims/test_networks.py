"""Random frozen networks: the same function in both parametrisations, the right moments, one line for bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.errors import BadInput
from sims.networks import random_mlp
from tests.strategies import seeds
from tests.tolerances import EMPIRICAL_RATE, ROUNDING

ACTIVATIONS = ("relu", "gelu", "tanh")
WIDTHS = ((3, 1), (3, 5, 2), (4, 6, 5, 3))


def points(seed: int, n: int, d: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


@given(seeds, st.sampled_from(WIDTHS), st.sampled_from(ACTIVATIONS), st.sampled_from((0.0, 0.3)))
def test_both_parametrisations_draw_the_same_function(
    seed: int, widths: tuple[int, ...], activation: str, bias_std: float
) -> None:
    x = points(seed, 4, widths[0])
    ntk, standard = (
        random_mlp(widths, key=jax.random.key(seed), activation=activation, parametrisation=p, bias_std=bias_std)
        for p in ("ntk", "standard")
    )
    np.testing.assert_allclose(ntk(x), standard(x), rtol=ROUNDING[x.dtype], atol=ROUNDING[x.dtype])


@given(seeds, st.sampled_from(ACTIVATIONS))
def test_forward_pass_written_out_by_hand(seed: int, activation: str) -> None:
    network = random_mlp((3, 5, 2), key=jax.random.key(seed), activation=activation, weight_std=1.3, bias_std=0.4)
    assert network.biases is not None
    (w1, w2), (b1, b2) = network.weights, network.biases
    x = points(seed, 4, 3)
    z = 1.3 / np.sqrt(3) * x @ np.asarray(w1).T + 0.4 * np.asarray(b1)
    erf = np.asarray(jax.scipy.special.erf(z / np.sqrt(2)))
    h = {"relu": np.maximum(z, 0), "gelu": 0.5 * z * (1 + erf), "tanh": np.tanh(z)}[activation]
    expected = 1.3 / np.sqrt(5) * h @ np.asarray(w2).T + 0.4 * np.asarray(b2)
    np.testing.assert_allclose(network(x), expected, rtol=ROUNDING[x.dtype], atol=ROUNDING[x.dtype])


def test_shapes_depth_and_defaults() -> None:
    network = random_mlp([3, 5, 7, 2], key=jax.random.key(0))
    assert (network.depth, network.outputs, network.widths) == (3, 2, (3, 5, 7, 2))
    assert [w.shape for w in network.weights] == [(5, 3), (7, 5), (2, 7)]
    assert network.biases is None
    assert network.weight_std == pytest.approx(2**0.5)
    assert random_mlp([3, 1], key=jax.random.key(0), activation="tanh").weight_std == 1.0
    assert network(np.ones((4, 3))).shape == (4, 2)


def test_float32_network_computes_in_float32_whatever_the_input() -> None:
    network = random_mlp((3, 4, 1), key=jax.random.key(0), dtype=jnp.float32, bias_std=0.1)
    assert network(np.ones((2, 3), dtype=np.float64)).dtype == jnp.float32


def test_draws_depend_on_the_key_only() -> None:
    first, again, other = (random_mlp((3, 4, 2), key=jax.random.key(seed)) for seed in (0, 0, 1))
    for layer in range(2):
        np.testing.assert_array_equal(first.weights[layer], again.weights[layer])
        assert not np.any(np.asarray(first.weights[layer]) == np.asarray(other.weights[layer]))


@pytest.mark.parametrize("parametrisation", ["ntk", "standard"])
def test_layers_and_biases_are_drawn_independently(parametrisation: str) -> None:
    """Equal shapes, so that two draws from one key would be the same numbers (up to the scale of a layer)."""
    network = random_mlp((6, 6, 6), key=jax.random.key(0), parametrisation=parametrisation, bias_std=0.3)
    assert network.biases is not None
    standard = parametrisation == "standard"
    scales = (network.weight_std / 6**0.5, 0.3) if standard else (1.0, 1.0)
    drawn = [np.ravel(w) / scales[0] for w in network.weights] + [np.asarray(b) / scales[1] for b in network.biases]
    numbers = np.sort(np.concatenate(drawn))
    assert numbers.size == 2 * (36 + 6)
    assert np.diff(numbers).min() > ROUNDING[np.float64] * np.abs(numbers).max()


def test_standard_weights_have_variance_weight_std_squared_over_fan_in() -> None:
    network = random_mlp((300, 200, 1), key=jax.random.key(0), parametrisation="standard", weight_std=1.5)
    # 60 000 draws: the relative error of a variance is sqrt(2 / 60 000) = 0.006
    assert float(jnp.var(network.weights[0])) * 300 / 1.5**2 == pytest.approx(1.0, abs=EMPIRICAL_RATE / 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (3,)}, "expected at least two"),
        ({"widths": (3, 0, 1)}, "0 is not a positive whole number"),
        ({"widths": (3, 2.0, 1)}, "2.0 is not a positive whole number"),
        ({"widths": (3, True)}, "True is not a positive whole number"),
        ({"activation": "swish"}, "unknown activation 'swish', expected one of relu, gelu, tanh"),
        ({"parametrisation": "mup"}, "unknown parametrisation 'mup', expected one of ntk, standard"),
        ({"weight_std": 0.0}, "weight_std is 0.0"),
        ({"weight_std": float("nan")}, "weight_std is nan"),
        ({"bias_std": -1.0}, "bias_std is -1.0"),
        ({"bias_std": float("inf")}, "bias_std is inf"),
    ],
)
def test_bad_options_give_one_clear_line(options: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        random_mlp(**{"widths": (3, 2), "key": jax.random.key(0), **options})


def test_input_of_another_width_is_refused() -> None:
    network = random_mlp((3, 2), key=jax.random.key(0))
    with pytest.raises(BadInput, match=r"input has shape \(4, 5\), expected \(n, 3\)"):
        network(np.ones((4, 5)))
