"""Small random problems of every loss, the planted families as problems, and family D, which only the tests need."""

from collections.abc import Sequence

import numpy as np

from sims.convex_problem import ConvexProblem, make_problem
from sims.landscape.search import Landscape
from sims.ntk.features import DenseFeatures, FactoredFeatures, TangentFeatures
from theory.losses import LOGISTIC, LOSSES, SQUARED, Loss
from theory.planted_families import PlantedInstance
from theory.planted_zero_decay import ZeroDecayInstance

ALL_LOSSES = tuple(LOSSES.values())


def outputs_for(loss: Loss, k: int) -> int:
    """Return k, or 2 for cross-entropy with one output."""
    return max(k, 2) if loss.name == "cross_entropy" else k


def random_targets(rng: np.random.Generator, loss: Loss, n: int, k: int) -> np.ndarray:
    """Return Gaussian targets, signs, or labels."""
    if loss.name == "cross_entropy":
        return rng.integers(0, k, size=n)
    if loss.name == "logistic":
        return rng.choice([-1.0, 1.0], size=(n, k))
    return rng.standard_normal((n, k))


def random_problem(
    seed: int,
    loss: Loss = SQUARED,
    *,
    n: int = 6,
    k: int = 1,
    shapes: Sequence[tuple[int, int]] = ((4, 5),),
    positions: int = 0,
) -> ConvexProblem:
    """Return a Gaussian problem; dense features, or factored ones with ``positions`` terms each."""
    rng = np.random.default_rng(seed)
    k = outputs_for(loss, k)
    layers: list[TangentFeatures] = []
    for m, p in shapes:
        if positions:
            signal = rng.standard_normal((n, k, positions, m))
            layers.append(FactoredFeatures(signal, rng.standard_normal((n, positions, p))))
        else:
            layers.append(DenseFeatures(rng.standard_normal((n, k, m, p))))
    return make_problem(layers, 0.3 * rng.standard_normal((n, k)), random_targets(rng, loss, n, k), loss)


def dense_twin(problem: ConvexProblem) -> ConvexProblem:
    """Return the same problem with every layer multiplied out."""
    layers = tuple(DenseFeatures(np.asarray(layer.dense())) for layer in problem.layers)
    return ConvexProblem(layers, problem.f0, problem.y, problem.loss)


def planted_problem(instance: PlantedInstance, *, noise: float = 0.0, seed: int = 0) -> ConvexProblem:
    """Return a planted family as a convex problem, with Gaussian noise on the features."""
    gradients = instance.gradients + noise * np.random.default_rng(seed).standard_normal(instance.gradients.shape)
    return make_problem([DenseFeatures(gradients)], np.zeros((instance.n, 1)), instance.targets, SQUARED)


def landscape_of(problem: ConvexProblem, lam: float, perturbation: np.ndarray | None = None) -> Landscape:
    """Return the factored landscape of a problem with one layer."""
    (layer,) = problem.layers
    return Landscape(np.asarray(layer.dense()), problem.f0, problem.y, problem.loss, lam, perturbation)


def random_perturbation(rng: np.random.Generator, size: int, radius: float) -> np.ndarray:
    """Return P >= 0 with a density on the ball ||P||_F <= radius of symmetric matrices."""
    w = rng.standard_normal((size, size))
    p = w @ w.T
    return radius * rng.uniform() ** (2 / (size * (size + 1))) * p / np.linalg.norm(p)


def zero_decay_problem(instance: ZeroDecayInstance, *, noise: float = 0.0, seed: int = 0) -> ConvexProblem:
    """Return family C or C0 as a convex problem, with Gaussian noise on the features."""
    gradients = instance.gradients + noise * np.random.default_rng(seed).standard_normal(instance.gradients.shape)
    return make_problem([DenseFeatures(gradients)], np.zeros((instance.n, 1)), instance.targets, SQUARED)


def family_d() -> tuple[ConvexProblem, np.ndarray, np.ndarray]:
    """Return (problem, u, v): logistic loss, lam = 0, rank 1, 2 x 2, N = 4, a strict spurious minimum."""
    low, high = 0.0, 1.0
    for _ in range(200):  # 3 sigma(-3q) = sigma(q)
        q = 0.5 * (low + high)
        low, high = (q, high) if 3 / (1 + np.exp(3 * q)) > 1 / (1 + np.exp(-q)) else (low, q)
    e, f = np.eye(2)
    cross = 3 * (np.outer(f, e) + np.outer(e, f))
    gradients = np.array([3 * np.outer(e, e) + np.outer(f, f), np.outer(e, e), cross, cross])[:, None]
    y = np.array([1.0, -1.0, 1.0, -1.0])
    u = np.sqrt(q) * e[:, None]
    return make_problem([DenseFeatures(gradients)], np.zeros((4, 1)), y, LOGISTIC), u, u.copy()
