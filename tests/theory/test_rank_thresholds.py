"""Rank thresholds against the printed table, their definitions and each other."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from theory.rank_thresholds import (
    generic_rank,
    interpolation_rank,
    pataki_rank,
    perturbed_rank,
    rank_budget,
    spurious_possible,
)

counts = st.integers(0, 10**12)
sizes = st.integers(1, 2000)

# KN: (Pataki, sharp, the paper's)
TABLE = {
    1: (1, 1, 2),
    2: (1, 2, 2),
    3: (2, 2, 3),
    5: (2, 3, 3),
    6: (3, 3, 4),
    9: (3, 4, 4),
    10: (4, 4, 5),
    14: (4, 5, 5),
    16: (5, 5, 6),
    20: (5, 6, 6),
    32: (7, 7, 8),
    48: (9, 9, 10),
    64: (10, 10, 11),
    96: (13, 13, 14),
    128: (15, 15, 16),
    144: (16, 16, 17),
}


@pytest.mark.parametrize("q", TABLE)
def test_thresholds_are_those_of_the_printed_table(q: int) -> None:
    assert (pataki_rank(q), generic_rank(q), perturbed_rank(q)) == TABLE[q]


def test_thresholds_meet_their_definitions_by_counting() -> None:
    for q in range(1000):
        ranks = range(q + 3)
        assert pataki_rank(q) == max(r for r in ranks if r * (r + 1) // 2 <= q)
        assert perturbed_rank(q) == min(r for r in ranks if r * (r + 1) // 2 > q)
        assert generic_rank(q) == min(r for r in ranks if r * (r + 3) // 2 > q)


@given(q=counts)
def test_thresholds_are_exact_for_counts_beyond_float_precision(q: int) -> None:
    p, w, j = pataki_rank(q), generic_rank(q), perturbed_rank(q)
    assert p * (p + 1) // 2 <= q < (p + 1) * (p + 2) // 2
    assert (w - 1) * (w + 2) // 2 <= q < w * (w + 3) // 2
    assert j == p + 1


@given(q=counts)
def test_sharp_threshold_is_the_existence_rank_unless_the_next_count_is_triangular(q: int) -> None:
    r = pataki_rank(q)
    next_is_triangular = (r + 1) * (r + 2) // 2 == q + 1
    assert generic_rank(q) == r + next_is_triangular


@given(q=counts, m=sizes, p=sizes)
def test_interpolation_rank_is_the_smallest_with_enough_entries_of_the_longer_factor(q: int, m: int, p: int) -> None:
    r = interpolation_rank(q, m, p)
    assert r * max(m, p) >= q
    assert r == 0 or (r - 1) * max(m, p) < q


def test_rank_one_interpolates_64_measurements_of_a_768_matrix() -> None:
    assert interpolation_rank(64, 768, 768) == 1


@given(q=st.integers(0, 300), m=st.integers(1, 12), p=st.integers(1, 12))
def test_spurious_minima_are_possible_exactly_below_both_conditions(q: int, m: int, p: int) -> None:
    for r in range(14):
        assert spurious_possible(r, q, m, p) == (r < generic_rank(q) and r < min(m, p))


@given(ranks=st.lists(st.integers(0, 50), max_size=6))
def test_rank_budget_is_the_sum_of_triangular_numbers(ranks: list[int]) -> None:
    assert rank_budget(ranks) == sum(sum(range(r + 1)) for r in ranks)
    assert all(rank_budget([r]) <= q for r in ranks for q in [r * (r + 1) // 2])


@pytest.mark.parametrize("function", [pataki_rank, perturbed_rank, generic_rank])
def test_a_negative_count_is_refused(function: object) -> None:
    with pytest.raises(ValueError, match=r"measurements -1 is negative: expected a count >= 0"):
        function(-1)  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"measurements -3 is negative"):
        interpolation_rank(-3, 4, 4)
    with pytest.raises(ValueError, match=r"measurements -3 is negative"):
        spurious_possible(1, -3, 4, 4)
