"""Convex solves: ours against cvxpy with SCS, and factored against dense features. Run with --benchmark-only.

Ratios come from one process and one run; machines differ, ratios much less. Run without the shape checks that addopts
switches on: pytest -o addopts= tests/benchmarks --benchmark-only -s
"""

import time
from collections.abc import Callable

import cvxpy as cp
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from sims.convex_problem import ConvexProblem, make_problem
from sims.ntk.features import DenseFeatures, FactoredFeatures
from sims.solvers.nuclear_norm import solve_nuclear_norm
from tests.problems import dense_twin
from tests.tolerances import ORACLE_OBJECTIVE, SOLVER_GAP
from theory.losses import SQUARED

LAM = 0.01
SCS_SPEEDUP = 3.0
LARGE_SCS_SPEEDUP = 10.0  # dense 128 x 128 features of 256 samples
FACTORED_SHARE = 0.1


def seconds(work: Callable[[], object], *, repeats: int = 3) -> float:
    """Return the shortest of a few runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def processor_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of one run, all threads together."""
    started = time.process_time()
    work()
    return time.process_time() - started


def gaussian_problem(n: int, size: int) -> ConvexProblem:
    """Return the problem of the specification: unit-variance features over the matrix size, Gaussian targets."""
    rng = np.random.default_rng(0)
    g = rng.standard_normal((n, 1, size, size)) / size
    return make_problem([DenseFeatures(g)], np.zeros((n, 1)), rng.standard_normal(n), SQUARED)


def factored_problem(n: int, size: int) -> ConvexProblem:
    """Return a problem with features signal x activation."""
    rng = np.random.default_rng(0)
    signal, activation = rng.standard_normal((n, 1, 1, size)), rng.standard_normal((n, 1, size))
    features = FactoredFeatures(signal / np.sqrt(size), activation / np.sqrt(size))
    return make_problem([features], np.zeros((n, 1)), rng.standard_normal(n), SQUARED)


def with_scs(problem: ConvexProblem, lam: float) -> float:
    """Return the optimal value by cvxpy and SCS at eps 1e-8."""
    (m, p) = problem.shapes[0]
    delta = cp.Variable((m, p))
    a = np.asarray(problem.layers[0].dense()).reshape(problem.n, m * p)
    residual = a @ cp.vec(delta, order="C") - problem.y[:, 0]
    objective = cp.sum_squares(residual) / (2 * problem.n) + lam * cp.normNuc(delta)
    return float(cp.Problem(cp.Minimize(objective)).solve(solver=cp.SCS, eps=1e-8))


@pytest.mark.parametrize("scale", ["unit", "normalised"])
def test_dense_gaussian_features_are_solved_faster_than_by_scs(benchmark: BenchmarkFixture, scale: str) -> None:
    problem = gaussian_problem(128, 96)
    if scale == "unit":
        problem = make_problem([DenseFeatures(96.0 * problem.layers[0].dense())], problem.f0, problem.y, SQUARED)
    solution = solve_nuclear_norm(problem, LAM)
    assert solution.converged
    assert solution.stats["relative_gap"] <= SOLVER_GAP
    values = []
    theirs = seconds(lambda: values.append(with_scs(problem, LAM)), repeats=1)
    benchmark.pedantic(solve_nuclear_norm, args=(problem, LAM), rounds=3, warmup_rounds=1)
    ours = benchmark.stats.stats.min
    benchmark.extra_info.update(
        scs_seconds=theirs,
        ratio=theirs / ours,
        gap=solution.stats["gap"],
        scs_excess=values[0] - solution.stats["primal"],
        ranks=solution.stats["ranks"],
        lambda_over_max=LAM / problem.lambda_max(),
    )
    print(f"\nours {ours:.3f} s, SCS {theirs:.3f} s, ratio {theirs / ours:.1f}, {benchmark.extra_info}")
    assert theirs / ours >= SCS_SPEEDUP


def test_large_dense_features_are_solved_ten_times_faster_than_by_scs(benchmark: BenchmarkFixture) -> None:
    problem = gaussian_problem(256, 128)
    lam = 0.1 * problem.lambda_max()
    values = []
    theirs = seconds(lambda: values.append(with_scs(problem, lam)), repeats=1)
    solution = benchmark.pedantic(solve_nuclear_norm, args=(problem, lam), rounds=3, warmup_rounds=1)
    ours = benchmark.stats.stats.min
    benchmark.extra_info.update(scs_seconds=theirs, ratio=theirs / ours, gap=solution.stats["relative_gap"])
    excess = values[0] - solution.stats["primal"]
    print(f"\nours {ours:.3f} s, SCS {theirs:.3f} s, ratio {theirs / ours:.1f}, excess of SCS {excess:.1e}")
    print(solution.stats)
    assert solution.stats["relative_gap"] <= SOLVER_GAP
    # both found the same optimum: ours to its gap, theirs to its own residuals
    assert abs(excess) <= ORACLE_OBJECTIVE * max(1.0, abs(solution.stats["primal"]))
    assert theirs / ours >= LARGE_SCS_SPEEDUP


def test_factored_features_take_less_than_a_tenth_of_the_dense_time(benchmark: BenchmarkFixture) -> None:
    problem = factored_problem(256, 256)
    lam = 0.1 * problem.lambda_max()
    twin = dense_twin(problem)
    solution = benchmark.pedantic(solve_nuclear_norm, args=(problem, lam), rounds=3, warmup_rounds=1)
    assert solution.converged
    # processor time, and runs of the two in turn: other processes slow both down, but not at the same moments
    factored, dense = [], []
    for _ in range(3):
        factored += [processor_seconds(lambda: solve_nuclear_norm(problem, lam)) for _ in range(3)]
        dense.append(processor_seconds(lambda: solve_nuclear_norm(twin, lam)))
    share = min(factored) / min(dense)
    benchmark.extra_info.update(
        factored_seconds=min(factored), dense_seconds=min(dense), share=share, ranks=solution.stats["ranks"]
    )
    print(f"\nfactored {min(factored):.3f} s, dense {min(dense):.3f} s, share {share:.3f}, {solution.stats}")
    assert share <= FACTORED_SHARE
