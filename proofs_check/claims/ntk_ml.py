"""NTK-ML and NTK-M: several adapted layers."""

from collections.abc import Sequence

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level, planted
from proofs_check.layered import LayeredInstance, LayeredPoint, gaussian_layers, layered_survey
from proofs_check.registry import claim
from sims.convex_problem import make_problem
from sims.ntk.features import DenseFeatures
from sims.solve import numerical_rank, solve
from sims.solvers.least_norm import least_norm_deltas
from sims.solvers.low_rank_newton import Factors
from sims.solvers.rank_reduction import reduce_rank
from theory.factorisation import balanced_factors
from theory.losses import SQUARED
from theory.planted_families import planted_instance
from theory.rank_thresholds import rank_budget

Case = tuple[LayeredInstance, tuple[int, ...], Factors | None]


def with_bystander(
    rank: int, seed: int, *, noise: float, second: tuple[int, int], drop: int = 0
) -> tuple[LayeredInstance, Factors]:
    """Return family A' (m = r+2, p = r+3) in layer 1 and a layer 2 of small generic features, with planted factors.

    Layer 2 starts at zero update, where its S stays definite: its features are small beside lam.
    """
    known = planted_instance("A'", rank, rank + 2, rank + 3)
    first = planted("A'", rank, rank + 2, rank + 3, noise=noise, drop=drop, seed=seed).landscape
    g = np.random.default_rng(seed + 77)
    other = 0.1 * g.standard_normal((first.gradients.shape[0], 1, *second))
    problem = make_problem([DenseFeatures(first.gradients), DenseFeatures(other)], first.f0, first.y, SQUARED)
    name = (
        f"family A' r = {rank} beside a {second[0]}x{second[1]} layer, KN = {problem.n}, noise {noise:g}, seed {seed}"
    )
    zero = (np.zeros((second[0], 1)), np.zeros((second[1], 1)))
    return LayeredInstance(name, problem, first.lam), [(known.u, known.v), zero]


def joint_count(points: Sequence[LayeredPoint], ranks: Sequence[int], count: int, name: str) -> list[Measurement]:
    """Return sum_l r_l p_l + sum over full-rank layers of r_l(r_l+1)/2 beside KN, at the non-global points."""
    measurements = []
    for point in points:
        if point.clearly_not_global:
            used = sum(r * p for r, p in zip(ranks, point.negative_directions))
            used += rank_budget([r for r, rank in zip(ranks, point.ranks) if rank == r])
            measurements.append(Measurement("joint count at non-global points", used, count, "<=", 0, name))
    return measurements


def _global(points: Sequence[LayeredPoint], rejected: int, name: str) -> list[Measurement]:
    enough = len(points) >= (len(points) + rejected) / 2 > 0
    wrong = sum(point.clearly_not_global for point in points)
    lowest = min((point.lowest_s for point in points), default=float("nan"))
    return [
        Measurement("second-order points that are not global", wrong, 0, "<=", 0, name, enough),
        Measurement("smallest eigenvalue of S over its norm", lowest, 0, ">=", 1e-8, name, enough),
    ]


def _ml_control(level: Level, seed: int, data: str) -> Evidence:
    """One layer below its threshold: with λ > 0 a layer above the threshold does not rescue the other one."""
    measurements = []
    ranks_below = by_level(level, (2,), (1, 2), (1, 2, 3))
    for rank in ranks_below:
        instance, factors = with_bystander(rank, seed, noise=0.02, second=(2, 3))
        wide = [factors[0], (np.zeros((2, 2)), np.zeros((3, 2)))]  # layer 2 at r = min(m, p)
        points, rejected = layered_survey(instance, (rank, 2), starts=8, seed=seed, planted=wide)
        measurements += _global(points, rejected, instance.name)
    return Evidence(tuple(measurements), len(ranks_below))


