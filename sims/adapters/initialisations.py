"""How a factor of an adapter starts: the laws of the literature by name, each drawn from a key.

Adapted matrix W (d_out, d_in), adapter B A with A (r, d_in) and B (d_out, r). ``gaussian`` and ``orthonormal`` have the
same law of row space (Haar), ``kaiming`` only asymptotically in the dimension, and ``rand`` is orthonormal but not
exactly Haar. Sizes matter as much as directions: see `theory.step_size`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from sims.errors import BadInput

FACTORS = ("A", "B")
_ANY_RANK = ("zero", "gaussian", "kaiming")  # starts whose vectors need not be independent
_Shape = tuple[int, int]


class _Asked(NamedTuple):
    """A checked request."""

    key: jax.Array
    shape: _Shape
    rank: int
    factor: str
    weight: Float[jax.Array, "_ _"] | None
    dtype: Any

    @property
    def d(self) -> int:
        """Length of the r vectors."""
        return self.shape[1] if self.factor == "A" else self.shape[0]

    def oriented(self, vectors: jax.Array) -> jax.Array:
        """Return the r columns of (d, r) as they are for B, as rows for A."""
        return vectors.T if self.factor == "A" else vectors


_Rule = Callable[[_Asked], jax.Array]


def initialise(
    name: str,
    key: jax.Array,
    shape: Sequence[int],
    rank: int,
    weight: Any = None,
    *,
    factor: str = "A",
    dtype: Any = None,
) -> Float[jax.Array, "_ _"]:
    """Return the start of A (rank, d_in), or of B (d_out, rank) with ``factor="B"``; ``shape`` is (d_out, d_in).

    Below, d is d_in for A and d_out for B, and the r vectors are the rows of A or the columns of B.

    - ``zero``: all zeros.
    - ``gaussian``: independent N(0, 1/d) entries, so that the vectors have norm about 1, as orthonormal ones.
    - ``orthonormal``: orthonormal vectors, Haar distributed.
    - ``kaiming``: uniform on +-1/sqrt(fan-in), the start of LoRA. The fan-in is d_in for A (norm about 1/sqrt 3) and
      the rank for B (norm about sqrt(d_out / (3 r)), large).
    - ``rand``: of the official code of the asymmetry paper: first r columns of Vh (for B: of U) of a d_out x d_in
      matrix of uniform noise.
    - ``singular-right`` (A only), ``singular-left`` (B only): the top r singular vectors of ``weight``, the matrix as
      loaded. Only min(d_out, d_in) of them have a singular value; the others, up to r = d, are an orthonormal basis of
      the rest, which the weight maps to zero, as the decomposition completes it: fixed, but no better than chance. The
      official code, whose strategies V and U are meant to be these, decomposes the noise that the layer held before
      loading, and takes columns of Vh.

    ``dtype`` is by default that of ``weight``, otherwise JAX's default. Everything can be jitted and vmapped over
    ``key`` and ``weight``.

    Raises:
        BadInput: unknown name or factor, a name that does not exist for this factor, sizes that are not whole numbers
            >= 1, more orthonormal vectors than dimensions, a weight that is needed and missing, or of another shape.
    """
    if factor not in FACTORS:
        raise BadInput(f"factor {factor!r} is unknown: expected 'A' (rank x d_in) or 'B' (d_out x rank)")
    if name not in INITIALISATIONS[factor]:
        known = ", ".join(INITIALISATIONS[factor])
        raise BadInput(f"initialisation {name!r} of factor {factor} is unknown: expected one of {known}")
    d_out, d_in = _checked(shape, rank)
    d, side = (d_in, "d_in") if factor == "A" else (d_out, "d_out")
    if name not in _ANY_RANK and rank > d:
        raise BadInput(
            f"rank {rank} with initialisation {name!r} of factor {factor} of a {d_out} x {d_in} matrix: expected 1 to "
            f"{d}, {side}, as its vectors are orthonormal; choose a lower rank, or {', '.join(_ANY_RANK)}"
        )
    if weight is not None:
        weight = jnp.asarray(weight)
        if weight.shape != (d_out, d_in):
            raise BadInput(f"weight has shape {weight.shape}, expected ({d_out}, {d_in}): give the adapted matrix")
    elif name.startswith("singular"):
        raise BadInput(f"initialisation {name!r} without a weight: give the loaded matrix as `weight`")
    if dtype is None:
        dtype = jnp.zeros(()).dtype if weight is None else weight.dtype
    return INITIALISATIONS[factor][name](_Asked(key, (d_out, d_in), rank, factor, weight, dtype))


def _checked(shape: Sequence[int], rank: int) -> _Shape:
    if len(shape) != 2 or not all(isinstance(n, int) and n >= 1 for n in shape):
        raise BadInput(f"shape {tuple(shape)}: expected (d_out, d_in), two whole numbers >= 1")
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
        raise BadInput(f"rank {rank!r}: expected a whole number >= 1")
    return int(shape[0]), int(shape[1])


def _zero(asked: _Asked) -> jax.Array:
    return asked.oriented(jnp.zeros((asked.d, asked.rank), asked.dtype))


def _gaussian(asked: _Asked) -> jax.Array:
    entries = jax.random.normal(asked.key, (asked.d, asked.rank), asked.dtype)
    return asked.oriented(entries / jnp.sqrt(jnp.asarray(asked.d, asked.dtype)))


# A batched factorisation on a CPU splits itself over XLA's thread pool and waits for the pieces; as many of them in one
# program as there are threads (two, on two cores) wait for each other for ever. One matrix at a time runs in place.
@jax.custom_batching.sequential_vmap
def _qr(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    q, r = jnp.linalg.qr(x)
    return q, r


@jax.custom_batching.sequential_vmap
def _svd(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    u, _, vh = jnp.linalg.svd(x)
    return u, vh


@jax.custom_batching.sequential_vmap
def _thin_svd(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    u, _, vh = jnp.linalg.svd(x, full_matrices=False)
    return u, vh


def _orthonormal(asked: _Asked) -> jax.Array:
    q, r = _qr(jax.random.normal(asked.key, (asked.d, asked.rank), asked.dtype))
    # QR fixes the signs of r's diagonal by convention; with them undone the law is Haar
    return asked.oriented(q * jnp.where(jnp.diagonal(r) < 0, -1, 1).astype(asked.dtype)[None, :])


def _kaiming(asked: _Asked) -> jax.Array:
    # kaiming_uniform_(a=sqrt 5) on a matrix (out, in): uniform on +-sqrt(6 / ((1 + 5) in)) = +-1/sqrt(in)
    fan_in = asked.shape[1] if asked.factor == "A" else asked.rank
    entries = jax.random.uniform(asked.key, (asked.d, asked.rank), asked.dtype, -1, 1)
    return asked.oriented(entries / jnp.sqrt(jnp.asarray(fan_in, asked.dtype)))


def _rand(asked: _Asked) -> jax.Array:
    u, vh = _svd(jax.random.uniform(asked.key, asked.shape, asked.dtype, -0.5, 0.5))
    return vh[:, : asked.rank].T if asked.factor == "A" else u[:, : asked.rank]


def _singular(asked: _Asked) -> jax.Array:
    assert asked.weight is not None  # checked in `initialise`
    u, vh = (_thin_svd if asked.rank <= min(asked.shape) else _svd)(asked.weight)
    return (vh[: asked.rank] if asked.factor == "A" else u[:, : asked.rank]).astype(asked.dtype)


_BOTH: dict[str, _Rule] = {
    "zero": _zero,
    "gaussian": _gaussian,
    "orthonormal": _orthonormal,
    "kaiming": _kaiming,
    "rand": _rand,
}
INITIALISATIONS: dict[str, dict[str, _Rule]] = {
    "A": _BOTH | {"singular-right": _singular},
    "B": _BOTH | {"singular-left": _singular},
}
