"""Gradients of the two factors of W_0 + s B A, for any loss and any network, and their sizes under a random factor.

With x the input of the adapted matrix and g the gradient of the loss by its output, the gradient by the full matrix is
G = E[g x^T]. A frozen A = Q projects the inputs, a frozen B = U the error signal: B-only is stationary as soon as the
r features Q x are uncorrelated with the error, A-only as soon as r combinations of the error signal are uncorrelated
with the inputs; G itself need not be zero. (dL/dB needs the r numbers Q x of a sample and not x itself, so a frozen A
also saves the memory of the inputs; a frozen B does not.)
"""

import numpy as np
from jaxtyping import Float

from theory.whitened_form import check_finite


def gradient_b(
    gradient: Float[np.ndarray, "d_out d_in"], a: Float[np.ndarray, "r d_in"], scale: float = 1.0
) -> Float[np.ndarray, "d_out r"]:
    """Return dL/dB = s G A^T. Kind: exact. Source: arXiv 2402.16842, section 4.1.2."""
    return scale * (gradient @ a.T)


def gradient_a(
    gradient: Float[np.ndarray, "d_out d_in"], b: Float[np.ndarray, "d_out r"], scale: float = 1.0
) -> Float[np.ndarray, "r d_in"]:
    """Return dL/dA = s B^T G. Kind: exact. Source: arXiv 2402.16842, section 4.1.2."""
    return scale * (b.T @ gradient)


def stationarity_b(gradient: Float[np.ndarray, "d_out d_in"], q: Float[np.ndarray, "r d_in"]) -> float:
    """Return ||G Q^T||_F / (||G||_F ||Q||): 0 where B-only training may stop, 1 when Q sees all of the gradient.

    ||Q|| is the spectral norm; 0 for G = 0 (an exact fit). Without weight decay, full batch. Kind: exact.

    Raises:
        ValueError: a gradient or factor that is not finite (a diverged run is not stationary).
    """
    _check(gradient, q)
    return _relative(gradient @ q.T, gradient, q)


def stationarity_a(gradient: Float[np.ndarray, "d_out d_in"], u: Float[np.ndarray, "d_out r"]) -> float:
    """Return ||U^T G||_F / (||G||_F ||U||): 0 where A-only training may stop. See stationarity_b."""
    _check(gradient, u)
    return _relative(u.T @ gradient, gradient, u)


def mean_squared_gradient_b(
    signal: Float[np.ndarray, " d_out"], x: Float[np.ndarray, " d_in"], rank: int, scale: float = 1.0
) -> float:
    """Return E_Q ||dL/dB||_F^2 = s^2 (r/d_in) ||g||^2 ||x||^2 of one sample.

    Over Q with E[Q^T Q] = (r/d_in) I (Haar rows, Gaussian rows of variance 1/d_in) independent of g and x, which is
    true at B = 0 and not later. The norm itself shrinks by the square root, and in the worst case not at all.
    Kind: exact. Source: this project.

    Raises:
        ValueError: rank outside 1..d_in, or entries that are not finite.
    """
    return _mean_square(signal, x, rank, x.size, scale)


def mean_squared_gradient_a(
    signal: Float[np.ndarray, " d_out"], x: Float[np.ndarray, " d_in"], rank: int, scale: float = 1.0
) -> float:
    """Return E_U ||dL/dA||_F^2 = s^2 (r/d_out) ||g||^2 ||x||^2 of one sample (at A = 0). See mean_squared_gradient_b.

    Raises:
        ValueError: rank outside 1..d_out.
    """
    return _mean_square(signal, x, rank, signal.size, scale)


def _mean_square(signal: np.ndarray, x: np.ndarray, rank: int, size: int, scale: float) -> float:
    if not 1 <= rank <= size:
        raise ValueError(f"rank {rank}: expected 1 to {size}, the side of the frozen factor")
    check_finite("the signal", signal)
    check_finite("the input", x)
    return scale**2 * rank / size * float(signal @ signal) * float(x @ x)


def _check(gradient: np.ndarray, factor: np.ndarray) -> None:
    check_finite("the gradient", gradient)
    check_finite("the frozen factor", factor)


def _relative(projected: np.ndarray, gradient: np.ndarray, factor: np.ndarray) -> float:
    size = float(np.linalg.norm(gradient)) * float(np.linalg.norm(factor, 2))
    return float(np.linalg.norm(projected)) / size if size > 0 else 0.0
