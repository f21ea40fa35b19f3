"""The parameter-count bound: printed tables to all digits, arrays counted one by one, exact dependence on sizes."""

from math import log, sqrt

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.checks import close
from tests.tolerances import TABLE_DIGITS
from theory.bounds import parameter_count as pc
from theory.bounds.information import xu_raginsky
from theory.bounds.noisy_sgd import pensia_information

SQUARE = ((768, 768),) * 12
UP, DOWN = ((3072, 768),) * 12, ((768, 3072),) * 12
QUERY_VALUE = ((1024, 1024),) * 48  # RoBERTa-large, 24 blocks
ADAPTERS = st.sampled_from(pc.ADAPTERS)
LAYERS = st.lists(st.tuples(st.integers(2, 40), st.integers(2, 40)), min_size=1, max_size=6).map(tuple)


def shown(value: float, digits: str) -> None:
    """Assert that the value, rounded to as many decimals as are printed, is what is printed."""
    assert f"{value:.{len(digits.partition('.')[2])}f}" == digits


@pytest.mark.parametrize(
    ("bits", "row"),
    [
        (32, "36.1700 5.2207 3.6916 5.2207"),
        (16, "25.5761 3.6916 2.6103 3.6916"),
        (8, "18.0850 2.6103 1.8458 2.6103"),
        (4, "12.7880 1.8458 1.3052 1.8458"),
        (2, "9.0425 1.3052 0.9229 1.3052"),
        (1, "6.3940 0.9229 0.6526 0.9229"),
    ],
)
def test_printed_table_of_square_layers(bits: int, row: str) -> None:
    full, lora, one, double = row.split()
    shown(pc.adapter_bound("full", SQUARE, 8, bits, 60_000), full)
    shown(pc.adapter_bound("lora", SQUARE, 8, bits, 60_000), lora)
    shown(pc.adapter_bound("b-only", SQUARE, 8, bits, 60_000), one)
    shown(pc.adapter_bound("a-only", SQUARE, 8, bits, 60_000), one)
    shown(pc.adapter_bound("b-only", SQUARE, 16, bits, 60_000), double)


@pytest.mark.parametrize(
    ("layers", "lora", "a_only", "b_only"),
    [
        (UP, "2.9185", "1.3052", "2.6103"),
        (DOWN, "2.9185", "2.6103", "1.3052"),
        (UP + DOWN, "4.1273", "2.9185", "2.9185"),
    ],
)
def test_printed_rectangular_layers(layers: tuple[tuple[int, int], ...], lora: str, a_only: str, b_only: str) -> None:
    for adapter, digits in (("lora", lora), ("a-only", a_only), ("b-only", b_only)):
        shown(pc.adapter_bound(adapter, layers, 8, 4, 60_000), digits)


def test_printed_counts_single_matrix_and_heads() -> None:
    assert [pc.tuned_parameters(a, SQUARE, 8) for a in pc.ADAPTERS] == [7_077_888, 147_456, 73_728, 73_728]
    assert [pc.tuned_parameters(a, UP, 8) for a in ("a-only", "b-only")] == [73_728, 294_912]
    for bits, digits in zip((16, 4, 2), ("0.7535", "0.3768", "0.2664")):
        shown(pc.adapter_bound("b-only", SQUARE[:1], 8, bits, 60_000), digits)
    rows = {
        ("b-only", 8, 512): "0.0860 0.0430 0.0304",
        ("b-only", 8, 1024): "0.0860 0.0430 0.0304",
        ("a-only", 8, 512): "0.6153 0.3076 0.2175",
        ("a-only", 8, 1024): "0.8701 0.4351 0.3076",
    }
    for (adapter, rank, width), row in rows.items():
        for bits, digits in zip((16, 4, 2), row.split()):
            shown(pc.adapter_bound(adapter, ((10, width),), rank, bits, 60_000), digits)
    for bits, digits in zip((16, 4, 2), ("0.2432", "0.1216", "0.0860")):  # rank 64 of a head with 10 rows: 640 scalars
        shown(pc.mutual_information_bound(640, bits, 60_000), digits)


