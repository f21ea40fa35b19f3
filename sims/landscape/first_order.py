"""First-order training of the factors: gradient descent, SGD, Adam, with Gaussian noise on the gradient or not.

All starts advance together. Nothing here decides where a run has ended: polish its last iterate with
`sims.landscape.search` and certify that.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from sims.errors import BadInput
from sims.landscape.search import Landscape
from sims.training.optimisers import next_update
from theory import factored_objective as lora
from theory.losses import Loss

Array = Any
Rule = Literal["gradient", "sgd", "adam"]


@dataclass(frozen=True)
class Training:
    """Last iterates (b, d, r) and the objective before every step and after the last, (b, steps + 1)."""

    q: Float[np.ndarray, "b d r"]
    objective: Float[np.ndarray, "b s"]


def train(
    landscape: Landscape,
    starts: Float[np.ndarray, "b d r"],
    *,
    rule: str,
    step: float,
    steps: int,
    noise: float = 0.0,
    seed: int = 0,
) -> Training:
    """Return where every start is after ``steps`` steps of length ``step``.

    ``sgd`` uses one sample a step, uniformly drawn. ``noise`` is the standard deviation of Gaussian noise added to
    every entry of the gradient in each step.

    Raises:
        BadInput: unknown rule, starts of the wrong shape, step not positive, or a landscape with P or a mask.
    """
    if rule not in get_args(Rule):
        raise BadInput(f"rule {rule!r} is unknown: expected one of {', '.join(get_args(Rule))}")
    if starts.ndim != 3 or starts.shape[1] != landscape.size or min(starts.shape) == 0:
        raise BadInput(f"starts have shape {starts.shape}: expected (count, {landscape.size}, rank), all at least 1")
    if not (step > 0 and steps >= 1 and noise >= 0):
        raise BadInput(f"step {step}, {steps} steps, noise {noise}: expected step > 0, steps >= 1 and noise >= 0")
    if landscape.perturbation is not None or landscape.mask is not None:
        raise BadInput("first-order training takes landscapes without P and without a mask")
    data = tuple(jnp.asarray(a) for a in (landscape.gradients, landscape.f0, landscape.y))
    numbers = tuple(jnp.asarray(float(a)) for a in (landscape.lam, step, noise))
    keys = jax.random.split(jax.random.key(seed), len(starts))
    last, values = _train(data, numbers, jnp.asarray(starts), keys, loss=landscape.loss, rule=rule, steps=steps)
    return Training(np.asarray(last), np.asarray(values))


@partial(jax.jit, static_argnames=("loss", "rule", "steps"))
def _train(
    data: tuple[Array, ...],
    numbers: tuple[Array, ...],
    starts: Array,
    keys: Array,
    *,
    loss: Loss,
    rule: str,
    steps: int,
) -> tuple[Array, Array]:
    gradients, f0, y = data
    lam, step, noise = numbers
    direction = optax.scale_by_adam() if rule == "adam" else optax.identity()

    def objective(q: Array) -> Array:
        return lora.objective(gradients, f0, y, loss, lam, q)

    def slope(q: Array, key: Array) -> Array:
        if rule != "sgd":
            return lora.gradient(gradients, f0, y, loss, lam, q)
        i = jax.random.randint(key, (1,), 0, gradients.shape[0])
        return lora.gradient(gradients[i], f0[i], y[i], loss, lam, q)

    def body(carry: tuple[Array, Array, Any], _: None) -> tuple[tuple[Array, Array, Any], Array]:
        q, key, state = carry
        key, for_sample, for_noise = jax.random.split(key, 3)
        g = slope(q, for_sample) + noise * jax.random.normal(for_noise, q.shape, q.dtype)
        update, state = next_update(direction, g, state)
        return (q - step * update, key, state), objective(q)

    def one(q: Array, key: Array) -> tuple[Array, Array]:
        (last, *_), values = jax.lax.scan(body, (q, key, direction.init(q)), length=steps)
        return last, jnp.concatenate([values, objective(last)[None]])

    return jax.vmap(one)(starts, keys)
