"""What property tests draw: seeds and fixed short lists of shapes, and matrices with a prescribed spectrum.

Shapes come from short lists, because every new shape compiles a jitted function anew; entries come from a drawn seed.
Degenerate matrices (zero, repeated singular values, rank-deficient) are drawn as often as well-behaved ones.
"""

from collections.abc import Sequence

import hypothesis.strategies as st
import numpy as np
from jaxtyping import Float

# One row, one column, square, tall and wide.
MATRIX_SHAPES = ((1, 1), (1, 4), (4, 4), (5, 3), (3, 6))

# (n, k, d_out, d_in): one sample, one output, fewer and more measurements than entries of the matrix.
FEATURE_SHAPES = ((1, 1, 3, 4), (4, 1, 3, 3), (3, 2, 4, 3), (6, 3, 2, 4))

# (n, k, t, d_out, d_in) with t tokens or positions a sample.
FACTORED_SHAPES = ((1, 1, 1, 3, 4), (4, 1, 2, 3, 3), (3, 2, 1, 4, 3), (5, 3, 4, 2, 4))

seeds = st.integers(min_value=0, max_value=2**32 - 1)
matrix_shapes = st.sampled_from(MATRIX_SHAPES)
feature_shapes = st.sampled_from(FEATURE_SHAPES)
factored_shapes = st.sampled_from(FACTORED_SHAPES)


def orthonormal_columns(rng: np.random.Generator, rows: int, columns: int) -> Float[np.ndarray, "rows columns"]:
    """Return a Haar-distributed matrix with orthonormal columns (columns <= rows)."""
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    # QR fixes signs by convention; without this the distribution is not uniform
    return q * np.where(np.diagonal(r) < 0, -1.0, 1.0)


def matrix_with_spectrum(
    rng: np.random.Generator, shape: tuple[int, int], spectrum: Sequence[float]
) -> Float[np.ndarray, "rows columns"]:
    """Return a random matrix of this shape with these singular values (at most min(shape); the rest are zero)."""
    r = len(spectrum)
    left, right = orthonormal_columns(rng, shape[0], r), orthonormal_columns(rng, shape[1], r)
    return (left * np.asarray(spectrum, dtype=np.float64)) @ right.T


def symmetric_with_spectrum(rng: np.random.Generator, spectrum: Sequence[float]) -> Float[np.ndarray, "d d"]:
    """Return a random symmetric matrix with these eigenvalues."""
    q = orthonormal_columns(rng, len(spectrum), len(spectrum))
    a = (q * np.asarray(spectrum, dtype=np.float64)) @ q.T
    return 0.5 * (a + a.T)


def spectra(size: int) -> dict[str, list[float]]:
    """Return named lists of `size` singular values: generic, and every degenerate kind that fits the size."""
    half = (size + 1) // 2
    return {
        "separated": [2.0**-i for i in range(size)],
        "wide": [10.0 ** (-6 * i / max(1, size - 1)) for i in range(size)],
        "repeated": [1.0] * size,
        "tied top": [2.0] * half + [1.0] * (size - half),
        "rank-deficient": [1.0 + i for i in range(half)] + [0.0] * (size - half),
        "rank one": [3.0] + [0.0] * (size - 1),
        "zero": [0.0] * size,
    }


SPECTRUM_KINDS = tuple(spectra(1))


@st.composite
def matrices(
    draw: st.DrawFn,
    shapes: Sequence[tuple[int, int]] = MATRIX_SHAPES,
    kinds: Sequence[str] = SPECTRUM_KINDS,
) -> Float[np.ndarray, "rows columns"]:
    """Draw a matrix of one of these shapes whose spectrum is of one of these kinds."""
    shape = draw(st.sampled_from(shapes))
    kind = draw(st.sampled_from(kinds))
    rng = np.random.default_rng(draw(seeds))
    return matrix_with_spectrum(rng, shape, spectra(min(shape))[kind])


@st.composite
def dense_features(
    draw: st.DrawFn, shapes: Sequence[tuple[int, int, int, int]] = FEATURE_SHAPES
) -> Float[np.ndarray, "n k d_out d_in"]:
    """Draw tangent features: Gaussian, all equal (dependent), one sample zero, or all zero."""
    shape = draw(st.sampled_from(shapes))
    kind = draw(st.sampled_from(("gaussian", "dependent", "one zero", "zero")))
    g = np.random.default_rng(draw(seeds)).standard_normal(shape)
    if kind == "dependent":
        g[...] = g[:1, :1]
    elif kind == "one zero":
        g[0] = 0.0
    elif kind == "zero":
        g[...] = 0.0
    return g


@st.composite
def factored_features(
    draw: st.DrawFn, shapes: Sequence[tuple[int, int, int, int, int]] = FACTORED_SHAPES
) -> tuple[Float[np.ndarray, "n k t d_out"], Float[np.ndarray, "n t d_in"]]:
    """Draw (signal, activation) of factored tangent features, Gaussian or with one dead sample."""
    n, k, t, d_out, d_in = draw(st.sampled_from(shapes))
    dead = draw(st.booleans())
    rng = np.random.default_rng(draw(seeds))
    signal, activation = rng.standard_normal((n, k, t, d_out)), rng.standard_normal((n, t, d_in))
    if dead:
        activation[0] = 0.0
    return signal, activation
