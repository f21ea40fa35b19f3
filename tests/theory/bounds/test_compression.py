"""SubLoRA and the token bound: printed oracles, monotonicity, order against Occam-Hoeffding, Kraft sums, bad input."""

from math import inf, nan, pi

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.checks import close
from tests.tolerances import PRINTED_DIGITS, ROUNDING
from theory.bounds.code_length import occam_hoeffding
from theory.bounds.compression import (
    arithmetic_code_bits,
    prefix_free_bits,
    random_guess_bits,
    smoothed_range,
    subsampled_bound,
    whole_sample_bound,
)
from theory.bounds.tokens import token_bound

EXACT = ROUNDING["float64"]
VOCABULARY = 50_257
sizes = st.integers(1, 10**7)
bit_counts = st.floats(0.0, 1e6)


@pytest.mark.parametrize(("alpha", "expected"), [(0.1, 18.787), (0.01, 22.246), (0.5, 15.617)])
def test_printed_ranges(alpha: float, expected: float) -> None:
    close(smoothed_range(alpha, VOCABULARY) / expected, 1.0, PRINTED_DIGITS)


def test_printed_bounds() -> None:
    found = subsampled_bound(8.0, 1e4, 8e6, 120_000, 0.05, smoothed_range(0.1, VOCABULARY))
    close(found / 9.585, 1.0, PRINTED_DIGITS)
    close(subsampled_bound(0.15, 1e4, 60_000, 1000, 0.05, 1.0), 0.2388, PRINTED_DIGITS)


def test_the_union_over_eight_alphas_costs_what_was_computed_by_hand() -> None:
    without, with_union = (
        float(subsampled_bound(0.0, 1e4, 8e6, 0, 0.05, 1.0, k))
        - float(whole_sample_bound(0.0, 8_000_000, 0, 0.05, 1.0))
        for k in (1, 8)
    )
    first = np.sqrt(np.log(8.01e6 / (1e4 * 0.05)) / 1.6e7) - np.sqrt(np.log(20) / 1.6e7)
    close(without - first, 0.01224, PRINTED_DIGITS)
    close(with_union - first, 0.01593, PRINTED_DIGITS)


@given(st.floats(0.0, 1.0), sizes, sizes, bit_counts)
def test_p31_never_below_hoeffding_on_the_whole_sample(risk: float, m: int, n: int, bits: float) -> None:
    """Stated at equal risks: the risk of a lucky subsample may be smaller, and then so may the bound."""
    assert subsampled_bound(risk, m, n, bits, 0.05, 1.0) >= occam_hoeffding(risk, n, bits, 0.05) * (1 - EXACT)


@given(sizes, sizes, bit_counts, st.floats(1.001, 10.0))
def test_p31_decreases_in_both_sizes_and_increases_in_bits(m: int, n: int, bits: float, factor: float) -> None:
    here = float(subsampled_bound(0.0, m, n, bits, 0.05, 1.0))
    assert float(subsampled_bound(0.0, m * factor, n, bits, 0.05, 1.0)) < here
    assert float(subsampled_bound(0.0, m, n * factor, bits, 0.05, 1.0)) < here
    assert float(subsampled_bound(0.0, m, n, (bits + 1) * factor, 0.05, 1.0)) > here


@given(sizes, sizes, bit_counts, st.floats(0.1, 30.0))
def test_p31_linear_in_the_range(m: int, n: int, bits: float, loss_range: float) -> None:
    unit = float(subsampled_bound(0.0, m, n, bits, 0.05, 1.0))
    close(subsampled_bound(2.0, m, n, bits, 0.05, loss_range), 2.0 + loss_range * unit)


@given(st.floats(1e-6, 0.99), st.floats(1.001, 2.0), st.integers(2, 10**6))
def test_p31_range_strictly_decreases_to_zero(alpha: float, factor: float, vocabulary: int) -> None:
    assert smoothed_range(min(1.0, alpha * factor), vocabulary) < smoothed_range(alpha, vocabulary)
    assert smoothed_range(1.0, vocabulary) == 0.0


