"""What every frozen network offers: adaptable matrices by name, outputs, tangent features, outputs after an update."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
from jaxtyping import Float

from sims.errors import BadInput
from sims.ntk.features import FactoredFeatures
from sims.ntk.probes import Linear, Tap, factored_features, plain, through

Array = Any


class Network(eqx.Module):
    """A frozen network whose adapted linear maps go through the hook ``linear(name, weight, h)``."""

    @property
    @abstractmethod
    def matrices(self) -> dict[str, Array]:
        """The adaptable matrices (d_out, d_in) by name, in forward order."""

    @abstractmethod
    def forward(self, inputs: Any, linear: Linear) -> Float[Array, "n k"]:
        """Return the outputs (n, K); every adaptable matrix is applied by ``linear``."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the adaptable matrices, in forward order."""
        return tuple(self.matrices)

    def __call__(self, inputs: Any) -> Float[Array, "n k"]:
        """Return the outputs (n, K) of the frozen network."""
        return _frozen_outputs(self, inputs)


def tangent_features(
    network: Network, inputs: Any, *, maps: Sequence[str] | None = None, chunk: int | None = None
) -> tuple[FactoredFeatures, ...]:
    """Return the features of the K outputs, one object for each name in ``maps`` (default: all, in order).

    ``features[j].dense()[i, k]`` is the gradient of output k at sample i with respect to ``matrices[maps[j]]``.
    ``chunk`` samples are done at a time. Raises `BadInput` for names that are empty, repeated or not in the network.
    """
    chosen = network.names if maps is None else tuple(maps)
    _known(network, chosen)
    return factored_features(_run, network, inputs, chosen, chunk=chunk)


def outputs_after(network: Network, inputs: Any, deltas: Mapping[str, Float[Array, "_ _"]]) -> Float[Array, "n k"]:
    """Return the outputs with ``deltas[name]`` (d_out, d_in) added to the named matrices.

    Raises `BadInput` for an unknown name or another shape.
    """
    _known(network, tuple(deltas))
    for name, delta in deltas.items():
        _fits(name, tuple(delta.shape), tuple(network.matrices[name].shape))

    def linear(name: str, weight: Array, h: Array) -> Array:
        return h @ (weight + deltas[name]).T if name in deltas else h @ weight.T

    return network.forward(inputs, linear)


def outputs_after_low_rank(
    network: Network, inputs: Any, factors: Mapping[str, tuple[Float[Array, "_ _"], Float[Array, "_ _"]]]
) -> Float[Array, "n k"]:
    """Return the outputs with u v^T added to the named matrices, factors (u, v) of shapes (d_out, r) and (d_in, r).

    Raises `BadInput` for an unknown name or another shape.
    """
    _known(network, tuple(factors))
    for name, (u, v) in factors.items():
        _fits(name, (u.shape[0], v.shape[0]), tuple(network.matrices[name].shape))

    def linear(name: str, weight: Array, h: Array) -> Array:
        if name not in factors:
            return h @ weight.T
        u, v = factors[name]
        return h @ weight.T + (h @ v) @ u.T

    return network.forward(inputs, linear)


def chosen_maps(network: Network, kinds: Sequence[str], *, last_only: bool) -> tuple[str, ...]:
    """Return the names ``block.kind`` of these kinds (query, value, ...) in all blocks or in the last one.

    Raises `BadInput` when the network has no map of a kind.
    """
    found = [name.rsplit(".", 1) for name in network.names if "." in name]
    missing = sorted(set(kinds) - {kind for _, kind in found})
    if missing or not kinds:
        known = ", ".join(dict.fromkeys(kind for _, kind in found))
        raise BadInput(f"the network has no maps of kind {', '.join(missing)}: expected some of {known}")
    last = found[-1][0]
    return tuple(f"{block}.{kind}" for block, kind in found if kind in kinds and (block == last or not last_only))


def check_input(what: str, inputs: Array, *shape: int | str) -> None:
    """Raise `BadInput` unless the inputs have this shape; a letter stands for any length.

    Shapes are static, so that this works under jit: a matrix product that happens to fit would give wrong outputs.
    """
    found = tuple(inputs.shape)
    if len(found) != len(shape) or any(isinstance(b, int) and a != b for a, b in zip(found, shape)):
        raise BadInput(f"{what} of shape {found}: expected ({', '.join(map(str, shape))}) for this network")


@eqx.filter_jit
def _frozen_outputs(network: Network, inputs: Any) -> Array:
    return network.forward(inputs, plain)


def _run(network: Network, inputs: Any, tap: Tap) -> Array:
    return network.forward(inputs, through(tap))


def _known(network: Network, names: tuple[str, ...]) -> None:
    wrong = [name for name in names if name not in network.matrices]
    if wrong:
        raise BadInput(f"the network has no adapted map {wrong[0]!r}: expected some of {', '.join(network.names)}")


def _fits(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise BadInput(f"update of {name} has shape {found}, expected {expected}")
