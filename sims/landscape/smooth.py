"""Second-order stationary points of any smooth loss of LoRA updates: no linearisation, one or several matrices.

    minimise over factors   f(A_1 B_1^T, ..., A_L B_L^T) + lam/2 sum_l (||A_l||^2 + ||B_l||^2)

f is a JAX function of (data, updates). The method is the one of `sims.landscape.search` (Newton with the absolute
values of all Hessian eigenvalues, strict saddles left along the most negative one), with derivatives by automatic
differentiation: for a few hundred unknowns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
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
_GROUP = 4  # rows evaluated at once
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
    """One row per start: unknowns (b, w), objective, gradient norm and smallest eigenvalue (relative), accepted."""

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


def factored_objective(q: Array, data: Any, lam: Array, term: DataTerm, shapes: Shapes, rank: int) -> Array:
    """Return f(A B^T, ...) + lam/2 ||q||^2 from the flat vector of all factors, a scalar."""
    updates = tuple(a @ b.T for a, b in _split(q, shapes, rank))
    return term(data, updates) + 0.5 * lam * (q**2).sum()


@partial(jax.jit, static_argnames=("term", "shapes", "rank"))
def _derivatives(q: Array, data: Any, lam: Array, *, term: DataTerm, shapes: Shapes, rank: int) -> tuple[Array, ...]:
    """Return gradients and Hessians of a batch."""

    def one(row: Array) -> tuple[Array, Array]:
        args = (row, data, lam, term, shapes, rank)
        return jax.grad(factored_objective)(*args), jax.hessian(factored_objective)(*args)

    return jax.vmap(one)(q)


@partial(jax.jit, static_argnames=("term", "shapes", "rank"))
def _line(
    q: Array, directions: Array, data: Any, lam: Array, *, term: DataTerm, shapes: Shapes, rank: int
) -> tuple[Array, Array]:
    """Return the objective at the rows of q, and at every step length along their directions."""

    def value(row: Array) -> Array:
        return factored_objective(row, data, lam, term, shapes, rank)

    lengths = jnp.asarray(_LENGTHS)
    along = jax.vmap(lambda row, d: jax.vmap(lambda t: value(row + t * d))(lengths))
    return jax.vmap(value)(q), along(q, directions)


def second_order_residuals(
    landscape: SmoothLandscape, rank: int, q: Float[np.ndarray, "b w"]
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " b"]]:
    """Return, for every row, the gradient norm over ||Hessian|| ||q|| and the smallest eigenvalue over ||Hessian||."""
    gradient, hessian = _in_groups(_derivatives, (q,), landscape, rank)
    state = _Newton(gradient, hessian, q, np.zeros(len(q)))
    return state.relative_gradient, state.values[:, 0] / state.scale


def smooth_stationary_points(
    landscape: SmoothLandscape, rank: int, starts: Float[np.ndarray, "b w"], *, max_steps: int = 400
) -> SmoothPoints:
    """Return where every start ends: second-order stationary points in float64, or rows that are not accepted.

    Raises:
        BadInput: starts of the wrong width, or none.
    """
    if starts.ndim != 2 or starts.shape[1] != landscape.unknowns(rank) or not len(starts):
        raise BadInput(f"starts have shape {starts.shape}: expected (count, {landscape.unknowns(rank)})")
    q = np.array(starts, dtype=np.float64)
    count = len(q)
    damping, done = np.full(count, 1e-3), np.zeros(count, dtype=bool)
    norms, lowest = np.full(count, np.inf), np.full(count, -np.inf)
    for step in range(max_steps + 1):
        rows = np.flatnonzero(~done)
        gradient, hessian = _in_groups(_derivatives, (q[rows],), landscape, rank)
        state = _Newton(gradient, hessian, q[rows], damping[rows])
        norms[rows], lowest[rows] = state.relative_gradient, state.values[:, 0] / state.scale
        done[rows] = state.finished
        if done.all() or step == max_steps:
            break
        moving = ~state.finished
        direction = state.direction()
        here, trials = _in_groups(_line, (q[rows], direction), landscape, rank)
        trials = np.where(np.isfinite(trials), trials, np.inf)
        best = trials.argmin(axis=1)
        lower = trials[np.arange(len(rows)), best] < here - 1e-14 * np.maximum(1.0, np.abs(here))
        # below rounding of the objective a full Newton step is judged by the gradient at the next round
        length = np.where(lower, _LENGTHS[best], np.where(state.escaping, 0.0, 1.0))
        q[rows] += np.where(moving, length, 0.0)[:, None] * direction
        damping[rows] = np.clip(np.where(lower & (length < 0.1), damping[rows] * 3, damping[rows] * 0.1), 1e-9, 1e3)
    objective, _ = _in_groups(_line, (q, np.zeros_like(q)), landscape, rank)
    return SmoothPoints(q, objective, norms, lowest, done)


@dataclass(frozen=True)
class _Newton:
    """Gradients and Hessians of a batch at q, and what one damped step makes of them."""

    gradient: np.ndarray
    hessian: np.ndarray
    q: np.ndarray
    damping: np.ndarray

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = np.linalg.eigh(self.hessian)
        return values, vectors

    @property
    def values(self) -> np.ndarray:
        return self._spectrum[0]

    @property
    def scale(self) -> np.ndarray:
        return np.maximum(np.abs(self.values).max(axis=1), np.finfo(float).tiny)

    @property
    def size(self) -> np.ndarray:
        return np.maximum(np.linalg.norm(self.q, axis=1), 1e-3)

    @property
    def relative_gradient(self) -> np.ndarray:
        return np.linalg.norm(self.gradient, axis=1) / (self.scale * self.size)

    @property
    def convex(self) -> np.ndarray:
        return self.values[:, 0] >= -_CURVATURE * self.scale

    @property
    def finished(self) -> np.ndarray:
        return self.convex & (self.relative_gradient <= _GRADIENT)

    @property
    def escaping(self) -> np.ndarray:
        steep = np.linalg.norm(self.gradient, axis=1) > 1e-2 * np.abs(self.values[:, 0]) * self.size
        return ~self.convex & ~steep

    def direction(self) -> np.ndarray:
        """Return the Newton direction with absolute eigenvalues, or the most negative one at a strict saddle."""
        values, vectors = self._spectrum
        parts = np.einsum("bij,bi->bj", vectors, self.gradient)
        weights = parts / (np.abs(values) + (self.damping * self.scale)[:, None])
        newton = -np.einsum("bij,bj->bi", vectors, weights)
        down = vectors[:, :, 0] * (np.where(parts[:, 0] > 0, -1.0, 1.0) * self.size)[:, None]
        return np.where(self.escaping[:, None], down, newton)


def _in_groups(
    function: Callable[..., tuple[Array, ...]], rows: tuple[np.ndarray, ...], landscape: SmoothLandscape, rank: int
) -> tuple[np.ndarray, ...]:
    """Return function(*rows) evaluated in padded groups of one size, so that it is compiled once a rank."""
    static = {"term": landscape.data_term, "shapes": landscape.shapes, "rank": rank}
    count, lam = len(rows[0]), jnp.asarray(landscape.lam)
    parts = []
    for i in range(0, count, _GROUP):
        index = np.minimum(np.arange(i, i + _GROUP), count - 1)
        found = function(*(jnp.asarray(part[index]) for part in rows), landscape.data, lam, **static)
        parts.append([np.asarray(x)[: count - i] for x in found])
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))