@pytest.mark.parametrize(
    ("samples", "b_only", "lora"),
    [
        (2490, "29.6", "41.8"),
        (3668, "24.4", "34.5"),
        (5749, "19.5", "27.5"),
        (8551, "16.0", "22.6"),
        (67349, "5.69", "8.05"),
        (104743, "4.56", "6.45"),
        (392702, "2.36", "3.33"),
    ],
)
def test_printed_language_tasks_at_16_bits(samples: int, b_only: str, lora: str) -> None:
    shown(pc.adapter_bound("b-only", QUERY_VALUE, 8, 16, samples), b_only)
    shown(pc.adapter_bound("lora", QUERY_VALUE, 8, 16, samples), lora)


def test_the_trained_head_decides_whether_the_largest_task_is_vacuous() -> None:
    n, head = 392_702, 1_052_675  # dense layer and 3 labels
    shown(pc.adapter_bound("b-only", QUERY_VALUE, 8, 2, n), "0.833")
    shown(pc.adapter_bound("b-only", QUERY_VALUE, 8, 1, n), "0.589")
    shown(pc.adapter_bound("lora", QUERY_VALUE, 8, 1, n), "0.833")
    shown(pc.adapter_bound("b-only", QUERY_VALUE, 8, 2, n, head=head), "1.5975")
    shown(pc.adapter_bound("b-only", QUERY_VALUE, 8, 2, n, head=1_051_650), "1.597")  # two labels
    shown(pc.adapter_bound("b-only", QUERY_VALUE, 1, 4, n), "0.417")
    shown(pc.adapter_bound("b-only", QUERY_VALUE, 1, 4, 104_743), "0.807")


def test_c15_a_trained_head_shrinks_the_root_two_between_lora_and_one_factor() -> None:
    head = 1_051_650
    bare = [pc.adapter_bound(a, QUERY_VALUE, 8, 16, 2490) for a in ("lora", "b-only")]
    with_head = [pc.adapter_bound(a, QUERY_VALUE, 8, 16, 2490, head=head) for a in ("lora", "b-only")]
    close(bare[0] / bare[1], sqrt(2))
    shown(with_head[0] / with_head[1], "1.128")


def test_c10_the_frozen_factor_of_the_longer_side_gives_the_smaller_bound() -> None:
    assert pc.adapter_bound("a-only", UP, 8, 4, 60_000) < pc.adapter_bound("b-only", UP, 8, 4, 60_000)
    assert pc.adapter_bound("a-only", DOWN, 8, 4, 60_000) > pc.adapter_bound("b-only", DOWN, 8, 4, 60_000)
    close(pc.adapter_bound("a-only", UP, 8, 4, 60_000) / pc.adapter_bound("b-only", UP, 8, 4, 60_000), 0.5)


def test_printed_bits_allowed() -> None:
    rows = {(0.5, 60_000): 43_280, (0.25, 60_000): 10_820, (0.1, 60_000): 1_731, (0.05, 60_000): 432, (0.5, 1000): 721}
    assert {key: pc.bits_allowed(*key) for key in rows} == rows


@given(gap=st.floats(0.01, 3.0), samples=st.integers(1, 10**6), sigma=st.sampled_from([0.5, 1.0, 2.6]))
def test_bits_allowed_is_the_last_that_fits(gap: float, samples: int, sigma: float) -> None:
    bits = pc.bits_allowed(gap, samples, sigma)
    assert xu_raginsky((bits + 1) * log(2), samples, sigma) > gap
    assert bits == 0 or pc.mutual_information_bound(bits, 1, samples, sigma) <= gap


