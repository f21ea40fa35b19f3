"""The one protocol of every adapter family: how it starts, what it computes, what is trained, what it counts.

An adapter acts on named weight matrices W (d_out, d_in) of a frozen backbone. What it holds for one matrix are its
factors, in two dictionaries: the trained ones and the frozen ones. An optimiser is only ever given the trained
dictionary, so that a frozen factor cannot move.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
from jaxtyping import Float

from sims.ntk.probes import Linear, plain

Array = Any


class Factors(NamedTuple):
    """What an adapter holds for one matrix: arrays by name, those that are trained and those that are not."""

    trained: dict[str, Array]
    frozen: dict[str, Array]


class Adapter(ABC):
    """One adapter family with its settings (rank, scale, starts). Everything can be jitted and vmapped over arrays.

    A new family implements `init`, `apply`, `delta` and `count`, and `check` where not all settings fit all matrices;
    one that shares factors between matrices (a common random basis) also replaces `init_all`.
    """

    @abstractmethod
    def init(self, key: jax.Array, weight: Float[Array, "d_out d_in"]) -> Factors:
        """Return the factors for one matrix as loaded, in its dtype.

        Raises `BadInput` when the settings do not fit the matrix (a rank that is too large, an unknown start).
        """

    @abstractmethod
    def apply(
        self, factors: Factors, weight: Float[Array, "d_out d_in"], h: Float[Array, "*n d_in"]
    ) -> Float[Array, "*n d_out"]:
        """Return h (W + delta)^T without forming a d_out x d_in product where the family is of low rank."""

    @abstractmethod
    def delta(self, factors: Factors, weight: Float[Array, "d_out d_in"]) -> Float[Array, "d_out d_in"]:
        """Return the dense change of the matrix, scale included."""

    @abstractmethod
    def count(self, shape: tuple[int, int]) -> int:
        """Return the number of trained scalars for a matrix of shape (d_out, d_in)."""

    def check(self, shapes: Mapping[str, tuple[int, int]]) -> None:  # noqa: B027 (most settings fit any matrix)
        """Raise `BadInput` for settings that do not fit these named matrices (d_out, d_in), naming the narrowest."""

    def merge(self, factors: Factors, weight: Float[Array, "d_out d_in"]) -> Float[Array, "d_out d_in"]:
        """Return W + delta, with which the plain network computes what the adapted one does, to rounding."""
        return weight + self.delta(factors, weight)

    def init_all(self, key: jax.Array, weights: Mapping[str, Array]) -> dict[str, Factors]:
        """Return the factors of every named matrix, each from a key of its own.

        The keys depend on the position of the matrix among ``weights``, not on its name. Raises `BadInput` as `check`
        and `init`.
        """
        self.check({name: (int(weight.shape[0]), int(weight.shape[1])) for name, weight in weights.items()})
        return {name: self.init(jax.random.fold_in(key, i), weight) for i, (name, weight) in enumerate(weights.items())}


def adapted(adapter: Adapter, factors: Mapping[str, Factors]) -> Linear:
    """Return the hook ``linear(name, W, h)`` of a network: adapted where there are factors, h W^T elsewhere."""

    def linear(name: str, weight: Array, h: Array) -> Array:
        return adapter.apply(factors[name], weight, h) if name in factors else plain(name, weight, h)

    return linear
