"""Certificates from code length: printed oracles, exact tails in rational arithmetic, order, bad input."""

from fractions import Fraction
from math import comb, log

import hypothesis.strategies as st
import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given
from scipy.stats import beta

from tests.checks import close
from tests.tolerances import IDENTITY, PRINTED_DIGITS, ROUNDING
from theory.bounds.code_length import best_of_bits, budget, catoni, occam_binomial, occam_hoeffding, occam_kl

EXACT = ROUNDING["float64"]
DELTA = 0.05

# training error 0.15, n = 60 000, delta = 0.05: bits, Hoeffding, kl, binomial
PRINTED = (
    (0, 0.1550, 0.1536, 0.1524),
    (100, 0.1745, 0.1681, 0.1677),
    (500, 0.2040, 0.1912, 0.1909),
    (1000, 0.2262, 0.2096, 0.2094),
    (2560, 0.2717, 0.2497, 0.2496),
    (5000, 0.3200, 0.2954, 0.2953),
    (10_000, 0.3904, 0.3662, 0.3661),
    (20_000, 0.4899, 0.4707, 0.4706),
    (50_000, 0.6874, 0.6691, 0.6691),
    (100_000, 0.9100, 0.8389, 0.8388),
    (294_912, 1.4552, 0.9889, 0.9889),
)
# as printed before: the exact tail underflows in float64 from about 1070 bits on, where 0.2116 was returned
BEYOND_UNDERFLOW = ((1100, 0.2125), (1500, 0.2241), (2000, 0.2368), (2560, 0.2496))

sizes = st.integers(1, 400)
bit_counts = st.sampled_from([0, 1, 7, 40, 1000, 30_000, 294_912])
deltas = st.sampled_from([1e-9, 0.05, 0.5, 0.99])


def _case(draw: st.DataObject) -> tuple[int, int]:
    n = draw.draw(sizes)
    return draw.draw(st.integers(0, n)), n


@pytest.mark.parametrize(("bits", "hoeffding", "kl", "binomial"), PRINTED)
def test_printed_certificates(bits: int, hoeffding: float, kl: float, binomial: float) -> None:
    close(occam_hoeffding(0.15, 60_000, bits, DELTA), hoeffding, PRINTED_DIGITS)
    close(occam_kl(0.15, 60_000, bits, DELTA), kl, PRINTED_DIGITS)
    close(occam_binomial(9000, 60_000, bits, DELTA), binomial, PRINTED_DIGITS)


@pytest.mark.parametrize(("bits", "expected"), BEYOND_UNDERFLOW)
def test_binomial_is_sound_where_the_tail_underflows(bits: int, expected: float) -> None:
    close(occam_binomial(9000, 60_000, bits, DELTA), expected, PRINTED_DIGITS)


@pytest.mark.parametrize(("bits", "expected"), [(100, 0.00120), (1000, 0.01154), (10_000, 0.10915)])
def test_printed_certificates_without_errors(bits: int, expected: float) -> None:
    close(occam_kl(0.0, 60_000, bits, DELTA), expected, PRINTED_DIGITS)


@pytest.mark.parametrize(
    ("error", "bits", "expected"), [(0.08, 1306, 0.1356), (0.05, 1306, 0.0971), (0.12, 1306, 0.184)]
)
def test_estimates_for_a_head_of_64_projections(error: float, bits: int, expected: float) -> None:
    close(occam_kl(error, 60_000, bits, DELTA), expected, 10 * PRINTED_DIGITS)


@given(st.data(), bit_counts, deltas)
def test_p24_binomial_below_kl_below_hoeffding(data: st.DataObject, bits: int, delta: float) -> None:
    k, n = _case(data)
    binomial, kl = float(occam_binomial(k, n, bits, delta)), float(occam_kl(k / n, n, bits, delta))
    assert binomial <= kl * (1 + EXACT)
    assert kl <= float(occam_hoeffding(k / n, n, bits, delta)) * (1 + EXACT)


@given(st.data(), deltas)
def test_p25_without_bits_it_is_the_limit_of_clopper_and_pearson(data: st.DataObject, delta: float) -> None:
    k, n = _case(data)
    expected = 1.0 if k == n else beta.ppf(1.0 - delta, k + 1, n - k)
    if delta < 1e-6:  # 1 - delta loses digits; the other tail does not
        expected = 1.0 if k == n else beta.isf(delta, k + 1, n - k)
    close(occam_binomial(k, n, 0, delta), expected, IDENTITY["float64"])


