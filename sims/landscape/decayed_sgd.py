"""Minibatch SGD with weight decay on one update: X <- (1 - step lam) X - step g."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

Array = Any
BatchLoss = Callable[[Any, tuple[Array, ...]], Array]


@partial(jax.jit, static_argnames=("term", "keep"))
def _run(
    data: tuple[Any, Array, Array], x: Array, order: Array, step: Array, lam: Array, *, term: BatchLoss, keep: int
) -> Array:
    model, inputs, targets = data

    def body(carry: Array, batch: Array) -> tuple[Array, None]:
        (gradient,) = jax.grad(term, argnums=1)((model, inputs[batch], targets[batch]), (carry,))
        return (1.0 - step * lam) * carry - step * gradient, None

    def kept(carry: Array, batch: Array) -> tuple[Array, Array]:
        after, _ = body(carry, batch)
        return after, after

    before, _ = jax.lax.scan(body, x, order[: len(order) - keep])
    _, tail = jax.lax.scan(kept, before, order[len(order) - keep :])
    return jnp.concatenate([before[None], tail])


def batches(n: int, batch: int, steps: int, seed: int) -> Int[np.ndarray, "t b"]:
    """Return sample indices of every step: a new permutation each epoch, its remainder left out."""
    g = np.random.default_rng(seed)
    a_epoch = n // batch
    rows = [g.permutation(n)[: a_epoch * batch].reshape(a_epoch, batch) for _ in range(-(-steps // a_epoch))]
    return np.concatenate(rows)[:steps]


def decayed_sgd(
    term: BatchLoss,
    data: tuple[Any, Array, Array],
    start: Float[np.ndarray, "m n"],
    order: Int[np.ndarray, "t b"],
    *,
    step: float,
    lam: float,
    keep: int,
) -> Float[np.ndarray, "k m n"]:
    """Return the last ``keep`` + 1 iterates, oldest first.

    ``term(data, (X,))`` is the mean loss of a batch, with data = (model, inputs, targets) indexed by sample.
    """
    arrays = jnp.asarray(start), jnp.asarray(order), jnp.asarray(step), jnp.asarray(lam)
    return np.asarray(_run(data, *arrays, term=term, keep=keep))
