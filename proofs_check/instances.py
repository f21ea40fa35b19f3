"""Instances that claims are checked on: Gaussian, planted, and features of a random frozen network on real data."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from proofs_check.evidence import Level
from sims.convex_problem import ConvexProblem, make_problem
from sims.data import few_shot, find, load
from sims.landscape.search import Landscape
from sims.networks import random_mlp
from sims.ntk.features import DenseFeatures
from sims.ntk.tangents import tangent_features
from theory.losses import SQUARED, Loss
from theory.planted_families import Family, planted_instance
from theory.planted_zero_decay import zero_decay_instance


def by_level(level: Level, smoke: Any, quick: Any, full: Any) -> Any:
    """Return the size that belongs to the level."""
    return {"smoke": smoke, "quick": quick, "full": full}[level]


def vectors(data: str) -> str:
    """Return the named data set where it holds vectors, and the embedded digits where it holds sentences."""
    return data if find(data).kind in ("classification", "regression") else "digits"


@dataclass(frozen=True)
class Instance:
    """A named landscape of one layer, and its planted point if it has one (d, r)."""

    name: str
    landscape: Landscape
    planted: np.ndarray | None = None

    @property
    def problem(self) -> ConvexProblem:
        """The convex problem with the same data."""
        return self.landscape.convex_problem()

    @property
    def lam(self) -> float:
        """Weight decay."""
        return self.landscape.lam


def gaussian(seed: int, n: int, k: int, m: int, p: int, *, ratio: float = 0.1, loss: Loss = SQUARED) -> Instance:
    """Return Gaussian features (n, k, m, p) with random targets and lam = ratio * lambda_max."""
    g = np.random.default_rng(seed)
    gradients = g.standard_normal((n, k, m, p))
    y: np.ndarray
    if loss.name == "cross_entropy":
        y = g.integers(0, k, n)
    elif loss.name == "logistic":
        y = np.sign(g.standard_normal((n, k)))
    else:
        y = g.standard_normal((n, k))
    problem = make_problem([DenseFeatures(gradients)], np.zeros((n, k)), y, loss)
    lam = ratio * problem.lambda_max()
    name = f"Gaussian {m}x{p}, KN = {n}x{k}, {loss.name}, seed {seed}"
    return Instance(name, Landscape(gradients, problem.f0, problem.y, loss, lam))


def planted(family: Family, rank: int, m: int, p: int, *, noise: float = 0.0, drop: int = 0, seed: int = 0) -> Instance:
    """Return a planted family, its features perturbed by Gaussian noise and its last ``drop`` measurements deleted.

    The scaling keeps lam = 1 / n of the full family, so the planted point stays stationary when rows are deleted.
    """
    instance = planted_instance(family, rank, m, p)
    keep = instance.n - drop
    gradients = instance.gradients[:keep].copy()
    gradients += noise * np.random.default_rng(seed).standard_normal(gradients.shape)
    targets = instance.targets[:keep]
    name = f"family {family}, r = {rank}, {m}x{p}, KN = {keep}, noise {noise:g}, seed {seed}"
    landscape = Landscape(gradients, np.zeros_like(targets), targets, SQUARED, 1.0 / keep)
    return Instance(name, landscape, np.concatenate([instance.u, instance.v]))


def planted_flat(rank: int, m: int, p: int) -> Instance:
    """Return family C0: lam = 0, KN = 1 + r (m - r), a flat spurious minimum at rank r and optimum 0."""
    known = zero_decay_instance("C0", rank, m, p)
    landscape = Landscape(known.gradients, np.zeros_like(known.targets), known.targets, SQUARED, 0.0)
    name = f"family C0, r = {rank}, {m}x{p}, KN = {known.n}, λ = 0"
    return Instance(name, landscape, np.concatenate([known.u, known.v]))


def without_decay(instance: Instance) -> Instance:
    """Return the instance at lam = 0."""
    return Instance(f"{instance.name}, λ = 0", replace(instance.landscape, lam=0.0), instance.planted)


def network(
    data: str,
    seed: int,
    *,
    samples: int,
    classes: int,
    m: int,
    p: int,
    ratio: float = 0.1,
    loss: Loss = SQUARED,
    activation: str = "gelu",
) -> Instance:
    """Return tangent features of an inner (m, p) layer of a random frozen MLP at a few real samples.

    Targets are one-hot (squared) or labels (cross-entropy); f0 is the network's output; lam = ratio * lambda_max.
    """
    sample = few_shot(load(data, seed=seed), samples=samples, classes=tuple(range(classes)), seed=seed)
    mlp = random_mlp((sample.x_train.shape[1], p, m, classes), key=jax.random.key(seed), activation=activation)
    (features,) = tangent_features(mlp, jax.numpy.asarray(sample.x_train), layers=(1,))
    y = sample.y_train if loss.name == "cross_entropy" else np.eye(classes)[sample.y_train]
    problem = make_problem([features], np.asarray(mlp(jax.numpy.asarray(sample.x_train))), y, loss)
    dense = np.asarray(problem.layers[0].dense())
    name = f"{data}: frozen MLP, layer {m}x{p}, KN = {samples}x{classes}, {loss.name}, seed {seed}"
    return Instance(name, Landscape(dense, problem.f0, problem.y, loss, ratio * problem.lambda_max()))


def random_perturbation(size: int, norm: float, seed: int) -> np.ndarray:
    """Return a random positive semidefinite P with ||P||_F uniform in the ball of radius ``norm`` (size x size)."""
    g = np.random.default_rng(seed)
    w = g.standard_normal((size, size))
    p = w @ w.T
    radius = norm * g.random() ** (2.0 / (size * (size + 1)))
    return radius * p / np.linalg.norm(p)
