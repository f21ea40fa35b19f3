"""The bridge to neural-tangents: what it restores, what it leaves behind, and its kernels against known formulas."""

import importlib.metadata
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sims.bridge import neural_tangents as bridge
from sims.errors import BadInput
from tests.tolerances import IDENTITY, ORACLE_OBJECTIVE

# widely separated points and a repeated direction
X = np.array([[1.0, 0.0, 0.5], [0.2, -1.0, 0.3], [2.0, 0.0, 1.0]])


def relu_kernels(x: np.ndarray, depth: int, weight_std: float, bias_std: float, bias_trained: float) -> tuple:
    """Cho and Saul's arc-cosine recursion, written independently."""
    variance, bias = weight_std**2, bias_std**2
    nngp = variance * x @ x.T / x.shape[1] + bias
    ntk = nngp - bias + bias_trained * bias
    for _ in range(depth - 1):
        norms = np.sqrt(np.outer(np.diag(nngp), np.diag(nngp)))
        angle = np.arccos(np.clip(nngp / norms, -1, 1))
        second = norms * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
        derivative = (np.pi - angle) / (2 * np.pi)
        nngp = variance * second + bias
        ntk = variance * (second + derivative * ntk) + bias_trained * bias
    return nngp, ntk


def test_status_says_what_works_and_what_does_not() -> None:
    status = bridge.status()
    assert status.available, status.reason
    assert status.version == bridge.KNOWN_VERSION == importlib.metadata.version("neural-tangents")
    assert "JACOBIAN_CONTRACTION" in status.reason
    assert "NTK_VECTOR_PRODUCTS" in status.reason
    # an implementation is either said to work or said to be missing, with the reason
    for name in ("AUTO", "STRUCTURED_DERIVATIVES"):
        assert (name in status.reason) != any(entry.startswith(f"{name}: ") for entry in status.missing)
    assert any("TensorFlow" in entry for entry in status.missing)


