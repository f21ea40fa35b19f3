"""The logistic analogue of family A': stationary, strict, spurious, in closed form."""

import numpy as np
import pytest

from proofs_check.certificates import critical_point
from sims.convex_problem import make_problem
from sims.ntk.features import DenseFeatures
from tests.tolerances import IDENTITY, ROUNDING
from theory.losses import LOGISTIC
from theory.planted_logistic import LogisticInstance, logistic_instance


def point_of(known: LogisticInstance):
    problem = make_problem([DenseFeatures(known.gradients)], np.zeros((known.n, 1)), known.labels, LOGISTIC)
    return problem, critical_point(problem, known.u, known.v, known.lam)


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
@pytest.mark.parametrize("scale", [0.7, 1.0])
def test_the_planted_point_is_a_strict_spurious_minimum_at_the_sharp_count(rank: int, scale: float) -> None:
    known = logistic_instance(rank, rank + 1, rank + 2, scale=scale)
    assert known.n == rank * (rank + 3) // 2
    _, point = point_of(known)
    assert point.kind == "local_minimum"
    assert point.relative_gradient_norm <= ROUNDING[np.float64]
    assert point.zeros == known.zero_eigenvalues == point.gauge_dimension
    assert point.objective == pytest.approx(known.value, rel=IDENTITY[np.float64])
    assert point.lowest_s == pytest.approx(-known.lam, rel=IDENTITY[np.float64])  # lam (1 - tau / c')


def test_every_sample_has_the_same_margin() -> None:
    known = logistic_instance(3, 4, 5)
    margins = known.labels * (known.gradients * (known.u @ known.v.T)).sum(axis=(2, 3))
    np.testing.assert_allclose(margins, 3.0, rtol=IDENTITY[np.float64])


def test_weak_coupling_opens_a_way_down() -> None:
    """Below c^2 sigma(r s^2) = (tau - 1) / (2 s^2) the point is a saddle, just above a minimum."""
    edge = (0.5 * (1.0 + np.exp(-2.0))) ** 0.5
    _, below = point_of(logistic_instance(2, 3, 3, coupling=0.98 * edge))
    _, above = point_of(logistic_instance(2, 3, 3, coupling=1.02 * edge))
    assert below.kind == "saddle"
    assert above.kind == "local_minimum"


def test_a_rank_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rank 3 with shape 3 x 5"):
        logistic_instance(3, 3, 5)
