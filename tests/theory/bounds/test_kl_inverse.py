"""Binary relative entropy and its upper inverse against closed forms, ball arithmetic and their own definition."""

import hypothesis.strategies as st
import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given

from tests.checks import close
from tests.tolerances import IDENTITY, PRINTED_DIGITS, ROUNDING
from theory.bounds.kl_inverse import binary_kl, kl_inverse_upper

EXACT = ROUNDING["float64"]
probabilities = st.floats(0.0, 1.0)
inside = st.floats(1e-9, 1.0 - 1e-9)
divergences = st.floats(1e-12, 30.0)


def _by_balls(p: float, q: float) -> float:
    """Return kl(p || q) with 200 digits of working precision."""
    ctx.prec = 700
    p_ball, q_ball = arb(p), arb(q)
    return float(p_ball * (p_ball / q_ball).log() + (1 - p_ball) * ((1 - p_ball) / (1 - q_ball)).log())


@given(inside, inside)
def test_binary_kl_is_its_formula(p: float, q: float) -> None:
    expected = _by_balls(p, q)
    assert abs(float(binary_kl(p, q)) - expected) <= EXACT * max(abs(p - q), expected)


def test_binary_kl_at_the_ends() -> None:
    q = np.array([0.0, 0.3, 1.0])
    np.testing.assert_array_equal(binary_kl(0.5, q[[0, 2]]), [np.inf, np.inf])
    close(binary_kl(0.0, q[:2]), [0.0, -np.log(0.7)])
    close(binary_kl(1.0, q[1:]), [-np.log(0.3), 0.0])
    assert float(binary_kl(0.0, 1.0)) == np.inf


@given(inside, divergences)
def test_p23_kl_of_the_inverse_is_c(p: float, c: float) -> None:
    """kl(p || q) = c, up to what one step of float64 in q (or in 1 - q) changes."""
    q = float(kl_inverse_upper(p, c))
    if q < 1.0:
        below, above = np.nextafter(q, 0.0), np.nextafter(q, 1.0)
        slack = IDENTITY["float64"] * max(c, 1e-6) + abs(_by_balls(p, below) - _by_balls(p, q))
        assert above >= 1.0 or _by_balls(p, above) >= c - slack
        assert below <= p or _by_balls(p, below) <= c + slack
    else:
        assert _by_balls(p, np.nextafter(1.0, 0.0)) <= c


@given(st.floats(0.01, 0.99), st.floats(1e-3, 3.0))
def test_the_inverse_rounds_upwards(p: float, c: float) -> None:
    """Within the one step of float64 that is left, the side on which bounds made of it are sound."""
    q = float(kl_inverse_upper(p, c))
    assert q == 1.0 or float(binary_kl(p, q)) > c >= float(binary_kl(p, np.nextafter(q, 0.0)))


@given(probabilities, st.floats(0.0, 1e3))
def test_p23_inverse_is_between_p_and_pinsker(p: float, c: float) -> None:
    q = float(kl_inverse_upper(p, c))
    assert p <= q <= min(1.0, p + np.sqrt(0.5 * c)) * (1 + EXACT)


@given(probabilities)
def test_p23_inverse_of_nothing_is_p(p: float) -> None:
    assert float(kl_inverse_upper(p, 0.0)) == p


@given(inside, divergences, st.floats(1.01, 3.0))
def test_p23_inverse_increases_with_c(p: float, c: float, factor: float) -> None:
    small, large = kl_inverse_upper(p, np.array([c, factor * c]))
    assert small < large or large >= 1.0 - 2 * np.finfo(float).eps or factor * c < 1e-11


@given(st.floats(0.0, 600.0))
def test_p23_inverse_at_zero_has_a_closed_form(c: float) -> None:
    close(kl_inverse_upper(0.0, c), -np.expm1(-c))


def test_the_inverse_broadcasts_and_prints_as_known() -> None:
    found = kl_inverse_upper(np.array([[0.1], [0.0]]), np.array([0.05, np.inf]))
    close(found[0, 0], 0.220079, PRINTED_DIGITS)
    np.testing.assert_array_equal(found[:, 1], [1.0, 1.0])
    assert isinstance(float(kl_inverse_upper(0.1, 0.05)), float)


@pytest.mark.parametrize(("p", "c"), [(-0.1, 1.0), (1.1, 1.0), (float("nan"), 1.0), (0.5, -1.0), (0.5, float("nan"))])
def test_bad_input_is_named(p: float, c: float) -> None:
    with pytest.raises(ValueError, match=r"expected a number (in \[0, 1\]|>= 0)"):
        kl_inverse_upper(p, c)


def test_bad_probability_of_kl() -> None:
    with pytest.raises(ValueError, match=r"q 2: expected a number in \[0, 1\]"):
        binary_kl(0.5, 2)
