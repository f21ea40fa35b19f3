"""Tangent features of any network whose adapted linear maps all go through one hook.

The hook ``linear(name, weight, h)`` stands for h weight^T. Here it records h and adds a zero probe to the product; the
pull-back of the K unit vectors to the probes is the back-propagated signal. Samples do not interact, so that one
pull-back serves all of them; positions (tokens, patches, nodes) stay on an axis of their own and G is never formed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from sims.errors import BadInput
from sims.ntk.features import FactoredFeatures

Array = Any
# linear(name, weight (d_out, d_in), h (n, ..., d_in)) -> (n, ..., d_out)
Linear = Callable[[str, Array, Array], Array]
# tap(name, h, z) -> z, called with the input h and the output z of every adapted map
Tap = Callable[[str, Array, Array], Array]


def plain(name: str, weight: Float[Array, "d_out d_in"], h: Float[Array, "*n d_in"]) -> Float[Array, "*n d_out"]:  # noqa: ARG001
    """Return h weight^T: the hook of the frozen network itself."""
    return h @ weight.T


def through(tap: Tap) -> Linear:
    """Return the hook that computes h weight^T and shows it to ``tap``."""
    return lambda name, weight, h: tap(name, h, h @ weight.T)


def factored_features(
    run: Callable[[Any, Any, Tap], Array],
    network: Any,
    inputs: Any,
    names: Sequence[str],
    *,
    chunk: int | None = None,
) -> tuple[FactoredFeatures, ...]:
    """Return the features of the outputs (n, k), one object for each map in ``names``.

    ``run(network, inputs, tap)`` returns the outputs and calls ``tap(name, h, z)`` with h (n, ..., d_in), z
    (n, ..., d_out) on the way; the axes between become the positions t of `FactoredFeatures`, and a map used more than
    once has the positions of all uses. ``inputs`` is a pytree of arrays whose first axis counts samples; ``chunk``
    samples are done at a time (default: all), which bounds the memory for what the backward pass keeps.

    Raises `BadInput` for no samples, a chunk below 1, or names that are empty, repeated or unknown to the network.
    """
    chosen = tuple(names)
    if not chosen or len(set(chosen)) < len(chosen):
        raise BadInput(f"adapted maps {chosen}: expected at least one, each at most once")
    n = len(jax.tree.leaves(inputs)[0])
    if n == 0 or (chunk is not None and chunk < 1):
        raise BadInput(f"{n} samples in chunks of {chunk}: expected at least one sample, and chunks of at least one")
    size = n if chunk is None else min(chunk, n)
    parts = []
    for start in range(0, n, size):
        # the last chunk overlaps the one before, so that all have one shape and one compilation
        first = min(start, n - size)
        piece = jax.tree.map(lambda leaf, a=first: leaf[a : a + size], inputs)
        signals, activations = _signals_and_activations(run, network, piece, chosen)
        parts.append(jax.tree.map(lambda leaf, a=start - first: leaf[a:], (signals, activations)))
    if len(parts) > 1:
        signals, activations = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
    return tuple(FactoredFeatures(s, a) for s, a in zip(signals, activations, strict=True))


@eqx.filter_jit
def _signals_and_activations(
    run: Callable[[Any, Any, Tap], Array], network: Any, inputs: Any, names: tuple[str, ...]
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Return, for each name, the signals (n, k, t, d_out) and the activations (n, t, d_in)."""

    def probed(probes: dict[str, list[Array]] | None) -> tuple[Array, dict[str, list[tuple[Array, Array]]]]:
        seen: dict[str, list[tuple[Array, Array]]] = {name: [] for name in names}

        def tap(name: str, h: Array, z: Array) -> Array:
            if name not in seen:
                return z
            use = len(seen[name])
            seen[name].append((h, z))
            return z if probes is None else z + probes[name][use]

        outputs = run(network, inputs, tap)
        return outputs, seen

    _, uses = jax.eval_shape(lambda: probed(None))
    unknown = [name for name in names if not uses[name]]
    if unknown:
        raise BadInput(f"the network has no adapted map {unknown[0]!r}")
    zeros = {name: [jnp.zeros(z.shape, z.dtype) for _, z in seen] for name, seen in uses.items()}
    outputs, pull_back, seen = jax.vjp(probed, zeros, has_aux=True)
    n, k = outputs.shape
    units = jnp.broadcast_to(jnp.eye(k, dtype=outputs.dtype)[:, None, :], (k, n, k))
    (signals,) = jax.vmap(pull_back, out_axes=1)(units)
    return (
        tuple(jnp.concatenate([s.reshape(n, k, -1, s.shape[-1]) for s in signals[name]], axis=2) for name in names),
        tuple(jnp.concatenate([h.reshape(n, -1, h.shape[-1]) for h, _ in seen[name]], axis=1) for name in names),
    )
