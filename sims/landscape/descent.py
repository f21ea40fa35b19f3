"""Training of LoRA factors on a smooth loss from many starts at once: Adam with a step that falls linearly to zero."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sims.errors import BadInput
from sims.landscape.smooth import DataTerm, Shapes, SmoothLandscape, factored_objective

Array = Any
_FIRST, _SECOND, _FLOOR = 0.9, 0.999, 1e-8  # the usual constants of Adam


def train_factors(
    landscape: SmoothLandscape, rank: int, starts: Float[np.ndarray, "b w"], *, steps: int, rate: float = 0.03
) -> Float[np.ndarray, "b w"]:
    """Return the last iterate of every start, as flat vectors of unknowns.

    Raises:
        BadInput: starts of the wrong width, or no steps.
    """
    if starts.ndim != 2 or starts.shape[1] != landscape.unknowns(rank) or steps < 1:
        raise BadInput(
            f"starts have shape {starts.shape} and steps is {steps}: expected (count, {landscape.unknowns(rank)}), >= 1"
        )
    settings = jnp.asarray(landscape.lam), jnp.asarray(rate)
    static = {"term": landscape.data_term, "shapes": landscape.shapes, "rank": rank, "steps": steps}
    return np.asarray(_train(jnp.asarray(starts), landscape.data, *settings, **static))


@partial(jax.jit, static_argnames=("term", "shapes", "rank", "steps"))
def _train(
    starts: Array, data: Any, lam: Array, rate: Array, *, term: DataTerm, shapes: Shapes, rank: int, steps: int
) -> Array:
    slope = jax.grad(factored_objective)

    def one(start: Array) -> Array:
        def body(carry: tuple[Array, Array, Array], time: Array) -> tuple[tuple[Array, Array, Array], None]:
            q, mean, square = carry
            g = slope(q, data, lam, term, shapes, rank)
            mean = _FIRST * mean + (1.0 - _FIRST) * g
            square = _SECOND * square + (1.0 - _SECOND) * g**2
            # not optax: it divides in another order, and rounding alone sends some large starts of records elsewhere
            size = jnp.sqrt(square / (1.0 - _SECOND**time)) + _FLOOR
            step = rate * (1.0 - (time - 1.0) / steps)
            return (q - step * (mean / (1.0 - _FIRST**time)) / size, mean, square), None

        zeros = jnp.zeros_like(start)
        (last, _, _), _ = jax.lax.scan(body, (start, zeros, zeros), jnp.arange(1.0, steps + 1.0))
        return last

    return jax.vmap(one)(starts)
