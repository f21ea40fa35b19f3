"""Generalisation bound beside the measured excess risk, over the sample size N.

Four finite populations (known teacher and real inputs through a random frozen MLP; logistic and cross-entropy), on
which the true risk is a finite sum and its minimiser over all matrices is certified. For every N several independent
samples are drawn with replacement, so that N may exceed the population; lambda is the theorem's, eta = 0.05, eps = 0.1.

Recorded per N: the excess risk of the regularised minimiser (every sample), the largest excess risk of any admissible
point found (pushed uphill in the true risk to the boundary of the admissible set), the bound, and the paper's form with
c = sqrt 2 (the smaller). ``untrained`` is the excess risk of delta = 0: above it a bound says nothing.

Sizes: ``smoke`` N = 10^2, 10^5, 2 samples, 600 points; ``quick`` N = 10^2 .. 10^9 in steps of 10, 4 samples, 1797
points; ``full`` half decades, 20 samples. Sample s of size N is drawn from (seed, population, N, s) alone.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from proofs_check.admissible_points import admissible_points
from proofs_check.experiments._levels import sizes_at
from proofs_check.generalisation_steps import bound_for
from proofs_check.populations import Population, catalogue


@dataclass(frozen=True)
class Sizes:
    """Sample sizes, samples for each, points of a population."""

    samples: tuple[int, ...]
    redraws: int
    points: int


VERSION = 1  # of the layout of the result, which the figure checks
FAILURE, SLACK = 0.05, 0.1
SIZES = {
    "smoke": Sizes((10**2, 10**5), 2, 600),
    "quick": Sizes(tuple(10**e for e in range(2, 10)), 4, 1797),
    "full": Sizes(tuple(round(10 ** (e / 2)) for e in range(4, 19)), 20, 1797),
}
_NAMES = ("teacher", "teacher", "network", "network")


def generalisation(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return bounds and measured excess risks over N for every population."""
    sizes = sizes_at(level, SIZES)
    populations = catalogue(data, seed, sizes.points)
    return {
        "version": VERSION,
        "data": data,
        "failure": FAILURE,
        "slack": SLACK,
        "samples": list(sizes.samples),
        "redraws": sizes.redraws,
        "populations": [
            _curves(population, kind, sizes, seed, index)
            for index, (population, kind) in enumerate(zip(populations, _NAMES, strict=True))
        ],
    }


def _curves(population: Population, kind: str, sizes: Sizes, seed: int, index: int) -> dict[str, Any]:
    excess, largest, bounds, printed = [], [], [], []
    unconverged = 0
    for samples in sizes.samples:
        bound = bound_for(population, samples, failure=FAILURE, slack=SLACK)
        rows = []
        for redraw in range(sizes.redraws):
            rng = np.random.default_rng([seed, index, samples, redraw])
            found = admissible_points(population, population.sample(rng, samples), bound, rng)
            rows.append((found.excess, found.largest_excess))
            unconverged += not found.converged
        excess.append([row[0] for row in rows])
        largest.append([row[1] for row in rows])
        bounds.append(bound.excess_risk)
        printed.append(bound.printed_excess_risk(sqrt(2.0)))
    return {
        "kind": kind,
        "loss": population.loss.name,
        "outputs": population.outputs,
        "shape": list(population.shape),
        "points": len(population.weights),
        "feature_norm": population.feature_norm,
        "true_norm": population.true_norm,
        "true_gap": population.true_gap,
        "untrained": population.excess(np.zeros(population.shape)),
        "excess": excess,
        "largest_excess": largest,
        "unconverged": unconverged,
        "bound": bounds,
        "printed": printed,
    }
