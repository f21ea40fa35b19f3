"""From a real matrix to whole numbers on a uniform grid: plainly, or with the error fed to the entries that follow."""

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cholesky, solve_triangular

from sims.errors import BadInput

MOST_BITS = 8


def step_as_stored(step: float) -> float:
    """Return the step as half precision holds it; raises BadInput unless that is a positive finite number."""
    largest = float(np.finfo(np.float16).max)
    stored = float(np.float16(step)) if 0.0 < step <= largest else 0.0
    if not stored > 0.0:
        raise BadInput(f"step {step}: expected a positive number that half precision holds, 6e-8 to {largest:g}")
    return stored


def largest_step(matrix: Float[np.ndarray, "rows columns"]) -> float:
    """Return the largest modulus of the entries, or 1 for a matrix of zeros: steps are fractions of it."""
    return float(np.abs(matrix).max(initial=0.0)) or 1.0


def quantise_fixed(
    matrix: Float[np.ndarray, "rows columns"], bits: int, step: float
) -> Int[np.ndarray, "rows columns"]:
    """Return the nearest of the 2^bits levels step * (k + 1/2), k = -2^(bits-1), ..., 2^(bits-1) - 1.

    Raises BadInput for bits outside 1 to 8 or a step that is not positive.
    """
    if not 1 <= bits <= MOST_BITS:
        raise BadInput(f"{bits} bits an entry: expected 1 to {MOST_BITS}")
    if not step > 0:
        raise BadInput(f"step {step}: expected a positive number")
    half = 2 ** (bits - 1)
    return np.clip(np.floor(matrix / step), -half, half - 1).astype(np.int64)


def quantise_with_feedback(
    matrix: Float[np.ndarray, "rows columns"],
    metric: Float[np.ndarray, "columns columns"],
    step: float,
    dead_zone: float = 0.5,
) -> Int[np.ndarray, "rows columns"]:
    """Return whole numbers K that make the rows of step * K - matrix small in the metric, found column by column.

    After each column the later ones move to the minimiser of the quadratic form given what is fixed (successive
    interference cancellation, as in GPTQ). ``dead_zone`` is what of a step is rounded towards zero: 1/2 is the nearest
    level, more makes zeros, which are short in the code. The metric is symmetric positive definite.

    Raises BadInput for a step that is not positive, a dead zone outside [1/2, 1), or a metric that is not definite.
    """
    if not step > 0:
        raise BadInput(f"step {step}: expected a positive number")
    if not 0.5 <= dead_zone < 1.0:
        raise BadInput(f"dead zone {dead_zone}: expected a number from 0.5 (nearest level) to below 1")
    try:
        lower = cholesky(metric, lower=True)
    except np.linalg.LinAlgError:
        raise BadInput("metric is not positive definite: add a small multiple of the identity") from None
    # upper triangular R with R^T R = metric^-1, from the reversed metric: R[j, j:] / R[j, j] moves the later columns
    inverse = solve_triangular(lower, np.eye(len(metric)), lower=True)
    right = cholesky(inverse.T @ inverse, lower=False)
    left, levels = matrix.copy(), np.zeros(matrix.shape, dtype=np.int64)
    for j in range(matrix.shape[1]):
        column = left[:, j]
        levels[:, j] = np.sign(column) * np.floor(np.abs(column) / step + 1.0 - dead_zone)
        error = (column - step * levels[:, j]) / right[j, j]
        left[:, j + 1 :] -= np.outer(error, right[j, j + 1 :])
    return levels
