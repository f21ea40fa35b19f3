"""Random frozen factors by the thousand, and what the fits with them capture, without forming a projector.

II_A (A = Q frozen) and II_B (B = U frozen) depend on the row space of Q and the column space of U alone, so Gaussian
factors stand for Haar ones, and a draw costs an r x r solve. Gaussian and Haar laws are invariant under rotations:
the draws are made in the eigenbasis of Sigma (and of M M^T), where scaling by Sigma^(1/2) acts entry by entry.
Kaiming-uniform rows are not invariant and are drawn in the coordinates given.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sims.errors import BadInput
from theory.whitened_form import check_finite, check_sides, numerical_rank, psd_root

ROWS = ("gaussian", "haar", "kaiming-uniform")
INVARIANT_ROWS = ("gaussian", "haar")

_CHUNK_BYTES = 1 << 22  # of one array of rows: what a core's cache holds
_SMALLEST_PIVOT = 1e-6  # of a Gram matrix with unit diagonal; below, its solve loses too many digits


@dataclass(frozen=True)
class CapturedFits:
    """II_A and II_B of independent draws: b_only[i] and a_only[i] come from independent factors."""

    b_only: Float[np.ndarray, " draws"]
    a_only: Float[np.ndarray, " draws"]

    @property
    def log_ratio(self) -> float:
        """Log of the ratio of the means of II_A and II_B; raises BadInput where nothing is captured (T = 0)."""
        if not (self.b_only.mean() > 0 and self.a_only.mean() > 0):
            raise BadInput("nothing is captured: the ratio needs a change that the inputs show (T > 0)")
        return float(np.log(self.b_only.mean() / self.a_only.mean()))

    @property
    def log_ratio_error(self) -> float:
        """Standard error of log_ratio (first order)."""
        return float(np.hypot(_relative_error(self.b_only), _relative_error(self.a_only)))


def frozen_rows(
    rng: np.random.Generator, draws: int, rank: int, dim: int, rows: str = "gaussian"
) -> Float[np.ndarray, "draws rank dim"]:
    """Return independent frozen factors (A, or B transposed).

    gaussian: N(0, 1/dim) entries; haar: uniform orthonormal rows; kaiming-uniform: uniform entries in +-1/sqrt(dim),
    LoRA's default, whose row space is not uniform.

    Raises:
        BadInput: an unknown law, no draws, or rank outside 1..dim.
    """
    if rows not in ROWS:
        raise BadInput(f"rows {rows!r}: expected one of {', '.join(ROWS)}")
    if draws < 1:
        raise BadInput(f"{draws} draws: expected at least 1")
    if not 1 <= rank <= dim:
        raise BadInput(f"rank {rank}: expected 1 to {dim}")
    if rows == "kaiming-uniform":
        return rng.uniform(-(dim**-0.5), dim**-0.5, (draws, rank, dim))
    gaussian = rng.standard_normal((draws, rank, dim))
    if rows == "gaussian":
        gaussian *= dim**-0.5
        return gaussian
    return _orthonormal(np.swapaxes(gaussian, 1, 2))


def orthonormal_rows(rng: np.random.Generator, rows: int, columns: int) -> Float[np.ndarray, "rows columns"]:
    """Return one uniform matrix with orthonormal rows: the law of frozen_rows of 'haar', its entries drawn by columns.

    Raises:
        BadInput: no rows, or more rows than columns.
    """
    if not 1 <= rows <= columns:
        raise BadInput(f"{rows} orthonormal rows of length {columns}: expected 1 to {columns}")
    return _orthonormal(rng.standard_normal((columns, rows)))


def captured_b_only(
    delta: Float[np.ndarray, "d_out d_in"],
    sigma: Float[np.ndarray, "d_in d_in"],
    q: Float[np.ndarray, "draws r d_in"],
) -> Float[np.ndarray, " draws"]:
    """Return II_A for every given frozen A, orthonormal or not; pseudo-inverse where Q Sigma Q^T is singular.

    Raises:
        ValueError: a covariance that is not symmetric positive semidefinite, or entries that are not finite.
    """
    check_finite("frozen A", q)
    root = _root(delta, sigma)
    return _captured(q @ root, delta @ root)


def captured_a_only(
    delta: Float[np.ndarray, "d_out d_in"],
    sigma: Float[np.ndarray, "d_in d_in"],
    u: Float[np.ndarray, "draws d_out r"],
) -> Float[np.ndarray, " draws"]:
    """Return II_B for every given frozen B (columns need not be orthonormal); raises as captured_b_only."""
    check_finite("frozen B", u)
    return _captured(np.swapaxes(u, 1, 2), (delta @ _root(delta, sigma)).T)


def captured_fits(
    delta: Float[np.ndarray, "d_out d_in"],
    sigma: Float[np.ndarray, "d_in d_in"],
    rank: int,
    draws: int,
    *,
    seed: int,
    rows: str = "gaussian",
) -> CapturedFits:
    """Return II_A and II_B of ``draws`` independent frozen factors of this rank; the same seed gives the same draws.

    Memory: a few MB whatever the number of draws (and d_in^2, d_out^2). For invariant laws the draws equal in law, not
    draw by draw, those of captured_b_only on frozen_rows.

    Raises:
        BadInput: an unknown law, no draws, rank outside 1..min(d_out, d_in), or a seed below 0.
        ValueError: a covariance that is not symmetric positive semidefinite, or a change that is not finite.
    """
    _check_seed(seed)
    d_out, d_in = delta.shape
    if not 1 <= rank <= min(d_out, d_in):
        raise BadInput(f"rank {rank}: expected 1 to {min(d_out, d_in)} for a {d_out}x{d_in} map")
    root = _root(delta, sigma)
    m = delta @ root
    rng_a, rng_b = (np.random.default_rng([seed, side]) for side in (0, 1))
    if rows not in INVARIANT_ROWS:
        b_only = [_captured(q @ root, m) for q in _chunks(rng_a, draws, rank, d_in, rows)]
        a_only = [_captured(u, m.T) for u in _chunks(rng_b, draws, rank, d_out, rows)]
        return CapturedFits(np.concatenate(b_only), np.concatenate(a_only))
    values, vectors = np.linalg.eigh(root)
    target = _compressed(m @ vectors)
    singular = np.zeros(d_out)
    found = np.linalg.svd(m, compute_uv=False)
    singular[: found.size] = found
    b_only = [_captured(q * values, target) for q in _chunks(rng_a, draws, rank, d_in, rows)]
    a_only = [_captured(u, singular) for u in _chunks(rng_b, draws, rank, d_out, rows)]
    return CapturedFits(np.concatenate(b_only), np.concatenate(a_only))


def spectral_captured_fits(
    spectrum: Float[np.ndarray, " d_in"],
    weights: Float[np.ndarray, " d_in"],
    output_spectrum: Float[np.ndarray, " d_out"],
    rank: int,
    draws: int,
    *,
    seed: int,
) -> CapturedFits:
    """Return captured_fits of a Delta with Delta^T Delta diagonal in the eigenbasis of Sigma, from numbers alone.

    ``spectrum`` sigma_i, ``weights`` m_i = sigma_i ||Delta v_i||^2, ``output_spectrum`` the eigenvalues of M M^T (the
    m_i themselves, with zeros added or removed).

    Raises:
        BadInput: as captured_fits; negative numbers, or weights where the variance is zero.
    """
    _check_seed(seed)
    every = np.concatenate([spectrum, weights, output_spectrum])
    if not (np.isfinite(every).all() and every.min() >= 0) or np.any(weights[spectrum == 0] > 0):
        raise BadInput("spectra and weights must be finite and >= 0, and a weight 0 where the variance is 0")
    rng_a, rng_b = (np.random.default_rng([seed, side]) for side in (0, 1))
    scale, target, singular = np.sqrt(spectrum), np.sqrt(weights), np.sqrt(output_spectrum)
    b_only = [_captured(q * scale, target) for q in _chunks(rng_a, draws, rank, spectrum.size, "gaussian")]
    a_only = [_captured(u, singular) for u in _chunks(rng_b, draws, rank, output_spectrum.size, "gaussian")]
    return CapturedFits(np.concatenate(b_only), np.concatenate(a_only))


def _root(delta: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the root of the covariance of a change that is finite and fits it."""
    check_finite("the change", delta)
    check_sides(delta, sigma)
    return psd_root(sigma)


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise BadInput(f"seed {seed}: expected a number >= 0")