@given(bits=st.integers(0, 10**13), samples=st.integers(1, 10**7), sigma=st.floats(0.01, 30.0))
def test_the_bound_of_some_bits_allows_just_these(bits: int, samples: int, sigma: float) -> None:
    assert pc.bits_allowed(pc.mutual_information_bound(bits, 1, samples, sigma), samples, sigma) == bits


@given(layers=LAYERS, head=st.integers(0, 50))
def test_counts_are_the_sizes_of_the_arrays(layers: tuple[tuple[int, int], ...], head: int) -> None:
    rank = min(map(min, layers))
    b = sum(np.zeros((m, rank)).size for m, _ in layers)
    a = sum(np.zeros((rank, p)).size for _, p in layers)
    full = sum(np.zeros(shape).size for shape in layers)
    expected = {"full": full, "lora": a + b, "b-only": b, "a-only": a}
    assert {x: pc.tuned_parameters(x, layers, rank, head) for x in pc.ADAPTERS} == {
        x: count + head for x, count in expected.items()
    }


@given(
    adapter=ADAPTERS, layers=LAYERS, bits=st.integers(1, 32), samples=st.integers(1, 10**6), sigma=st.floats(0.1, 5.0)
)
def test_p22_monotone_in_every_size_and_halved_by_four_times_the_samples(
    adapter: str, layers: tuple[tuple[int, int], ...], bits: int, samples: int, sigma: float
) -> None:
    value = pc.adapter_bound(adapter, layers, 1, bits, samples, sigma)
    assert pc.adapter_bound(adapter, layers, 1, bits + 1, samples, sigma) > value
    assert pc.adapter_bound(adapter, layers, 1, bits, samples + 1, sigma) < value
    assert pc.adapter_bound(adapter, layers, 1, bits, samples, 1.5 * sigma) > value
    assert pc.adapter_bound(adapter, layers, 1, bits, samples, sigma, head=1) > value
    assert pc.adapter_bound(adapter, (*layers, (1, 1)), 1, bits, samples, sigma) > value
    close(pc.adapter_bound(adapter, layers, 1, bits, 4 * samples, sigma), value / 2)
    close(pc.adapter_bound(adapter, layers, 1, 4 * bits, samples, sigma), 2 * value)
    close(pc.adapter_bound(adapter, layers[::-1], 1, bits, samples, sigma), value)
    double = pc.adapter_bound(adapter, layers, 2, bits, samples, sigma)
    assert (double == value) if adapter == "full" else (double > value)


@given(layers=LAYERS, bits=st.integers(1, 32), samples=st.integers(1, 10**6))
def test_p22_pythagoras_ratios_and_the_rank_multiplier(
    layers: tuple[tuple[int, int], ...], bits: int, samples: int
) -> None:
    r = 1
    full, lora, b, a = (pc.adapter_bound(x, layers, r, bits, samples) for x in pc.ADAPTERS)
    close(lora**2, a**2 + b**2)
    rows, columns = sum(m for m, _ in layers), sum(p for _, p in layers)
    products = sum(m * p for m, p in layers)
    close(np.array([full, lora, b, a]) / b, np.sqrt([products / rows, 1 + columns / rows, 1.0, columns / rows]))
    close(pc.rank_multiplier(layers), 1 + columns / rows)
    close((lora / b) ** 2, pc.rank_multiplier(layers))
    assert (lora < full) == (r < pc.lora_beats_full_below(layers)) or abs(lora - full) <= 1e-12 * full


@given(
    half=st.lists(st.tuples(st.integers(4, 40), st.integers(4, 40)), min_size=1, max_size=4),
    bits=st.integers(1, 32),
    samples=st.integers(1, 10**6),
)
def test_p22_one_factor_of_twice_the_rank_has_the_bound_of_two_factors(
    half: list[tuple[int, int]], bits: int, samples: int
) -> None:
    """Wherever sum d_in = sum d_out: each layer beside its transpose, square ones among them."""
    layers = (*half, *((d_in, d_out) for d_out, d_in in half))
    for adapter in ("b-only", "a-only"):
        close(pc.adapter_bound(adapter, layers, 4, bits, samples), pc.adapter_bound("lora", layers, 2, bits, samples))


