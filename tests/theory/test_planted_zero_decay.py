"""Families C and C0, spurious minima without weight decay: golden values, sharp condition, counts."""

import itertools

import numpy as np
import pytest

from tests.checks import EXACT, close
from tests.tolerances import GAUGE_ZERO
from theory import factored_objective as lora
from theory.losses import SQUARED
from theory.planted_zero_decay import ZeroDecayInstance, zero_decay_instance
from theory.rank_thresholds import interpolation_rank

SHAPES = ((1, 2, 2), (1, 3, 3), (1, 2, 4), (2, 3, 3), (2, 4, 4), (2, 3, 5), (3, 4, 4), (3, 5, 5), (4, 5, 6), (5, 6, 6))
each_shape = pytest.mark.parametrize(("rank", "m", "p"), SHAPES)


def at_planted(instance: ZeroDecayInstance) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Return (value, gradient, Hessian eigenvalues, data gradient) at the planted point, without the factor 1/n."""
    q = np.concatenate([instance.u, instance.v])
    args = (instance.gradients, np.zeros((instance.n, 1)), instance.targets, SQUARED)
    n = instance.n
    eigenvalues = np.linalg.eigvalsh(n * lora.hessian(*args, 0.0, q))
    value = float(n * lora.objective(*args, 0.0, q))
    return value, n * lora.gradient(*args, 0.0, q), eigenvalues, n * lora.data_gradient(*args, q)


@each_shape
def test_family_c_has_the_printed_count_value_zeros_and_next_eigenvalue(rank: int, m: int, p: int) -> None:
    made = zero_decay_instance("C", rank, m, p)
    value, gradient, eigenvalues, data = at_planted(made)
    assert made.n == rank * p + 1
    assert interpolation_rank(made.n, m, p) == rank + 1
    assert np.abs(gradient).max() <= EXACT
    close([value, made.value], [0.5, 0.5])
    assert (np.abs(eigenvalues) <= GAUGE_ZERO).sum() == made.zero_eigenvalues == rank**2
    close([eigenvalues[rank**2], made.next_eigenvalue], [1.0, 1.0])
    # G = -sigma H with H = sum_{j > r} u_j v_j^T
    expected = np.zeros((m, p))
    expected[range(rank, m), range(rank, m)] = -1.0
    close(data, expected)


@pytest.mark.parametrize(("rank", "m", "count", "longest"), [(1, 2, 2, 2), (1, 3, 3, 3), (2, 4, 5, 8), (3, 5, 7, 15)])
def test_family_c0_traps_below_the_generic_threshold(rank: int, m: int, count: int, longest: int) -> None:
    made = zero_decay_instance("C0", rank, m, m)
    assert (made.n, rank * m) == (count, longest)
    assert made.n <= longest
    _check_c0(made, rank, m, m)


def test_family_c0_of_rectangular_shape() -> None:
    made = zero_decay_instance("C0", 2, 3, 5)
    assert made.n == 3
    _check_c0(made, 2, 3, 5)


def _check_c0(made: ZeroDecayInstance, rank: int, m: int, p: int) -> None:
    value, gradient, eigenvalues, _ = at_planted(made)
    zeros = rank**2 + rank * (rank + p - m)
    assert np.abs(gradient).max() <= EXACT
    close([value, made.value], [0.5, 0.5])
    assert (np.abs(eigenvalues) <= GAUGE_ZERO).sum() == made.zero_eigenvalues == zeros
    close([eigenvalues[zeros], made.next_eigenvalue], [1.0, 1.0])
    assert eigenvalues[0] >= -GAUGE_ZERO


@each_shape
def test_family_c_can_be_interpolated_exactly_by_a_full_matrix(rank: int, m: int, p: int) -> None:
    made = zero_decay_instance("C", rank, m, p)
    matrix = made.gradients.reshape(made.n, m * p)
    solution = np.linalg.lstsq(matrix, made.targets[:, 0])[0]
    close(matrix @ solution, made.targets[:, 0])


@each_shape
@pytest.mark.parametrize(("scale", "target"), [(1.0, 1.0), (0.7, 2.0), (1.5, 0.5)])
def test_coupling_condition_is_sharp_and_the_next_eigenvalue_a_closed_form(
    rank: int, m: int, p: int, scale: float, target: float
) -> None:
    critical = target / (2 * scale**2)
    below, above, far = (
        zero_decay_instance("C", rank, m, p, scale=scale, target=target, coupling=float(np.sqrt(f * critical)))
        for f in (0.96, 1.04, 5.0)
    )
    close(at_planted(below)[2][0], -0.04 * target)
    for made in (above, far):
        eigenvalues = at_planted(made)[2]
        assert eigenvalues[0] >= -GAUGE_ZERO
        close(eigenvalues[rank**2], made.next_eigenvalue)


@pytest.mark.parametrize(("family", "shape"), list(itertools.product(["C", "C0"], [(0, 2, 2), (2, 2, 3), (1, 3, 2)])))
def test_shapes_without_room_are_refused(family: str, shape: tuple[int, int, int]) -> None:
    rank, m, p = shape
    with pytest.raises(ValueError, match=rf"rank {rank}, shape {m} x {p}: families C and C0 need 1 <= rank < d_out"):
        zero_decay_instance(family, rank, m, p)  # type: ignore[arg-type]
