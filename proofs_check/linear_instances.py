"""Linear adapter problems that the claims on frozen factors are checked on, and statements about random draws."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from proofs_check.evidence import Level, Measurement
from proofs_check.instances import by_level
from sims.haar import frozen_rows

EXACT = 1e-10  # relative to T: two formulas for one number at conditions up to 1e3
STANDARD_ERRORS = 7.0  # of a mean over a few hundred draws of a skew law: 1e-6 at least, also over many rows

_SHAPES = ((6, 9, 3), (9, 6, 2), (7, 7, 3), (5, 5, 1), (4, 6, 4), (12, 8, 7))  # d_out, d_in, r


@dataclass(frozen=True)
class LinearInstance:
    """Change (d_out, d_in), covariance, output metric, and orthonormal factors to freeze: q (r, d_in), u (d_out, r)."""

    name: str
    delta: np.ndarray
    sigma: np.ndarray
    metric: np.ndarray
    q: np.ndarray
    u: np.ndarray

    @property
    def total(self) -> float:
        """T = Tr[Delta Sigma Delta^T], from the definition."""
        return float(np.trace(self.delta @ self.sigma @ self.delta.T))

    def close(self, name: str, measured: float, predicted: float) -> Measurement:
        """Return 'measured equals predicted', both in units of T."""
        return Measurement(name, measured / self.total, predicted / self.total, "==", EXACT, self.name)


def haar_rows(rng: np.random.Generator, r: int, d: int) -> np.ndarray:
    """Return orthonormal rows (r, d), uniform on their Stiefel manifold."""
    return np.asarray(frozen_rows(rng, 1, r, d, "haar")[0])


def spectrum(kind: str, d: int) -> np.ndarray:
    """Return d eigenvalues, decreasing: a power of the index, or evenly spaced in [0.5, 1.5]."""
    if kind == "flat":
        return np.linspace(1.5, 0.5, d)
    return np.arange(1.0, d + 1) ** float(kind)


def covariance(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Return a covariance with these eigenvalues and a random eigenbasis."""
    basis = haar_rows(rng, values.size, values.size)
    sigma = (basis.T * values) @ basis
    return np.asarray(0.5 * (sigma + sigma.T))


def linear_instances(level: Level, seed: int, *, rank: Callable[[int, int], int] | None = None) -> list[LinearInstance]:
    """Return problems over shapes and spectra; rank(d_in, r) is the rank of the covariance (full if not given)."""
    return list(_instances(int(by_level(level, 6, 60, 600)), seed, rank))


def _instances(count: int, seed: int, rank: Callable[[int, int], int] | None) -> Iterator[LinearInstance]:
    for trial in range(count):
        d_out, d_in, r = _SHAPES[trial % len(_SHAPES)]
        kind = ("flat", "-1", "-2", "0")[trial % 4]
        rng = np.random.default_rng([seed, trial])
        values = spectrum(kind, d_in)
        k = d_in if rank is None else rank(d_in, r)
        values[k:] = 0.0
        law = "[.5, 1.5]" if kind == "flat" else f"k^{kind}"
        yield LinearInstance(
            f"{d_out}x{d_in}, r = {r}, spectrum {law}, rank Σ = {k}, #{trial}",
            rng.standard_normal((d_out, d_in)),
            covariance(rng, values),
            covariance(rng, 1.0 + np.arange(d_out)),
            haar_rows(rng, r, d_in),
            haar_rows(rng, r, d_out).T,
        )


def mean_equals(name: str, draws: np.ndarray, predicted: float, instance: str = "") -> Measurement:
    """Return 'the mean of the draws is predicted', with a tolerance of seven of its standard errors plus rounding."""
    return _mean(name, draws, predicted, instance, "==")


def mean_at_least(name: str, draws: np.ndarray, predicted: float, instance: str = "") -> Measurement:
    """Return 'the mean of the draws is at least predicted', with a tolerance of seven of its standard errors."""
    return _mean(name, draws, predicted, instance, ">=")


def _mean(name: str, draws: np.ndarray, predicted: float, instance: str, relation: str) -> Measurement:
    error = float(np.std(draws, ddof=1)) / draws.size**0.5
    tolerance = STANDARD_ERRORS * error + EXACT * max(1.0, abs(predicted))
    return Measurement(name, float(np.mean(draws)), predicted, relation, tolerance, instance)  # type: ignore[arg-type]
