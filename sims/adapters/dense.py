"""The two ends of the ladder: train every entry of the matrix, or none of it (the head alone learns)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from sims.adapters.protocol import Adapter, Factors

Array = Any


@dataclass(frozen=True)
class Full(Adapter):
    """The whole matrix is trained, from its loaded value; weight decay, where used, pulls it to zero as usual."""

    def init(self, key: jax.Array, weight: Float[Array, "d_out d_in"]) -> Factors:  # noqa: ARG002
        """Return the loaded matrix as the trained one."""
        return Factors({"W": weight}, {})

    def apply(
        self,
        factors: Factors,
        weight: Float[Array, "d_out d_in"],  # noqa: ARG002
        h: Float[Array, "*n d_in"],
    ) -> Float[Array, "*n d_out"]:
        """Return h W^T with the trained W."""
        return h @ factors.trained["W"].T

    def delta(self, factors: Factors, weight: Float[Array, "d_out d_in"]) -> Float[Array, "d_out d_in"]:
        """Return the trained W minus the loaded one."""
        return factors.trained["W"] - weight

    def merge(self, factors: Factors, weight: Float[Array, "d_out d_in"]) -> Float[Array, "d_out d_in"]:  # noqa: ARG002
        """Return the trained W, exactly."""
        return factors.trained["W"]

    def count(self, shape: tuple[int, int]) -> int:
        """Return d_out d_in."""
        return shape[0] * shape[1]


@dataclass(frozen=True)
class HeadOnly(Adapter):
    """Rank 0: the matrix stays as loaded."""

    def init(self, key: jax.Array, weight: Float[Array, "d_out d_in"]) -> Factors:  # noqa: ARG002
        """Return no factors."""
        return Factors({}, {})

    def apply(
        self,
        factors: Factors,  # noqa: ARG002
        weight: Float[Array, "d_out d_in"],
        h: Float[Array, "*n d_in"],
    ) -> Float[Array, "*n d_out"]:
        """Return h W^T."""
        return h @ weight.T

    def delta(self, factors: Factors, weight: Float[Array, "d_out d_in"]) -> Float[Array, "d_out d_in"]:  # noqa: ARG002
        """Return zeros."""
        return jnp.zeros_like(weight)

    def count(self, shape: tuple[int, int]) -> int:  # noqa: ARG002
        """Return 0."""
        return 0
