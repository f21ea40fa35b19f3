"""How far the empirical NTK of a random network is from its infinite-width limit."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sims.bridge.neural_tangents import infinite_width_ntk
from sims.networks import FrozenMLP, random_mlp
from sims.ntk.kernels import traced_ntk
from sims.ntk.tangents import tangent_features


def width_errors(
    x: Float[np.ndarray, "n d"],
    widths: Sequence[int],
    seeds: Sequence[int],
    *,
    depth: int,
    activation: str,
    parametrisation: str = "ntk",
) -> list[list[float]]:
    """Return ||empirical - infinite||_F / ||infinite||_F for every width (rows) and seed, one output, float64.

    Networks of different widths are independent draws too: a slope over widths may add up their variances.
    ``depth`` counts weight matrices; all of them are trained. The limit comes from neural-tangents (closed form for
    relu and gelu). In the standard parametrisation the empirical kernel is the one of the same function, not rescaled.
    """
    inputs = jnp.asarray(x, dtype=jnp.float64)
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])

    def network(key: jax.Array, width: int) -> FrozenMLP:
        sizes = (x.shape[1], *(width,) * (depth - 1), 1)
        return random_mlp(sizes, key=key, activation=activation, parametrisation=parametrisation)

    std = network(keys[0], widths[0]).weight_std
    limit = jnp.asarray(infinite_width_ntk(inputs, depth=depth, activation=activation, weight_std=std)["ntk"])
    rows = []
    for width in widths:

        def error(key: jax.Array, width: int = width) -> jax.Array:
            key = jax.random.fold_in(key, width)
            kernel = traced_ntk(tangent_features(network(key, width), inputs))
            return jnp.linalg.norm(kernel - limit) / jnp.linalg.norm(limit)

        # one compilation a width, networks one after the other: memory of a single network
        rows.append([float(e) for e in jax.jit(partial(jax.lax.map, error))(keys)])
    return rows
