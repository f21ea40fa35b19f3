"""First half of the proof of the generalisation bound, steps G1 to G3, measured on a finite population.

Suprema over the nuclear ball around the true minimiser are taken over a finite set of its points. Symmetrisation,
contraction and McDiarmid hold for every such set, so nothing is approximated; the duality step bounds the finite set by
the whole ball.
"""

from itertools import pairwise, product

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float, Int

from proofs_check.evidence import Measurement
from proofs_check.populations import Population
from theory.generalisation import GeneralisationBound, generalisation_bound

ROUNDING = 1e-10
LEVEL = 1e-7  # of every statistical comparison, so that a seed decides nothing


def bound_for(population: Population, samples: int, *, failure: float, slack: float) -> GeneralisationBound:
    """Return the bound's constants for a sample of this size."""
    return generalisation_bound(
        population.loss,
        samples=samples,
        outputs=population.outputs,
        feature_norm=population.feature_norm,
        true_norm=population.true_norm,
        failure=failure,
        slack=slack,
    )


def failures_allowed(redraws: int, failure: float) -> int:
    """Return the k with P(more than k failures) <= LEVEL when each of ``redraws`` samples fails with this chance."""
    return int(scipy.stats.binom.isf(LEVEL, redraws, failure))


def share_of_failures(label: str, failed: Bool[np.ndarray, " s"], failure: float, name: str) -> Measurement:
    """Return the measurement that no more samples fail than chance allows."""
    room = failures_allowed(len(failed), failure) / len(failed) - failure
    return Measurement(label, failed.mean(), failure, "<=", max(room, 0.0), name)


def ball_points(
    population: Population, radius: float, count: int, rng: np.random.Generator
) -> Float[np.ndarray, "c m p"]:
    """Return points of the nuclear ball around the true minimiser; the first half are extreme: rank one, on the sphere.

    The extreme ones are random, and the two that raise or lower the risk most at first order.
    """
    m, p = population.shape
    left, right = rng.standard_normal((count, m)), rng.standard_normal((count, p))
    u, _, v = np.linalg.svd(population.gradient(population.true_delta + 1e-3 * radius * rng.standard_normal((m, p))))
    left[0], right[0], left[1], right[1] = u[:, 0], v[0], u[:, 0], -v[0]
    moves = left[:, :, None] * right[:, None, :]
    moves /= np.linalg.norm(moves, axis=(1, 2))[:, None, None]
    inner = rng.standard_normal((count - count // 2, m, p))
    inner /= np.linalg.norm(inner, ord="nuc", axis=(1, 2))[:, None, None]
    moves[count // 2 :] = inner * rng.random((len(inner), 1, 1))
    return population.true_delta + radius * moves


def increments(population: Population, points: Float[np.ndarray, "c m p"]) -> Float[np.ndarray, "c q"]:
    """Return l(f0 + G delta) - l(f0 + G delta_true) for every delta and every point of the population."""
    return np.stack([population.losses(delta) for delta in points]) - population.losses(population.true_delta)


def _mean(values: Float[np.ndarray, " s"]) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / values.size**0.5)


def deviation_steps(
    population: Population, bound: GeneralisationBound, *, redraws: int, points: int, rng: np.random.Generator
) -> list[Measurement]:
    """Return G1 (symmetrisation, contraction, duality; Monte Carlo, Student's band), G2 and G3."""
    name, size = f"{population.name}, N = {bound.samples}", bound.samples
    sets = ball_points(population, bound.radius, points, rng)
    h = increments(population, sets)
    counts = rng.multinomial(size, population.weights, size=redraws)
    deviations = (h @ population.weights)[:, None] - h @ counts.T / size
    suprema = np.maximum(deviations.max(axis=0), 0.0)  # delta_true itself is in the ball
    signed = 2 * rng.binomial(counts, 0.5) - counts
    symmetrised = 2.0 / size * np.maximum((h @ signed.T).max(axis=0), 0.0)
    signs = [2 * rng.binomial(counts, 0.5) - counts for _ in range(population.outputs)]
    sums = np.einsum("krq,qkmp->rmp", np.stack(signs), population.features, optimize=True)
    norms = np.linalg.norm(sums, ord=2, axis=(1, 2))
    contracted = 2.0 * np.sqrt(2.0) * bound.lipschitz * bound.radius / size * norms
    means = [_mean(values) for values in (suprema, symmetrised, contracted)]
    errors = float(scipy.stats.t.isf(LEVEL, redraws - 1))
    bands = [errors * np.hypot(a[1], b[1]) for a, b in pairwise(means)]
    chain = [
        Measurement("G1 E sup deviation ≤ symmetrised", means[0][0], means[1][0], "<=", bands[0], name),
        Measurement("G1 symmetrised ≤ contraction and duality", means[1][0], means[2][0], "<=", bands[1], name),
        Measurement(
            "G2 Monte Carlo mean of ‖Σ ε G‖_op over √(KN) R",
            norms.mean() / ((size * population.outputs) ** 0.5 * bound.feature_norm),
            1,
            "<=",
            0,
            name,
        ),
    ]
    largest = bound.lipschitz * population.outputs**0.5 * bound.feature_norm * bound.radius
    # one member of each sample is replaced by a fresh draw
    old = np.array([rng.choice(len(row), p=row / size) for row in counts])
    new = rng.choice(len(population.weights), redraws, p=population.weights)
    swapped = np.maximum((deviations + (h[:, old] - h[:, new]) / size).max(axis=0), 0.0)
    rate = bound.lipschitz * bound.feature_norm * (2.0 * population.outputs / size) ** 0.5
    formula = rate * (2.0 + np.log(1.0 / bound.failure) ** 0.5)
    return [
        *chain,
        Measurement("G3 |h| over L√K R D", np.abs(h).max() / largest, 1, "<=", ROUNDING, name),
        Measurement(
            "G3 change by one sample over 2L√K R D/N",
            np.abs(swapped - suprema).max() / (bound.bounded_difference * bound.radius),
            1,
            "<=",
            ROUNDING,
            name,
        ),
        Measurement("G3 expectation + McDiarmid over κ", bound.kappa / formula, 1, "==", ROUNDING, name),
        share_of_failures(
            "G3 fraction of samples with a deviation above κD",
            suprema > bound.kappa * bound.radius,
            bound.failure,
            name,
        ),
    ]


def sign_enumeration(population: Population, sample: Int[np.ndarray, " s"]) -> list[Measurement]:
    """Return G2 with the expectation over all sign patterns taken exactly: second moment, then Jensen."""
    rows = np.concatenate([population.features[i] for i in sample])
    patterns = np.array(list(product((-1.0, 1.0), repeat=len(rows))))
    sums = np.einsum("sq,qmp->smp", patterns, rows)
    squares = float((rows**2).sum())
    name = f"{population.name}, {len(patterns)} sign patterns"
    mean = float(np.linalg.norm(sums, ord=2, axis=(1, 2)).mean())
    second = float((sums**2).sum(axis=(1, 2)).mean())
    return [
        Measurement("G2 E‖Σ ε G‖_F² over Σ‖G‖_F²", second / squares, 1, "==", ROUNDING, name),
        Measurement("G2 E‖Σ ε G‖_op over √(Σ‖G‖_F²)", mean / squares**0.5, 1, "<=", 0, name),
    ]
