"""Accelerated proximal gradient against the certified solver, and what it refuses."""

import numpy as np
import pytest

from sims.convex_problem import ConvexProblem
from sims.errors import BadInput
from sims.solve import solve
from sims.solvers.proximal_gradient import proximal_gradient
from sims.solvers.solution import Solution, Status
from tests.problems import ALL_LOSSES, random_problem
from tests.tolerances import SOLVER_GAP
from theory.losses import SQUARED, Loss


def run(problem: ConvexProblem, lam: float, max_steps: int = 20_000) -> Solution[np.ndarray]:
    (layer,) = problem.layers
    size = problem.n * problem.k
    kernel = np.asarray(layer.gram(layer)).reshape(size, size)
    smoothness = problem.loss.curvature * float(np.linalg.eigvalsh(kernel)[-1]) / problem.n
    return proximal_gradient(
        lambda delta: float(problem.loss.value(problem.predictions([delta]), problem.y).mean()),
        lambda delta: problem.data_gradients(problem.predictions([delta]))[0],
        np.zeros(problem.shapes[0]),
        lam,
        smoothness,
        tolerance=SOLVER_GAP,
        max_steps=max_steps,
    )


@pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("ratio", [0.05, 0.5, 1.5])
def test_it_reaches_the_certified_optimum(loss: Loss, ratio: float) -> None:
    problem = random_problem(3, loss, n=30, k=2, shapes=((3, 4),))
    lam = ratio * problem.lambda_max()
    found = run(problem, lam)
    assert found.status is Status.OPTIMAL
    report = problem.report([found.value], lam)
    assert abs(report.primal - solve(problem, lam).certificate.primal) <= 10 * SOLVER_GAP
    assert (np.abs(found.value).max() == 0.0) == (ratio > 1)


def test_too_few_steps_are_reported_and_bad_numbers_refused() -> None:
    problem = random_problem(3, SQUARED, n=30, k=2, shapes=((3, 4),))
    assert run(problem, 0.05 * problem.lambda_max(), max_steps=3).status is Status.MAX_STEPS
    with pytest.raises(BadInput, match=r"lambda 0\.0 is not positive: expected a finite number > 0"):
        run(problem, 0.0)
    with pytest.raises(BadInput, match="smoothness nan is not positive"):
        proximal_gradient(lambda d: 0.0, lambda d: d, np.zeros((2, 2)), 1.0, float("nan"))
