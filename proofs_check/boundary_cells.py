"""Cells of the map of where B-only fits better than A-only: shape, rank, spectrum and alignment of the change.

Sigma has variances k^-decay. The columns of Delta, in its eigenbasis, are independent random directions of squared
length sigma_k^alignment, so that Delta may have any shape: alignment 0 is a change on all inputs alike, positive values
put it on directions of high variance, -1 makes all m_k equal (Theta_r = d_out/d_in), and lower ones put the risk itself
on directions of low variance. II_A and II_B are measured by random frozen factors; no formula of their means is used.

A cell is decided when theory and measurement are both beyond their own error: ln Theta_r plus the proved bounds on its
error (theory.share_bounds) on one side of 0, and the measured number beyond Monte-Carlo error. Nothing is fitted.
"""

from dataclasses import dataclass
from math import log

import numpy as np

from sims.haar import CapturedFits, captured_fits
from theory.captured_fit import spectral_theta_r
from theory.share_bounds import Bounds, theta_r_error_bounds

STANDARD_ERRORS = 7  # a few hundred draws of a skew law: beyond the 5 that a level of 1e-6 needs for a normal one


@dataclass(frozen=True)
class Cell:
    """One instance of the map."""

    d_out: int
    d_in: int
    rank: int
    decay: float
    alignment: float

    @property
    def spectrum(self) -> np.ndarray:
        """Variances of the inputs, decreasing."""
        return np.arange(1.0, self.d_in + 1.0) ** -self.decay

    @property
    def weights(self) -> np.ndarray:
        """m_k, the risk along each eigen-direction."""
        return self.spectrum ** (1.0 + self.alignment)

    @property
    def log_theta_r(self) -> float:
        """Log of the deterministic equivalent of E II_A / E II_B."""
        return log(spectral_theta_r(self.spectrum, self.weights, self.d_out, self.rank))

    @property
    def error_bounds(self) -> Bounds:
        """Proved bounds on ln(E II_A / E II_B) - ln Theta_r."""
        return theta_r_error_bounds(self.spectrum, self.weights, self.rank)

    @property
    def log_theta(self) -> float:
        """Log of the limit of E II_A / E II_B for a large effective rank of Sigma."""
        spectrum, weights = self.spectrum, self.weights
        return log(self.d_out * float(spectrum @ weights) / float(spectrum.sum() * weights.sum()))

    def change(self, seed: int) -> np.ndarray:
        """Return Delta (d_out, d_in)."""
        columns = np.random.default_rng([seed, 2]).standard_normal((self.d_out, self.d_in))
        return columns / np.linalg.norm(columns, axis=0) * self.spectrum ** (0.5 * self.alignment)

    def measure(self, draws: int, seed: int) -> CapturedFits:
        """Return II_A and II_B of independent random frozen factors."""
        return captured_fits(self.change(seed), np.diag(self.spectrum), self.rank, draws, seed=seed)


@dataclass(frozen=True)
class Comparison:
    """The log ratio of the means, measured or exact, with its error; Theta_r, bounds on its error, and Theta."""

    measured: float
    error: float
    log_theta_r: float
    error_bounds: Bounds
    log_theta: float

    @property
    def lower(self) -> float:
        """Proved lower bound of ln(E II_A / E II_B)."""
        return self.log_theta_r + self.error_bounds.low

    @property
    def upper(self) -> float:
        """Proved upper bound of ln(E II_A / E II_B)."""
        return self.log_theta_r + self.error_bounds.high

    @property
    def proved(self) -> bool:
        """Whether the bounds say which factor fits better on average."""
        return self.lower > 0 or self.upper < 0

    @property
    def decided(self) -> bool:
        """Whether that is proved, and the measured ratio is off 1 by more than Monte-Carlo error."""
        return self.proved and abs(self.measured) > STANDARD_ERRORS * self.error


def compare(cell: Cell, draws: int, seed: int) -> Comparison:
    """Return the measured log ratio of a cell beside Theta_r, its bounds and Theta."""
    fits = cell.measure(draws, seed)
    return Comparison(fits.log_ratio, fits.log_ratio_error, cell.log_theta_r, cell.error_bounds, cell.log_theta)