@claim(
    id="NTK-ML",
    paper="ntk",
    statement="Several layers: some global minimiser has Σ_l r_l(r_l+1)/2 ≤ KN; and if every layer has "
    "r_l(r_l+3)/2 > KN or r_l ≥ min(m_l, n_l) (λ > 0, generic features), every second-order point is global.",
    source="arXiv 2402.11867, section 3 (block-diagonal form); landscape: this project",
    kind="equality",
    assumptions=("linearised model", "convex C² loss", "λ > 0", "generic features"),
    control="one layer below its threshold (family A') beside a layer above it",
    control_check=_ml_control,
)
def several_layers(level: Level, seed: int, data: str) -> Evidence:
    """Reduce minimisers of two layers to the budget; search models above the threshold in every layer."""
    measurements = []
    count = 0
    for trial in range(by_level(level, 2, 8, 40)):
        s = seed + trial
        instance = gaussian_layers(s, 9, ((6, 7), (5, 8)), ratio=0.02, loss=SQUARED)
        decayed = solve(instance.problem, instance.lam)
        least: Factors = [balanced_factors(d, tolerance=1e-12) for d in least_norm_deltas(instance.problem)]
        free = reduce_rank(instance.problem, least).factors
        for label, ranks in (("λ > 0", decayed.ranks), ("λ = 0", [numerical_rank(u, v) for u, v in free])):
            name = f"{instance.name}, {label}, ranks {ranks}"
            measurements.append(
                Measurement("Σ r(r+1)/2", rank_budget(ranks), instance.problem.measurements, "<=", 0, name)
            )
            count += 1
    cases: list[Case] = [(gaussian_layers(seed, 4, ((4, 5), (4, 5)), ratio=0.05, loss=SQUARED), (2, 2), None)]
    for rank in by_level(level, (2,), (2, 3), (2, 3, 4)):
        # one measurement short in layer 1, r = min(m, p) in layer 2
        instance, factors = with_bystander(rank, seed, noise=0.02, second=(1, 3), drop=1)
        cases.append((instance, (rank, 1), factors))
    for instance, wanted, planted_factors in cases:
        starts = by_level(level, 8, 16, 32)
        points, rejected = layered_survey(instance, wanted, starts=starts, seed=seed, planted=planted_factors)
        measurements += _global(points, rejected, f"{instance.name}, ranks {wanted}")
        count += 1
    return Evidence(tuple(measurements), count, seeds=(seed,))


def _m_control(level: Level, seed: int, data: str) -> Evidence:
    """Genericity dropped: family B in layer 1 violates the inequality."""
    known = planted_instance("B", 3, 5, 6)
    zeros = np.zeros((known.n, 1, 2, 3))
    problem = make_problem(
        [DenseFeatures(known.gradients), DenseFeatures(zeros)], 0 * known.targets, known.targets, SQUARED
    )
    instance = LayeredInstance("family B, r = 3, beside a layer without features", problem, known.lam)
    factors: Factors = [(known.u, known.v), (np.zeros((2, 1)), np.zeros((3, 1)))]
    points, _ = layered_survey(instance, (3, 1), starts=8, seed=seed, planted=factors)
    return Evidence(tuple(joint_count(points, (3, 1), problem.measurements, instance.name)), 1)


@claim(
    id="NTK-M",
    paper="ntk",
    statement="Several layers, generic features, λ > 0: at a second-order stationary point that is not global, "
    "Σ_l r_l p_l + Σ_{l: rank Q_l = r_l} r_l(r_l+1)/2 ≤ KN, p_l the number of singular values of ∇_l L̂ above λ.",
    source="this project (joint count over layers)",
    kind="upper",
    assumptions=("linearised model", "convex C² loss", "λ > 0", "generic features"),
    control="genericity dropped: family B in one layer",
    control_check=_m_control,
)
def joint_inequality(level: Level, seed: int, data: str) -> Evidence:
    """Count at the non-global points around noisy planted minima and on random two-layer instances of low rank."""
    measurements: list[Measurement] = []
    cases: list[Case] = []
    for trial in range(by_level(level, 1, 3, 10)):
        s = seed + trial
        for rank in by_level(level, (2,), (1, 2), (1, 2, 3)):
            instance, factors = with_bystander(rank, s, noise=0.05, second=(2, 3))
            cases.append((instance, (rank, 1), factors))
        cases.append((gaussian_layers(s, 10, ((5, 5), (5, 5)), ratio=0.02, loss=SQUARED), (1, 1), None))
    found = 0
    for instance, ranks, factors_or_none in cases:
        starts = by_level(level, 12, 24, 48)
        points, _ = layered_survey(instance, ranks, starts=starts, seed=seed, planted=factors_or_none)
        found += len(points)
        measurements += joint_count(points, ranks, instance.problem.measurements, instance.name)
    equal = sum(m.measured == m.predicted for m in measurements)
    notes = (f"{found} second-order points, {len(measurements)} not global, equality at {equal}",)
    return Evidence(tuple(measurements), len(cases), seeds=(seed,), notes=notes)
