"""Gaussian features without weight decay: how often runs reach the optimum, over the capacity ratio (r(m+n)-r^2)/KN."""

from dataclasses import dataclass

import numpy as np

from proofs_check.certificates import critical_point
from sims.convex_problem import make_problem
from sims.landscape.search import Landscape, find_stationary_points, gaussian_starts
from sims.ntk.features import DenseFeatures
from theory.capacity import capacity_ratio
from theory.losses import SQUARED


@dataclass(frozen=True)
class Cell:
    """Outcomes of all runs of one (rank, KN): global, certified spurious, not converged; the ratio."""

    rank: int
    measurements: int
    ratio: float
    found_global: int
    spurious: int
    undecided: int

    @property
    def runs(self) -> int:
        """Number of runs."""
        return self.found_global + self.spurious + self.undecided

    @property
    def success(self) -> float:
        """Fraction of runs that end at a global minimum."""
        return self.found_global / self.runs


def gaussian_cell(rank: int, measurements: int, m: int, p: int, *, instances: int, starts: int, seed: int) -> Cell:
    """Return the outcomes for standard normal features and targets, squared loss, lam = 0, Newton from N(0, 1/4).

    KN <= m p, so that the features are independent and a global minimum of the convex problem has loss zero.
    """
    counts = {"global": 0, "spurious": 0, "undecided": 0}
    for trial in range(instances):
        g = np.random.default_rng([seed, rank, measurements, trial])
        # zero rows change nothing and give every KN the same compiled code
        features, targets = np.zeros((m * p, 1, m, p)), np.zeros((m * p, 1))
        features[:measurements] = g.standard_normal((measurements, 1, m, p))
        targets[:measurements] = g.standard_normal((measurements, 1))
        landscape = Landscape(features, np.zeros_like(targets), targets, SQUARED, 0.0)
        problem = make_problem([DenseFeatures(features)], landscape.f0, targets, SQUARED)
        begin = gaussian_starts(landscape, rank, starts, scale=0.5, seed=seed + trial)
        found = find_stationary_points(landscape, begin, max_steps=300)
        for q, accepted in zip(found.q, found.accepted, strict=True):
            kind = critical_point(problem, q[:m], q[m:], 0.0).kind if accepted else "inconclusive"
            word = "global" if kind == "global_minimum" else "spurious" if kind.startswith("spurious") else "undecided"
            counts[word] += 1
    ratio = capacity_ratio(rank, measurements, m, p)
    return Cell(rank, measurements, ratio, counts["global"], counts["spurious"], counts["undecided"])
