"""NTK-OPEN-RANK1: whether the counts of Theorem W survive for rank-one features and sums over few tokens."""

import numpy as np

from proofs_check.claims.ntk_rpk import inequality
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level
from proofs_check.registry import claim
from proofs_check.second_order_search import Survey, all_global, survey, tally
from sims.convex_problem import make_problem
from sims.landscape.search import Landscape
from sims.ntk.features import DenseFeatures
from sims.solvers.rank_reduction import measurement_map
from theory.losses import SQUARED
from theory.rank_thresholds import generic_rank

_INJECTIVE = "rank of B -> <G, Q B Qᵀ> at full-rank points, over r(r+1)/2"


def token_sum(
    seed: int, n: int, k: int, tokens: int, m: int, p: int, *, ratio: float, one_sample: bool = False
) -> Instance:
    """Return features sum_t s_ikt a_it^T with Gaussian s, a (the activations a shared by the k outputs).

    ``one_sample``: all n samples have the same activations (the features are those of one input).
    """
    g = np.random.default_rng([seed, n, k, tokens])
    signal = g.standard_normal((n, k, tokens, m))
    activation = g.standard_normal((n, tokens, p))
    if one_sample:
        activation = np.broadcast_to(activation[:1], activation.shape)
    gradients = np.einsum("iktm,itp->ikmp", signal, activation)
    y = g.standard_normal((n, k))
    problem = make_problem([DenseFeatures(gradients)], np.zeros((n, k)), y, SQUARED)
    name = f"{tokens} token(s), KN = {n}x{k}, {m}x{p}, seed {seed}{', one activation' if one_sample else ''}"
    return Instance(name, Landscape(gradients, problem.f0, y, SQUARED, ratio * problem.lambda_max()))


def _map_rank(instance: Instance, q: np.ndarray) -> int:
    m = instance.landscape.d_out
    return int(np.linalg.matrix_rank(measurement_map(instance.problem, [(q[:m], q[m:])])))


def _at_critical_points(found: Survey) -> list[Measurement]:
    """Return the rank of the measurement map at every certified point of full rank where r(r+1)/2 <= KN."""
    r = found.rank
    free = r * (r + 1) // 2
    return [
        Measurement(_INJECTIVE, _map_rank(found.instance, q) / free, 1, ">=", 0, found.name())
        for point, q in zip(found.points, found.factors, strict=True)
        if point.rank == r and free <= found.instance.problem.measurements
    ]


def _control(level: Level, seed: int, data: str) -> Evidence:
    """All samples share one activation: rank-one features of one input, the map has rank at most r, not r(r+1)/2."""
    measurements = []
    for trial in range(by_level(level, 2, 6, 20)):
        instance = token_sum(seed + trial, 8, 1, 1, 6, 7, ratio=0.02, one_sample=True)
        q = np.random.default_rng(seed + trial).standard_normal((instance.landscape.size, 3))
        measurements.append(Measurement(_INJECTIVE, _map_rank(instance, q) / 6, 1, ">=", 0, instance.name))
    return Evidence(tuple(measurements), len(measurements), seeds=(seed,))


@claim(
    id="NTK-OPEN-RANK1",
    paper="ntk",
    statement="Generic features inside the class G_ij = g_ij h_iᵀ (one token, activations shared by the outputs), or "
    "sums of two such tokens: in every search the counts of Theorem W held inside the class: r·p + r(r+1)/2 ≤ KN at "
    "non-global second-order points, the measurement map injective at full-rank critical points with N ≥ r, and no "
    "non-global point for r(r+3)/2 > KN.",
    source="this project (Theorem W needs features generic among all matrices)",
    kind="empirical",
    assumptions=("squared loss", "λ > 0", "generic signals and activations", "N ≥ r"),
    control="one activation for all samples: the measurement map is not injective",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Search at low ranks, where non-global points abound, and at the sharp threshold; count at each point."""
    below, above = [], []
    starts = by_level(level, 32, 32, 64)
    for trial in range(by_level(level, 1, 3, 12)):
        for tokens, k in by_level(level, ((1, 2),), ((1, 1), (1, 2), (2, 1)), ((1, 1), (1, 2), (2, 1), (3, 2))):
            instance = token_sum(seed + trial, 8 // k, k, tokens, 6, 7, ratio=0.02)
            below += [
                survey(instance, r, starts=starts, seed=seed + trial) for r in by_level(level, (1,), (1, 2), (1, 2, 3))
            ]
            above.append(survey(instance, generic_rank(8), starts=starts, seed=seed + trial))
    measurements = [m for s in below for m in inequality(s)] + [m for s in above for m in all_global(s)]
    measurements += [m for s in (*below, *above) for m in _at_critical_points(s)]
    trapped = sum(s.not_global for s in below)
    measurements.append(Measurement("non-global points that the search looked at", trapped, 1, ">=", 0))
    attained = sum(m.measured == m.predicted for s in below for m in inequality(s) if m.relation == "<=")
    notes = (*tally([*below, *above]), f"{trapped} non-global points below the threshold, {attained} of them attain KN")
    return Evidence(tuple(measurements), len(below) + len(above), seeds=(seed,), notes=notes)
