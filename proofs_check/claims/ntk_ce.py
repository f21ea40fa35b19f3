"""NTK-CE: softmax cross-entropy counts (K-1)N measurements."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level, gaussian, network
from proofs_check.registry import claim
from proofs_check.second_order_search import all_global, survey, tally
from sims.solve import solve
from sims.solvers.rank_reduction import measurement_map
from theory.factorisation import balanced_factors
from theory.losses import CROSS_ENTROPY, SQUARED, Loss
from theory.rank_thresholds import generic_rank


def _rank_of_map(instance: Instance, loss: Loss) -> int:
    """Return the rank of B -> measurements at a full-rank point of the largest rank, seen by the instance's loss."""
    delta = np.random.default_rng(0).standard_normal(instance.problem.shapes[0])
    problem = instance.problem
    if loss.name != problem.loss.name:
        raise ValueError("the instance has another loss")
    return int(np.linalg.matrix_rank(measurement_map(problem, [balanced_factors(delta)])))


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The same features with the squared loss: no output direction is free, the count is KN."""
    measurements = []
    for trial in range(3):
        instance = gaussian(seed + trial, 4, 3, 7, 8, loss=SQUARED)
        count = _rank_of_map(instance, SQUARED)
        measurements.append(Measurement("measurements that count", count, 2 * 4, "<=", 0, instance.name))
    return Evidence(tuple(measurements), 3)


@claim(
    id="NTK-CE",
    paper="ntk",
    statement="Softmax cross-entropy with K logits: every count of the theory holds with (K−1)N in place of KN; the "
    "problem with features G_ij − G_iK and differences of logits is the same problem.",
    source="this project (effective count; for K = 2 it is the paper's own convention K = 1)",
    kind="equality",
    assumptions=("linearised model", "softmax cross-entropy"),
    control="squared loss on features of the same kind: KN measurements count",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count, reduce and search at a rank between the two thresholds; shifting all logits changes nothing."""
    g = np.random.default_rng(seed)
    measurements, surveys = [], []
    for trial in range(by_level(level, 1, 4, 20)):
        s = seed + trial
        small = [gaussian(s, 4, 3, 7, 8, loss=CROSS_ENTROPY, ratio=0.02)]
        small.append(network(data, s, samples=4, classes=3, m=7, p=8, loss=CROSS_ENTROPY, ratio=0.02))
        for instance in small:
            problem, name = instance.problem, instance.name
            expected = (problem.k - 1) * problem.n
            measurements.append(
                Measurement("effective count over (K−1)N", problem.measurements / expected, 1, "<=", 0, name)
            )
            (rank,) = solve(problem, instance.lam).ranks
            measurements.append(Measurement("r(r+1)/2 of a minimiser", rank * (rank + 1) // 2, expected, "<=", 0, name))
            logits = problem.f0 + g.standard_normal(problem.f0.shape)
            shift = g.standard_normal((problem.n, 1))
            change = np.abs(problem.loss.gradient(logits + shift, problem.y) - problem.loss.gradient(logits, problem.y))
            measurements.append(
                Measurement("change of the gradient under a shift of all logits", change.max(), 0, "<=", 1e-12, name)
            )
            if trial < by_level(level, 1, 2, 6):
                # KN = 12 would ask for rank 4, (K-1)N = 8 only for rank 3
                surveys.append(survey(instance, generic_rank(expected), starts=by_level(level, 16, 32, 64), seed=s))
        features_seen = _rank_of_map(small[0], CROSS_ENTROPY)
        measurements.append(Measurement("measurements that count", features_seen, 2 * 4, "<=", 0, small[0].name))
    measurements += [m for s in surveys for m in all_global(s)]
    return Evidence(tuple(measurements), len(surveys), seeds=(seed,), notes=tally(surveys))
