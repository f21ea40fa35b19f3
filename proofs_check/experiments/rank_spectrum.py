"""Singular values of a minimiser of high rank, before and after the rank reduction of Theorem 3.1.

Two instances, both with minimisers that are far from unique:

* ``least_norm``: lambda = 0, squared loss, features of one hidden layer of a random frozen MLP on few-shot images. The
  least-norm solution that kernel regression (or gradient descent from zero) finds has the largest rank possible.
* ``degenerate``: lambda > 0, squared loss, q symmetric features, the first the identity. Targets are made so that the
  gradient is -lambda I at a planted positive definite delta: a minimiser of full rank, certified by its duality gap.

Recorded: singular values, budgets r(r+1)/2 of every step, drift of the objective, effective KN.
Sizes: ``smoke`` 8 samples and 16 x 16; ``quick`` 16 samples of a width-64 network, 32 x 32; ``full`` 32 samples.
Theory: arXiv 2402.11867, Theorem 3.1: some minimiser has r(r+1)/2 <= KN.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from proofs_check.experiments._levels import sizes_at
from sims import data as data_sets
from sims.convex_problem import ConvexProblem, make_problem
from sims.networks import random_mlp
from sims.ntk.features import DenseFeatures
from sims.ntk.tangents import tangent_features
from sims.solve import certificate_at
from sims.solvers.least_norm import least_norm_deltas
from sims.solvers.rank_reduction import reduce_rank
from theory.factorisation import balanced_factors
from theory.losses import SQUARED
from theory.rank_thresholds import pataki_rank

DEGENERATE_WEIGHT = 1.0  # lambda n of the degenerate instance
SHOWN = 1e-12  # singular values below this fraction of the largest are rounding


@dataclass(frozen=True)
class Sizes:
    """Network width and samples of the first instance; size and measurements of the second."""

    width: int
    samples: int
    side: int
    measurements: int


VERSION = 1  # of the layout of the result, which the figure checks
SIZES = {"smoke": Sizes(24, 8, 16, 6), "quick": Sizes(64, 16, 32, 12), "full": Sizes(128, 32, 48, 30)}
CLASSES = 2


def rank_spectrum(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return spectra before and after, thresholds and drifts of the two instances."""
    sizes = sizes_at(level, SIZES)
    real = least_norm_problem(data, sizes.width, sizes.samples, seed)
    planted, delta, lam = degenerate_problem(sizes.side, sizes.measurements, seed)
    return {
        "version": VERSION,
        "data": data,
        "least_norm": _reduced(real, least_norm_deltas(real)[0], 0.0)
        | {"samples": sizes.samples, "outputs": CLASSES, "width": sizes.width},
        "degenerate": _reduced(planted, delta, lam) | {"samples": sizes.measurements, "outputs": 1},
    }


def least_norm_problem(data: str, width: int, samples: int, seed: int) -> ConvexProblem:
    """Return the problem of the middle (width x width) layer of a frozen network, one-hot targets, two classes."""
    chosen = data_sets.few_shot(data_sets.load(data, seed=seed), samples=samples, classes=range(CLASSES), seed=seed)
    x = jnp.asarray(chosen.x_train)
    network = random_mlp((int(x.shape[1]), width, width, CLASSES), key=jax.random.key(seed), activation="gelu")
    features = tangent_features(network, x, layers=(1,))
    return make_problem(features, network(x), np.eye(CLASSES)[chosen.y_train], SQUARED)


def degenerate_problem(side: int, measurements: int, seed: int) -> tuple[ConvexProblem, np.ndarray, float]:
    """Return (problem, minimiser of full rank, lambda): the gradient at the minimiser is -lambda times the identity."""
    rng = np.random.default_rng([seed, side, measurements])
    features = rng.standard_normal((measurements, 1, side, side))
    features = (features + np.swapaxes(features, 2, 3)) / 2.0**0.5
    features[0, 0] = np.eye(side)
    frame = np.linalg.qr(rng.standard_normal((side, side)))[0]
    delta = (frame * np.geomspace(1.0, 0.05, side)) @ frame.T
    lam = DEGENERATE_WEIGHT / measurements
    targets = (features * delta).sum(axis=(2, 3))
    targets[0] += DEGENERATE_WEIGHT
    return make_problem([DenseFeatures(features)], np.zeros((measurements, 1)), targets, SQUARED), delta, lam


def _reduced(problem: ConvexProblem, delta: np.ndarray, lam: float) -> dict[str, Any]:
    before = certificate_at(problem, [delta], lam)
    reduction = reduce_rank(problem, [balanced_factors(delta, tolerance=SHOWN)])
    (u, v), *_ = reduction.factors
    after = certificate_at(problem, [u @ v.T], lam)
    spectra = [np.linalg.svd(matrix, compute_uv=False) for matrix in (delta, u @ v.T)]
    kept = [s[s > SHOWN * s[0]] for s in spectra]
    return {
        "lambda": lam,
        "shape": list(delta.shape),
        "measurements": problem.measurements,
        "pataki_rank": pataki_rank(problem.measurements),
        "before": kept[0].tolist(),
        "after": kept[1].tolist(),
        "budgets": list(reduction.budgets),
        "gap_before": before.gap,
        "gap_after": after.gap,
        "objective_before": before.primal,
        "objective_after": after.primal,
        "prediction_drift": reduction.prediction_drift,
    }
