"""The memory that solving and judging take: estimates beside measured peaks, and refusals in one line."""

import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from proofs_check.certify import certify
from sims import memory
from sims.convex_problem import ConvexProblem, make_problem
from sims.errors import BadInput
from sims.ntk.features import DenseFeatures, FactoredFeatures
from sims.problem_files import Candidate
from sims.problem_sizes import certify_bytes, require_certify, require_solve, solve_bytes
from sims.solve import solve
from theory.losses import SQUARED


def peak(work: Callable[[], Any]) -> int:
    """Return the largest number of bytes that arrays held while this ran, beside those that were there before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def problem(n: int, m: int, p: int, positions: int = 0) -> ConvexProblem:
    """Return a problem with one output, dense or with factors at this many positions."""
    g = np.random.default_rng(0)
    dense = DenseFeatures(g.standard_normal((n, 1, m, p)))
    factored = FactoredFeatures(g.standard_normal((n, 1, positions, m)), g.standard_normal((n, positions, p)))
    return make_problem([factored if positions else dense], np.zeros((n, 1)), g.standard_normal((n, 1)), SQUARED)


@pytest.mark.parametrize(("n", "m", "p", "positions"), [(150, 40, 30, 0), (300, 20, 20, 0), (100, 64, 64, 4)])
def test_the_estimate_of_a_solve_is_a_bound_within_a_factor_of_its_peak(n: int, m: int, p: int, positions: int) -> None:
    made = problem(n, m, p, positions)
    found = peak(lambda: solve(made, 0.05 * made.lambda_max(), tol=1e-6))
    assert found <= solve_bytes(made) <= 12 * found  # the rank in between is not known before


def test_the_estimate_of_an_exact_verdict_is_a_bound() -> None:
    """What flint holds is not traced, so only the bound is tested."""
    made = problem(20, 12, 10)
    lam = Fraction(0.3 * made.lambda_max())
    candidate = Candidate(np.zeros((12, 10)))
    found = peak(lambda: certify(made, candidate, lam, exact=True))
    assert found <= certify_bytes(made, candidate, exact=True)


def test_many_samples_with_few_unknowns_are_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 000 samples with 64 unknowns are easy on the smaller side: a kernel of all samples would take 3.2 GB."""
    monkeypatch.setattr(memory, "available", lambda: 500_000_000)
    require_solve(problem(20_000, 8, 8))


def test_too_much_is_refused_with_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 1_000_000)
    made = problem(60, 30, 30)
    with pytest.raises(BadInput, match=r"^solving a problem of 60 samples, 1 outputs, 30 x 30 needs about [\d.]+ MB"):
        require_solve(made)
    wide = Candidate(np.zeros((30, 30)), np.zeros((30, 5000)), np.zeros((30, 5000)))
    with pytest.raises(
        BadInput, match=r"^a verdict on .*30 x 30 at rank 5000 needs about \d+ MB of memory and 1 MB are"
    ):
        require_certify(made, wide, exact=False)
    with pytest.raises(BadInput, match=r"^an exact verdict on"):
        require_certify(made, Candidate(np.zeros((30, 30))), exact=True)
