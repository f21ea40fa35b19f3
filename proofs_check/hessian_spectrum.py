"""Inertia and single eigenvalues of the Hessian S (x) I_r + J^T D J of the factored objective, at any size.

Small Hessians are formed. Of large ones only S (d x d) is diagonalised: in its eigenbasis the Hessian is a diagonal
matrix Lambda plus B^T B with a row for every measurement, and by Haynsworth's inertia formula, for tau no eigenvalue of
Lambda,

    #{eigenvalues of Lambda + B^T B below tau} = #{Lambda < tau} - #{I + B (Lambda - tau)^{-1} B^T < 0},

counted on matrices of the size of the measurements. Single eigenvalues follow by bisection, with their multiplicities.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float

from sims import memory
from sims.convex_problem import ConvexProblem

DENSE_ROWS = 2000  # up to which the whole spectrum is computed
_BISECTIONS = 60
_COPIES = 5  # of the derivatives: by u, by v, joined, weighted, in the eigenbasis of S


@dataclass(frozen=True)
class HessianSpectrum:
    """The Hessian as Lambda + B^T B in the eigenbasis ``vectors`` of S; ``dense``: all eigenvalues where formed."""

    diagonal: Float[np.ndarray, " dr"]
    update: Float[np.ndarray, "q dr"]
    vectors: Float[np.ndarray, "d d"]
    rank: int
    dense: Float[np.ndarray, " dr"] | None = field(default=None)

    @cached_property
    def scale(self) -> float:
        """Largest absolute eigenvalue."""
        if self.dense is not None:
            return float(np.abs(self.dense).max(initial=0.0))
        return max(abs(self._at(0)), abs(self._at(self.diagonal.size - 1))) if self.diagonal.size else 0.0

    @cached_property
    def _bound(self) -> float:
        """An upper bound of every eigenvalue: the largest of S plus the largest of B^T B."""
        q, size = self.update.shape
        gram = self.update @ self.update.T if q <= size else self.update.T @ self.update
        return float(self.diagonal.max()) + (float(np.linalg.eigvalsh(gram)[-1]) if len(gram) else 0.0)

    def below(self, tau: float) -> int:
        """Return the number of eigenvalues below tau (moved by a unit of rounding where it is one of S)."""
        if self.dense is not None:
            return int((self.dense < tau).sum())
        shifted = self.diagonal - tau
        unit = 4e-16 * float(np.abs(self.diagonal).max())
        shifted = np.where(np.abs(shifted) < unit, -unit, shifted)  # as if tau lay just above
        system = np.eye(len(self.update)) + (self.update / shifted) @ self.update.T
        return int((shifted < 0).sum()) - int((np.linalg.eigvalsh(system) < 0).sum())

    def within(self, tau: float) -> int:
        """Return the number of eigenvalues in [-tau, tau): the zeros, for a tau above rounding."""
        return self.below(tau) - self.below(-tau)

    def smallest(self) -> float:
        """Return the smallest eigenvalue."""
        return self._at(0)

    def next_above(self, tau: float) -> float:
        """Return the smallest eigenvalue of at least tau; infinite if there is none."""
        index = self.below(tau)
        return self._at(index) if index < self.diagonal.size else float("inf")

    def _at(self, index: int) -> float:
        """Return the eigenvalue with that index, ascending."""
        if self.dense is not None:
            return float(self.dense[index]) if self.dense.size else 0.0
        if not self.diagonal.size:
            return 0.0
        low, high = float(self.diagonal.min()), self._bound  # adding B^T B >= 0 lowers no eigenvalue
        low, high = low - 1e-3 * (high - low), high + 1e-3 * (high - low)
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            if self.below(middle) > index:
                high = middle
            else:
                low = middle
            if high - low <= 4e-16 * max(abs(low), abs(high)):
                break
        return 0.5 * (low + high)

    def solve(self, right: Float[np.ndarray, "d r"], damping: float) -> Float[np.ndarray, "d r"]:
        """Return (H + damping)^{-1} times a direction of the factors, through the measurements."""
        turned = (self.vectors.T @ right).reshape(-1)
        shifted = self.diagonal + damping
        plain = turned / shifted
        system = np.eye(len(self.update)) + (self.update / shifted) @ self.update.T
        plain = plain - (self.update.T @ np.linalg.solve(system, self.update @ plain)) / shifted
        return self.vectors @ plain.reshape(right.shape)


def hessian_spectrum(
    problem: ConvexProblem,
    s: Float[np.ndarray, "d d"],
    u: Float[np.ndarray, "m r"],
    v: Float[np.ndarray, "p r"],
    predictions: Float[np.ndarray, "n k"],
    *,
    dense_rows: int = DENSE_ROWS,
) -> HessianSpectrum:
    """Return the spectrum of the Hessian at (u, v), of a problem with one layer; S is its stationarity matrix.

    Raises:
        BadInput: the derivatives of all measurements do not fit into the free memory.
    """
    (features,) = problem.layers
    d, r = s.shape[0], u.shape[1]
    memory.require(_COPIES * 8 * problem.n * problem.k * d * r, f"the Hessian at rank {r} ({d * r} unknowns)")
    values, vectors = np.linalg.eigh(s)
    if r == 0:
        return HessianSpectrum(np.zeros(0), np.zeros((0, 0)), vectors, 0, np.zeros(0))
    by_u = features.project_input(v.T).dense()
    by_v = np.swapaxes(features.project_output(u).dense(), 2, 3)
    jacobian = np.concatenate([by_u, by_v], axis=2)  # (n, k, d, r)
    curvature, directions = np.linalg.eigh(problem.loss.hessian(predictions, problem.y) / problem.n)
    half = np.sqrt(np.maximum(curvature, 0.0))[:, :, None] * np.swapaxes(directions, 1, 2)
    weighted = (half @ jacobian.reshape(problem.n, problem.k, d * r)).reshape(-1, d, r)
    update = np.einsum("de,qdr->qer", vectors, weighted, optimize=True).reshape(-1, d * r)
    whole = None
    if d * r <= dense_rows:
        flat = weighted.reshape(-1, d * r)
        whole = np.linalg.eigvalsh(np.kron(s, np.eye(r)) + flat.T @ flat)
    return HessianSpectrum(np.repeat(values, r), update, vectors, r, whole)
