"""Landscape search: 64 starts of one size to certified second-order points in one call. Run with --benchmark-only."""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from proofs_check.certificates import critical_point
from sims.landscape.search import StationaryPoints, find_stationary_points, gaussian_starts
from tests.problems import landscape_of, random_problem
from theory.losses import SQUARED

STARTS, SIZE, RANK, SAMPLES = 64, 8, 3, 16


@pytest.mark.parametrize("fraction", [0.01, 0.1])
def test_64_starts_reach_certified_second_order_points(benchmark: BenchmarkFixture, fraction: float) -> None:
    problem = random_problem(0, SQUARED, n=SAMPLES, shapes=((SIZE, SIZE),))
    lam = fraction * problem.lambda_max()
    landscape = landscape_of(problem, lam)
    starts = gaussian_starts(landscape, RANK, STARTS, scale=0.5, seed=0)

    def certified() -> tuple[StationaryPoints, list[str]]:
        points = find_stationary_points(landscape, starts)
        return points, [critical_point(problem, q[:SIZE], q[SIZE:], lam).kind for q in points.q]

    points, kinds = benchmark.pedantic(certified, rounds=3, warmup_rounds=1)
    assert points.accepted.all()
    assert not {"saddle", "not_stationary"} & set(kinds)
    per_minute = 60.0 * STARTS / benchmark.stats.stats.min
    counts = {kind: int(np.sum(np.array(kinds) == kind)) for kind in sorted(set(kinds))}
    benchmark.extra_info.update(certified_per_minute=per_minute, kinds=counts, newton_steps=points.steps)
    print(f"\n{per_minute:.0f} certified points per minute; {counts}; {points.steps} steps")
