"""Several adapted layers at once: instances, search on block-diagonal features, certificates layer by layer.

delta = blkdiag(delta^1, ..., delta^T), so the factored objective of the model is the one-layer objective of
block-diagonal features with Q confined to a block pattern; S falls into one block a layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs_check.certificates import GRADIENT_TOLERANCE, ZERO_TOLERANCE
from sims.convex_problem import ConvexProblem, make_problem
from sims.landscape.search import Landscape, find_stationary_points
from sims.ntk.features import DenseFeatures
from sims.solvers.low_rank_newton import Factors
from theory import factored_objective as lora
from theory.losses import Loss


@dataclass(frozen=True)
class LayeredInstance:
    """A named problem with several dense layers, and its weight decay."""

    name: str
    problem: ConvexProblem
    lam: float

    def landscape(self, ranks: Sequence[int]) -> Landscape:
        """Return the block-diagonal landscape with the mask of these ranks."""
        shapes = self.problem.shapes
        rows, columns = sum(m for m, _ in shapes), sum(p for _, p in shapes)
        gradients = np.zeros((self.problem.n, self.problem.k, rows, columns))
        mask = np.zeros((rows + columns, sum(ranks)))
        top = left = at = 0
        for layer, (m, p), r in zip(self.problem.layers, shapes, ranks):
            gradients[:, :, top : top + m, left : left + p] = layer.dense()
            mask[top : top + m, at : at + r] = 1.0
            mask[rows + left : rows + left + p, at : at + r] = 1.0
            top, left, at = top + m, left + p, at + r
        return Landscape(gradients, self.problem.f0, self.problem.y, self.problem.loss, self.lam, mask=mask)

    def split(self, q: np.ndarray, ranks: Sequence[int]) -> Factors:
        """Return the factors of every layer from the masked Q."""
        shapes = self.problem.shapes
        rows = sum(m for m, _ in shapes)
        factors, top, left, at = [], 0, 0, 0
        for (m, p), r in zip(shapes, ranks):
            factors.append((q[top : top + m, at : at + r], q[rows + left : rows + left + p, at : at + r]))
            top, left, at = top + m, left + p, at + r
        return factors


@dataclass(frozen=True)
class LayeredPoint:
    """A second-order point of several layers: rank, negative directions and lowest eigenvalue of S for each."""

    ranks: tuple[int, ...]
    negative_directions: tuple[int, ...]
    lowest_s: float
    second_order: bool

    @property
    def clearly_not_global(self) -> bool:
        """Whether some layer's S is clearly indefinite."""
        return any(p > 0 for p in self.negative_directions)


def gaussian_layers(
    seed: int,
    n: int,
    shapes: Sequence[tuple[int, int]],
    *,
    ratio: float,
    loss: Loss,
) -> LayeredInstance:
    """Return Gaussian features in every layer with random targets and lam = ratio * lambda_max."""
    g = np.random.default_rng(seed)
    layers = [DenseFeatures(g.standard_normal((n, 1, *shape))) for shape in shapes]
    problem = make_problem(layers, np.zeros((n, 1)), g.standard_normal((n, 1)), loss)
    name = f"{len(shapes)} Gaussian layers {'+'.join(f'{m}x{p}' for m, p in shapes)}, KN = {n}, seed {seed}"
    return LayeredInstance(name, problem, ratio * problem.lambda_max())


def layered_point(instance: LayeredInstance, factors: Factors) -> LayeredPoint:
    """Return the second-order facts at these factors, recomputed in float64 from the data alone."""
    problem, lam = instance.problem, instance.lam
    predictions = problem.predictions_low_rank(factors)
    blocks = [lora.stationarity_matrix(g, lam) for g in problem.data_gradients(predictions)]
    scale = max(max(float(np.linalg.norm(s, 2)) for s in blocks), problem.lambda_max())
    stacked = [np.concatenate(pair) for pair in factors]
    gradient = np.sqrt(sum(float(((s @ q) ** 2).sum()) for s, q in zip(blocks, stacked)))
    size = np.sqrt(sum(float((q**2).sum()) for q in stacked))
    jacobian = np.concatenate(
        [lora.prediction_jacobian(np.asarray(layer.dense()), q) for layer, q in zip(problem.layers, stacked)],
        axis=1,
    )
    curvature = problem.loss.hessian(predictions, problem.y) / problem.n
    shaped = jacobian.reshape(problem.n, problem.k, -1)
    hessian = jacobian.T @ (curvature @ shaped).reshape(jacobian.shape)
    at = 0
    for s, q in zip(blocks, stacked):
        width = q.size
        hessian[at : at + width, at : at + width] += np.kron(s, np.eye(q.shape[1]))
        at += width
    values = np.linalg.eigvalsh(hessian)
    lowest = [np.linalg.eigvalsh(s) for s in blocks]
    stationary = gradient <= GRADIENT_TOLERANCE * scale * max(size, 1e-300)
    largest = max((float(np.linalg.norm(q, 2)) for q in stacked), default=0.0)
    return LayeredPoint(
        ranks=tuple(int(np.linalg.matrix_rank(q, tol=1e-6 * max(largest, 1e-300))) for q in stacked),
        negative_directions=tuple(int((e < -1e-6 * scale).sum()) for e in lowest),
        lowest_s=min(float(e[0]) for e in lowest) / scale,
        second_order=bool(stationary and values[0] >= -ZERO_TOLERANCE * np.abs(values).max()),
    )


def layered_survey(
    instance: LayeredInstance,
    ranks: Sequence[int],
    *,
    starts: int,
    seed: int,
    planted: Factors | None = None,
    scales: Sequence[float] = (0.03, 0.3, 1.0),
) -> tuple[list[LayeredPoint], int]:
    """Return the certified second-order points and the number of rejected runs, half of them near ``planted``."""
    landscape = instance.landscape(ranks)
    g = np.random.default_rng(seed)
    mask = landscape.mask
    if mask is None:
        raise ValueError("a layered landscape has a mask")
    parts = [scale * g.standard_normal((-(-starts // len(scales)), *mask.shape)) for scale in scales]
    if planted is not None:
        centre = np.zeros(mask.shape)
        rows = sum(m for m, _ in instance.problem.shapes)
        top = left = at = 0
        for u, v in planted:
            centre[top : top + u.shape[0], at : at + u.shape[1]] = u
            centre[rows + left : rows + left + v.shape[0], at : at + v.shape[1]] = v
            top, left, at = top + u.shape[0], left + v.shape[0], at + u.shape[1]
        parts.append(centre[None] + 0.1 * g.standard_normal((starts, *mask.shape)))
    found = find_stationary_points(landscape, np.concatenate(parts))
    points = [
        layered_point(instance, instance.split(q, ranks)) for q, accepted in zip(found.q, found.accepted) if accepted
    ]
    good = [point for point in points if point.second_order]
    return good, len(found.q) - len(good)
