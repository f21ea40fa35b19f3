"""Second-order stationary points of any smooth loss of LoRA updates: no linearisation, one or several matrices.

    minimise over factors   f(A_1 B_1^T, ..., A_L B_L^T) + lam/2 sum_l (||A_l||^2 + ||B_l||^2)

f is a JAX function of (data, updates). The method is the one of `sims.landscape.search` (Newton with the absolute values
of all Hessian eigenvalues, strict saddles left along the most negative one), with derivatives by automatic
differentiation: for a few hundred unknowns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from sims.errors import BadInput

Array = Any
DataTerm = Callable[[Any, tuple[Array, ...]], Array]
Shapes = tuple[tuple[int, int], ...]

_LENGTHS = 2.0 ** np.arange(1.0, -21.0, -1.0)
_GRADIENT, _CURVATURE = 1e-11, 1e-9  # relative to the largest Hessian eigenvalue (times ||Q||), as in the search


@dataclass(frozen=True)
class SmoothLandscape:
    """f(data, updates), the shapes of the updates, and weight decay on the factors.

    ``data_term`` must be the same function object for landscapes of the same form, so that it is compiled once.
    """

    data_term: DataTerm
    data: Any
    shapes: Shapes
    lam: float

    def unknowns(self, rank: int) -> int:
        """Return the number of entries of all factors."""
        return rank * sum(m + n for m, n in self.shapes)

    def factors(self, q: Float[np.ndarray, " w"], rank: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return (A, B) of every matrix from the flat vector of unknowns."""
        return [(np.asarray(a), np.asarray(b)) for a, b in _split(q, self.shapes, rank)]

    def gradients(self, updates: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the gradient of f with respect to every update."""
        found = _gradient(self.data_term, self.data, tuple(jnp.asarray(x) for x in updates))
        return [np.asarray(g) for g in found]

    def value(self, updates: Sequence[np.ndarray]) -> float:
        """Return f at the updates."""
        return float(_value(self.data_term, self.data, tuple(jnp.asarray(x) for x in updates)))

    def curvature(self, updates: Sequence[np.ndarray], directions: Sequence[np.ndarray]) -> float:
        """Return D^2 f[H, H] at the updates, H given layer by layer."""
        at, along = (tuple(jnp.asarray(x) for x in part) for part in (updates, directions))
        return float(_curvature(self.data_term, self.data, at, along))


@dataclass(frozen=True)
class SmoothPoints:
    """One row per start: unknowns (b, w), objective, relative gradient norm, smallest eigenvalue (relative), accepted."""

    q: Float[np.ndarray, "b w"]
    objective: Float[np.ndarray, " b"]
    gradient_norm: Float[np.ndarray, " b"]
    min_eigenvalue: Float[np.ndarray, " b"]
    accepted: Bool[np.ndarray, " b"]


def _split(q: Array, shapes: Shapes, rank: int) -> list[tuple[Array, Array]]:
    factors, start = [], 0
    for m, n in shapes:
        middle, end = start + m * rank, start + (m + n) * rank
        factors.append((q[start:middle].reshape(m, rank), q[middle:end].reshape(n, rank)))
        start = end
    return factors


@partial(jax.jit, static_argnums=0)
def _value(term: DataTerm, data: Any, updates: tuple[Array, ...]) -> Array:
    return term(data, updates)


@partial(jax.jit, static_argnums=0)
def _gradient(term: DataTerm, data: Any, updates: tuple[Array, ...]) -> tuple[Array, ...]:
    return jax.grad(term, argnums=1)(data, updates)


@partial(jax.jit, static_argnums=0)
def _curvature(term: DataTerm, data: Any, updates: tuple[Array, ...], along: tuple[Array, ...]) -> Array:
    slope = partial(jax.grad(term, argnums=1), data)
    _, change = jax.jvp(slope, (updates,), (along,))
    return sum((jnp.vdot(h, c) for h, c in zip(along, change, strict=True)), jnp.zeros(()))


def _objective(q: Array, data: Any, lam: Array, term: DataTerm, shapes: Shapes, rank: int) -> Array:
    updates = tuple(a @ b.T for a, b in _split(q, shapes, rank))
    return term(data, updates) + 0.5 * lam * (q**2).sum()


@partial(jax.jit, static_argnames=("term", "shapes", "rank"))
def _derivatives(q: Array, data: Any, lam: Array, *, term: DataTerm, shapes: Shapes, rank: int) -> tuple[Array, ...]:
    """Return gradients and Hessians of a batch."""

    def one(row: Array) -> tuple[Array, Array]:
        args = (row, data, lam, term, shapes, rank)
        return jax.grad(_objective)(*args), jax.hessian(_objective)(*args)

    return jax.vmap(one)(q)


@partial(jax.jit, static_argnames=("term", "shapes", "rank"))
def _line(
    q: Array, directions: Array, data: Any, lam: Array, *, term: DataTerm, shapes: Shapes, rank: int
) -> tuple[Array, Array]:
    """Return the objective at the rows of q, and at every step length along their directions."""

    def value(row: Array) -> Array:
        return _objective(row, data, lam, term, shapes, rank)

    lengths = jnp.asarray(_LENGTHS)
    along = jax.vmap(lambda row, d: jax.vmap(lambda t: value(row + t * d))(lengths))
    return jax.vmap(value)(q), along(q, directions)


def smooth_stationary_points(
    landscape: SmoothLandscape, rank: int, starts: Float[np.ndarray, "b w"], *, max_steps: int = 400
) -> SmoothPoints:
    """Return where every start ends: second-order stationary points in float64, or rows that are not accepted.

    Raises:
        BadInput: starts of the wrong width, or none.
    """
    if starts.ndim != 2 or starts.shape[1] != landscape.unknowns(rank) or not len(starts):
        raise BadInput(f"starts have shape {starts.shape}: expected (count, {landscape.unknowns(rank)})")
    static = {"term": landscape.data_term, "shapes": landscape.shapes, "rank": rank}
    lam = jnp.asarray(landscape.lam)
    q = np.array(starts, dtype=np.float64)
    damping = np.full(len(q), 1e-3)
    for step in range(max_steps + 1):
        gradient, hessian = (np.asarray(x) for x in _derivatives(jnp.asarray(q), landscape.data, lam, **static))
        values, vectors = np.linalg.eigh(hessian)
        scale = np.maximum(np.abs(values).max(axis=1), np.finfo(float).tiny)
        size = np.maximum(np.linalg.norm(q, axis=1), 1e-3)
        norm, lowest = np.linalg.norm(gradient, axis=1), values[:, 0]
        convex = lowest >= -_CURVATURE * scale
        done = convex & (norm <= _GRADIENT * scale * size)
        if done.all() or step == max_steps:
            break
        parts = np.einsum("bij,bi->bj", vectors, gradient)
        newton = -np.einsum("bij,bj->bi", vectors, parts / (np.abs(values) + (damping * scale)[:, None]))
        down = vectors[:, :, 0] * np.where(parts[:, :1] > 0, -1.0, 1.0) * size[:, None]
        escaping = ~convex & (norm <= 1e-2 * np.abs(lowest) * size)
        direction = np.where(escaping[:, None], down, newton)
        here, trials = (
            np.asarray(x) for x in _line(jnp.asarray(q), jnp.asarray(direction), landscape.data, lam, **static)
        )
        trials = np.where(np.isfinite(trials), trials, np.inf)
        best = trials.argmin(axis=1)
        lower = trials[np.arange(len(q)), best] < here - 1e-14 * np.maximum(1.0, np.abs(here))
        # below rounding of the objective a full Newton step is judged by the gradient at the next round
        length = np.where(lower, _LENGTHS[best], np.where(escaping, 0.0, 1.0))
        damping = np.clip(np.where(lower & (length < 0.1), damping * 3, damping * 0.1), 1e-9, 1e3)
        q = np.where(done[:, None], q, q + length[:, None] * direction)
    objective, _ = _line(jnp.asarray(q), jnp.zeros_like(jnp.asarray(q)), landscape.data, lam, **static)
    return SmoothPoints(q, np.asarray(objective), norm / (scale * size), lowest / scale, done)
