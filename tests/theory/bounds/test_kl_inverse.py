"""Binary relative entropy and its upper inverse against closed forms, ball arithmetic and their own definition."""

import hypothesis.strategies as st
import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import example, given

from tests.checks import close
from tests.tolerances import IDENTITY, PRINTED_DIGITS, ROUNDING
from theory.bounds.kl_inverse import binary_kl, kl_inverse_upper

EXACT = ROUNDING["float64"]
probabilities = st.floats(0.0, 1.0)
inside = st.floats(1e-9, 1.0 - 1e-9)
divergences = st.floats(1e-12, 30.0)


def _ball(p: float, q: float) -> arb:
    """Return a ball that holds kl(p || q), 200 digits wide, for 0 <= p < 1 and q in between 0 and 1."""
    ctx.prec = 700
    p_ball, q_ball = arb(p), arb(q)
    first = p_ball * (p_ball / q_ball).log() if p > 0 else arb(0)
    return first + (1 - p_ball) * ((1 - p_ball) / (1 - q_ball)).log()


def _by_balls(p: float, q: float) -> float:
    return float(_ball(p, q))


def _rounded_upwards(p: float, c: float) -> bool:
    """Whether the inverse is the supremum rounded upwards in float64, or one step more."""
    q = float(kl_inverse_upper(p, c))
    before = float(np.nextafter(np.nextafter(q, 0.0), 0.0))
    return (q == 1.0 or bool(_ball(p, q) >= arb(c))) and (before <= p or bool(_ball(p, before) < arb(c)))


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


@given(st.floats(0.0, 1.0, exclude_max=True), st.floats(1e-30, 60.0))
@example(1.0857095121849174e-12, 3.077980474624319e-13)  # ln p - ln q in the place of ln(p/q) loses this one
def test_the_inverse_rounds_upwards(p: float, c: float) -> None:
    assert _rounded_upwards(p, c)


def test_the_inverse_rounds_upwards_on_a_thousand_points() -> None:
    rng = np.random.default_rng(0)
    rates = np.concatenate([rng.random(400), 10.0 ** rng.uniform(-14, 0, 300), 1 - 10.0 ** rng.uniform(-9, 0, 200)])
    rates = np.append(rates, np.zeros(100))
    assert all(_rounded_upwards(float(p), float(c)) for p, c in zip(rates, 10.0 ** rng.uniform(-16, 1.5, 1000)))


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
