"""Populations on which the uniform gap of a one-factor adapter with a linear loss is a norm, so that it is exact.

Labels y = +-1 and f(x) = <b, Q x> with ||b|| <= beta, |f| <= 1: the loss (1 - y f)/2 lies in [0, 1], is
1/2-Lipschitz, and sup over b of L - Lhat is (beta / 2)||mean over the sample of y Q x - mean over the population||.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float

Array = np.ndarray
LIPSCHITZ = 0.5


@dataclass(frozen=True)
class LinearPopulation:
    """Equally likely points: inputs of norm at most one, labels +-1."""

    inputs: Float[Array, "points d_in"]
    labels: Float[Array, " points"]

    def signed(self, frozen: Float[Array, "d_in r"]) -> Float[Array, "points r"]:
        """Return y Q x of every point."""
        return self.labels[:, None] * (self.inputs @ frozen)


def population(points: int, d_in: int, decay: float, seed: int) -> LinearPopulation:
    """Return Gaussian inputs (standard deviations k^-decay) scaled into the unit ball, labels of a noisy teacher."""
    rng = np.random.default_rng([seed, points, d_in])
    inputs = rng.standard_normal((points, d_in)) * np.arange(1.0, d_in + 1) ** -decay
    inputs /= np.linalg.norm(inputs, axis=1).max()
    teacher = inputs @ rng.standard_normal(d_in)
    noise = rng.standard_normal(points) * teacher.std()
    return LinearPopulation(inputs, np.where(teacher + noise > 0, 1.0, -1.0))


def haar(draws: int, d_in: int, rank: int, rng: np.random.Generator) -> Float[Array, "draws d_in r"]:
    """Return frames whose spans are uniform; signs of columns do not matter to any norm."""
    return np.linalg.qr(rng.standard_normal((draws, d_in, rank)))[0]


def sign_patterns(n: int) -> Float[Array, "patterns n"]:
    """Return all 2^(n - 1) patterns of signs that start with +: a norm does not see the global sign."""
    return np.array([(1.0, *rest) for rest in product((-1.0, 1.0), repeat=n - 1)])