def _chunks(rng: np.random.Generator, draws: int, rank: int, dim: int, rows: str) -> Iterator[np.ndarray]:
    """Yield the draws in pieces of bounded size."""
    size = max(1, _CHUNK_BYTES // (8 * rank * dim))
    for start in range(0, max(1, draws), size):
        yield frozen_rows(rng, min(size, draws - start), rank, dim, rows)


def _orthonormal(gaussian: Float[np.ndarray, "*draws dim rank"]) -> Float[np.ndarray, "*draws rank dim"]:
    """Return orthonormal rows that span the columns, uniform where the entries are independent standard normal."""
    q, r = np.linalg.qr(gaussian)
    # QR fixes signs by convention; without this the distribution is not uniform
    q *= np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)[..., None, :]
    return np.swapaxes(q, -2, -1)


def _captured(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the squared norm of the target's rows, projected on the row space of every x (draws, r, d).

    ``target`` is a matrix (k, d), or a vector (d,) that stands for the diagonal matrix.
    """
    gram = x @ np.swapaxes(x, 1, 2)
    lengths = np.sqrt(np.diagonal(gram, axis1=1, axis2=2))
    scale = 1.0 / np.where(lengths > 0, lengths, 1.0)
    gram *= scale[:, :, None] * scale[:, None, :]
    try:
        lower = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        return _captured_by_svd(x, target)
    seen = _seen(x, target)
    if seen.shape[2] > 2 * x.shape[1]:
        weighted = seen @ np.swapaxes(seen, 1, 2)
        weighted *= scale[:, :, None] * scale[:, None, :]
        captured = np.trace(np.linalg.solve(gram, weighted), axis1=1, axis2=2)
    else:
        captured = np.sum(np.linalg.solve(lower, scale[:, :, None] * seen) ** 2, axis=(1, 2))
    pivots = np.diagonal(lower, axis1=1, axis2=2).min(axis=1) ** 2
    doubtful = pivots < _SMALLEST_PIVOT
    if doubtful.any():
        captured[doubtful] = _captured_by_svd(x[doubtful], target)
    return captured


def _seen(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return x target^T (draws, r, k)."""
    if target.ndim == 1:
        return x * target
    return (x.reshape(-1, x.shape[2]) @ target.T).reshape(*x.shape[:2], -1)


def _captured_by_svd(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the same for nearly dependent rows: an orthonormal basis of each row space, of its numerical rank."""
    lengths = np.sqrt(np.sum(x * x, axis=2, keepdims=True))
    _, values, right = np.linalg.svd(x / np.where(lengths > 0, lengths, 1.0), full_matrices=False)
    ranks = np.array([numerical_rank(v, max(x.shape[1:])) for v in values])
    right = right * (np.arange(values.shape[1]) < ranks[:, None])[:, :, None]
    return np.sum(_seen(right, target) ** 2, axis=(1, 2))


def _compressed(m: np.ndarray) -> np.ndarray:
    """Return the fewest rows with the same Gram matrix m^T m; a vector when that matrix is diagonal up to rounding."""
    gram = m.T @ m
    squares = np.diagonal(gram)
    rounding = 16.0 * m.shape[1] * np.finfo(np.float64).eps * float(squares.max(initial=0.0))
    if float(np.abs(gram - np.diag(squares)).max(initial=0.0)) <= rounding:
        return np.sqrt(squares)
    _, values, right = np.linalg.svd(m, full_matrices=False)
    keep = numerical_rank(values, max(m.shape))
    return values[:keep, None] * right[:keep]


def _relative_error(draws: np.ndarray) -> float:
    """Return the standard error of the mean over the mean (0 for a single draw or a constant)."""
    if draws.size < 2:
        return 0.0
    return float(draws.std(ddof=1) / draws.size**0.5 / draws.mean())
