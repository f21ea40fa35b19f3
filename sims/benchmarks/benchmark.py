"""What a benchmark is, and what it hands to the training engine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from sims.models.network import Network
from sims.training.engine import Pool
from sims.training.model import Head
from sims.training.settings import BackboneKind, RunSettings

# streams of one seed
_BACKBONE, _HEAD, _FACTORS = 0, 1, 2


class Prepared(NamedTuple):
    """All of R runs but the adapter: samples, rows, backbone (one, or stacked), adapted maps, starts of heads."""

    pool: Pool
    train_rows: Int[np.ndarray, " n"]
    test_rows: Int[np.ndarray, " m"]
    network: Network
    shared_network: bool
    maps: tuple[str, ...]
    head: Head


@dataclass(frozen=True)
class Benchmark:
    """A named benchmark. The first of ``backbones`` is its default; ``defaults`` are `RunSettings` fields.

    ``rates`` holds the default step size of an adapter, "" that of any other.
    """

    name: str
    title: str
    data: str
    backbones: tuple[BackboneKind, ...]
    defaults: Mapping[str, Any]
    rates: Mapping[str, float]
    prepare: Callable[[RunSettings, Sequence[int]], Prepared]

    def default_settings(self, adapter: str) -> dict[str, Any]:
        """Return the default fields for this adapter, step size included."""
        rate = self.rates.get(adapter, self.rates[""])
        return {"backbone": self.backbones[0], "lr": rate, **self.defaults}


def _keys(seeds: Sequence[int], stream: int) -> jax.Array:
    return jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), stream))(np.asarray(seeds, dtype=np.uint32))


def backbone_keys(seeds: Sequence[int]) -> jax.Array:
    """Return a key of every seed for drawing its backbone."""
    return _keys(seeds, _BACKBONE)


def head_keys(seeds: Sequence[int]) -> jax.Array:
    """Return a key of every seed for drawing its head."""
    return _keys(seeds, _HEAD)


def factor_keys(seeds: Sequence[int]) -> jax.Array:
    """Return a key of every seed for the starts of its factors."""
    return _keys(seeds, _FACTORS)