@pytest.mark.parametrize("n", [10**4, 10**6, 10**8, 10**10, 10**12])
def test_rounding_of_large_factorials_never_lowers_the_limit(n: int) -> None:
    k = np.array([1, 2, 5, 70, 1000])
    exact = beta.isf(DELTA, k + 1, n - k)
    found = occam_binomial(k, n, 0, DELTA)
    assert np.all(found >= exact * (1 - ROUNDING["float64"]))
    assert np.all(found <= 1.01 * exact)


@given(st.integers(1, 12), st.integers(0, 60), st.data())
def test_binomial_inverts_the_exact_tail(n: int, bits: int, data: st.DataObject) -> None:
    """In rational arithmetic: the tail at the answer is below delta 2^-b, and just before it is above."""
    k = data.draw(st.integers(0, n - 1))
    found = float(occam_binomial(k, n, bits, DELTA))
    level = Fraction(DELTA) / 2**bits
    step = IDENTITY["float64"] * (1 - found)

    def tail(p: float) -> Fraction:
        exact = Fraction(p)
        return sum((comb(n, j) * exact**j * (1 - exact) ** (n - j) for j in range(k + 1)), Fraction(0))

    assert tail(found - step - np.finfo(float).eps) >= level
    assert found == 1.0 or tail(min(1.0, found + step + np.finfo(float).eps)) <= level


def test_binomial_of_many_bits_against_ball_arithmetic() -> None:
    """n = 2000, 300 errors, 30 000 bits: ln of the tail is about -20 800, far below the smallest float64."""
    n, k, bits = 2000, 300, 5000
    ctx.prec = 20_000
    found = float(occam_binomial(k, n, bits, DELTA))

    def log_tail(p: float) -> float:
        ball = arb(p)
        total = sum((arb(comb(n, j)) * ball**j * (1 - ball) ** (n - j) for j in range(k + 1)), arb(0))
        return float(total.log())

    wanted = -float(budget(bits, DELTA))
    assert (
        log_tail(found * (1 - IDENTITY["float64"])) >= wanted >= log_tail(min(1.0, found * (1 + IDENTITY["float64"])))
    )


@given(st.data(), bit_counts, st.floats(0.01, 20.0))
def test_kl_is_the_smallest_catoni(data: st.DataObject, bits: int, constant: float) -> None:
    k, n = _case(data)
    kl = float(occam_kl(k / n, n, bits, DELTA))
    assert float(catoni(k / n, n, bits, DELTA, constant)) >= kl * (1 - EXACT)
    if k and kl < 0.999:
        p = k / n
        best = log(kl * (1 - p) / (p * (1 - kl)))  # where the two touch
        close(catoni(p, n, bits, DELTA, best), kl, IDENTITY["float64"])


@given(st.data(), st.integers(0, 500))
def test_certificates_grow_with_bits(data: st.DataObject, bits: int) -> None:
    k, n = _case(data)
    two = np.array([bits, bits + 1])
    for found in (
        occam_hoeffding(k / n, n, two, DELTA),
        occam_kl(k / n, n, two, DELTA),
        occam_binomial(k, n, two, DELTA),
    ):
        assert found[0] <= found[1]


@pytest.mark.parametrize(("candidates", "bits"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1024, 10), (1025, 11)])
def test_best_of_k_costs_its_logarithm(candidates: int, bits: int) -> None:
    assert best_of_bits(candidates) == bits


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: occam_hoeffding(0.1, 0, 5, 0.05), "0 samples: expected at least 1"),
        (lambda: occam_hoeffding(1.5, 10, 5, 0.05), r"training error 1.5: expected a number in \[0, 1\]"),
        (lambda: occam_kl(0.1, 10, -1, 0.05), "-1 bits of description: expected a finite number >= 0"),
        (lambda: occam_kl(0.1, 10, float("inf"), 0.05), "inf bits of description: expected a finite number >= 0"),
        (lambda: occam_kl(0.1, 10, 5, 1.0), "delta 1: expected a number strictly between 0 and 1"),
        (lambda: occam_binomial(1, 10, 5, 0.0), "delta 0: expected a number strictly between 0 and 1"),
        (lambda: occam_binomial(1.5, 10, 5, 0.05), "1.5 errors of 10 samples: expected a whole number from 0 to n"),
        (lambda: occam_binomial(11, 10, 5, 0.05), "11 errors of 10 samples: expected a whole number from 0 to n"),
        (lambda: catoni(0.1, 10, 5, 0.05, 0.0), "Catoni's constant 0.0: expected a positive finite number"),
        (lambda: best_of_bits(0), "best of 0 candidates: expected at least 1"),
    ],
)
def test_bad_input_is_named(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()
