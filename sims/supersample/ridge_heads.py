"""Adapters of a linear head on frozen features, trained by ridge regression in closed form for a batch of masks.

The head W (classes, h) maps features to one-hot targets; with the pretrained head at zero it is the adapter. Objective:
the sum of squared residuals over the n trained examples plus ridge * ||tuned factor||_F^2 (b-only, a-only, full) or
ridge * ||W||_F^2 (lora, whose minimiser over rank r is the full one projected).

    full     W free
    b-only   W = B Q, Q (r, h) with orthonormal rows frozen: ridge on the r features Q phi
    a-only   W = U A, U (classes, r) with orthonormal columns frozen: A = U^T W_full, for the objective decouples
    lora     W = B A of rank r: P W_full, P onto the top r eigenvectors of W_full (Phi^T Phi + ridge) W_full^T

Every mask is one Cholesky factorisation, shared by full, a-only and lora, in the smaller of the dual (n) and primal
(h).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cho_factor, cho_solve

from sims.errors import BadInput
from sims.haar import orthonormal_rows
from sims.supersample.masks import trained_columns
from theory.bounds.parameter_count import tuned_parameters

Kind = Literal["full", "lora", "b-only", "a-only"]


class Adapter(NamedTuple):
    """Which factors of the head are tuned, and the rank (0 for the full head)."""

    kind: str
    rank: int = 0

    @property
    def name(self) -> str:
        """The name it has in results: 'full', 'b-only 8'."""
        return self.kind if self.kind == "full" else f"{self.kind} {self.rank}"

    def parameters(self, features: int, classes: int) -> int:
        """Return the number of tuned scalars of this adapter of a (classes, features) head."""
        return tuned_parameters(self.kind, [(classes, features)], self.rank)


class RidgeHeads:
    """Trainer of several adapters of one head on features (n, 2, h); the frozen factors are drawn when it is made."""

    def __init__(
        self,
        rng: np.random.Generator,
        adapters: Sequence[Adapter],
        *,
        features: int,
        classes: int,
        ridge: float = 1.0,
    ) -> None:
        """Raise BadInput for an unknown adapter, a rank that does not fit, or a ridge that is not positive."""
        if not ridge > 0:
            raise BadInput(f"ridge {ridge}: expected a positive number")
        self.classes, self.ridge, self.adapters = classes, ridge, tuple(adapters)
        self.frozen: dict[Adapter, Float[np.ndarray, "_ _"]] = {}
        for adapter in self.adapters:
            if adapter.kind not in get_args(Kind):
                raise BadInput(f"adapter {adapter.kind!r}: expected one of {', '.join(get_args(Kind))}")
            if adapter.kind == "b-only":
                self.frozen[adapter] = orthonormal_rows(rng, adapter.rank, features)
            elif adapter.kind == "a-only":
                self.frozen[adapter] = orthonormal_rows(rng, adapter.rank, classes)
            elif adapter.kind == "lora" and adapter.rank < 1:
                raise BadInput(f"rank {adapter.rank} of lora: expected at least 1")

    def __call__(
        self, x: Float[np.ndarray, "n 2 h"], y: Int[np.ndarray, "n 2"], masks: Int[np.ndarray, "masks n"]
    ) -> Mapping[str, Int[np.ndarray, "masks n 2"]]:
        """Return the predicted labels of every adapter after training on each mask."""
        found: dict[str, list[np.ndarray]] = {adapter.name: [] for adapter in self.adapters}
        for scores in self.scores(x, y, masks):
            for name, values in scores.items():
                found[name].append(values.argmax(axis=-1))
        return {name: np.stack(labels) for name, labels in found.items()}

    def scores(
        self, x: Float[np.ndarray, "n 2 h"], y: Int[np.ndarray, "n 2"], masks: Int[np.ndarray, "masks n"]
    ) -> Iterator[Mapping[str, Float[np.ndarray, "n 2 c"]]]:
        """Yield the outputs of every adapter on all 2n inputs, after training on one mask after the other."""
        n = len(y)
        phi, targets = x.reshape(2 * n, -1), np.eye(self.classes)[y.reshape(2 * n)]
        chosen = np.stack([trained_columns(np.arange(2 * n).reshape(n, 2), mask) for mask in masks])
        runs = {
            adapter.name: _ridge_scores(phi @ self.frozen[adapter].T, targets, chosen, self.ridge)
            for adapter in self.adapters
            if adapter.kind == "b-only"
        }
        rest = [adapter for adapter in self.adapters if adapter.kind != "b-only"]
        full = _ridge_scores(phi, targets, chosen, self.ridge) if rest else repeat(np.zeros((2 * n, self.classes)))
        for picked, outputs in zip(chosen, full):
            found = {name: next(run) for name, run in runs.items()}
            # W (Phi^T Phi + ridge) W^T = Y^T Yhat on the trained examples
            _, vectors = np.linalg.eigh(_symmetric(targets[picked].T @ outputs[picked]))
            found |= {adapter.name: self._projected(adapter, outputs, vectors) for adapter in rest}
            yield {adapter.name: found[adapter.name].reshape(n, 2, -1) for adapter in self.adapters}

    def _projected(
        self, adapter: Adapter, scores: Float[np.ndarray, "m c"], vectors: Float[np.ndarray, "c c"]
    ) -> Float[np.ndarray, "m c"]:
        """Return the scores of an adapter from those of the full head."""
        if adapter.kind == "full":
            return scores
        if adapter.kind == "a-only":
            u = self.frozen[adapter]
            return (scores @ u.T) @ u
        top = vectors[:, -adapter.rank :]
        return (scores @ top) @ top.T


def _ridge_scores(
    phi: Float[np.ndarray, "m h"], targets: Float[np.ndarray, "m c"], chosen: Int[np.ndarray, "masks n"], ridge: float
) -> Iterator[Float[np.ndarray, "m c"]]:
    """Yield phi (Phi_S^T Phi_S + ridge)^{-1} Phi_S^T Y_S for every mask S, by the smaller of the two systems."""
    n, h = chosen.shape[1], phi.shape[1]
    if n < h:
        gram = phi @ phi.T
        for picked in chosen:
            across = gram[:, picked]
            system = across[picked] + ridge * np.eye(n)
            yield across @ cho_solve(cho_factor(system, overwrite_a=True, check_finite=False), targets[picked])
        return
    for picked in chosen:
        part = phi[picked]
        system = part.T @ part + ridge * np.eye(h)
        yield phi @ cho_solve(cho_factor(system, overwrite_a=True, check_finite=False), part.T @ targets[picked])


def _symmetric(matrix: Float[np.ndarray, "c c"]) -> Float[np.ndarray, "c c"]:
    return 0.5 * (matrix + matrix.T)
