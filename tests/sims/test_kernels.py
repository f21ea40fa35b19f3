"""Empirical kernels: redundant formulations agree, LoRA kernels match jacrev, wide networks tend to the limit."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.bridge.neural_tangents import empirical_ntk_oracle, infinite_width_ntk
from sims.errors import BadInput
from sims.networks import FrozenMLP, random_mlp
from sims.ntk.features import DenseFeatures, FactoredFeatures
from sims.ntk.kernels import a_only_kernel, b_only_kernel, empirical_ntk, lora_kernel, traced_ntk
from sims.ntk.tangents import tangent_features, updated
from tests.strategies import seeds
from tests.tolerances import DERIVATIVE, EMPIRICAL_RATE, IDENTITY

# few combinations, each compiles: (widths, activation, parametrisation)
CASES = (
    ((4, 1), "relu", "ntk"),
    ((4, 6, 2), "gelu", "standard"),
    ((4, 6, 2), "tanh", "ntk"),
    ((3, 5, 6, 3), "relu", "standard"),
    ((3, 5, 6, 3), "gelu", "ntk"),
)
LORA_CASES = (
    ((0, 1, 2), 1, "relu", "ntk"),
    ((0, 1, 2), 2, "gelu", "standard"),
    ((1,), 2, "tanh", "ntk"),
    ((2, 0), 1, "tanh", "standard"),
    ((2, 0), 2, "gelu", "ntk"),
)
cases = st.sampled_from(CASES)


def draw(seed: int, case: tuple, n: int = 4, **options: object) -> tuple[FrozenMLP, np.ndarray]:
    widths, activation, parametrisation = case
    key = jax.random.key(seed)
    network = random_mlp(widths, key=key, activation=activation, parametrisation=parametrisation, **options)  # type: ignore[arg-type]
    return network, np.random.default_rng(seed).standard_normal((n, widths[0]))


def forward(network: FrozenMLP, weights: tuple, x: jax.Array) -> jax.Array:
    return eqx.tree_at(lambda net: net.weights, network, weights)(x)


@jax.jit
def dense_jacobians(network: FrozenMLP, x: jax.Array) -> jax.Array:
    """The Jacobian (n k, parameters) with respect to all weights."""
    jacobians = jax.jacrev(lambda weights: forward(network, weights, x))(network.weights)
    return jnp.concatenate([j.reshape(x.shape[0] * network.outputs, -1) for j in jacobians], axis=1)


@partial(jax.jit, static_argnames="layers")
def factor_jacobians(network: FrozenMLP, x: jax.Array, layers: tuple[int, ...], a: list, b: list) -> list[jax.Array]:
    """The Jacobians of f(W + B A), (n k, parameters) each, with respect to all A and to all B."""

    def outputs(factors_a: list, factors_b: list) -> jax.Array:
        return updated(network, [fb @ fa for fa, fb in zip(factors_a, factors_b, strict=True)], layers=layers)(x)

    rows = x.shape[0] * network.outputs
    return [
        jnp.concatenate([j.reshape(rows, -1) for j in jacobians], axis=1)
        for jacobians in jax.jacrev(outputs, argnums=(0, 1))(a, b)
    ]


def close(found: Any, expected: Any) -> None:
    expected = np.asarray(expected)
    tolerance = DERIVATIVE[expected.dtype]
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * max(1.0, np.abs(expected).max()))


@given(seeds, cases)
def test_factored_dense_and_contracted_kernels_agree(seed: int, case: tuple) -> None:
    network, x = draw(seed, case, bias_std=0.3)
    x2 = np.random.default_rng(seed + 1).standard_normal((2, case[0][0]))
    features, features_2 = tangent_features(network, x), tangent_features(network, x2)
    kernel = empirical_ntk(features, features_2)
    contracted = dense_jacobians(network, x) @ dense_jacobians(network, x2).T
    close(kernel, contracted.reshape(kernel.shape))
    dense_1, dense_2 = ([DenseFeatures(f.dense()) for f in fs] for fs in (features, features_2))
    close(kernel, empirical_ntk(dense_1, dense_2))


@pytest.mark.parametrize("implementation", ["JACOBIAN_CONTRACTION", "NTK_VECTOR_PRODUCTS"])
@pytest.mark.parametrize("per_sample", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
def test_kernel_agrees_with_neural_tangents(implementation: str, per_sample: bool, activation: str) -> None:
    network, x = draw(3, ((3, 5, 6, 3), activation, "ntk"))
    x2 = np.random.default_rng(4).standard_normal((2, 3))
    for other in (None, x2):
        oracle = empirical_ntk_oracle(
            lambda weights, points: forward(network, weights, points),
            network.weights,
            jnp.asarray(x),
            None if other is None else jnp.asarray(other),
            implementation=implementation,
            per_sample=per_sample,
        )
        features_2 = None if other is None else tangent_features(network, other)
        close(empirical_ntk(tangent_features(network, x), features_2), oracle)


@given(seeds, cases)
def test_kernel_is_symmetric_and_positive_semidefinite(seed: int, case: tuple) -> None:
    network, x = draw(seed, case)
    size = 4 * network.outputs
    kernel = np.asarray(empirical_ntk(tangent_features(network, x))).reshape(size, size)
    close(kernel, kernel.T)
    eigenvalues = np.linalg.eigvalsh(kernel)
    assert eigenvalues[0] >= -IDENTITY[kernel.dtype] * max(1.0, eigenvalues[-1])


@given(seeds, cases)
def test_traced_kernel_is_the_mean_of_the_diagonal_blocks(seed: int, case: tuple) -> None:
    network, x = draw(seed, case)
    x2 = np.random.default_rng(seed + 1).standard_normal((2, case[0][0]))
    features, features_2 = tangent_features(network, x), tangent_features(network, x2)
    blocks = np.einsum("ikjk->ijk", np.asarray(empirical_ntk(features, features_2)))
    close(traced_ntk(features, features_2), blocks.mean(axis=2))
    close(traced_ntk([DenseFeatures(f.dense()) for f in features], features_2), blocks.mean(axis=2))
    close(np.diagonal(traced_ntk(features)), np.einsum("ikik->i", empirical_ntk(features)) / network.outputs)


@given(seeds)
def test_traced_kernel_of_features_with_several_positions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layers = [
        FactoredFeatures(rng.standard_normal((3, 2, positions, m)), rng.standard_normal((3, positions, p)))
        for positions, m, p in ((4, 3, 2), (1, 2, 5), (2, 2, 2))
    ]
    expected = np.einsum("ikjk->ij", np.asarray(empirical_ntk(layers))) / 2
    close(traced_ntk(layers), expected)
    close(traced_ntk([DenseFeatures(f.dense()) for f in layers]), expected)


def lora_factors(seed: int, network: FrozenMLP, layers: tuple[int, ...], r: int) -> tuple[list, list]:
    rng = np.random.default_rng(seed + 2)
    shapes = [network.weights[layer].shape for layer in layers]
    return [rng.standard_normal((r, d)) for _, d in shapes], [rng.standard_normal((d, r)) for d, _ in shapes]


@given(seeds, st.sampled_from(LORA_CASES))
def test_lora_kernels_match_differentiation_with_respect_to_the_factors(seed: int, case: tuple) -> None:
    """f(W + B A) is differentiated with respect to A and B at a point with A and B both non-zero."""
    layers, r, activation, parametrisation = case
    network, x = draw(seed, ((4, 5, 6, 2), activation, parametrisation), n=3)
    a, b = lora_factors(seed, network, layers, r)
    rows_a, rows_b = factor_jacobians(network, x, layers, a, b)
    at_point = updated(network, [fb @ fa for fa, fb in zip(a, b, strict=True)], layers=layers)
    features = tangent_features(at_point, x, layers=layers)
    close(np.asarray(b_only_kernel(features, a)).reshape(6, 6), rows_b @ rows_b.T)
    close(np.asarray(a_only_kernel(features, b)).reshape(6, 6), rows_a @ rows_a.T)
    close(np.asarray(lora_kernel(features, a, b)).reshape(6, 6), rows_a @ rows_a.T + rows_b @ rows_b.T)


@given(seeds)
def test_lora_kernel_at_zero_b_is_the_b_only_kernel(seed: int) -> None:
    network, x = draw(seed, ((4, 5, 2), "relu", "ntk"))
    features = tangent_features(network, x)
    a, b = lora_factors(seed, network, (0, 1), 2)
    close(lora_kernel(features, a, [0 * factor for factor in b]), b_only_kernel(features, a))


@given(seeds)
def test_b_only_kernel_with_orthonormal_rows_of_full_rank_is_the_full_kernel(seed: int) -> None:
    network, x = draw(seed, ((4, 5, 2), "relu", "ntk"))
    features = tangent_features(network, x)
    rng = np.random.default_rng(seed)
    a = [np.linalg.qr(rng.standard_normal((f.d_in, f.d_in)))[0] for f in features]
    close(b_only_kernel(features, a), empirical_ntk(features))
    # control: with a row removed the kernel is strictly smaller
    smaller = b_only_kernel(features, [factor[1:] for factor in a])
    lost = float(np.trace(np.asarray(empirical_ntk(features) - smaller).reshape(8, 8)))
    assert lost > IDENTITY[np.float64] * float(np.trace(np.asarray(empirical_ntk(features)).reshape(8, 8)))


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
def test_wide_networks_tend_to_the_infinite_width_kernel(activation: str) -> None:
    """The relative error, root mean square over seeds, falls like width^(-1/2)."""
    x = np.random.default_rng(0).standard_normal((4, 3))
    options: dict[str, Any] = {"depth": 3, "activation": activation, "bias_std": 0.3}
    limit, other = (np.asarray(infinite_width_ntk(x, weight_std=std, **options)["ntk"]) for std in (1.2, 1.6))
    widths, errors, control = (32, 64, 128, 256, 512), [], []
    for width in widths:
        kernels = []
        for seed in range(32):
            network = random_mlp(
                (3, width, width, 1), key=jax.random.key(seed), activation=activation, weight_std=1.2, bias_std=0.3
            )
            kernels.append(np.asarray(traced_ntk(tangent_features(network, x))))
        errors.append(root_mean_square(np.stack(kernels) - limit) / root_mean_square(limit))
        control.append(root_mean_square(np.stack(kernels) - other) / root_mean_square(other))
    assert np.polyfit(np.log(widths), np.log(errors), 1)[0] == pytest.approx(-0.5, abs=EMPIRICAL_RATE)
    # control: towards the limit of another weight_std the error stops falling
    assert np.polyfit(np.log(widths), np.log(control), 1)[0] > -0.5 + EMPIRICAL_RATE


def root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def test_features_and_factors_that_do_not_fit_are_refused() -> None:
    network, x = draw(0, ((4, 5, 2), "relu", "ntk"))
    features = tangent_features(network, x)
    with pytest.raises(BadInput, match=r"features of matrices \[\(5, 4\), \(2, 5\)\] and \[\(5, 4\)\]"):
        empirical_ntk(features, features[:1])
    with pytest.raises(BadInput, match="at least one"):
        empirical_ntk([])
    other, _ = draw(0, ((4, 5, 3), "relu", "ntk"))
    with pytest.raises(BadInput, match="the same number of outputs"):
        traced_ntk(features[:1], tangent_features(other, x)[:1])
    a, b = lora_factors(0, network, (0, 1), 2)
    with pytest.raises(BadInput, match="1 factors A for 2 layers"):
        b_only_kernel(features, a[:1])
    with pytest.raises(BadInput, match=r"factor A of layer 0 has shape \(4, 2\), expected \(r, 4\)"):
        b_only_kernel(features, [a[0].T, a[1]])
    with pytest.raises(BadInput, match=r"factor B of layer 1 has shape \(5, 2\), expected \(2, r\)"):
        a_only_kernel(features, [b[0], b[0]])
    with pytest.raises(BadInput, match="different ranks"):
        lora_kernel(features, a, [b[0][:, :1], b[1]])


@pytest.mark.parametrize("positions", [1, 2])
@pytest.mark.parametrize("n", [257, 512])
def test_a_large_kernel_mirrored_from_its_upper_blocks_is_the_kernel(n: int, positions: int) -> None:
    # 4 outputs: above the size from which only the upper blocks are computed; n that the blocks do not divide, too
    rng = np.random.default_rng(n)
    layers = [
        FactoredFeatures(rng.standard_normal((n, 4, positions, m)), rng.standard_normal((n, positions, p)))
        for m, p in ((3, 2), (2, 5))
    ]
    mirrored = empirical_ntk(layers)
    for a, b in ((layers, layers), ([DenseFeatures(f.dense()) for f in layers], layers)):
        expected = empirical_ntk(a, b)
        np.testing.assert_allclose(mirrored, expected, rtol=0, atol=IDENTITY.float64 * np.abs(expected).max())
    np.testing.assert_array_equal(mirrored[:64, :, -64:], mirrored[-64:, :, :64].transpose(2, 3, 0, 1))
    jitted = jax.jit(empirical_ntk)([jax.tree.map(jnp.asarray, f) for f in layers])
    np.testing.assert_allclose(jitted, mirrored, rtol=0, atol=IDENTITY[jitted.dtype] * np.abs(mirrored).max())
