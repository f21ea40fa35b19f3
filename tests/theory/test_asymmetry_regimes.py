"""Regimes in which tuning B alone is not the better choice, or is so for another reason than the fit: a test each."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import beta, f

from sims.certified_adapters.fits import least_squares
from sims.certified_adapters.frozen import frozen_a
from sims.certified_adapters.task import Task, make_task
from sims.data import load
from sims.haar import (
    captured_a_only,
    captured_b_only,
    captured_fits,
    frozen_rows,
    orthonormal_rows,
    spectral_captured_fits,
)
from tests.checks import close
from tests.strategies import matrix_with_spectrum, orthonormal_columns
from tests.theory.linear_problems import haar_rows, standard_errors
from tests.tolerances import CLOSED_FORM, MONTE_CARLO, PRINTED_DIGITS
from theory.bounds.parameter_count import adapter_bound, tuned_parameters
from theory.captured_fit import (
    BetaLaw,
    captured_fraction_law,
    mean_captured_a_only,
    mean_captured_b_only,
    rho,
    theta,
    theta_r,
)
from theory.finite_sample_risks import a_only_risks, b_only_risks, full_risks
from theory.linear_adapters import excess_risk, fit_a_only, fit_b_only, fit_both
from theory.linear_duality import LinearProblem, dual
from theory.step_size import kaiming_norm, matched_learning_rate, step_gain
from theory.whitened_form import inverse_root

D = 40


def _power_law(d: int, exponent: float) -> np.ndarray:
    return np.diag(np.arange(1.0, d + 1.0) ** -exponent)


def test_c1_white_inputs_and_a_square_matrix_make_a_coin_flip() -> None:
    rng = np.random.default_rng(0)
    fits = captured_fits(rng.standard_normal((16, 16)), 2.0 * np.eye(16), 3, 20_000, seed=0)
    assert abs(standard_errors(fits.b_only - fits.a_only, 0.0)) <= MONTE_CARLO
    assert abs(standard_errors((fits.b_only > fits.a_only).astype(float), 0.5)) <= MONTE_CARLO
    # for a multiple of an orthogonal matrix it is a tie in every draw
    delta = 3.0 * orthonormal_columns(rng, 16, 16)
    rows = haar_rows(rng, 50, 3, 16)
    b_only, a_only = (
        captured_b_only(delta, np.eye(16), rows),
        captured_a_only(delta, np.eye(16), np.swapaxes(rows, 1, 2)),
    )
    close(b_only, np.full(50, 27.0), CLOSED_FORM)
    close(a_only, np.full(50, 27.0), CLOSED_FORM)


def test_c1_anisotropic_inputs_are_no_coin_flip_even_where_the_means_are_equal() -> None:
    """Rank-one change on a direction with p_i = r/d: equal means, but only II_B has the Beta law."""
    d, draws = 10, 40_000
    squares = np.random.default_rng(9).standard_normal((draws, d)) ** 2

    def variances(own: float) -> np.ndarray:
        return np.array([own, 1.0] + [0.01] * (d - 2))

    def share(own: float) -> np.ndarray:
        return own * squares[:, 0] / (squares @ variances(own))

    own = brentq(lambda x: float(share(x).mean()) - 1 / d, 0.01, 1.0)
    fits = captured_fits(np.diag(np.eye(d)[0]), np.diag(variances(own)), 1, draws, seed=10)
    error = np.hypot(fits.log_ratio_error, standard_error_of_log(share(own)))
    assert abs(fits.log_ratio) <= MONTE_CARLO * error
    assert abs(standard_errors((fits.b_only > fits.a_only).astype(float), 0.5)) > MONTE_CARLO


def standard_error_of_log(draws: np.ndarray) -> float:
    return float(draws.std() / draws.size**0.5 / draws.mean())


def test_c2_white_inputs_and_more_inputs_than_outputs_favour_a_only() -> None:
    d_out, d_in, r = 8, 32, 4
    delta = np.random.default_rng(1).standard_normal((d_out, d_in))
    total = float(np.sum(delta**2))
    fits = captured_fits(delta, np.eye(d_in), r, 10_000, seed=1)
    assert abs(standard_errors(fits.b_only, r / d_in * total)) <= MONTE_CARLO
    assert abs(standard_errors(fits.a_only, r / d_out * total)) <= MONTE_CARLO
    assert fits.log_ratio + MONTE_CARLO * fits.log_ratio_error < 0
    close(theta_r(delta, np.eye(d_in), r), d_out / d_in, CLOSED_FORM)


def test_c3_a_head_of_few_outputs_is_fitted_exactly_by_a_only() -> None:
    rng = np.random.default_rng(2)
    delta, sigma = rng.standard_normal((10, 64)), _power_law(64, 1.0)
    total = excess_risk(delta, 0 * delta, sigma)
    for r in (10, 12):
        u = rng.standard_normal((10, r))
        assert fit_a_only(delta, sigma, u).approximation <= CLOSED_FORM * total
        captured = captured_b_only(delta, sigma, haar_rows(rng, 500, r, 64))
        assert captured.max() < total
        assert standard_errors(captured, total) < -MONTE_CARLO
        # with white inputs what B alone leaves is (1 - r/d_in) T on average, against nothing
        white = captured_b_only(delta, np.eye(64), haar_rows(rng, 500, r, 64))
        assert abs(standard_errors(white, r / 64 * float(np.sum(delta**2)))) <= MONTE_CARLO


def test_c3_on_digits_a_only_of_full_output_rank_is_the_full_fit(digits_head: Task) -> None:
    outputs = digits_head.shape[0]
    full = least_squares(digits_head, "full", 0)
    b = orthonormal_rows(np.random.default_rng(0), outputs, outputs).T
    a_only = least_squares(digits_head, "a-only", outputs, b=b)
    close(a_only.update, full.update, CLOSED_FORM)
    assert digits_head.errors(a_only.update) == digits_head.errors(full.update)
    b_only = least_squares(digits_head, "b-only", outputs, a=frozen_a(digits_head, outputs, "random", 0))
    assert digits_head.errors(b_only.update) > 2 * digits_head.errors(full.update)


@pytest.mark.parametrize("r", [1, 4, 16])
@pytest.mark.parametrize("decay", [0.5, 1.0, 2.0])
def test_c4_a_change_on_directions_of_low_variance_favours_a_only(decay: float, r: int) -> None:
    sigma, bottom = _power_law(D, decay), np.diag((np.arange(D) >= 3 * D // 4).astype(float))
    assert theta(bottom, sigma) < 1
    assert theta_r(bottom, sigma, r) < 1
    fits = captured_fits(bottom, sigma, r, 4000, seed=r)
    assert fits.log_ratio + MONTE_CARLO * fits.log_ratio_error < 0
    # m_i in the reverse order of the variances reverses the inequality of the theorem: E II_A <= (r/d_in) T
    reverse = np.diag(np.sqrt(np.arange(1.0, D + 1.0)) / np.sqrt(np.diag(sigma)))
    total = D * (D + 1) / 2
    low = captured_fits(reverse, sigma, r, 4000, seed=100 + r).b_only
    assert standard_errors(low, r / D * total) < -MONTE_CARLO
    assert mean_captured_b_only(reverse, sigma, r) < r / D * total


def test_c5_both_single_factors_capture_little_of_a_low_rank_change() -> None:
    d, r = 1024, 8
    weights = np.zeros(d)
    weights[:r] = 1.0
    fits = spectral_captured_fits(np.ones(d), weights, weights, r, 400, seed=0)
    for captured in (fits.b_only, fits.a_only):
        assert abs(standard_errors(captured / r, r / d)) <= MONTE_CARLO
    assert f"{r / d:.2%}" == "0.78%"
    rng = np.random.default_rng(3)
    delta = matrix_with_spectrum(rng, (64, 64), [1.0] * r)
    assert fit_both(delta, np.eye(64), r).approximation <= CLOSED_FORM * r


def test_c6_a_known_output_direction_makes_a_only_exact() -> None:
    rng = np.random.default_rng(4)
    left, right = orthonormal_columns(rng, D, 3), orthonormal_columns(rng, D, 1)
    delta, sigma = left[:, :1] @ right.T, _power_law(D, 0.5)
    total = excess_risk(delta, 0 * delta, sigma)
    assert fit_a_only(delta, sigma, left).approximation <= CLOSED_FORM * total
    captured = captured_b_only(delta, sigma, haar_rows(rng, 2000, 3, D))
    assert captured.max() < total
    assert standard_errors(captured, total) < -MONTE_CARLO


def test_c7_an_anisotropic_output_metric_swaps_the_roles() -> None:
    rng, r = np.random.default_rng(5), 3
    problem = LinearProblem(np.eye(D), np.eye(D), _power_law(D, 1.0))
    swapped = dual(problem)
    rows = haar_rows(rng, 500, r, D)
    b_only = np.array([fit_b_only(problem.delta, problem.sigma, q, problem.metric).captured for q in rows])
    a_only = np.array([fit_a_only(problem.delta, problem.sigma, q.T, problem.metric).captured for q in rows])
    assert standard_errors(a_only - b_only, 0.0) > MONTE_CARLO
    total = float(np.trace(problem.metric))
    assert abs(standard_errors(b_only, r / D * total)) <= MONTE_CARLO
    # the same numbers as for coloured inputs and the plain metric, with the factors exchanged
    np.testing.assert_allclose(
        captured_b_only(swapped.delta, swapped.sigma, rows), a_only, rtol=0, atol=CLOSED_FORM * total
    )
    assert theta_r(swapped.delta, swapped.sigma, r) > 1


def test_c8_whitening_takes_the_advantage_of_b_only_away() -> None:
    rng, r, sigma = np.random.default_rng(6), 4, _power_law(D, 1.0)
    top = np.diag((np.arange(D) < D // 4).astype(float))
    total = float(np.trace(top @ sigma))
    rows = frozen_rows(rng, 4000, r, D)
    plain, whitened = captured_b_only(top, sigma, rows), captured_b_only(top, sigma, rows @ inverse_root(sigma))
    chance = mean_captured_a_only(total, D, r)
    assert standard_errors(plain, chance) > MONTE_CARLO
    assert abs(standard_errors(whitened, chance)) <= MONTE_CARLO
    # whitening the inputs is the same problem with Sigma = I
    np.testing.assert_allclose(
        whitened, captured_b_only(top @ np.sqrt(sigma), np.eye(D), rows), rtol=0, atol=CLOSED_FORM * total
    )
    # and on a wide matrix it reverses the choice
    wide = top[: D // 2]
    assert theta_r(wide, sigma, r) > 1 > theta_r(wide @ np.sqrt(sigma), np.eye(D), r)


@pytest.mark.parametrize("rank", [16, 64])
def test_c8_on_digits_a_whitened_random_a_loses_what_a_random_a_had(digits_head: Task, rank: int) -> None:
    """Random ReLU features have a spectrum; A = Q Sigma^(-1/2), Sigma from the public part, does not see it."""
    public = digits_head.public.astype(np.float64)
    moment = public.T @ public / len(public)
    moment += 1e-6 * np.trace(moment) / len(moment) * np.eye(len(moment))
    for seed in range(3):
        q = frozen_a(digits_head, rank, "random", seed)
        plain, white = (
            digits_head.errors(least_squares(digits_head, "b-only", rank, a=a).update)
            for a in (q, q @ inverse_root(0.5 * (moment + moment.T)))
        )
        assert white > 1.5 * plain


@pytest.fixture(scope="module")
def digits_head() -> Task:
    return make_task(load("digits"), public=500, width=512, seed=0)


def test_c9_fewer_samples_than_inputs_favour_b_only() -> None:
    """B-only has a finite risk from n = r + 2 on; A-only needs a ridge, and the best ridge does not help it here."""
    rng, n, r, noise, runs = np.random.default_rng(7), 20, 4, 0.01, 300
    sigma = _power_law(D, 3.0)
    delta = np.eye(D)
    q, u = haar_rows(rng, 1, r, D)[0], orthonormal_columns(rng, D, r)
    optimum = D * noise + fit_b_only(delta, sigma, q).approximation
    with pytest.raises(ValueError, match=rf"n = {n} samples with d_in = {D}: expected n > d_in \+ 1 = {D + 1}"):
        a_only_risks(D * noise + fit_a_only(delta, sigma, u).approximation, n, D, r, noise)
    ridges = 10.0 ** np.arange(-6, 3)
    b_only, a_only = np.zeros(runs), np.zeros((runs, len(ridges)))
    for run in range(runs):
        x = rng.standard_normal((n, D)) * np.sqrt(np.diag(sigma))
        y = x @ delta.T + noise**0.5 * rng.standard_normal((n, D))
        b = np.linalg.lstsq(x @ q.T, y, rcond=None)[0].T
        b_only[run] = D * noise + excess_risk(delta, b @ q, sigma)
        for i, ridge in enumerate(ridges):
            a = np.linalg.solve(x.T @ x + ridge * np.eye(D), x.T @ y @ u).T
            a_only[run, i] = D * noise + excess_risk(delta, u @ a, sigma)
    assert abs(standard_errors(b_only, b_only_risks(optimum, n, r).population)) <= MONTE_CARLO
    best = int(a_only.mean(axis=0).argmin())
    assert 0 < best < len(ridges) - 1
    assert standard_errors(a_only[:, best] - b_only, 0.0) > MONTE_CARLO


def test_c10_a_layer_of_many_outputs_has_the_smaller_bound_for_a_only() -> None:
    up = [(3072, 768)] * 12
    found = {name: adapter_bound(name, up, 8, 4, 60_000) for name in ("a-only", "b-only")}
    assert {name: f"{bound:.3f}" for name, bound in found.items()} == {"a-only": "1.305", "b-only": "2.610"}
    close(found["a-only"] / found["b-only"], np.sqrt(768 / 3072), CLOSED_FORM)
    down = [(768, 3072)] * 12
    close(adapter_bound("b-only", down, 8, 4, 60_000), found["a-only"], CLOSED_FORM)


def test_c11_fewer_parameters_and_the_larger_gap() -> None:
    """d_in = 10, d_out = 6, r = 3, n = 40, noise 0.7: printed risks of the misspecified regression."""
    d_out, d_in, r, n, noise = 6, 10, 3, 40, 0.7**2
    b_only = b_only_risks(42.556 / (1 - r / n), n, r)
    a_only = a_only_risks(26.852 + r * noise * d_in / n, n, d_in, r, noise)
    full = full_risks(d_out * noise, n, d_in)
    assert [f"{risks.gap:.2f}" for risks in (b_only, a_only, full)] == ["7.28", "0.87", "1.75"]
    close([b_only.population, a_only.population, full.population], [49.841, 27.727, 3.9538], PRINTED_DIGITS)
    sizes = [tuned_parameters(name, [(d_out, d_in)], r) for name in ("b-only", "a-only", "full")]
    assert sizes == [18, 30, 60]


def test_c12_the_collapse_of_a_large_frozen_b_is_one_of_step_size() -> None:
    """Gradient descent on A with B = c U diverges at the step size of c = 1; at that over c^2 the path is the same."""
    d_out, d_in, r, steps = 1024, 12, 8, 60
    rng = np.random.default_rng(8)
    c = kaiming_norm(d_out, r)
    assert f"{step_gain(c, 'sgd'):.1f}" == "42.7"
    delta, sigma = rng.standard_normal((d_out, d_in)), _power_law(d_in, 0.5)
    u = orthonormal_columns(rng, d_out, r)

    def losses(scale: float, learning_rate: float) -> np.ndarray:
        b, a, found = scale * u, np.zeros((r, d_in)), []
        for _ in range(steps):
            found.append(excess_risk(delta, b @ a, sigma))
            a = a + learning_rate * b.T @ (delta - b @ a) @ sigma
        return np.array(found)

    orthonormal, large = losses(1.0, 1.0), losses(c, 1.0)
    assert np.all(np.diff(orthonormal) <= CLOSED_FORM * orthonormal[0])
    assert large[-1] > large[0]  # worse than no adapter
    close(losses(c, matched_learning_rate(1.0, c, "sgd")), orthonormal, CLOSED_FORM)
    left = fit_a_only(delta, sigma, u).approximation
    assert left <= orthonormal[-1] < (orthonormal[0] + left) / 2


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_c13_both_factors_beat_b_alone_of_twice_the_rank_on_a_low_rank_change(rank: int) -> None:
    shapes = [(D, D)] * 3
    assert tuned_parameters("lora", shapes, rank) == tuned_parameters("b-only", shapes, 2 * rank)
    bounds = adapter_bound("lora", shapes, rank, 4, 1000), adapter_bound("b-only", shapes, 2 * rank, 4, 1000)
    assert bounds[0] == bounds[1]
    rng = np.random.default_rng(rank)
    delta, sigma = matrix_with_spectrum(rng, (D, D), [2.0] * rank), _power_law(D, 0.5)
    total = excess_risk(delta, 0 * delta, sigma)
    assert fit_both(delta, sigma, rank).approximation <= CLOSED_FORM * total
    captured = captured_b_only(delta, sigma, haar_rows(rng, 500, 2 * rank, D))
    assert captured.max() < total
    assert standard_errors(captured, total / 2) < -MONTE_CARLO


def _a_only_better(b_only: BetaLaw, a_only: BetaLaw) -> float:
    """P(II_A < II_B) of independent Beta fractions, by quadrature."""
    return quad(lambda x: beta.pdf(x, *a_only) * beta.cdf(x, *b_only), 0, 1, points=[1e-4, 1e-3, 1e-2, 0.1], limit=500)[
        0
    ]


def test_c14_a_change_of_rank_one_is_a_lottery_at_every_size() -> None:
    """White inputs, d_out = 2 d_in: on average B-only is better by a factor 2; it loses over a third of the draws."""
    limit = float(f(1, 1).cdf(0.5))
    losses = []
    for d_in in (16, 64, 256):
        exact = _a_only_better(captured_fraction_law(d_in, 1), captured_fraction_law(2 * d_in, 1))
        weights = np.eye(d_in)[0]
        fits = spectral_captured_fits(np.ones(d_in), weights, np.eye(2 * d_in)[0], 1, 10_000, seed=d_in)
        assert abs(standard_errors((fits.b_only < fits.a_only).astype(float), exact)) <= MONTE_CARLO
        losses.append(abs(exact - limit))
        assert exact > 1 / 3
    # P(F(r, r) < 1/Theta) is the limit: more inputs do not help
    assert losses == sorted(losses, reverse=True)


def test_c14_the_chance_of_the_wrong_factor_falls_as_theta_grows_and_not_before() -> None:
    """Variances k^-1/2, change of rank one on the first direction: rho = 11.7 at d = 512."""
    d = 512
    spectrum = np.arange(1.0, d + 1.0) ** -0.5
    weights = np.eye(d)[0]
    assert f"{rho(weights[None], np.diag(spectrum)):.1f}" == "11.7"
    chances = {}
    for r in (1, 4):
        fits = spectral_captured_fits(spectrum, weights, weights, r, 4000, seed=r)
        wrong = (fits.b_only < fits.a_only).astype(float)
        chances[r] = float(wrong.mean())
        # 200 draws gave .168 and .017
        printed, theirs = {1: 0.168, 4: 0.017}[r], 200
        spread = (printed * (1 - printed) * (1 / theirs + 1 / wrong.size)) ** 0.5
        assert abs(chances[r] - printed) <= MONTE_CARLO * spread
    assert chances[4] < chances[1] < 0.5


def test_c15_a_trained_head_dominates_the_count() -> None:
    """RoBERTa-large: query and value of 24 layers, r = 8; head of a dense layer and two outputs."""
    layers, head = [(1024, 1024)] * 48, 1024 * 1024 + 1024 + 2 * 1024 + 2
    assert head == 1_051_650
    sizes = [tuned_parameters(name, layers, 8) for name in ("lora", "b-only")]
    assert sizes == [786_432, 393_216]
    assert head > max(sizes)

    def ratio(extra: int) -> float:
        lora, b_only = (adapter_bound(name, layers, 8, 4, 100_000, head=extra) for name in ("lora", "b-only"))
        return lora / b_only

    close(ratio(0), np.sqrt(2), CLOSED_FORM)
    assert f"{ratio(head):.3f}" == "1.128"
