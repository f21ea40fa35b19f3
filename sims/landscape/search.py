"""Second-order stationary points of the factored objective, from many starts at once.

Each start runs a damped Newton method on the full Hessian (eigenvalues replaced by their absolute values, so every step
descends) and leaves strict saddles along the most negative eigenvector. All starts advance together in one jitted,
vectorised call; the finished ones leave the batch between rounds.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from sims.errors import BadInput
from sims.landscape.landscape import Landscape
from sims.landscape.padding import Padding
from theory import factored_objective as lora
from theory.factorisation import rebalanced
from theory.losses import Loss

_FEW = 32
_ROUND = 12  # Newton steps between two removals of finished starts
_SMALL = 64  # rows of a Hessian up to which eight of them cost less than compiling for another batch size
_LENGTHS = np.concatenate([2.0 ** np.arange(-10, 0), [1.0, 1.5, 2.0, 4.0]])


@dataclass(frozen=True)
class StationaryPoints:
    """One row per start: Q = [u; v] (b, m+p, r), objective, gradient norm, smallest Hessian eigenvalue, accepted.

    ``accepted`` means: gradient and Hessian met the tolerances. The rest did not converge and proves nothing.
    """

    q: Float[np.ndarray, "b d r"]
    objective: Float[np.ndarray, " b"]
    gradient_norm: Float[np.ndarray, " b"]
    min_eigenvalue: Float[np.ndarray, " b"]
    accepted: Bool[np.ndarray, " b"]
    steps: int


def gaussian_starts(landscape: Landscape, rank: int, count: int, *, scale: float, seed: int) -> np.ndarray:
    """Return ``count`` Gaussian starting points of standard deviation ``scale``, shape (count, m+p, rank)."""
    return scale * np.random.default_rng(seed).standard_normal((count, landscape.size, rank))


@partial(jax.jit, static_argnames=("loss",))
def _advance(
    state: tuple[Any, ...],
    problem: tuple[Any, ...],
    *,
    loss: Loss,
    gradient_tolerance: Array,
    curvature_tolerance: Array,
) -> tuple[Any, ...]:
    """Advance every start of the batch by at most ``_ROUND`` accepted or rejected steps."""
    gradients, f0, y, lam, penalty, mask = problem
    flat = mask.reshape(-1)
    lengths = jnp.asarray(_LENGTHS)

    def value(q: Array) -> Array:
        return lora.objective(gradients, f0, y, loss, lam, q, penalty)

    def derivative(q: Array) -> Array:
        return mask * lora.gradient(gradients, f0, y, loss, lam, q, penalty)

    def curvature(q: Array) -> Array:
        # masked coordinates do not move: an eigenvalue 1 of their own, coupled to nothing
        return flat[:, None] * lora.hessian(gradients, f0, y, loss, lam, q, penalty) * flat[None, :] + jnp.diag(
            1.0 - flat
        )

    def one(q: Array, damping: Array, done: Array) -> tuple[Array, ...]:
        def body(_: Any, carry: tuple[Array, ...]) -> tuple[Array, ...]:
            q, damping, done, _norm, _lowest = carry
            g = derivative(q)
            norm = jnp.linalg.norm(g)
            eigenvalues, vectors = jnp.linalg.eigh(curvature(q))
            scale = jnp.maximum(jnp.abs(eigenvalues).max(), 1e-300)
            lowest = eigenvalues[0]
            size = jnp.maximum(jnp.linalg.norm(q), 1e-3)
            still = norm <= gradient_tolerance * scale * size
            convex = lowest >= -curvature_tolerance * scale
            done_now = done | (still & convex)
            parts = vectors.T @ g.reshape(-1)
            newton = -(vectors @ (parts / (jnp.abs(eigenvalues) + damping * scale))).reshape(q.shape)
            along = jnp.where(parts[0] > 0, -1.0, 1.0) * vectors[:, 0].reshape(q.shape)
            # near a critical point the gauge has eigenvalues of order norm / size: those are no way down
            escaping = ~convex & (norm <= 1e-2 * jnp.abs(lowest) * size)
            direction = jnp.where(escaping, size * along, newton)
            trials = jax.vmap(lambda t: value(q + t * direction))(lengths)
            best = jnp.argmin(trials)
            here = value(q)
            rounding = 1e-14 * jnp.maximum(1.0, jnp.abs(here))
            decreased = trials[best] < here - rounding
            # below rounding of the objective only the gradient can judge a full step
            full = q + newton
            polished = ~decreased & ~escaping & (jnp.linalg.norm(derivative(full)) < norm)
            moved = jnp.where(decreased, q + lengths[best] * direction, jnp.where(polished, full, q))
            accepted = decreased | polished
            grown = jnp.where(lengths[best] < 0.1, damping * 3.0, damping * 0.1)
            # the floor keeps rounding along gauge directions (zero eigenvalues) from being amplified
            damping = jnp.clip(jnp.where(accepted, grown, damping * 10.0), 1e-9, 1e3)
            return jnp.where(done_now, q, moved), damping, done_now, norm, lowest

        start = (q, damping, done, jnp.asarray(jnp.inf), jnp.asarray(-jnp.inf))
        return jax.lax.fori_loop(0, _ROUND, body, start)

    return jax.vmap(one)(*state)


def find_stationary_points(
    landscape: Landscape,
    starts: Float[np.ndarray, "b d r"],
    *,
    gradient_tolerance: float = 1e-12,
    curvature_tolerance: float = 1e-10,
    max_steps: int = 600,
) -> StationaryPoints:
    """Return where every start ends: second-order stationary points in float64, or an unaccepted row.

    Tolerances are relative to the largest Hessian eigenvalue (times ||Q|| for the gradient).

    Raises:
        BadInput: starts of the wrong shape, or none.
    """
    if starts.ndim != 3 or starts.shape[1] != landscape.size or min(starts.shape) == 0:
        raise BadInput(f"starts have shape {starts.shape}: expected (count, {landscape.size}, rank), all at least 1")
    if landscape.mask is not None and landscape.mask.shape != starts.shape[1:]:
        raise BadInput(f"mask has shape {landscape.mask.shape}: expected {starts.shape[1:]} as the starts")
    count = starts.shape[0]
    # few starts: compilation is the cost, so shapes are rounded up; many starts: the eigendecompositions are
    padding = Padding.of(landscape, starts.shape[2], rounded=count <= _FEW)
    problem = tuple(jnp.asarray(a) for a in padding.arrays(landscape))
    q, norms, lowest = padding.embed(starts) * padding.mask, np.full(count, np.inf), np.full(count, -np.inf)
    damping, finished = np.full(count, 1e-3), np.zeros(count, dtype=bool)
    steps = 0
    while steps < max_steps and not finished.all():
        active = np.flatnonzero(~finished)
        padded = np.resize(active, _batch(active.size, count, q[0].size))
        state = (jnp.asarray(q[padded]), jnp.asarray(damping[padded]), jnp.zeros(padded.size, dtype=bool))
        out = _advance(
            state,
            problem,
            loss=landscape.loss,
            gradient_tolerance=jnp.asarray(gradient_tolerance),
            curvature_tolerance=jnp.asarray(curvature_tolerance),
        )
        rows = [np.asarray(part)[: active.size] for part in out]
        q[active], damping[active], finished[active], norms[active], lowest[active] = rows
        steps += _ROUND
        if landscape.lam == 0 and landscape.perturbation is None and landscape.mask is None:
            # without weight decay runs drift along the gauge GL(r); balanced factors keep them finite
            for row in np.flatnonzero(~finished):
                q[row] = padding.embed(_balanced(padding.extract(q[row]), landscape.d_out))
    points = padding.extract(q)
    data = (landscape.gradients, landscape.f0, landscape.y, landscape.loss, landscape.lam)
    values = np.array([float(lora.objective(*data, row, landscape.perturbation)) for row in points])
    return StationaryPoints(points, values, norms / padding.scale, lowest / padding.scale, finished, steps)


def _batch(active: int, count: int, rows: int) -> int:
    """Return how many rows are computed for these active ones of ``count`` starts, with Hessians of this many rows.

    A power of 8, so that few shapes are ever compiled, and no more than ``count`` rounded up to a power of 2: the first
    batches are the dear ones.
    """
    size = 8 if rows <= _SMALL else 1
    while size < active:
        size *= 8
    return min(size, max(8 if rows <= _SMALL else 1, 1 << (count - 1).bit_length()))


def _balanced(q: np.ndarray, d_out: int) -> np.ndarray:
    """Return Q of the same product u v^T with u^T u = v^T v, padded with zero columns to the same rank."""
    u, v = rebalanced(q[:d_out], q[d_out:])
    padded = np.zeros_like(q)
    padded[:, : u.shape[1]] = np.concatenate([u, v])
    return padded
