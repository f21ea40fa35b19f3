"""The a-posteriori bound and the price of the perturbation, at points that nobody optimised."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sims.solve import solve
from tests.checks import EXACT, close
from tests.problems import ALL_LOSSES, random_problem
from tests.strategies import seeds
from tests.tolerances import SOLVER_GAP
from theory import factored_objective as lora
from theory.a_posteriori import a_posteriori_gap
from theory.losses import Loss
from theory.perturbation import perturbation_price


@pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)
@given(seed=seeds, rank=st.integers(1, 4), scale=st.sampled_from([0.0, 1e-3, 0.1, 1.0, 3.0]))
def test_bound_is_never_below_the_true_gap_and_vanishes_at_the_optimum(
    loss: Loss, seed: int, rank: int, scale: float
) -> None:
    problem = random_problem(1, loss, n=4, k=2, shapes=((3, 4),))
    lam = 0.2 * problem.lambda_max()
    optimum = solve(problem, lam)
    nuclear = float(np.linalg.norm(optimum.deltas[0], "nuc"))
    rng = np.random.default_rng(seed)
    (u, v) = optimum.factors[0]
    q = scale * rng.standard_normal((7, rank + u.shape[1]))
    q[:, : u.shape[1]] += np.concatenate([u, v])
    g = np.asarray(problem.layers[0].dense())
    args = (g, problem.f0, problem.y, loss, lam, q)
    s = lora.stationarity_matrix(lora.data_gradient(*args[:4], q), lam)
    gap = float(lora.objective(*args)) - optimum.certificate.primal
    sizes = float(np.linalg.norm(lora.gradient(*args))), float(np.linalg.norm(q)), float(np.linalg.eigvalsh(s)[0])
    bound = a_posteriori_gap(*sizes, nuclear)
    # the certified optimum is exact up to its own gap
    assert gap <= bound + optimum.certificate.gap + EXACT
    assert scale > 0 or bound <= SOLVER_GAP
    assert bound <= a_posteriori_gap(*sizes, float(lora.objective(*args)) / lam) + EXACT


def test_bound_is_the_written_formula() -> None:
    close(a_posteriori_gap(0.5, 4.0, -0.25, 3.0), 1.75)
    close(a_posteriori_gap(0.5, 4.0, 0.25, 3.0), 1.0)
    assert a_posteriori_gap(0.0, 4.0, 0.0, 3.0) == 0.0


def test_price_is_twice_the_product_of_the_norms_and_negative_norms_are_refused() -> None:
    assert perturbation_price(0.1, 5.0) == 1.0
    assert perturbation_price(0.0, 5.0) == 0.0
    with pytest.raises(ValueError, match=r"norms -1\.0, 2\.0 must be >= 0"):
        perturbation_price(-1.0, 2.0)
