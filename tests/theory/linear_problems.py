"""Random linear adapter problems, degenerate ones as often as others, and Monte-Carlo means with their errors."""

from typing import NamedTuple

import hypothesis.strategies as st
import numpy as np
from jaxtyping import Float

from tests.strategies import matrix_with_spectrum, orthonormal_columns, seeds, spectra, symmetric_with_spectrum
from theory.captured_fit import captured_shares

# (d_out, d_in, r): wide, tall, square, one direction, r equal to a side
SHAPES = ((6, 9, 3), (9, 6, 2), (7, 7, 3), (5, 5, 1), (4, 6, 4), (6, 4, 4), (8, 8, 7))
_COVARIANCES = ("separated", "repeated", "tied top", "rank-deficient", "rank one")


class Case(NamedTuple):
    """A change, a covariance, a metric, frozen factors (not orthonormal), and what was drawn."""

    delta: Float[np.ndarray, "d_out d_in"]
    sigma: Float[np.ndarray, "d_in d_in"]
    metric: Float[np.ndarray, "d_out d_out"]
    q: Float[np.ndarray, "r d_in"]
    u: Float[np.ndarray, "d_out r"]
    rng: np.random.Generator


@st.composite
def cases(draw: st.DrawFn, covariances: tuple[str, ...] = _COVARIANCES, *, orthonormal: bool = False) -> Case:
    """Draw a problem of one of the shapes; its covariance may be singular, its change of low rank."""
    shape = draw(st.sampled_from(SHAPES))
    covariance = draw(st.sampled_from(covariances))
    change = draw(st.sampled_from(("separated", "repeated", "rank one", "rank-deficient")))
    return made_case(draw(seeds), shape, covariance, change, orthonormal=orthonormal)


def made_case(
    seed: int,
    shape: tuple[int, int, int],
    covariance: str = "separated",
    change: str = "separated",
    *,
    orthonormal: bool = False,
) -> Case:
    """Return the problem of this shape (d_out, d_in, r) and these kinds of spectra."""
    d_out, d_in, r = shape
    rng = np.random.default_rng(seed)
    delta = matrix_with_spectrum(rng, (d_out, d_in), spectra(min(d_out, d_in))[change])
    sigma = symmetric_with_spectrum(rng, spectra(d_in)[covariance])
    metric = symmetric_with_spectrum(rng, [1.0 + i for i in range(d_out)])
    q, u = orthonormal_columns(rng, d_in, r).T, orthonormal_columns(rng, d_out, r)
    if not orthonormal:
        mixing = matrix_with_spectrum(rng, (r, r), [1.0 + i for i in range(r)])
        q, u = mixing @ q, u @ mixing
    return Case(delta, sigma, metric, q, u, rng)


def haar_rows(rng: np.random.Generator, draws: int, r: int, d: int) -> Float[np.ndarray, "draws r d"]:
    """Return frozen factors with Haar-distributed orthonormal rows."""
    left, _, right = np.linalg.svd(rng.standard_normal((draws, r, d)), full_matrices=False)
    return left @ right


def standard_errors(draws: Float[np.ndarray, " draws"], expected: float, scale: float = 0.0) -> float:
    """Return how many standard errors the mean of the draws is above ``expected``.

    The error is at least rounding relative to the largest draw, to ``expected`` or to ``scale`` (for differences).
    """
    error = float(draws.std(ddof=1)) / draws.size**0.5
    floor = 1e-12 * max(abs(expected), float(np.abs(draws).max()), scale, float(np.finfo(float).tiny))
    return (float(draws.mean()) - expected) / max(error, floor)


def power_law(d: int, exponent: float) -> np.ndarray:
    """Return the variances k^-exponent of d directions."""
    return np.arange(1.0, d + 1.0) ** -exponent


def next_order(spectrum: np.ndarray, rank: int) -> float:
    """Return V^-2, the order of what the leading error of the shares leaves out."""
    shares = captured_shares(spectrum, rank)
    return float(shares @ (1 - shares)) ** -2
