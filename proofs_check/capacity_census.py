"""Gaussian features without weight decay: how often runs reach the optimum, at a rank and a number of measurements."""

import numpy as np

from proofs_check.instances import Instance
from proofs_check.trained_runs import Ends, ends_at, total
from sims.landscape.search import Landscape, gaussian_starts
from theory.losses import SQUARED


def gaussian_ends(rank: int, measurements: int, m: int, p: int, *, instances: int, starts: int, seed: int) -> Ends:
    """Return the ends of runs for standard normal features and targets, squared loss, lam = 0, Newton from N(0, 1/4).

    KN <= m p, so that the features are independent and a global minimum of the convex problem has loss zero.
    """
    found = []
    for trial in range(instances):
        g = np.random.default_rng([seed, rank, measurements, trial])
        # zero rows change nothing and give every KN the same compiled code
        features, targets = np.zeros((m * p, 1, m, p)), np.zeros((m * p, 1))
        features[:measurements] = g.standard_normal((measurements, 1, m, p))
        targets[:measurements] = g.standard_normal((measurements, 1))
        landscape = Landscape(features, np.zeros_like(targets), targets, SQUARED, 0.0)
        name = f"Gaussian features {m}x{p}, r = {rank}, KN = {measurements}, #{trial}"
        begin = gaussian_starts(landscape, rank, starts, scale=0.5, seed=seed + trial)
        found.append(ends_at(Instance(name, landscape), begin, max_steps=300))
    return total(found)
