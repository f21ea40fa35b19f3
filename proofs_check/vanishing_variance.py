"""Inputs with r + k variances 1 and one of eps, the change on that one: where Theta_r is off by any factor.

The leverage of the last direction is eps A / (eps A + R) with independent chi-squares A, R of r and k + 1 degrees of
freedom, so E II_A is known exactly. As eps -> 0 the share over its deterministic equivalent tends to infinity at k = 1,
like r ln(1/eps) / 2, and to k / (k - 1) beyond; at k = 0 it tends to 0 or infinity with the square root of r eps.
"""

from dataclasses import dataclass
from math import log

import numpy as np
from scipy.special import betaln

from proofs_check.boundary_cells import Comparison
from theory.captured_fit import spectral_theta_r, spectral_theta_r_error
from theory.share_bounds import theta_r_error_bounds

_LOGIT_STEP = 0.1  # the integrand is analytic for |Im| < pi: an error of the order of e^-190


@dataclass(frozen=True)
class VanishingVariance:
    """rank + beyond variances 1, one of eps, and outputs such that Theta_r and the truth are on two sides of 1.

    ln Theta_r and ln(E II_A / E II_B) are opposite numbers, up to the rounding of d_out to a whole number >= rank.
    """

    rank: int
    beyond: int
    eps: float

    @property
    def spectrum(self) -> np.ndarray:
        """Variances of the inputs, decreasing."""
        return np.append(np.ones(self.rank + self.beyond), self.eps)

    @property
    def weights(self) -> np.ndarray:
        """m_k: the risk is all on the last direction."""
        return np.append(np.zeros(self.rank + self.beyond), self.eps)

    @property
    def share(self) -> float:
        """The p of the last direction: with y = A / (A + R) of Beta law, integrated over the logit of y."""
        a, b = self.rank / 2.0, (self.beyond + 1) / 2.0
        logit = np.arange(-80.0, 160.0, _LOGIT_STEP)
        density = np.exp(-a * np.logaddexp(0.0, -logit) - b * np.logaddexp(0.0, logit) - betaln(a, b))
        return float(_LOGIT_STEP * density @ (self.eps / (self.eps + np.exp(-logit))))

    @property
    def d_out(self) -> int:
        """Number of outputs."""
        equivalent = spectral_theta_r(self.spectrum, self.weights, self.rank, self.rank)
        return max(self.rank, round(self.rank * (self.share * equivalent) ** -0.5))

    @property
    def leading_error(self) -> float:
        """Leading term of ln(E II_A / E II_B) - ln Theta_r, which is no bound here."""
        return spectral_theta_r_error(self.spectrum, self.weights, self.rank)

    @property
    def name(self) -> str:
        """What a reader sees."""
        return (
            f"{self.d_out}x{self.spectrum.size}, r = {self.rank}, {self.rank + self.beyond} variances 1 and one of "
            f"{self.eps:g}, change on this one"
        )

    def comparison(self) -> Comparison:
        """Return the exact log ratio of the means beside Theta_r, its bounds and Theta."""
        d_out, spectrum = self.d_out, self.spectrum
        return Comparison(
            log(d_out / self.rank * self.share),
            0.0,
            log(spectral_theta_r(spectrum, self.weights, d_out, self.rank)),
            theta_r_error_bounds(spectrum, self.weights, self.rank),
            log(d_out * self.eps / float(spectrum.sum())),
        )
