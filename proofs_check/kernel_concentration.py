"""Draws of the B-only LoRA kernel over a random A, on tangent features of a random frozen network."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sims.data import few_shot, load
from sims.networks import FrozenMLP, random_mlp
from sims.ntk.features import TangentFeatures
from sims.ntk.tangents import tangent_features

Entries = Literal["gaussian", "signs"]
LAWS: dict[Entries, float] = {"gaussian": 0.0, "signs": -2.0}  # excess kurtosis
_BATCH = 100


def frozen_instance(
    data: str, seed: int, *, samples: int, outputs: int, width: int = 24
) -> tuple[FrozenMLP, Float[jax.Array, "n d0"]]:
    """Return a random frozen MLP with an inner layer 1 of shape (10, width), and real inputs."""
    sample = few_shot(load(data, seed=seed), samples=samples, classes=(0, 1), seed=seed)
    x = jnp.asarray(sample.x_train)
    return random_mlp((x.shape[1], width, 10, outputs), key=jax.random.key(seed), activation="gelu"), x


def layer_instance(data: str, seed: int, *, samples: int, outputs: int, width: int = 24) -> TangentFeatures:
    """Return the features (samples, outputs, 10, width) of that layer."""
    network, x = frozen_instance(data, seed, samples=samples, outputs=outputs, width=width)
    return tangent_features(network, x, layers=(1,))[0]


def draw_input_factor(law: Entries, rank: int, d_in: int, draws: int, seed: int) -> Float[np.ndarray, "s r p"]:
    """Return independent A (r, d_in) with entries of mean 0 and variance 1/r: Gaussian or signs."""
    rng = np.random.default_rng([seed, rank, draws])
    shape = (draws, rank, d_in)
    entries = rng.standard_normal(shape) if law == "gaussian" else rng.choice([-1.0, 1.0], shape)
    return entries / rank**0.5


def projected_kernels(
    features: TangentFeatures, rank: int, draws: int, *, law: Entries = "gaussian", seed: int
) -> Float[np.ndarray, "s q q"]:
    """Return the B-only kernel (q = n k) of every draw of A."""
    gradients = np.asarray(features.dense()).reshape(-1, *features.shape)
    factors = draw_input_factor(law, rank, features.d_in, draws, seed)
    size = len(gradients)
    kernels = []
    for start in range(0, draws, _BATCH):  # a batch of draws at a time: memory
        part = factors[start : start + _BATCH]
        projected = (gradients @ np.swapaxes(part, 1, 2)[:, None]).reshape(len(part), size, -1)
        kernels.append(projected @ np.swapaxes(projected, 1, 2))
    return np.concatenate(kernels)