def test_nothing_put_back_for_the_import_is_left_behind() -> None:
    """In a fresh interpreter with warnings as errors: JAX looks the same before and after."""
    program = """
import sys, warnings, jax, jax.core, jax.extend.core, jax.interpreters.ad
before = set(dir(jax.core)), set(dir(jax.interpreters.ad))
from sims.bridge import neural_tangents as bridge
assert bridge.status().restored, "nothing had to be restored"
assert before == (set(dir(jax.core)), set(dir(jax.interpreters.ad)))
for name in ("jax.util", "neural_tangents.experimental", "tensorflow"):
    assert name not in sys.modules, name
"""
    found = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_status_never_raises_and_load_explains(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ImportError("cannot import name 'safe_map'\nfrom 'jax.util'")

    monkeypatch.setattr(bridge, "_imported", broken)
    status = bridge.status.__wrapped__()
    assert not status.available
    assert "cannot import name 'safe_map' from 'jax.util'" in status.reason
    with pytest.raises(BadInput, match=r"neural-tangents does not import on jax .*safe_map"):
        bridge.load()


def test_status_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    status = bridge.status.__wrapped__()
    assert not status.available
    assert status.reason == "neural-tangents is not installed"


@pytest.mark.parametrize("train_biases", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_relu_limit_is_the_arc_cosine_recursion(depth: int, train_biases: bool) -> None:
    found = bridge.infinite_width_ntk(
        X, depth=depth, activation="relu", weight_std=1.3, bias_std=0.4, train_biases=train_biases
    )
    nngp, ntk = relu_kernels(X, depth, 1.3, 0.4, float(train_biases))
    # arccos near 1 loses half the digits: the repeated direction is compared at that accuracy
    np.testing.assert_allclose(found["nngp"], nngp, rtol=np.sqrt(IDENTITY[np.float64]))
    np.testing.assert_allclose(found["ntk"], ntk, rtol=np.sqrt(IDENTITY[np.float64]))


@pytest.mark.parametrize("activation", ["gelu", "tanh"])
def test_smooth_limits_match_direct_integration(activation: str) -> None:
    """Two layers: variance E[f(u) f(v)] and E[f'(u) f'(v)] over a bivariate normal, on a fine product rule."""
    phi = {"gelu": lambda z: jax.nn.gelu(z, approximate=False), "tanh": jnp.tanh}[activation]
    first = 1.1**2 * X[:2] @ X[:2].T / 3
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    root = np.linalg.cholesky(first)
    u = root[0, 0] * nodes[:, None] + 0 * nodes[None, :]
    v = root[1, 0] * nodes[:, None] + root[1, 1] * nodes[None, :]
    grid = np.outer(weights, weights) / (2 * np.pi)
    slope = jnp.vectorize(jax.grad(phi))
    second = 1.1**2 * float(np.sum(grid * np.asarray(phi(u) * phi(v))))
    derivative = 1.1**2 * float(np.sum(grid * np.asarray(slope(u) * slope(v))))
    found = bridge.infinite_width_ntk(X[:2], depth=2, activation=activation, weight_std=1.1)
    assert float(found["nngp"][0, 1]) == pytest.approx(second, rel=ORACLE_OBJECTIVE)
    assert float(found["ntk"][0, 1]) == pytest.approx(second + derivative * first[0, 1], rel=ORACLE_OBJECTIVE)


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
def test_kernel_between_two_sets_is_a_block_of_the_joint_kernel(activation: str) -> None:
    options: dict[str, Any] = {"depth": 3, "activation": activation, "weight_std": 1.2, "bias_std": 0.2}
    joint = bridge.infinite_width_ntk(X, **options)
    block = bridge.infinite_width_ntk(X[:2], X[2:], **options)
    for name in ("nngp", "ntk"):
        # the repeated direction again
        np.testing.assert_allclose(block[name], joint[name][:2, 2:], rtol=np.sqrt(IDENTITY[np.float64]))


def test_bad_requests_give_one_line() -> None:
    with pytest.raises(BadInput, match="unknown activation 'swish', expected one of relu, gelu, tanh"):
        bridge.infinite_width_ntk(X, depth=2, activation="swish", weight_std=1.0)
    with pytest.raises(BadInput, match="depth is 0"):
        bridge.infinite_width_ntk(X, depth=0, activation="relu", weight_std=1.0)
    weight = jnp.ones((2, 3))
    with pytest.raises(BadInput, match="unknown implementation 'FASTEST'"):
        bridge.empirical_ntk_oracle(lambda w, x: x @ w.T, weight, jnp.asarray(X), implementation="FASTEST")
    for entry in bridge.status().missing[1:]:
        name = entry.partition(":")[0]
        with pytest.raises(BadInput, match=f"implementation {name} of neural-tangents does not work on jax"):
            bridge.empirical_ntk_oracle(lambda w, x: x @ w.T, weight, jnp.asarray(X), implementation=name)


def test_oracle_may_be_traced_before_anything_else_was_run() -> None:
    """The check of the implementations is done at once, not as part of the caller's program."""
    weight, x = jnp.asarray([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]), jnp.asarray(X)
    bridge._failing_implementations.cache_clear()
    kernel = jax.jit(lambda w, h: bridge.empirical_ntk_oracle(lambda v, g: g @ v.T, w, h))(weight, x)
    np.testing.assert_allclose(kernel, np.einsum("ij,kl->ikjl", X @ X.T, np.eye(2)), rtol=IDENTITY[np.float64])
    assert "NTK_VECTOR_PRODUCTS" not in bridge._failing_implementations(bridge.load())


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_kernels_of_a_zero_input_are_zero(activation: str, depth: int) -> None:
    x = np.concatenate([X, np.zeros((1, 3))])
    for other in (None, x[2:]):
        found = bridge.infinite_width_ntk(x, other, depth=depth, activation=activation, weight_std=1.3)
        for kernel in map(np.asarray, found.values()):
            assert (kernel[3] == 0).all()
            assert (kernel[:, -1] == 0).all()
            assert (kernel[:3, 0] != 0).all()
            assert np.isfinite(kernel).all()


def test_tanh_is_linear_at_small_scales() -> None:
    """At 0 tanh has slope 1: the kernels are those of linear layers, whatever the scale, and odd in each input."""
    x = np.stack([X[0], X[1], -X[1]])
    for scale in (1e-8, 1e-20, 1e-60):
        found = bridge.infinite_width_ntk(scale * x, depth=3, activation="tanh", weight_std=1.0)
        linear = scale**2 * x @ x.T / 3
        np.testing.assert_allclose(found["nngp"], linear, rtol=ORACLE_OBJECTIVE)
        np.testing.assert_allclose(found["ntk"], 3 * linear, rtol=ORACLE_OBJECTIVE)


def test_tanh_equals_the_quadrature_of_the_library() -> None:
    """On inputs of ordinary size, where its own is right."""
    stax = bridge.load().stax
    with bridge._their_rules():
        layer = stax.ElementwiseNumerical(jnp.tanh, deg=128, df=lambda z: 1 - jnp.tanh(z) ** 2)
        expected = stax.serial(stax.Dense(1, W_std=1.2), layer, stax.Dense(1, W_std=1.2))[2](X, None)
    found = bridge.infinite_width_ntk(X, depth=2, activation="tanh", weight_std=1.2)
    np.testing.assert_allclose(found["nngp"], expected.nngp, rtol=ORACLE_OBJECTIVE)
    np.testing.assert_allclose(found["ntk"], expected.ntk, rtol=ORACLE_OBJECTIVE)
