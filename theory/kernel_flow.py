"""Training in function space when predictions are linear in what is trained: everything is a function of the kernel.

For f = f0 + J w and the squared loss (1/2n) ||f - y||^2, gradient flow on w moves the residual f - y by
d(f - y)/dt = -(1/n) K (f - y) with K = J J^T, and gradient descent by the factor I - (step/n) K. LoRA with A frozen is
this case exactly, also far from the start: delta = B A is linear in B, and K is the kernel of the features G A^T.
Training both factors is not.
Reference: Jacot, Gabriel, Hongler (2018), arXiv 1806.07572; Lee et al. (2019), arXiv 1902.06720, equations 8-11.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

Array = Any


def flow_residuals(
    kernel: Float[Array, "q q"], residual: Float[Array, " q"], times: Sequence[float], samples: int
) -> Float[np.ndarray, "t q"]:
    """Return exp(-t K / n) (f0 - y) for every time: the residual under gradient flow. Kind: exact.

    Raises:
        ValueError: a kernel that is not symmetric, or a negative time.
    """
    values, coefficients, vectors = _spectral(kernel, residual)
    decay = np.exp(-np.outer(_checked(times), values) / samples)
    return (decay * coefficients) @ vectors.T


def descent_residuals(
    kernel: Float[Array, "q q"], residual: Float[Array, " q"], step: float, steps: Sequence[int], samples: int
) -> Float[np.ndarray, "t q"]:
    """Return (I - step K / n)^s (f0 - y) for every number of steps s: the residual under gradient descent.

    Kind: exact. It differs from the flow at time s * step by O(step). Raises ValueError for a kernel that is not
    symmetric.
    """
    values, coefficients, vectors = _spectral(kernel, residual)
    decay = (1.0 - step * values / samples)[None, :] ** np.asarray(steps)[:, None]
    return (decay * coefficients) @ vectors.T


def flow_predictions(
    cross_kernel: Float[Array, "p q"],
    kernel: Float[Array, "q q"],
    residual: Float[Array, " q"],
    time: float,
    samples: int,
) -> Float[np.ndarray, " p"]:
    """Return f(t) - f0 at other points under gradient flow: -K_x K^+ (I - exp(-t K / n)) (f0 - y). Kind: exact.

    ``cross_kernel`` lies between those points (rows) and the training points. K may be singular: nothing is inverted
    where an eigenvalue is small. Raises ValueError for a kernel that is not symmetric or a negative time.
    """
    values, coefficients, vectors = _spectral(kernel, residual)
    (t,) = _checked([time])
    rate = t * values / samples
    # (1 - exp(-x)) / x, which tends to 1
    small = np.abs(rate) < 1e-12
    weight = np.where(small, 1.0, -np.expm1(-rate) / np.where(small, 1.0, rate)) * t / samples
    return -np.asarray(cross_kernel) @ (vectors @ (weight * coefficients))


def _checked(times: Sequence[float]) -> Float[np.ndarray, " t"]:
    array = np.asarray(times, dtype=float)
    if not (array >= 0).all():
        raise ValueError(f"time {array.min()} is negative: expected times >= 0")
    return array


def _spectral(kernel: Array, residual: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return eigenvalues, coefficients of the residual, eigenvectors; raise ValueError unless symmetric."""
    k = np.asarray(kernel)
    asymmetry, scale = float(np.abs(k - k.T).max(initial=0.0)), float(np.abs(k).max(initial=0.0))
    if asymmetry > 1e-10 * scale:
        raise ValueError(f"the kernel is not symmetric: entries differ by {asymmetry:.1e}")
    values, vectors = np.linalg.eigh(0.5 * (k + k.T))
    return values, vectors.T @ np.asarray(residual), vectors
