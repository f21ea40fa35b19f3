"""Information of noisy descent: printed numbers, the limit in P, and the gradient factor against explicit gradients."""

from collections.abc import Sequence

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.checks import close
from tests.strategies import seeds
from theory.bounds.information import xu_raginsky
from theory.bounds.noisy_sgd import pensia_information, pensia_limit, squared_gradient_factor

NUMBERS = st.floats(0.01, 10.0)
RUNS = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=6)


def constant(noise: float, steps: int = 1000) -> tuple[list[float], list[float], list[float]]:
    return [0.01] * steps, [1.0] * steps, [noise] * steps


@pytest.mark.parametrize(
    ("parameters", "noise", "information", "bound"),
    [(80, 0.005, "1951.6", "0.1275"), (73728, 0.005, "1999.9", "0.1291"), (73728, 0.01, "500.0", "0.0645")],
)
def test_printed_numbers(parameters: int, noise: float, information: str, bound: str) -> None:
    value = pensia_information(parameters, *constant(noise))
    assert f"{value:.1f}" == information
    assert f"{xu_raginsky(value, 60_000):.4f}" == bound


def test_printed_number_to_two_decimals_and_the_smaller_noise() -> None:
    assert f"{pensia_information(73728, *constant(0.005)):.2f}" == "1999.95"
    assert f"{xu_raginsky(pensia_information(80, *constant(0.01)), 60_000):.4f}" == "0.0643"


@given(run=RUNS, parameters=st.integers(1, 10**6), more=st.integers(1, 10**6))
def test_p29_increasing_in_the_parameters_with_a_limit_that_has_none(
    run: Sequence[tuple[float, float, float]], parameters: int, more: int
) -> None:
    steps = tuple(map(list, zip(*run)))
    value, limit = pensia_information(parameters, *steps), pensia_limit(*steps)
    slack = 1 + 2.0**-46  # of sums of logarithms
    assert value <= pensia_information(parameters + more, *steps) * slack
    assert value <= limit * slack
    close(limit, sum(0.5 * (e * c / t) ** 2 for e, c, t in run))
    # ln(1 + x) >= x - x^2 / 2: the distance to the limit is at most sum ratio^2 / (4 P)
    assert limit - value <= sum((e * c / t) ** 4 for e, c, t in run) / (4 * parameters) + limit * (slack - 1)
    assert pensia_information(parameters, *steps) < pensia_information(2 * parameters, *steps) or limit < 1e-3


@given(run=RUNS)
def test_a_step_is_the_difference_of_gaussian_entropies(run: Sequence[tuple[float, float, float]]) -> None:
    parameters = 3
    expected = 0.0
    for eta, c, tau in run:
        noisy = np.diag(np.full(parameters, eta**2 * c**2 / parameters + tau**2))
        quiet = np.diag(np.full(parameters, tau**2))
        expected += 0.5 * (np.linalg.slogdet(noisy)[1] - np.linalg.slogdet(quiet)[1])
    close(pensia_information(parameters, *map(list, zip(*run))), expected)


@given(seed=seeds, shape=st.sampled_from([(3, 4), (5, 2), (4, 4)]), scale=st.sampled_from([1.0, 2.0]))
def test_gradient_factor_on_frozen_factors_that_average_to_the_identity(
    seed: int, shape: tuple[int, int], scale: float
) -> None:
    # cyclic windows of an orthonormal basis: their projectors average to r / d, exactly as for the uniform law
    rng, (m, p), rank = np.random.default_rng(seed), shape, 2
    g, x = rng.standard_normal(m), rng.standard_normal(p)
    full = np.linalg.norm(np.outer(g, x)) ** 2

    def windows(d: int) -> list[np.ndarray]:
        basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
        return [np.roll(basis, shift, axis=1)[:, :rank] for shift in range(d)]

    b_only = np.mean([np.linalg.norm(scale * np.outer(g, x) @ q) ** 2 for q in windows(p)])
    a_only = np.mean([np.linalg.norm(scale * u.T @ np.outer(g, x)) ** 2 for u in windows(m)])
    close(b_only / full, squared_gradient_factor("b-only", shape, rank, scale))
    close(a_only / full, squared_gradient_factor("a-only", shape, rank, scale))
    assert squared_gradient_factor("lora", shape, rank, scale) == squared_gradient_factor("b-only", shape, rank, scale)
    assert squared_gradient_factor("full", shape, rank, scale) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pensia_information(0, [0.1], [1.0], [0.1]), "0 parameters"),
        (lambda: pensia_information(5, [0.1], [1.0], [0.0]), r"noise 0.0: expected a positive .* infinite without"),
        (lambda: pensia_limit([0.1, 0.1], [1.0], [0.1]), "2 rates, 1 gradients, 1 noises"),
        (lambda: pensia_limit([], [], []), "0 rates"),
        (lambda: pensia_limit([-0.1], [1.0], [0.1]), "rate -0.1"),
        (lambda: pensia_limit([0.1], [float("inf")], [0.1]), "gradient norm inf"),
        (lambda: squared_gradient_factor("b-only", (3, 4), 5), "rank 5: expected 1 to 4 for b-only"),
        (lambda: squared_gradient_factor("a-only", (3, 4), 4), "rank 4: expected 1 to 3 for a-only"),
        (lambda: squared_gradient_factor("lora", (3, 4), 4), "rank 4: expected 1 to 3 for lora"),
        (lambda: squared_gradient_factor("c-only", (3, 4), 2), "adapter 'c-only'"),
    ],
)
def test_runs_that_do_not_exist_are_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
