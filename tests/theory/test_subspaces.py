"""The similarity of subspaces: principal angles, invariances, and its law for independent subspaces."""

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given

from tests.checks import close
from tests.strategies import orthonormal_columns, seeds
from tests.tolerances import MONTE_CARLO, PRINTED_DIGITS
from theory.subspaces import chance_similarity, chance_variance, similarity

SIZES = ((6, 1, 1), (6, 2, 3), (9, 4, 2), (5, 5, 2), (4, 4, 4), (1, 1, 1))


@given(seed=seeds, sizes=st.sampled_from(SIZES))
def test_p15_similarity_depends_on_the_column_spaces_only_and_lies_in_the_unit_interval(
    seed: int, sizes: tuple[int, int, int]
) -> None:
    d, r1, r2 = sizes
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((d, r1)), rng.standard_normal((d, r2))
    phi = similarity(x, y)
    assert 0 <= phi <= 1
    close(phi, similarity(y, x))
    # GL(r): singular values of the change of basis between 1/2 and 2, so that rounding stays rounding
    left, right = orthonormal_columns(rng, r1, r1), orthonormal_columns(rng, r1, r1)
    close(similarity(x @ (left * rng.uniform(0.5, 2.0, r1)) @ right, y), phi)
    close(similarity(x, x @ left), 1.0)
    rotation = orthonormal_columns(rng, d, d)
    close(similarity(rotation @ x, rotation @ y), phi)
    # the mean squared cosine of the principal angles, by scipy
    close(phi, float(np.mean(np.cos(scipy.linalg.subspace_angles(x, y)) ** 2)))


@pytest.mark.parametrize(("d", "r1", "r2"), [(8, 2, 2), (12, 1, 4), (6, 6, 2), (10, 3, 5)])
def test_p15_chance_level_is_the_larger_rank_over_the_dimension(d: int, r1: int, r2: int) -> None:
    rng = np.random.default_rng([d, r1, r2])
    fixed = np.eye(d)[:, :r2]
    draws = np.array([similarity(rng.standard_normal((d, r1)), fixed) for _ in range(4000)])
    expected, variance = chance_similarity(d, r1, r2), chance_variance(d, r1, r2)
    assert abs(draws.mean() - expected) <= MONTE_CARLO * np.sqrt(variance / draws.size) + 1e-12
    spread = np.sqrt(np.mean((draws - expected) ** 4) / draws.size)  # standard error of the mean square, or above it
    assert abs(np.mean((draws - expected) ** 2) - variance) <= MONTE_CARLO * spread + 1e-12


def test_chance_level_in_numbers_and_beta_law_of_rank_one() -> None:
    close(chance_similarity(1024, 8, 8), 8 / 1024)
    assert abs(chance_similarity(256, 4, 16) - 0.0625) < PRINTED_DIGITS
    for d in (2, 3, 7):  # rank one: Beta(1/2, (d - 1)/2)
        close(chance_variance(d, 1, 1), scipy.stats.beta(0.5, (d - 1) / 2).var())
    assert chance_variance(1, 1, 1) == chance_variance(5, 5, 2) == 0.0


def test_contained_and_orthogonal_spaces_and_dependent_columns() -> None:
    basis = np.eye(5)
    assert similarity(basis[:, :3], basis[:, :1]) == 1.0
    assert similarity(basis[:, :2], basis[:, 2:]) == 0.0
    doubled = np.concatenate([basis[:, :2], basis[:, :2]], axis=1)
    close(similarity(doubled, basis[:, 1:3]), 0.5)
    close(similarity(doubled.astype(np.float32), basis[:, 1:3]), 0.5)


def test_a_matrix_without_a_column_space_and_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(4, 2\) is zero and has no column space"):
        similarity(np.zeros((4, 2)), np.eye(4))
    with pytest.raises(ValueError, match="not finite"):
        similarity(np.full((4, 2), np.nan), np.eye(4))
    with pytest.raises(ValueError, match="4 and 5 rows"):
        similarity(np.eye(4), np.eye(5))
    with pytest.raises(ValueError, match="ranks 3 and 7 in dimension 6"):
        chance_similarity(6, 3, 7)
    with pytest.raises(ValueError, match="ranks 0 and 1 in dimension 6"):
        chance_variance(6, 0, 1)
