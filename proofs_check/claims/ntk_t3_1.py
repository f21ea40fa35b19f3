"""NTK-T3.1: a global minimiser of rank r with r(r+1)/2 <= KN exists."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level, gaussian, network
from proofs_check.registry import claim
from sims.convex_problem import ConvexProblem, make_problem
from sims.ntk.features import DenseFeatures
from sims.solve import certificate_at, numerical_rank, solve
from sims.solvers.least_norm import least_norm_deltas
from sims.solvers.low_rank_newton import Factors
from sims.solvers.rank_reduction import reduce_rank
from theory.factorisation import balanced_factors
from theory.losses import CROSS_ENTROPY, LOGISTIC, SQUARED
from theory.rank_thresholds import rank_budget

_DRIFT = 1e-10
_GAP = 1e-9


def positive_cone_problem(size: int, count: int, seed: int) -> tuple[ConvexProblem, float, np.ndarray]:
    """Return (problem, lam, delta) whose minimisers are all positive semidefinite X with ``count`` prescribed values.

    The first feature is the identity and carries the whole gradient, -lam I; the others only fix linear functionals.
    delta has full rank, so the reduction has work to do.
    """
    g = np.random.default_rng(seed)
    w = g.standard_normal((size, size))
    delta, lam = w @ w.T + np.eye(size), 0.1
    symmetric = g.standard_normal((count - 1, size, size))
    features = np.concatenate([np.eye(size)[None], symmetric + np.swapaxes(symmetric, 1, 2)])[:, None]
    targets = np.einsum("nkij,ij->nk", features, delta)
    targets[0] += lam * count
    return make_problem([DenseFeatures(features)], np.zeros_like(targets), targets, SQUARED), lam, delta


def forced_rank_problem(rank: int) -> tuple[ConvexProblem, float, np.ndarray]:
    """Return (problem, lam, delta) with the unique minimiser delta = diag(I_r, 0) and KN = r(r+1)/2.

    The features read off the symmetric part of the leading block, so no minimiser of lower rank exists.
    """
    size, lam = rank + 1, 0.05
    pairs = [(i, j) for i in range(rank) for j in range(i, rank)]
    features = np.zeros((len(pairs), 1, size, size))
    targets = np.zeros((len(pairs), 1))
    for row, (i, j) in enumerate(pairs):
        features[row, 0, i, j] += 0.5
        features[row, 0, j, i] += 0.5
        targets[row] = (1.0 + lam * len(pairs)) if i == j else 0.0
    problem = make_problem([DenseFeatures(features)], np.zeros_like(targets), targets, SQUARED)
    delta = np.zeros((size, size))
    delta[:rank, :rank] = np.eye(rank)
    return problem, lam, delta


def _minimisers(level: Level, seed: int, data: str) -> list[tuple[str, ConvexProblem, float, Factors]]:
    """Return (name, problem, lam, factors of some minimiser, of high rank where the set of minimisers allows)."""
    found: list[tuple[str, ConvexProblem, float, Factors]] = []
    for count in by_level(level, (3, 6), (1, 3, 6, 10, 15), (1, 2, 3, 5, 6, 10, 15, 21, 28)):
        problem, lam, delta = positive_cone_problem(8, count, seed + count)
        found.append((f"semidefinite cone 8x8, KN = {count}", problem, lam, [balanced_factors(delta)]))
    solved: list[Instance] = []
    for trial in range(by_level(level, 1, 5, 30)):
        s = seed + trial
        solved += [
            gaussian(s, 10, 1, 8, 10, ratio=0.02),
            gaussian(s, 4, 3, 7, 6, ratio=0.05, loss=CROSS_ENTROPY),
            gaussian(s, 8, 1, 9, 6, ratio=0.05, loss=LOGISTIC),
        ]
        solved += [network(data, s, samples=6, classes=3, m=8, p=10, loss=loss) for loss in (SQUARED, CROSS_ENTROPY)]
        least = network(data, s, samples=6, classes=3, m=12, p=16).problem
        found.append((f"{data}: frozen MLP 12x16, lam = 0", least, 0.0, _factors(least_norm_deltas(least))))
        two = _two_layers(s)
        found.append((f"two Gaussian layers, lam = 0, seed {s}", two, 0.0, _factors(least_norm_deltas(two))))
    for instance in solved:
        solution = solve(instance.problem, instance.lam, reduce=False)
        found.append((instance.name, instance.problem, instance.lam, solution.factors))
    return found


def _factors(deltas: list[np.ndarray]) -> Factors:
    return [balanced_factors(delta, tolerance=1e-12) for delta in deltas]


def _two_layers(seed: int) -> ConvexProblem:
    g = np.random.default_rng(seed)
    layers = [DenseFeatures(g.standard_normal((9, 1, *shape))) for shape in ((6, 7), (5, 8))]
    return make_problem(layers, np.zeros((9, 1)), g.standard_normal((9, 1)), SQUARED)


def _control(level: Level, seed: int, data: str) -> Evidence:
    """One measurement fewer in the count: the minimiser is unique, with r(r+1)/2 = KN exactly."""
    measurements = []
    for rank in range(1, by_level(level, 4, 6, 8)):
        problem, lam, delta = forced_rank_problem(rank)
        solution = solve(problem, lam)
        (r,) = solution.ranks
        gap = certificate_at(problem, [delta], lam).relative_gap
        trusted = solution.certificate.relative_gap <= _GAP and gap <= _GAP
        measurements.append(
            Measurement("r(r+1)/2", rank_budget([r]), problem.measurements - 1, "<=", 0, f"forced rank {rank}", trusted)
        )
    return Evidence(tuple(measurements), len(measurements))


@claim(
    id="NTK-T3.1",
    paper="ntk",
    statement="If L̂_λ(δ) = L̂(δ) + λ‖δ‖_* (λ ≥ 0) has a global minimiser, it has one of rank r with r(r+1)/2 ≤ KN. "
    "For softmax cross-entropy (K−1)N replaces KN; with several layers Σ_l r_l(r_l+1)/2 ≤ KN.",
    source="arXiv 2402.11867, Theorem 3.1 (after Barvinok 1995 and Pataki 1998; two independent digests agree on the "
    "inequality); effective counts: this project",
    kind="upper",
    assumptions=("linearised model", "convex loss", "a global minimiser exists"),
    control="KN replaced by KN − 1 on an instance whose minimiser is unique",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Reduce minimisers of high rank; count the rank, the drift of the objective and the duality gap."""
    measurements = []
    minimisers = _minimisers(level, seed, data)
    for name, problem, lam, factors in minimisers:
        before = certificate_at(problem, [u @ v.T for u, v in factors], lam)
        reduced = reduce_rank(problem, factors).factors
        after = certificate_at(problem, [u @ v.T for u, v in reduced], lam)
        drift = abs(after.primal - before.primal) / max(1.0, abs(before.primal))
        budget = rank_budget([numerical_rank(u, v) for u, v in reduced])
        minimal = before.relative_gap <= _GAP
        measurements += [
            Measurement("rank budget Σ r(r+1)/2 over effective KN", budget / problem.measurements, 1, "<=", 0, name),
            Measurement("relative drift of the objective", drift, 0, "<=", _DRIFT, name, minimal),
            Measurement("relative duality gap after the reduction", after.relative_gap, 0, "<=", _GAP, name, minimal),
        ]
    return Evidence(tuple(measurements), len(minimisers), seeds=(seed,))
