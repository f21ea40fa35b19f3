"""The convex problem of linearised fine-tuning: features of one or several layers, offsets, targets, loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from sims.errors import BadInput
from sims.ntk.features import TangentFeatures
from sims.span import FeatureSpan
from theory import convex_lora
from theory.losses import Loss

Array = Any
Deltas = Sequence[Float[Array, "..."]]


def numpy_features(features: TangentFeatures) -> TangentFeatures:
    """Return the same features with float64 numpy arrays."""
    import jax

    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype=np.float64), features)


@dataclass(frozen=True)
class ConvexProblem:
    """min over delta of (1/n) sum_i l(f0_i + sum_l <G_i^l, delta^l>, y_i) + lam sum_l ||delta^l||_*.

    ``f0`` is (n, k); ``y`` is (n, k), or (n,) integer labels for cross-entropy.
    """

    layers: tuple[TangentFeatures, ...]
    f0: Float[Array, "n k"]
    y: Any
    loss: Loss

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.f0.shape[0]

    @property
    def k(self) -> int:
        """Number of outputs."""
        return self.f0.shape[1]

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Shape of every adapted matrix."""
        return tuple(layer.shape for layer in self.layers)

    @cached_property
    def span(self) -> FeatureSpan:
        """The features as one matrix, in the directions that the loss can see."""
        return FeatureSpan(self.layers, self.loss.free_outputs(self.k) < self.k)

    @cached_property
    def measurements(self) -> int:
        """Effective KN: the dimension of the span of the features in the directions that the loss can see.

        KN for generic features, (K-1)N for softmax cross-entropy, less where features are exactly dependent. Kind:
        upper bound; dependencies that are not verified exactly are not counted.
        """
        return self.span.count

    def predictions(self, deltas: Deltas) -> Float[Array, "n k"]:
        """Return f0 + sum_l <G^l, delta^l>.

        Raises:
            BadInput: not one update for every layer.
        """
        self._one_each(deltas)
        return self.f0 + sum(layer.apply(delta) for layer, delta in zip(self.layers, deltas))

    def predictions_low_rank(self, factors: Sequence[tuple[Array, Array]]) -> Float[Array, "n k"]:
        """Return f0 + sum_l <G^l, u^l v^lT> without forming the products.

        Raises:
            BadInput: not one pair of factors for every layer.
        """
        self._one_each(factors)
        changes = (layer.apply_low_rank(u, v) for layer, (u, v) in zip(self.layers, factors))
        return self.f0 + sum(changes)

    def _one_each(self, candidates: Sequence[Any]) -> None:
        if len(candidates) != len(self.layers):
            raise BadInput(
                f"{len(candidates)} updates for {len(self.layers)} layers: expected one for every layer, zeros where "
                "a layer is not adapted"
            )

    def data_gradients(self, predictions: Float[Array, "n k"]) -> list[Float[Array, "..."]]:
        """Return the data term's gradient with respect to every delta, at those predictions."""
        z = self.loss.gradient(predictions, self.y) / self.n
        return [layer.adjoint(z) for layer in self.layers]

    def report(self, deltas: Deltas, lam: float) -> convex_lora.OptimalityReport:
        """Return primal, feasible dual, gap and KKT residuals at deltas, recomputed from scratch."""
        predictions = self.predictions(deltas)
        gradients = self.data_gradients(predictions)
        return convex_lora.optimality_report(self.loss, predictions, self.f0, self.y, gradients, deltas, lam)

    def report_at_factors(self, factors: Sequence[tuple[Array, Array]], lam: float) -> convex_lora.OptimalityReport:
        """Return the same at deltas u v^T, with predictions and nuclear norms from the factors: cheaper at low rank."""
        predictions = self.predictions_low_rank(factors)
        cores = [np.linalg.qr(u)[1] @ np.linalg.qr(v)[1].T for u, v in factors]
        return convex_lora.optimality_report(
            self.loss,
            predictions,
            self.f0,
            self.y,
            self.data_gradients(predictions),
            [u @ v.T for u, v in factors],
            lam,
            [convex_lora.nuclear_norm(core) if core.size else 0.0 for core in cores],
        )

    def lambda_max(self) -> float:
        """Return the smallest lam at which delta = 0 is optimal."""
        gradients = self.data_gradients(self.f0)
        return convex_lora.lambda_max([convex_lora.spectral_norm(g) for g in gradients])


def make_problem(layers: Sequence[TangentFeatures], f0: Any, y: Any, loss: Loss) -> ConvexProblem:
    """Return a checked problem in float64 numpy arrays.

    Raises:
        BadInput: empty, non-finite, mismatched shapes, or labels the loss cannot take.
    """
    if not layers:
        raise BadInput("0 layers: expected the features of at least one adapted matrix")
    arrays = tuple(numpy_features(layer) for layer in layers)
    n, k = arrays[0].n, arrays[0].k
    if n == 0 or k == 0 or any(min(layer.shape) == 0 for layer in arrays):
        raise BadInput(f"features with n = {n} samples, k = {k} outputs: expected at least one of each")
    if any((layer.n, layer.k) != (n, k) for layer in arrays):
        sizes = ", ".join(f"({layer.n}, {layer.k})" for layer in arrays)
        raise BadInput(f"layers disagree on (n, k): {sizes}; expected the same samples and outputs in all")
    import jax

    for layer in arrays:
        for leaf in jax.tree.leaves(layer):
            _finite(leaf, "features")
    offsets = np.asarray(f0, dtype=np.float64)
    if offsets.shape != (n, k):
        raise BadInput(f"f0 has shape {offsets.shape}, expected {(n, k)} as in the features: reshape it")
    _finite(offsets, "f0")
    return ConvexProblem(arrays, offsets, _targets(y, n, k, loss), loss)


def _finite(array: np.ndarray, name: str) -> None:
    bad = int(np.size(array) - np.isfinite(array).sum())
    if bad:
        raise BadInput(f"{name} holds {bad} NaN or infinite entries: expected finite numbers, remove those samples")


def _targets(y: Any, n: int, k: int, loss: Loss) -> np.ndarray:
    targets = np.asarray(y)
    if not np.issubdtype(targets.dtype, np.number) or np.issubdtype(targets.dtype, np.complexfloating):
        raise BadInput(f"y has dtype {targets.dtype}: expected real numbers")
    _finite(targets, "y")
    if loss.name == "cross_entropy":
        if targets.shape != (n,):
            raise BadInput(f"y has shape {targets.shape}, expected integer labels of shape {(n,)} for cross_entropy")
        if k < 2:
            raise BadInput("cross_entropy with k = 1 output: expected k >= 2, or use the logistic loss with y = +-1")
        wrong = targets[~np.isin(targets, np.arange(k))]
        if wrong.size:
            raise BadInput(f"label {wrong[0]} is out of range: expected integers 0..{k - 1} for k = {k} outputs")
        return targets.astype(np.int64)
    if targets.shape == (n,) and k == 1:
        targets = targets[:, None]
    if targets.shape != (n, k):
        raise BadInput(f"y has shape {targets.shape}, expected {(n, k)} for the {loss.name} loss: reshape it")
    targets = targets.astype(np.float64)
    if loss.name == "logistic" and not np.isin(targets, (-1.0, 1.0)).all():
        wrong = targets[~np.isin(targets, (-1.0, 1.0))]
        raise BadInput(f"label {wrong[0]:g} is out of range: expected -1 or +1 for the logistic loss")
    return targets
