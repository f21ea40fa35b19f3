"""How fast the empirical NTK of random frozen MLPs approaches its infinite-width limit.

For each case (activation and depth) and each width, several networks in NTK parametrisation with one output are drawn;
the error is ||K_width - K_infinity||_F / ||K_infinity||_F on a few inputs of the data set (their training part, as
`sims.data.load` gives it), all weight matrices trained, float64. The limit comes from neural-tangents. The slope is the
least-squares fit of log root-mean-square error over the seeds against log width; theory says -1/2.

Sizes: ``smoke`` one case, widths 32-512, 64 seeds; ``quick`` three cases, widths 32-1024, 32 seeds; ``full`` five
cases, widths 32-4096, 32 seeds. Network number s of a case and width is drawn from fold_in of the seed, so that adding
widths or cases changes no other number.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from proofs_check.experiments._levels import sizes_at
from sims import data as data_sets
from sims.bridge.neural_tangents import infinite_width_ntk
from sims.networks import random_mlp
from sims.ntk.kernels import empirical_ntk
from sims.ntk.tangents import tangent_features


@dataclass(frozen=True)
class Sizes:
    """Cases (activation, number of weight matrices), widths, seeds, inputs."""

    cases: tuple[tuple[str, int], ...]
    widths: tuple[int, ...]
    seeds: int
    inputs: int


_WIDTHS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
VERSION = 1  # of the layout of the result, which the figure checks
SIZES = {
    "smoke": Sizes((("relu", 2),), _WIDTHS[:5:2], 64, 8),
    "quick": Sizes((("relu", 2), ("relu", 4), ("gelu", 3)), _WIDTHS[:6], 32, 16),
    "full": Sizes((("relu", 2), ("relu", 4), ("gelu", 3), ("tanh", 2), ("tanh", 3)), _WIDTHS, 32, 16),
}


def ntk_width(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return errors (width, seed) for every case, their root mean squares and the fitted power law."""
    sizes = sizes_at(level, SIZES)
    x = jnp.asarray(data_sets.load(data, seed=seed, samples=sizes.inputs).x_train)
    cases = []
    for activation, depth in sizes.cases:
        limit = np.asarray(_limit(x, activation, depth))
        errors = np.array([_errors(x, limit, activation, depth, width, sizes.seeds, seed) for width in sizes.widths])
        root_mean_square = np.sqrt((errors**2).mean(axis=1))
        slope, intercept = np.polyfit(np.log(sizes.widths), np.log(root_mean_square), 1)
        cases.append(
            {
                "activation": activation,
                "depth": depth,
                "errors": errors.tolist(),
                "root_mean_square": root_mean_square.tolist(),
                "slope": float(slope),
                "fit": np.exp(intercept + slope * np.log(sizes.widths)).tolist(),
            }
        )
    return {
        "version": VERSION,
        "data": data,
        "inputs": sizes.inputs,
        "widths": list(sizes.widths),
        "seeds": sizes.seeds,
        "cases": cases,
        "theory_slope": -0.5,
        "reference": _reference(sizes.widths, max(max(case["root_mean_square"]) for case in cases)),
    }


def _reference(widths: tuple[int, ...], top: float) -> list[float]:
    """Return a line of the theory's slope, twice above the largest root mean square at the first width."""
    return [2.0 * top * (width / widths[0]) ** -0.5 for width in widths]


def _limit(x: Float[jax.Array, "n d"], activation: str, depth: int) -> Float[jax.Array, "n n"]:
    """Return the infinite-width kernel for the weights' usual standard deviation."""
    std = random_mlp((1, 1), key=jax.random.key(0), activation=activation).weight_std
    return infinite_width_ntk(x, depth=depth, activation=activation, weight_std=std)["ntk"]


def _errors(
    x: Float[jax.Array, "n d"],
    limit: Float[np.ndarray, "n n"],
    activation: str,
    depth: int,
    width: int,
    seeds: int,
    seed: int,
) -> Float[np.ndarray, " s"]:
    """Return the relative Frobenius error of every network of one width."""
    widths = (int(x.shape[1]), *[width] * (depth - 1), 1)
    case = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), width), depth)
    networks = [random_mlp(widths, key=jax.random.fold_in(case, s), activation=activation) for s in range(seeds)]
    kernels = [np.asarray(empirical_ntk(tangent_features(network, x)))[:, 0, :, 0] for network in networks]
    return np.array([np.linalg.norm(kernel - limit) for kernel in kernels]) / np.linalg.norm(limit)
