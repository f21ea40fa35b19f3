"""What follows from the closed forms: duality of the two factors, best frozen A, selectors, reparametrisation."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from theory.whitened_form import (
    check_finite,
    check_sides,
    inverse_root,
    numerical_rank,
    psd_root,
    range_basis,
    whiten,
)


class LinearProblem(NamedTuple):
    """One least-squares problem: the change, the input covariance and the output metric (see fit_b_only)."""

    delta: Float[np.ndarray, "d_out d_in"]
    sigma: Float[np.ndarray, "d_in d_in"]
    metric: Float[np.ndarray, "d_out d_out"]


def dual(problem: LinearProblem) -> LinearProblem:
    """Return (Delta^T, W, Sigma): B-only with A = Q here has the risk of A-only with B = Q^T there, and conversely.

    So the asymmetry is input covariance against output metric; with both the identity there is none.
    Kind: exact. Source: this project (transpose of the whitened form).
    """
    return LinearProblem(problem.delta.T, problem.metric, problem.sigma)


def best_frozen_a(
    delta: Float[np.ndarray, "d_out d_in"],
    sigma: Float[np.ndarray, "d_in d_in"],
    rank: int,
    metric: Float[np.ndarray, "d_out d_out"] | None = None,
) -> Float[np.ndarray, "rank d_in"]:
    """Return the A to freeze: rows v_i^T Sigma^(-1/2), v_i the top right singular vectors of M.

    B-only with it reaches the optimum over both factors. Its rows are not orthonormal, and zero where M has rank below
    ``rank`` and Sigma is singular. Kind: exact. Source: this project (reduced-rank regression).

    Raises:
        ValueError: rank outside 1..min(d_out, d_in), or matrices that are not positive semidefinite.
    """
    if not 1 <= rank <= min(delta.shape):
        raise ValueError(f"rank {rank}: expected 1 to {min(delta.shape)} for a {delta.shape[0]}x{delta.shape[1]} map")
    right = np.linalg.svd(whiten(delta, sigma, metric), full_matrices=False)[2]
    return right[:rank] @ inverse_root(sigma)


def selector_approximation(
    delta: Float[np.ndarray, "d_out d_in"], sigma: Float[np.ndarray, "d_in d_in"], rank: int
) -> float:
    """Return the approximation error of B-only with A = [I_r | 0], which reads the first r coordinates.

    Tr[Delta_2 (Sigma_22 - Sigma_21 Sigma_11^+ Sigma_12) Delta_2^T]: the change on the other coordinates, weighted by
    what the first r do not predict of them (0 for rank = d_in). Kind: exact. Source: this project; the selector is that
    of arXiv 2606.13767.

    Raises:
        ValueError: rank outside 1..d_in, or a covariance that is not positive semidefinite.
    """
    if not 1 <= rank <= delta.shape[1]:
        raise ValueError(f"rank {rank}: expected 1 to d_in = {delta.shape[1]}")
    check_finite("the change", delta)
    check_sides(delta, sigma)
    root = psd_root(sigma)
    seen, hidden = root[:rank], root[rank:]
    basis = range_basis(seen.T)
    conditional = hidden @ hidden.T - (hidden @ basis) @ (hidden @ basis).T
    return float(np.sum((delta[:, rank:] @ conditional) * delta[:, rank:]))


def reparametrise(
    b: Float[np.ndarray, "d_out k"],
    a: Float[np.ndarray, "k d_in"],
    sigma: Float[np.ndarray, "d_in d_in"],
    q: Float[np.ndarray, "r d_in"],
) -> Float[np.ndarray, "d_out r"]:
    """Return B' with B' Q x = B A x for every x in the range of Sigma: freezing A = Q costs nothing if rank Sigma <= r.

    B' = B A U_X (Q U_X)^+ with U_X a basis of the range; it exists when Q U_X has full column rank, that is for almost
    every Q. Kind: exact. Source: arXiv 2402.16842, remark after Lemma 4.2 (there for every Q; a Q orthogonal to a
    direction of the inputs is an exception).

    Raises:
        ValueError: Q U_X has not full column rank (rank Sigma > r, or Q misses a direction of the inputs).
    """
    for name, x in (("B", b), ("A", a), ("frozen A", q)):
        check_finite(name, x)
    basis = range_basis(psd_root(sigma))
    features = q @ basis
    rank = numerical_rank(np.linalg.svd(features, compute_uv=False), max(features.shape))
    if rank < basis.shape[1]:
        raise ValueError(
            f"Q sees {rank} of the {basis.shape[1]} directions of the inputs: expected all; draw another Q or raise r"
        )
    return b @ a @ basis @ np.linalg.pinv(features)
