"""Monte Carlo estimates of restricted strong convexity and smoothness of a loss around X*.

A sample is X = (A* + t E)(B* + t F)^T with Gaussian E, F and balanced factors of X* padded to r columns, t chosen so
that ||X - X*||_F is uniform in (0, D]; beta also draws rank-one U = a b^T, V = c d^T. Minimum and maximum over samples
are an upper estimate of alpha and a lower estimate of beta: sampling cannot bound the best constants.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sims.errors import BadInput
from sims.landscape.smooth import DataTerm, SmoothLandscape
from theory.factorisation import balanced_factors

Array = Any
_CHUNK = 50


@dataclass(frozen=True)
class CurvatureSample:
    """Quotients of every sample: RSC (s,) and RSM (s,), and the distances to X* (s,)."""

    convexity: Float[np.ndarray, " s"]
    smoothness: Float[np.ndarray, " s"]
    distance: Float[np.ndarray, " s"]

    @property
    def alpha(self) -> float:
        """Smallest RSC quotient."""
        return float(self.convexity.min())

    @property
    def beta(self) -> float:
        """Largest RSM quotient."""
        return float(self.smoothness.max())


def sample_curvature(
    landscape: SmoothLandscape,
    x_star: Float[np.ndarray, "m n"],
    *,
    rank: int,
    radius: float,
    samples: int,
    seed: int,
) -> CurvatureSample:
    """Return the quotients at random X of rank at most ``rank`` in the ball of this radius about X* (one matrix).

    Raises:
        BadInput: several matrices, or a rank below that of X*.
    """
    if len(landscape.shapes) != 1:
        raise BadInput(f"{len(landscape.shapes)} matrices: restricted curvature is sampled for one")
    try:
        a, b = balanced_factors(x_star, rank)
    except ValueError as error:
        raise BadInput(f"rank {rank} is below that of X*: {error}") from None
    m, n = x_star.shape
    g = np.random.default_rng([seed, rank])
    points, directions = np.empty((samples, m, n)), np.empty((samples, m, n))
    for i in range(samples):
        e, f = g.standard_normal(a.shape), g.standard_normal(b.shape)
        t = _scale(a @ f.T + e @ b.T, e @ f.T, radius * (1.0 - g.random()))
        x = (a + t * e) @ (b + t * f).T
        left, right = g.standard_normal((2, m)), g.standard_normal((2, n))
        left, right = (w / np.linalg.norm(w, axis=1, keepdims=True) for w in (left, right))
        points[i] = x
        directions[i] = np.outer(left[0], left[1] @ x) + np.outer(x @ right[0], right[1])
    quotients = []
    for i in range(0, samples, _CHUNK):
        chunk = slice(i, min(i + _CHUNK, samples))
        args = (jnp.asarray(x_star), jnp.asarray(points[chunk]), jnp.asarray(directions[chunk]))
        quotients.append(np.asarray(_quotients(landscape.data, *args, term=landscape.data_term)))
    convexity, smoothness = np.concatenate(quotients, axis=1)
    return CurvatureSample(convexity, smoothness, np.linalg.norm(points - x_star, axis=(1, 2)))


def _scale(linear: np.ndarray, square: np.ndarray, distance: float) -> float:
    """Return the smallest t > 0 with ||t linear + t^2 square||_F = distance, by bisection on a first bracket."""
    p, c, q = (linear**2).sum(), (linear * square).sum(), (square**2).sum()

    def reached(t: float) -> bool:
        return bool(t * t * (p + 2 * t * c + t * t * q) >= distance * distance)

    high = 1e-6
    while not reached(high):
        high *= 1.1
    low = high / 1.1
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if reached(middle) else (middle, high)
    return low


@partial(jax.jit, static_argnames="term")
def _quotients(data: Any, x_star: Array, points: Array, directions: Array, *, term: DataTerm) -> Array:
    """Return RSC and RSM quotients, shape (2, chunk)."""

    def gradient(x: Array) -> Array:
        return jax.grad(term, argnums=1)(data, (x,))[0]

    at_star = gradient(x_star)

    def one(x: Array, h: Array) -> Array:
        here, change = jax.jvp(gradient, (x,), (h,))
        step = x - x_star
        return jnp.stack([jnp.vdot(here - at_star, step) / (step**2).sum(), jnp.vdot(h, change) / (h**2).sum()])

    return jax.vmap(one)(points, directions).T
