"""The B-only LoRA kernel over a random A, drawn or enumerated, on tangent features of a random frozen network."""

from itertools import product
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
SPREADS: dict[Entries, float] = {"gaussian": 3.0, "signs": 1.0}  # kurtosis: of the three-point law with its moments
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


def enumerated_kernels(
    gradients: Float[np.ndarray, "q m p"], rank: int, kurtosis: float
) -> tuple[Float[np.ndarray, "s q q"], Float[np.ndarray, " s"]]:
    """Return the B-only kernel at every A (rank, p) of a three-point law, and the probabilities.

    The entries are independent, sqrt(kurtosis / rank) times -1, 0 or 1: mean 0, variance 1/rank. At kurtosis 1 they
    are signs; at 3 their moments are a Gaussian's up to the fifth, so that mean and variance of the kernel are those of
    a Gaussian A exactly. There are at most 3^(rank p) terms. Raises ValueError for a kurtosis below 1.
    """
    if kurtosis < 1.0:
        raise ValueError(f"kurtosis {kurtosis}: expected at least 1")
    size = gradients.shape[2]
    points, chances = (-1.0, 0.0, 1.0), (0.5 / kurtosis, 1.0 - 1.0 / kurtosis, 0.5 / kurtosis)
    support = [k for k in range(3) if chances[k] > 0]
    choices = np.array(list(product(support, repeat=rank * size)))
    factors = (kurtosis / rank) ** 0.5 * np.array(points)[choices].reshape(-1, rank, size)
    projected = np.einsum("qmp,srp->sqmr", gradients, factors, optimize=True).reshape(len(choices), len(gradients), -1)
    return projected @ np.swapaxes(projected, 1, 2), np.array(chances)[choices].prod(axis=1)
