"""The tolerances of the suite, by kind of quantity and by precision. A test body holds no literal tolerance.

All are relative to the size of the compared quantity (or to max(1, size)) unless the comment says absolute. They follow
from rounding, from the accuracy the solvers promise, or from the specification; none was tuned until a test passed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ByPrecision:
    """A tolerance for each precision, looked up with a dtype in any spelling: ROUNDING[x.dtype]."""

    float64: float
    float32: float

    def __getitem__(self, dtype: Any) -> float:
        """Return the tolerance for this dtype; KeyError for any dtype but float64 and float32."""
        name = np.dtype(dtype).name
        if name not in ("float64", "float32"):
            raise KeyError(f"no tolerance for dtype {name}: expected float64 or float32")
        return float(getattr(self, name))


_EPS = ByPrecision(float64=2.0**-52, float32=2.0**-23)


def _multiples_of_eps(factor: float) -> ByPrecision:
    return ByPrecision(float64=factor * _EPS.float64, float32=factor * _EPS.float32)


# The same short formula in another order (a sum of a few dozen terms, one exponential): some tens of ulps.
ROUNDING = _multiples_of_eps(2.0**6)

# Two different formulas for one number through matrix products, an SVD or an eigendecomposition of sizes up to ~100:
# the error grows like the dimension times ulps, with modest condition numbers. That is 3.6e-12 and 2e-3.
IDENTITY = _multiples_of_eps(2.0**14)

# Automatic differentiation against a hand-written derivative: rounding again, with one more product.
DERIVATIVE = _multiples_of_eps(2.0**14)

# Central finite differences at the best step eps**(1/3) are right to about eps**(2/3), times the third derivative.
FINITE_DIFFERENCE = ByPrecision(float64=100 * _EPS.float64 ** (2 / 3), float32=100 * _EPS.float32 ** (2 / 3))

# Absolute, in the exponent: a Taylor slope of error against step fitted over two decades (2 gradient, 3 Hessian).
TAYLOR_SLOPE = 0.1

# Absolute, in the exponent: a rate fitted to random draws (width**-1/2); the draws fluctuate, not the arithmetic.
EMPIRICAL_RATE = 0.15

# Relative duality gap that the certified solver promises (max(1, |primal|) in the denominator).
SOLVER_GAP = 1e-9

# Objective against cvxpy with Clarabel, whose own default accuracy is 1e-8.
ORACLE_OBJECTIVE = 1e-7

# Gradient's spectral norm over lambda may exceed one by this much at a certified optimum.
SPECTRAL_FEASIBILITY = 1e-6

# Singular values below this fraction of the largest count as zero in a numerical rank.
NUMERICAL_RANK = 1e-6

# Relative drift of the objective through a rank reduction: each step is an exact identity, and only rounding adds up.
REDUCTION_DRIFT = 1e-10

# Relative gradient norm of an accepted second-order stationary point, and of one polished by Newton steps.
STATIONARITY = 1e-8
POLISHED_STATIONARITY = 1e-10

# Smallest Hessian eigenvalue of an accepted second-order point: at least -this, in units of the largest.
HESSIAN_NEGATIVITY = 1e-8

# Hessian eigenvalues of smaller modulus (in units of the largest) count as gauge or flat directions, and the next must
# be larger than CURVATURE for a strict minimum: five decades apart, so that the count is no matter of taste.
GAUGE_ZERO = 1e-8
CURVATURE = 1e-3

# A stationary value above the certified optimum by more than this is spurious (exact families have gaps of O(1)).
SPURIOUS_GAP = 1e-4

# Numbers that the specification prints with four or five digits.
PRINTED_DIGITS = 5e-5

# Float32 kernels of inner products over ~1000 entries, relative to the largest entry: up to 2**9 ulps of 2**-23.
FLOAT32_KERNEL = 2.0**-14

# Absolute: hidden states and logits (of size one) of a checkpoint against another implementation in float32.
REFERENCE_OUTPUTS = 1e-4

# In standard errors (of the draws themselves): a Monte-Carlo mean against its exact value.
MONTE_CARLO = 5.0

# Relative to T, the risk to be explained: closed forms of linear adapters, whose error grows with the conditions (up to
# 1e3) of the covariance, of the metric and of the frozen factor.
CLOSED_FORM = 1e-10

# Absolute: half a unit of the last place of numbers that the specification prints with two decimals.
TABLE_DIGITS = 5e-3

# Absolute: half a unit of the last place of numbers that the specification prints with six decimals.
SIX_DECIMALS = 5e-7

# Absolute: half a unit of the last place of numbers that the specification prints with three decimals.
THREE_DECIMALS = 5e-4

# Absolute, of sqrt(2 I) where I may be zero: the square root of the rounding of an information.
ROOT_OF_INFORMATION = 1e-7

# Relative: the chi-squared limit of the plug-in information against its exact mean, in populated 2 x 2 tables.
NULL_MEAN = 0.25

# p-value of a Kolmogorov-Smirnov test below which a law is refused: one seed in a hundred thousand by chance.
KOLMOGOROV_SMIRNOV = 1e-5
