"""Cells of the map of where B-only fits better than A-only: shape, rank, spectrum and alignment of the change.

Sigma has variances k^-decay. The columns of Delta, in its eigenbasis, are independent random directions of squared
length sigma_k^alignment, so that Delta may have any shape: alignment 0 is a change on all inputs alike, positive values
put it on directions of high variance, -1 makes all m_k equal (Theta_r = d_out/d_in), and lower ones put the risk itself
on directions of low variance. II_A and II_B are measured by random frozen factors; no formula of their means is used.

A cell is decided when theory and measurement are both beyond their own error: |ln Theta_r| above the leading term of
its error, which is computed from the cell, and the measured number beyond Monte-Carlo error. Nothing is fitted.
"""

from dataclasses import dataclass
from math import log

import numpy as np

from sims.haar import CapturedFits, captured_fits
from theory.captured_fit import spectral_theta_r, spectral_theta_r_error

STANDARD_ERRORS = 5


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
    def log_theta_r_error(self) -> float:
        """Leading term of ln(E II_A / E II_B) - ln Theta_r."""
        return spectral_theta_r_error(self.spectrum, self.weights, self.rank)

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
    """The measured log ratio of the means, its standard error, Theta_r, the leading term of its error, and Theta."""

    measured: float
    error: float
    log_theta_r: float
    log_theta_r_error: float
    log_theta: float

    @property
    def decided(self) -> bool:
        """Whether Theta_r is off 1 by more than its error, and the measured ratio by more than Monte-Carlo error."""
        trusted = abs(self.log_theta_r) > abs(self.log_theta_r_error)
        return trusted and abs(self.measured) > STANDARD_ERRORS * self.error


def compare(cell: Cell, draws: int, seed: int) -> Comparison:
    """Return the measured log ratio of a cell beside Theta_r and Theta."""
    fits = cell.measure(draws, seed)
    return Comparison(fits.log_ratio, fits.log_ratio_error, cell.log_theta_r, cell.log_theta_r_error, cell.log_theta)
