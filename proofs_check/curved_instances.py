"""Instances for theorems that need no linearisation: quadratics, planted families with a ridge, nets.

Quadratics carry proved constants: alpha is the smallest eigenvalue of the Hessian of f over all updates, beta_l the
largest one of the block of layer l; both hold at every rank and distance.
"""

from collections.abc import Sequence
from typing import Literal

import jax
import numpy as np

from proofs_check.restricted_curvature_search import CurvedInstance
from sims.convex_problem import ConvexProblem, make_problem
from sims.data import few_shot, load
from sims.landscape.smooth_losses import network_landscape, quadratic_landscape
from sims.networks import random_mlp
from sims.ntk.features import DenseFeatures
from theory.convex_lora import spectral_norm
from theory.losses import SQUARED, Loss
from theory.planted_families import planted_instance

Shapes = Sequence[tuple[int, int]]


def _blocks(shapes: Shapes) -> list[slice]:
    ends = np.cumsum([m * n for m, n in shapes])
    return [slice(int(end) - m * n, int(end)) for end, (m, n) in zip(ends, shapes, strict=True)]


def constants(matrix: np.ndarray, shapes: Shapes) -> tuple[float, tuple[float, ...]]:
    """Return (alpha, beta of every layer) of f(x) = ||matrix x - t||^2 / 2."""
    hessian = matrix.T @ matrix
    betas = tuple(float(np.linalg.eigvalsh(hessian[block, block])[-1]) for block in _blocks(shapes))
    return float(np.linalg.eigvalsh(hessian)[0]), betas


def spectrum_quadratic(seed: int, shapes: Shapes, top: float, *, ratio: float = 0.3, rank: int = 2) -> CurvedInstance:
    """Return a quadratic whose Hessian has eigenvalues from 1 to ``top`` (log-uniform) in a random frame.

    The target is the image of a random update of this rank, so that X* has low rank; lam = ratio * lambda_max.
    """
    g = np.random.default_rng(seed)
    size = sum(m * n for m, n in shapes)
    frame = np.linalg.qr(g.standard_normal((size, size)))[0]
    matrix = np.geomspace(1.0, top, size)[:, None] ** 0.5 * frame
    updates = [g.standard_normal((m, rank)) @ g.standard_normal((rank, n)) for m, n in shapes]
    target = matrix @ np.concatenate([x.reshape(-1) for x in updates])
    pulls = [(matrix.T @ target)[b].reshape(shape) for b, shape in zip(_blocks(shapes), shapes, strict=True)]
    lam = ratio * min(spectral_norm(p) for p in pulls)
    alpha, betas = constants(matrix, shapes)
    words = " + ".join(f"{m}x{n}" for m, n in shapes)
    name = f"quadratic {words}, Hessian 1 to {top:g}, seed {seed}"
    return CurvedInstance(name, quadratic_landscape(matrix, target, shapes, lam), alpha, betas)


def ridge_rows(
    family: Literal["A'", "B"], rank: int, m: int, p: int, root: float, spread: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (features, targets, u, v) of a planted family plus (root^2 / 2) ||X||_F^2, written as more measurements.

    The first target is raised by root^2, so that the planted point stays stationary and, for a dyadic root, rational.
    """
    made = planted_instance(family, rank, m, p, spread=spread)
    targets = made.targets[:, 0].copy()
    targets[0] += root**2
    ridge = root * np.eye(m * p).reshape(m * p, m, p)
    features = np.concatenate([made.gradients[:, 0], ridge])
    return features, np.concatenate([targets, np.zeros(m * p)]), made.u, made.v


def ridge_problem(
    family: Literal["A'", "B"], rank: int, m: int, p: int, root: float, spread: float = 2.0
) -> tuple[ConvexProblem, np.ndarray, np.ndarray]:
    """Return the same instance as a convex problem with lam = 1/n, and the planted factors, for exact arithmetic."""
    features, targets, u, v = ridge_rows(family, rank, m, p, root, spread)
    problem = make_problem([DenseFeatures(features[:, None])], np.zeros((len(targets), 1)), targets[:, None], SQUARED)
    return problem, u, v


def ridge(
    family: Literal["A'", "B"], rank: int, m: int, p: int, root: float, *, spread: float = 4.0, second: bool = False
) -> CurvedInstance:
    """Return a planted family with a ridge (lam = 1, alpha = root^2); ``second`` adds a layer coupled to the first.

    The second layer (3 x 3) has a well-conditioned quadratic of its own and enters each measurement of the first with a
    coefficient of 0.05.
    """
    features, targets, u, v = ridge_rows(family, rank, m, p, root, spread)
    matrix = features.reshape(len(features), m * p)
    shapes: list[tuple[int, int]] = [(m, p)]
    near: tuple[tuple[np.ndarray, np.ndarray], ...] = ((u, v),)
    if second:
        g = np.random.default_rng(rank)
        own = np.diag(np.linspace(1.0, 1.5, 9))
        planted = np.zeros((3, rank)), np.zeros((3, rank))
        planted[0][0, 0] = planted[1][0, 0] = 1.5
        goal = (planted[0] @ planted[1].T).reshape(-1)
        coupling = 0.05 * g.standard_normal((len(matrix), 9)) / 3.0
        coupling[rank + 1 :] = 0.0
        matrix = np.block([[matrix, coupling], [np.zeros((9, m * p)), own]])
        targets = np.concatenate([targets, own @ goal + goal / np.diag(own)])
        shapes.append((3, 3))
        near = (*near, planted)
    alpha, betas = constants(matrix, shapes)
    words = f"family {family}, {m}x{p}, ridge {root**2:g}" + (", coupled to a 3x3 layer" if second else "")
    return CurvedInstance(words, quadratic_landscape(matrix, targets, shapes, 1.0), alpha, betas, (near,))


def network_instance(
    data: str,
    seed: int,
    loss: Loss,
    *,
    activation: str = "tanh",
    widths: tuple[int, ...] = (6, 5),
    layers: tuple[int, ...] = (1,),
    samples: int = 12,
    lam: float = 0.02,
) -> CurvedInstance:
    """Return the true (not linearised) loss of a small random frozen network on a few real samples of 3 classes."""
    sample = few_shot(load(data, seed=seed), samples=samples, classes=(0, 1, 2), seed=seed)
    network = random_mlp(
        (sample.x_train.shape[1], *widths, 3), key=jax.random.key(seed), activation=activation, weight_std=2.0
    )
    y = sample.y_train if loss.name == "cross_entropy" else np.eye(3)[sample.y_train]
    landscape = network_landscape(network, sample.x_train, y, loss, layers, lam)
    shapes = " + ".join(f"{m}x{n}" for m, n in landscape.shapes)
    name = f"{data}: {activation} network (not linearised), {shapes}, {samples} samples, {loss.name}, seed {seed}"
    return CurvedInstance(name, landscape)
