"""LoRA on one layer of the linearised model with the squared loss: gradient flow and descent on its factors."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

from proofs_check.kernel_concentration import draw_input_factor, layer_instance

Array = Any


@dataclass(frozen=True)
class LinearLora:
    """The linearised squared-loss problem of one layer: features (q, m, p), residual f0 - y (q,), N, and A (r, p)."""

    gradients: Float[np.ndarray, "q m p"]
    residual: Float[np.ndarray, " q"]
    samples: int
    a: Float[np.ndarray, "r p"]

    def gradient(self, b: Array, a: Array) -> tuple[Array, Array]:
        """Return JAX's gradient of the LoRA loss (1/2N) ||f0 + <G, B A> - y||^2 with respect to both factors."""
        return _loss_gradient(b, a, jnp.asarray(self.gradients), jnp.asarray(self.residual), jnp.float64(self.samples))

    def residual_at(self, b: np.ndarray, a: np.ndarray) -> Float[np.ndarray, " q"]:
        """Return f - y at (B, A)."""
        return self.residual + np.einsum("qmp,mp->q", self.gradients, b @ a)

    @property
    def kernel(self) -> Float[np.ndarray, "q q"]:
        """The B-only kernel."""
        projected = (self.gradients @ self.a.T).reshape(len(self.residual), -1)
        return projected @ projected.T

    def integrated(self, time: float, *, both: bool) -> Float[np.ndarray, " q"]:
        """Return f - y after gradient flow on B from 0 (or on B and A) for this time, integrated numerically."""
        m, r = self.gradients.shape[1], self.a.shape[0]

        def velocity(_: float, state: np.ndarray) -> np.ndarray:
            b, a = state[: m * r].reshape(m, r), state[m * r :].reshape(self.a.shape)
            by_b, by_a = self.gradient(jnp.asarray(b), jnp.asarray(a))
            moving = by_a if both else jnp.zeros_like(by_a)
            return -np.concatenate([np.asarray(by_b).ravel(), np.asarray(moving).ravel()])

        start = np.concatenate([np.zeros(m * r), self.a.ravel()])
        end = solve_ivp(velocity, (0.0, time), start, method="DOP853", rtol=1e-9, atol=1e-11).y[:, -1]
        return self.residual_at(end[: m * r].reshape(m, r), end[m * r :].reshape(self.a.shape))


@jax.jit
def _loss_gradient(b: Array, a: Array, gradients: Array, residual: Array, samples: Array) -> tuple[Array, Array]:
    def loss(b: Array, a: Array) -> Array:
        values = residual + jnp.einsum("qmp,mp->q", gradients, b @ a)
        return (values**2).sum() / (2.0 * samples)

    return jax.grad(loss, argnums=(0, 1))(b, a)


def linear_lora(data: str, seed: int, rank: int) -> tuple[LinearLora, Float[np.ndarray, "q m p"]]:
    """Return the training problem and the features of other inputs."""
    features = layer_instance(data, seed, samples=12, outputs=2)
    gradients = np.asarray(features.dense()).reshape(-1, *features.shape)
    gradients = gradients / np.linalg.norm(gradients, axis=(1, 2)).mean()
    residual = np.random.default_rng(seed).standard_normal(16)
    a = draw_input_factor("gaussian", rank, features.d_in, 1, seed)[0]
    return LinearLora(gradients[:16], residual, 8, a), gradients[16:]


def descended(problem: LinearLora, step: float, count: int) -> Array:
    """Return B after this many steps of gradient descent from B = 0, A frozen."""
    gradients, residual, a = (jnp.asarray(part) for part in (problem.gradients, problem.residual, problem.a))
    return _descend(gradients, residual, a, jnp.float64(step), jnp.float64(problem.samples), jnp.asarray(count))


@jax.jit
def _descend(gradients: Array, residual: Array, a: Array, step: Array, samples: Array, count: Array) -> Array:
    def step_once(_: Array, b: Array) -> Array:
        return b - step * _loss_gradient(b, a, gradients, residual, samples)[0]

    return jax.lax.fori_loop(0, count, step_once, jnp.zeros((gradients.shape[1], a.shape[0])))
