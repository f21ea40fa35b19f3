"""Uniform gap of an adapter with one frozen random factor, by the norm of the other: sqrt(r / n), free of bits.

b-only with a scalar head: f(x) = <b, Q x>, ||b|| <= beta, Q (r, d_in) with orthonormal rows, independent of the
sample. a-only with readout c: f(x) = c^T U A x, ||A||_F <= beta, U (d_out, r) with orthonormal columns. beta is fixed
before the data, or pays for a union over a grid. The empirical Rademacher complexity is E sup_f (1/n) sum_i eps_i
f(x_i) over signs.

These are provable analogues, with constants, of the sqrt(r) / sqrt(n) rate of Kratsios et al. 2025 (arXiv 2506.14530).
"""

from math import log, sqrt

import numpy as np
from jaxtyping import Float

Array = np.ndarray


def b_only_rademacher(projected: Float[Array, "n r"], beta: float) -> float:
    """Return (beta / n) sqrt(sum_i ||Q x_i||^2), at least the complexity of b-only. ``projected`` has rows Q x_i.

    Kind: upper bound for this sample and this Q. Source: Jensen; Bartlett and Mendelson 2002.

    Raises:
        ValueError: no samples, or a negative norm beta.
    """
    n = _samples(len(projected), beta)
    return beta / n * float(np.linalg.norm(projected))


def b_only_rademacher_lower(projected: Float[Array, "n r"], beta: float) -> float:
    """Return 1 / sqrt 2 of ``b_only_rademacher``, at most the complexity of b-only: the rate sqrt(r / n) is attained.

    Equality for two equal inputs. Kind: lower bound for this sample and this Q. Source: Khintchine's inequality with
    its best constant, in a Hilbert space (Szarek 1976; Latala and Oleszkiewicz 1994).

    Raises:
        ValueError: as ``b_only_rademacher``.
    """
    return b_only_rademacher(projected, beta) / sqrt(2.0)


def b_only_rademacher_mean(inputs: Float[Array, "n d_in"], rank: int, beta: float) -> float:
    """Return beta sqrt(r Tr Sigma_hat / (d_in n)), at least the mean of ``b_only_rademacher`` over uniform Q.

    Sigma_hat is the uncentred covariance, so Tr Sigma_hat is the mean of ||x_i||^2; E_Q||Qx||^2 = (r / d_in)||x||^2.
    Kind: upper bound on a mean over Q (Jensen). Source: as ``b_only_rademacher``.

    Raises:
        ValueError: rank outside 1..d_in, or as ``b_only_rademacher``.
    """
    n, d_in = inputs.shape
    if not 1 <= rank <= d_in:
        raise ValueError(f"rank {rank}: expected 1 to {d_in}, the width of the inputs")
    return _samples(n, beta) ** -0.5 * beta * sqrt(rank / d_in * float((inputs**2).sum()) / n)


def a_only_rademacher(
    inputs: Float[Array, "n d_in"], frozen: Float[Array, "d_out r"], readout: Float[Array, " d_out"], beta: float
) -> float:
    """Return beta ||U^T c|| sqrt(Tr Sigma_hat / n), at least the complexity of a-only with readout c.

    E||U^T c||^2 = (r / d_out)||c||^2 over uniform U. Kind: upper bound for this sample and this U. Source: as
    ``b_only_rademacher``.

    Raises:
        ValueError: as ``b_only_rademacher``.
    """
    n = _samples(len(inputs), beta)
    return beta / n * float(np.linalg.norm(frozen.T @ readout)) * float(np.linalg.norm(inputs))


def a_only_rademacher_mean(
    inputs: Float[Array, "n d_in"], rank: int, readout: Float[Array, " d_out"], beta: float
) -> float:
    """Return beta ||c|| sqrt(r Tr Sigma_hat / (d_out n)), at least the mean of ``a_only_rademacher`` over uniform U.

    Kind: upper bound on a mean over U (Jensen). Source: as ``b_only_rademacher``.

    Raises:
        ValueError: rank outside 1..d_out, or as ``b_only_rademacher``.
    """
    if not 1 <= rank <= len(readout):
        raise ValueError(f"rank {rank}: expected 1 to {len(readout)}, the number of outputs")
    n = _samples(len(inputs), beta)
    return beta / n * sqrt(rank / len(readout)) * float(np.linalg.norm(readout)) * float(np.linalg.norm(inputs))


def vector_output_factor(outputs: int) -> float:
    """Return sqrt(2 d_out): what a loss that is Lipschitz in the Euclidean norm of d_out outputs costs more.

    For b-only with ||B||_F <= beta: contraction gives sqrt 2, the d_out rows of signs sqrt(d_out). Kind: upper bound.
    Source: Maurer 2016.

    Raises:
        ValueError: fewer than one output.
    """
    if outputs < 1:
        raise ValueError(f"{outputs} outputs: expected at least 1")
    return sqrt(2.0 * outputs)


def uniform_gap_mean(complexity: float, lipschitz: float) -> float:
    """Return 2 L R, at least E sup_f (L - Lhat) when R is the mean of the complexity over samples.

    Kind: upper bound on a mean. Source: symmetrisation and Talagrand's contraction.

    Raises:
        ValueError: a negative number.
    """
    if not (complexity >= 0.0 and lipschitz >= 0.0):
        raise ValueError(f"complexity {complexity}, Lipschitz constant {lipschitz}: expected numbers >= 0")
    return 2.0 * lipschitz * complexity


def uniform_gap(
    complexity: float, lipschitz: float, samples: int, delta: float, loss_range: tuple[float, float] = (0.0, 1.0)
) -> float:
    """Return 2 L R_hat + 3 sqrt(ln(2 / delta) / (2n)): with probability 1 - delta at least L - Lhat, for all b at once.

    ``complexity`` is the empirical one of this sample, or an upper bound. Kind: certificate. Source: Bartlett and
    Mendelson 2002; McDiarmid twice.

    Raises:
        ValueError: delta outside (0, 1), no samples, a loss range that is not inside [0, 1], or a negative number.
    """
    if not 0.0 < delta < 1.0:
        raise ValueError(f"delta {delta}: expected a number strictly between 0 and 1")
    if not 0.0 <= loss_range[0] < loss_range[1] <= 1.0:
        raise ValueError(f"loss range {loss_range}: this bound needs a loss in [0, 1]; rescale it")
    n = _samples(samples, 0.0)
    return uniform_gap_mean(complexity, lipschitz) + 3.0 * sqrt(log(2.0 / delta) / (2.0 * n))


def projection_spread(rank: int, d_in: int) -> float:
    """Return sqrt(2 (d - r) / (r (d + 2))), the standard deviation of ||Qx||^2 over its mean, for uniform Q.

    ||Qx||^2 / ||x||^2 is Beta(r/2, (d - r)/2). So the bound's *relative* spread over frozen factors falls as r^-1/2
    while r is far below d. Kind: exact. Source: this project.

    Raises:
        ValueError: rank outside 1..d_in.
    """
    if not 1 <= rank <= d_in:
        raise ValueError(f"rank {rank}: expected 1 to {d_in}, the width of the inputs")
    return sqrt(2.0 * (d_in - rank) / (rank * (d_in + 2.0)))


def _samples(samples: int, beta: float) -> int:
    if samples < 1:
        raise ValueError(f"{samples} samples: expected at least 1")
    if not beta >= 0.0:
        raise ValueError(f"norm {beta} of the tuned factor: expected a number >= 0")
    return samples
