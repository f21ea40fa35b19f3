"""Many adapted networks at once: a frozen backbone, an adapter on some of its matrices, and a linear head.

A backbone is a `sims.models.network.Network` whose outputs are features (n, p); the head maps them to K outputs. Runs
are stacked along the first axis of every array, so that one compiled program trains all of them.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from sims.adapters.protocol import Adapter, Factors, adapted
from sims.errors import BadInput
from sims.models.network import Network

Array = Any


class Head(NamedTuple):
    """A linear head: weight (K, p) and bias (K,)."""

    weight: Float[Array, "*r k p"]
    bias: Float[Array, "*r k"]


class Params(NamedTuple):
    """What belongs to the adapter and the head: ``adapters[name][factor]`` and ``head`` (empty where it is not held).

    One of these is trained and one is frozen; together they hold every factor once.
    """

    adapters: dict[str, dict[str, Array]]
    head: dict[str, Array]


class Runs(NamedTuple):
    """R runs: trained and frozen parameters with a leading axis R; the backbone has one too unless it is shared."""

    network: Network
    trained: Params
    frozen: Params
    shared_network: bool

    @property
    def size(self) -> int:
        """The number of runs R."""
        return int(jax.tree.leaves((self.trained, self.frozen))[0].shape[0])

    def run(self, i: int) -> tuple[Network, Params, Params]:
        """Return backbone, trained and frozen parameters of one run, without the leading axis."""
        trained, frozen = jax.tree.map(lambda leaf: leaf[i], (self.trained, self.frozen))
        network = self.network if self.shared_network else jax.tree.map(lambda leaf: leaf[i], self.network)
        return network, trained, frozen


@partial(jax.jit, static_argnames=("outputs", "features", "dtype"))
def random_head(key: jax.Array, outputs: int, features: int, dtype: Any) -> Head:
    """Return weight and bias uniform on +-1/sqrt(features), the usual start of a linear layer."""
    key_weight, key_bias = jax.random.split(key)
    bound = features**-0.5
    return Head(
        jax.random.uniform(key_weight, (outputs, features), dtype, -bound, bound),
        jax.random.uniform(key_bias, (outputs,), dtype, -bound, bound),
    )


@partial(jax.jit, static_argnames=("adapter", "maps", "shared"))
def _starts(
    adapter: Adapter, network: Network, maps: tuple[str, ...], keys: jax.Array, shared: bool
) -> dict[str, Factors]:
    def factors(net: Network, key: jax.Array) -> dict[str, Factors]:
        return adapter.init_all(key, {name: net.matrices[name] for name in maps})

    # the rules that depend on the weight (singular vectors) see the matrix of their own run
    return jax.vmap(factors, in_axes=(None if shared else 0, 0))(network, keys)


def start(
    adapter: Adapter,
    network: Network,
    maps: Sequence[str],
    head: Head,
    keys: jax.Array,
    *,
    shared_network: bool,
    train_head: bool = True,
) -> Runs:
    """Return R runs at their start, one for each of the R ``keys`` (the start of the factors).

    ``head`` has a leading axis R, and so have the arrays of ``network`` unless ``shared_network``.

    Raises:
        BadInput: a map that the network has not, no run, settings of the adapter that do not fit a matrix, or nothing
            to train.
    """
    missing = [name for name in maps if name not in network.matrices]
    if missing or len(set(maps)) < len(maps):
        raise BadInput(f"adapted maps {tuple(maps)}: expected distinct names among {', '.join(network.names)}")
    if len(keys) == 0:
        raise BadInput("0 runs: expected at least one seed")

    made = _starts(adapter, network, tuple(maps), keys, shared_network)
    made = {name: made[name] for name in maps}
    held = head._asdict()
    trained = Params({name: made[name].trained for name in maps}, held if train_head else {})
    frozen = Params({name: made[name].frozen for name in maps}, {} if train_head else held)
    if not jax.tree.leaves(trained):
        raise BadInput("nothing is trained: choose another adapter than rank0, or train the head (train_head=true)")
    return Runs(network, trained, frozen, shared_network)


def outputs(adapter: Adapter, network: Network, trained: Params, frozen: Params, inputs: Any) -> Float[Array, "n k"]:
    """Return the outputs (n, K) of one run (arrays without the leading axis)."""
    factors = {name: Factors(trained.adapters[name], frozen.adapters[name]) for name in trained.adapters}
    features = network.forward(inputs, adapted(adapter, factors))
    head = trained.head | frozen.head
    logits = features @ head["weight"].T
    return logits + jnp.broadcast_to(head["bias"], logits.shape)


def trained_scalars(runs: Runs) -> int:
    """Return the number of trained scalars of one run, the head's included when it is trained."""
    return sum(int(leaf[0].size) for leaf in jax.tree.leaves(runs.trained))


def total_scalars(runs: Runs) -> int:
    """Return the number of scalars of the plain network: the backbone's arrays and the head."""
    network = jax.tree.leaves(runs.network if runs.shared_network else runs.run(0)[0])
    head = runs.trained.head | runs.frozen.head
    return sum(int(leaf.size) for leaf in network) + sum(int(leaf[0].size) for leaf in head.values())