def test_printed_multipliers_and_the_rank_where_lora_is_no_smaller() -> None:
    assert pc.rank_multiplier(SQUARE) == 2.0
    assert pc.rank_multiplier(UP) == 1.25
    assert pc.rank_multiplier(DOWN) == 5.0
    assert pc.lora_beats_full_below(SQUARE) == 384.0


def test_a_frozen_factor_may_have_more_rows_than_the_other_side() -> None:
    """A head of 10 outputs: B alone at rank 64 is a map of 64 kept inputs, 0.2432 at 16 bits and 60,000 samples."""
    assert f"{pc.adapter_bound('b-only', ((10, 512),), 64, 16, 60_000):.4f}" == "0.2432"
    assert f"{pc.adapter_bound('b-only', ((10, 512),), 64, 4, 60_000):.4f}" == "0.1216"


def test_noise_and_bits_are_no_rungs_of_one_ladder() -> None:
    """80 bits tell 55 nats, far less than a weakly noised run; with stronger noise and more bits it is the reverse."""
    weak, strong = (pensia_information(80, [0.01] * 1000, [1.0] * 1000, [tau] * 1000) for tau in (0.005, 0.5))
    few, many = (pc.total_bits(80, q) * log(2) for q in (1, 16))
    close(few, 55.45, TABLE_DIGITS / few)
    assert xu_raginsky(few, 60_000) < xu_raginsky(weak, 60_000)
    assert xu_raginsky(strong, 60_000) < xu_raginsky(many, 60_000)


@given(bits=st.integers(1, 16), parameters=st.integers(1, 50), samples=st.integers(1, 1000))
def test_entropy_of_the_uniform_code_gives_back_the_count(bits: int, parameters: int, samples: int) -> None:
    count = pc.mutual_information_bound(parameters, bits, samples)
    close(pc.entropy_bound(parameters * bits * log(2), samples), count)
    close(pc.expected_code_bound(float(parameters * bits), samples), count)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pc.tuned_parameters("both", SQUARE, 8), "adapter 'both': expected one of full, lora, b-only, a-only"),
        (lambda: pc.tuned_parameters("lora", (), 8), "no layers"),
        (lambda: pc.tuned_parameters("full", ((0, 3),), 1), "layer 0x3"),
        (
            lambda: pc.tuned_parameters("lora", ((8, 8), (3, 9)), 4),
            "rank 4: expected 1 to 3, the shorter side of .* 3x9",
        ),
        (lambda: pc.tuned_parameters("b-only", ((3, 9), (9, 3)), 4), "rank 4: expected 1 to 3, d_in of the layer 9x3"),
        (lambda: pc.tuned_parameters("a-only", ((3, 9), (9, 3)), 4), "rank 4: expected 1 to 3, d_out of the layer 3x9"),
        (lambda: pc.tuned_parameters("b-only", SQUARE, 0), "rank 0"),
        (lambda: pc.tuned_parameters("a-only", SQUARE, 2, head=-1), "head of -1"),
        (lambda: pc.mutual_information_bound(5, 0, 10), "0 bits a parameter: expected at least 1"),
        (lambda: pc.mutual_information_bound(-1, 1, 10), "-1 parameters"),
        (lambda: pc.mutual_information_bound(5, 1, 0), "0 samples"),
        (lambda: pc.mutual_information_bound(5, 1, 10, 0.0), "sub-Gaussian constant 0.0"),
        (lambda: pc.entropy_bound(-0.1, 10), "information -0.1"),
        (lambda: pc.bits_allowed(-0.1, 10), "gap -0.1"),
        (lambda: pc.bits_allowed(float("inf"), 10), "gap inf: expected a finite number"),
    ],
)
def test_impossible_sizes_are_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
