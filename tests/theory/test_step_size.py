"""Size of the frozen factor against size of the step: exact for gradient descent; numbers of the official code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checks import close
from tests.strategies import seeds
from theory.step_size import kaiming_norm, matched_learning_rate, step_gain


def rounded(value: float, digits: int) -> str:
    return f"{value:.{digits}f}"


@pytest.mark.parametrize(
    ("rank", "norm", "squared", "over_a"), [(8, "6.53", "42.7", "11.3"), (16, "4.62", "21.3", "8.0")]
)
def test_a_frozen_kaiming_b_takes_steps_of_the_published_size(rank: int, norm: str, squared: str, over_a: str) -> None:
    b, a = kaiming_norm(1024, rank), kaiming_norm(1024, 1024)
    assert rounded(b, 2) == rounded(step_gain(b, "adam"), 2) == norm
    assert rounded(step_gain(b, "sgd"), 1) == squared
    assert rounded(b / a, 1) == over_a
    assert rounded(a, 3) == "0.577"


def descend(frozen: np.ndarray, gradient: object, rate: float, steps: int, optimiser: str) -> list[np.ndarray]:
    """Return the products B A of every step of training B from zero, by the two update rules written out."""
    b = np.zeros((4, frozen.shape[0]))
    first, second, path = np.zeros_like(b), np.zeros_like(b), []
    for step in range(1, steps + 1):
        g = gradient(b @ frozen) @ frozen.T  # type: ignore[operator]
        if optimiser == "sgd":
            b = b - rate * g
        else:
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
            b = b - rate * (first / (1 - 0.9**step)) / np.sqrt(second / (1 - 0.999**step))
        path.append(b @ frozen)
    return path


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@given(seed=seeds, size=st.floats(0.1, 10.0))
def test_training_with_a_larger_frozen_factor_is_training_at_the_larger_rate(
    optimiser: str, seed: int, size: float
) -> None:
    rng = np.random.default_rng(seed)
    target, x, frozen = rng.standard_normal((4, 6)), rng.standard_normal((6, 9)), rng.standard_normal((2, 6))

    def gradient(delta: np.ndarray) -> np.ndarray:
        return np.tanh((delta - target) @ x) @ x.T

    small, steps = 1e-3, 5
    grown = descend(size * frozen, gradient, small, steps, optimiser)
    faster = descend(frozen, gradient, small * step_gain(size, optimiser), steps, optimiser)
    close(grown, faster)
    matched = matched_learning_rate(small, size, optimiser)
    close(
        descend(size * frozen, gradient, matched, steps, optimiser), descend(frozen, gradient, small, steps, optimiser)
    )


def test_sizes_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sizes 0 and 3: expected whole numbers >= 1"):
        kaiming_norm(0, 3)
    with pytest.raises(ValueError, match=r"norm 0\.0 of the frozen factor"):
        step_gain(0.0, "sgd")
    for rate in (-0.1, 0.0, float("nan")):
        with pytest.raises(ValueError, match=f"learning rate {rate}: expected a positive finite number"):
            matched_learning_rate(rate, 2.0, "sgd")
    with pytest.raises(ValueError, match="optimiser 'lion' is unknown"):
        matched_learning_rate(0.1, 1.0, "lion")
