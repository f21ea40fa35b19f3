"""Shape checking really is on under pytest: without this, a broken plug-in would pass every test in silence."""

import jax.numpy as jnp
import numpy as np
import pytest

from theory.losses import SQUARED
from theory.rank_thresholds import pataki_rank


def test_a_well_typed_call_passes() -> None:
    p = np.ones((3, 2))
    np.testing.assert_array_equal(SQUARED.value(p, np.zeros((3, 2))), np.ones(3))


def test_jax_arrays_are_checked_too() -> None:
    assert SQUARED.value(jnp.ones((3, 2)), jnp.zeros((3, 2))).shape == (3,)
    with pytest.raises(TypeError, match=r"parameter .p."):
        SQUARED.value(jnp.ones(3), jnp.zeros(3))


def test_a_wrong_number_of_axes_raises() -> None:
    with pytest.raises(TypeError, match=r"parameter .p."):
        SQUARED.value(np.ones((3, 2, 1)), np.zeros((3, 2, 1)))


def test_a_wrong_dtype_raises() -> None:
    with pytest.raises(TypeError, match=r"parameter .p."):
        SQUARED.value(np.ones((3, 2), dtype=np.int64), np.zeros((3, 2)))


def test_plain_python_types_are_checked() -> None:
    assert pataki_rank(6) == 3
    with pytest.raises(TypeError, match=r"parameter .measurements."):
        pataki_rank(6.0)  # type: ignore[arg-type]


def test_silent_promotion_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no available implicit dtype promotion path"):
        jnp.ones(2, dtype=jnp.float32) + jnp.ones(2, dtype=jnp.float64)
    with pytest.raises(ValueError, match=r"(?i)rank.promotion"):
        jnp.ones((3, 2)) + jnp.ones(2)


def test_promotion_can_be_relaxed_for_third_party_code(relaxed_promotion: None) -> None:
    assert (jnp.ones(2, dtype=jnp.float32) + jnp.ones((3, 2), dtype=jnp.float64)).dtype == jnp.float64
