"""First-order training: each rule against its definition in numpy, and the noise where it is asked for."""

import numpy as np
import pytest

from sims.errors import BadInput
from sims.landscape.first_order import train
from sims.landscape.search import Landscape, gaussian_starts
from tests.tolerances import IDENTITY
from theory import factored_objective as lora
from theory.losses import SQUARED

STEP = 0.02


def small_landscape(n: int = 5) -> Landscape:
    g = np.random.default_rng(0)
    return Landscape(g.standard_normal((n, 1, 3, 4)), np.zeros((n, 1)), g.standard_normal((n, 1)), SQUARED, 0.1)


def slope(landscape: Landscape, q: np.ndarray) -> np.ndarray:
    return lora.gradient(landscape.gradients, landscape.f0, landscape.y, landscape.loss, landscape.lam, q)


def test_gradient_descent_takes_gradient_steps_and_records_the_objective() -> None:
    landscape = small_landscape()
    starts = gaussian_starts(landscape, 2, 3, scale=0.5, seed=1)
    found = train(landscape, starts, rule="gradient", step=STEP, steps=7)
    for row, q in enumerate(starts):
        for number in range(8):
            value = lora.objective(landscape.gradients, landscape.f0, landscape.y, SQUARED, landscape.lam, q)
            assert found.objective[row, number] == pytest.approx(float(value), rel=IDENTITY[np.float64])
            q = q if number == 7 else q - STEP * slope(landscape, q)
        np.testing.assert_allclose(found.q[row], q, rtol=IDENTITY[np.float64])


def test_adam_follows_its_recursion() -> None:
    landscape = small_landscape()
    q = gaussian_starts(landscape, 2, 1, scale=0.5, seed=2)
    found = train(landscape, q, rule="adam", step=STEP, steps=5)
    expected, first, second = q[0], 0.0, 0.0
    for t in range(1, 6):
        g = slope(landscape, expected)
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        expected = expected - STEP * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(found.q[0], expected, rtol=IDENTITY[np.float64])


def test_one_step_of_sgd_is_a_step_on_one_sample() -> None:
    landscape = small_landscape()
    q = gaussian_starts(landscape, 2, 1, scale=0.5, seed=3)
    found = train(landscape, q, rule="sgd", step=STEP, steps=1, seed=4)
    singles = []
    for i in range(5):
        part = Landscape(landscape.gradients[i : i + 1], np.zeros((1, 1)), landscape.y[i : i + 1], SQUARED, 0.1)
        singles.append(float(np.abs(found.q[0] - (q[0] - STEP * slope(part, q[0]))).max()))
    assert min(singles) <= IDENTITY[np.float64]
    assert sorted(singles)[1] > IDENTITY[np.float64]


def test_noise_has_its_standard_deviation_and_its_seed() -> None:
    landscape = small_landscape()
    q = np.repeat(gaussian_starts(landscape, 2, 1, scale=0.5, seed=5), 400, axis=0)
    settings = {"rule": "gradient", "step": STEP, "steps": 1, "noise": 0.3}
    found = train(landscape, q, seed=6, **settings)
    drawn = (q[0] - STEP * slope(landscape, q[0]) - found.q) / STEP
    assert drawn.std() == pytest.approx(0.3, rel=0.05)
    np.testing.assert_array_equal(found.q, train(landscape, q, seed=6, **settings).q)
    assert np.abs(found.q - train(landscape, q, seed=7, **settings).q).max() > 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rule": "newton"}, "rule 'newton' is unknown: expected one of gradient, sgd, adam"),
        ({"step": 0.0}, "step 0.0, 3 steps, noise 0.0: expected step > 0"),
        ({"steps": 0}, "expected step > 0, steps >= 1"),
        ({"noise": -1.0}, "noise >= 0"),
    ],
)
def test_bad_settings_are_refused(changed: dict, message: str) -> None:
    landscape = small_landscape()
    starts = gaussian_starts(landscape, 2, 1, scale=0.5, seed=1)
    with pytest.raises(BadInput, match=message):
        train(landscape, starts, **({"rule": "gradient", "step": STEP, "steps": 3} | changed))


def test_other_landscapes_and_shapes_are_refused() -> None:
    landscape = small_landscape()
    with pytest.raises(BadInput, match=r"starts have shape \(1, 3, 2\): expected \(count, 7, rank\)"):
        train(landscape, np.ones((1, 3, 2)), rule="gradient", step=STEP, steps=1)
    perturbed = Landscape(landscape.gradients, landscape.f0, landscape.y, SQUARED, 0.1, perturbation=np.eye(7))
    with pytest.raises(BadInput, match="without P"):
        train(perturbed, np.ones((1, 7, 2)), rule="gradient", step=STEP, steps=1)