def test_smoothed_losses_lie_in_their_range() -> None:
    p = np.array([0.0, 1e-9, 0.3, 1.0])
    losses = -np.log2(0.9 * p + 0.1 / 64)
    assert np.ptp(losses) <= smoothed_range(0.1, 64) * (1 + EXACT)
    close(np.ptp(losses), smoothed_range(0.1, 64))


def test_prefix_free_lengths_satisfy_kraft_only_from_two_bits_on() -> None:
    total = sum(2.0 ** (c - prefix_free_bits(c)) for c in range(2, 200_000))
    close(total, pi**2 / 6 - 1, PRINTED_DIGITS)
    assert total + 2 * 2.0**-1 > 1  # with the two strings of one bit, at one bit each
    with pytest.raises(ValueError, match="string of 1 bits: expected at least 2"):
        prefix_free_bits(1)


def test_arithmetic_code_counts_codebook_and_frequencies() -> None:
    # 8 symbols of 2 levels at one bit each: a frequency is one of 0..8, four bits
    assert arithmetic_code_bits(8, 1.0, 2) == 8 + 1 + 2 * (16 + 4)
    assert arithmetic_code_bits(7, 0.0, 1) == 0 + 1 + 16 + 3
    # the float 3.2 lies above 3.2: 160 000.00000000001 bits, which float64 rounds to 160 000
    assert arithmetic_code_bits(50_000, 3.2, 11) == 160_001 + 1 + 11 * (16 + 16) == 160_354


@given(st.floats(0.0, 9.0), sizes, bit_counts, st.floats(0.0, 30.0))
def test_token_bound_is_hoeffding_with_tokens_for_samples(loss: float, m: int, bits: float, loss_range: float) -> None:
    close(token_bound(loss, m, bits, 0.05, loss_range), whole_sample_bound(loss, m, bits, 0.05, loss_range))


def test_a_random_guess_is_what_a_bound_has_to_beat() -> None:
    close(random_guess_bits(VOCABULARY), 15.617, 10 * PRINTED_DIGITS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: smoothed_range(0.0, 10), r"smoothing alpha 0.0: expected a number in \(0, 1\]"),
        (lambda: smoothed_range(0.5, 1), "vocabulary of 1: expected at least 2"),
        (lambda: random_guess_bits(1), "vocabulary of 1: expected at least 2"),
        (lambda: subsampled_bound(0.0, 0, 10, 1, 0.05, 1.0), "0 samples: expected at least 1"),
        (lambda: subsampled_bound(0.0, 10, 10, -1, 0.05, 1.0), "-1 bits of description: expected a finite number >= 0"),
        (lambda: subsampled_bound(0.0, 10, 10, 1, 0.05, inf), "loss range inf: expected a finite number >= 0"),
        (lambda: subsampled_bound(0.0, 10, 10, 1, 0.05, 1.0, 0), "0 alphas: expected at least 1"),
        (lambda: whole_sample_bound(0.0, 10, 1, 0.05, -1.0), "loss range -1.0: expected a finite number >= 0"),
        (lambda: subsampled_bound(nan, 10, 10, 1, 0.05, 1.0), "mean loss nan: expected a finite number"),
        (lambda: whole_sample_bound(inf, 10, 1, 0.05, 1.0), "mean loss inf: expected a finite number"),
        (lambda: token_bound(nan, 10, 1, 0.05, 1.0), "mean loss nan: expected a finite number"),
        (lambda: arithmetic_code_bits(0, 0.0, 2), "0 symbols of 2 levels: expected at least 1"),
        (lambda: arithmetic_code_bits(5, 2.0, 2), "entropy of 2.0 bits a symbol: expected 0 to log2 2 = 1"),
        (lambda: token_bound(1.0, 0, 1, 0.05, 1.0), "0 samples: expected at least 1"),
        (lambda: token_bound(1.0, 5, 1, 0.05, inf), r"loss range inf: expected a finite number >= 0 \(smooth"),
    ],
)
def test_bad_input_is_named(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()
