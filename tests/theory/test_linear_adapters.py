"""Closed forms of single-factor adapters against lstsq, perturbations, the printed traces and Monte-Carlo means."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from tests.checks import EXACT, close
from tests.strategies import seeds, symmetric_with_spectrum
from tests.theory.linear_problems import Case, cases, haar_rows, standard_errors
from tests.tolerances import CLOSED_FORM, MONTE_CARLO
from theory.linear_adapters import excess_risk, fit_a_only, fit_b_only, fit_both, population_risk
from theory.whitened_form import input_projector, output_projector, whiten

REGULAR = ("separated", "repeated", "tied top")


def _total(case: Case, *, metric: bool = False) -> float:
    """T, from the definition alone."""
    weight = case.metric if metric else np.eye(len(case.delta))
    return float(np.trace(weight @ case.delta @ case.sigma @ case.delta.T))


class Slack:
    """Rounding of a risk: relative to T, and to the terms that cancel when an update is large and Sigma singular."""

    def __init__(self, case: Case) -> None:
        self.change = float(np.linalg.norm(case.delta))
        self.total = CLOSED_FORM * _total(case, metric=True)
        self.rate = EXACT * float(np.linalg.norm(case.sigma, 2) * np.linalg.norm(case.metric, 2))

    def __call__(self, update: np.ndarray) -> float:
        return self.total + self.rate * (self.change + float(np.linalg.norm(update))) ** 2


@settings(max_examples=10)
@given(case=cases())
def test_p1_closed_forms_are_stationary_and_beat_random_perturbations(case: Case) -> None:
    total, slack = _total(case, metric=True), Slack(case)
    b_only = fit_b_only(case.delta, case.sigma, case.q, case.metric)
    a_only = fit_a_only(case.delta, case.sigma, case.u, case.metric)
    for fit in (b_only, a_only):
        risk = excess_risk(case.delta, fit.update, case.sigma, case.metric)
        assert abs(risk - fit.approximation) <= slack(fit.update)
        assert abs(total - fit.captured - fit.approximation) <= CLOSED_FORM * total
    sizes = (np.linalg.norm(case.delta) + np.linalg.norm(b_only.update)) * np.linalg.norm(case.sigma)
    residual = (case.delta - b_only.update) @ case.sigma @ case.q.T
    assert np.linalg.norm(residual) <= CLOSED_FORM * sizes * np.linalg.norm(case.q)
    sizes = np.linalg.norm(case.delta) * np.linalg.norm(case.sigma)
    residual = case.u.T @ case.metric @ (case.delta - a_only.update) @ case.sigma
    assert np.linalg.norm(residual) <= CLOSED_FORM * sizes * np.linalg.norm(case.u) * np.linalg.norm(case.metric)
    for trial in range(1000):
        size = 10.0 ** -(trial % 6)
        by_b = (b_only.b + size * case.rng.standard_normal(b_only.b.shape)) @ case.q
        by_a = case.u @ (a_only.a + size * case.rng.standard_normal(a_only.a.shape))
        for update, fit in ((by_b, b_only), (by_a, a_only)):
            risk = excess_risk(case.delta, update, case.sigma, case.metric)
            assert risk >= fit.approximation - slack(update)


@given(case=cases(REGULAR, orthonormal=True))
def test_closed_forms_are_those_of_lemmas_4_1_and_4_2(case: Case) -> None:
    delta, sigma, q, u = case.delta, case.sigma, case.q, case.u
    b_only, a_only = fit_b_only(delta, sigma, q), fit_a_only(delta, sigma, u)
    inverse = np.linalg.inv(q @ sigma @ q.T)
    close(b_only.b, delta @ sigma @ q.T @ inverse, CLOSED_FORM)
    close(b_only.captured, np.trace(q @ sigma @ delta.T @ delta @ sigma @ q.T @ inverse), CLOSED_FORM)
    close(a_only.a, u.T @ delta, CLOSED_FORM)
    close(a_only.captured, np.trace(u.T @ delta @ sigma @ delta.T @ u), CLOSED_FORM)
    assert not b_only.pseudo_inverse
    assert not a_only.pseudo_inverse


@given(case=cases())
def test_single_factors_are_regressions(case: Case) -> None:
    """Numpy's lstsq on whitened designs: rows of x have second moment Sigma, rows of the outputs the metric."""
    values, vectors = np.linalg.eigh(case.sigma)
    x = (vectors * np.sqrt(np.clip(values, 0, None))).T
    weights = np.linalg.cholesky(case.metric).T
    total = _total(case, metric=True)
    b = np.linalg.lstsq(x @ case.q.T, x @ case.delta.T, rcond=CLOSED_FORM)[0].T
    a = np.linalg.lstsq(weights @ case.u, weights @ case.delta, rcond=None)[0]
    for fit, update in (
        (fit_b_only(case.delta, case.sigma, case.q, case.metric), b @ case.q),
        (fit_a_only(case.delta, case.sigma, case.u, case.metric), case.u @ a),
    ):
        rest = np.linalg.norm(weights @ (case.delta - update) @ x.T) ** 2
        assert abs(fit.approximation - rest) <= CLOSED_FORM * total


@given(case=cases())
def test_p2_both_factors_beat_either_and_reach_eckart_young(case: Case) -> None:
    total = _total(case, metric=True)
    rank = case.q.shape[0]
    both = fit_both(case.delta, case.sigma, rank, case.metric)
    single = [fit_b_only(case.delta, case.sigma, case.q, case.metric)]
    single.append(fit_a_only(case.delta, case.sigma, case.u, case.metric))
    assert both.approximation <= min(f.approximation for f in single) + CLOSED_FORM * total
    for fit in (both, *single):
        assert -CLOSED_FORM * total <= fit.approximation <= total * (1 + CLOSED_FORM)
    reached = excess_risk(case.delta, both.update, case.sigma, case.metric)
    assert abs(reached - both.approximation) <= CLOSED_FORM * total
    # alternate the two closed forms from random factors: monotone, and never below
    a = case.q
    for _ in range(30):
        b = fit_b_only(case.delta, case.sigma, a, case.metric).b
        fit = fit_a_only(case.delta, case.sigma, b, case.metric)
        a = fit.a
    assert fit.approximation >= both.approximation - CLOSED_FORM * total


@given(case=cases())
def test_p3_captured_parts_lie_between_zero_and_t_and_grow_with_the_frozen_factor(case: Case) -> None:
    total = _total(case)
    slack = CLOSED_FORM * total
    previous_a, previous_b = 0.0, 0.0
    for k in range(1, case.q.shape[0] + 1):
        ii_a = fit_b_only(case.delta, case.sigma, case.q[:k]).captured
        ii_b = fit_a_only(case.delta, case.sigma, case.u[:, :k]).captured
        assert previous_a - slack <= ii_a <= total + slack
        assert previous_b - slack <= ii_b <= total + slack
        previous_a, previous_b = ii_a, ii_b


@given(case=cases())
def test_p4_full_rank_factors_leave_nothing(case: Case) -> None:
    d_out, d_in = case.delta.shape
    slack = CLOSED_FORM * max(_total(case), np.finfo(float).tiny)
    q, u = case.rng.standard_normal((d_in, d_in)), case.rng.standard_normal((d_out, d_out))
    assert fit_b_only(case.delta, case.sigma, q).approximation <= slack
    assert fit_a_only(case.delta, case.sigma, u).approximation <= slack
    rank = int(np.linalg.matrix_rank(whiten(case.delta, case.sigma)))
    assert fit_both(case.delta, case.sigma, max(rank, 1)).approximation <= slack


@given(case=cases())
def test_p5_only_the_row_space_of_a_and_the_column_space_of_b_matter(case: Case) -> None:
    total = _total(case)
    r = case.q.shape[0]
    mixing = symmetric_with_spectrum(case.rng, [(-1.0) ** i * (1.0 + i) for i in range(r)])
    ii_a, ii_b = fit_b_only(case.delta, case.sigma, case.q), fit_a_only(case.delta, case.sigma, case.u)
    assert abs(fit_b_only(case.delta, case.sigma, mixing @ case.q).captured - ii_a.captured) <= CLOSED_FORM * total
    assert abs(fit_a_only(case.delta, case.sigma, case.u @ mixing).captured - ii_b.captured) <= CLOSED_FORM * total
    d_out, d_in = case.delta.shape
    left, right = haar_rows(case.rng, 1, d_out, d_out)[0], haar_rows(case.rng, 1, d_in, d_in)[0]
    turned = right @ case.sigma @ right.T
    turned, delta = 0.5 * (turned + turned.T), left @ case.delta @ right.T
    assert abs(fit_b_only(delta, turned, case.q @ right.T).captured - ii_a.captured) <= CLOSED_FORM * total
    assert abs(fit_a_only(delta, turned, left @ case.u).captured - ii_b.captured) <= CLOSED_FORM * total


@given(case=cases(), c=st.sampled_from([1e-3, 0.5, 3.0, 1e4]))
def test_p6_scaling_of_the_covariance_and_of_the_change(case: Case, c: float) -> None:
    for delta, sigma, factor in ((case.delta, c * case.sigma, c), (c * case.delta, case.sigma, c**2)):
        total = factor * _total(case)
        pairs = (
            (fit_b_only(delta, sigma, case.q), fit_b_only(case.delta, case.sigma, case.q)),
            (fit_a_only(delta, sigma, case.u), fit_a_only(case.delta, case.sigma, case.u)),
        )
        for scaled, plain in pairs:
            assert abs(scaled.captured - factor * plain.captured) <= CLOSED_FORM * total
            assert abs(scaled.approximation - factor * plain.approximation) <= CLOSED_FORM * total


@given(case=cases())
def test_projectors_give_the_captured_parts(case: Case) -> None:
    total = _total(case, metric=True)
    m = whiten(case.delta, case.sigma, case.metric)
    right, left = input_projector(case.sigma, case.q), output_projector(case.u, case.metric)
    for p in (right, left):
        close(p @ p, p, CLOSED_FORM)
        close(p, p.T, CLOSED_FORM)
    ii_a = fit_b_only(case.delta, case.sigma, case.q, case.metric).captured
    ii_b = fit_a_only(case.delta, case.sigma, case.u, case.metric).captured
    assert abs(np.linalg.norm(m @ right) ** 2 - ii_a) <= CLOSED_FORM * total
    assert abs(np.linalg.norm(left @ m) ** 2 - ii_b) <= CLOSED_FORM * total
    close(output_projector(haar_rows(case.rng, 1, 2, 4)[0].T).trace(), 2.0)


@given(seed=seeds)
def test_the_population_risk_is_the_mean_squared_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sigma = symmetric_with_spectrum(rng, [3.0, 1.0, 0.5, 0.0])
    delta, update, metric = rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), np.diag([1.0, 2.0, 3.0])
    values, vectors = np.linalg.eigh(sigma)
    x = (rng.standard_normal((20_000, 4)) * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    error = x @ (delta - update).T + 0.7 * rng.standard_normal((20_000, 3))
    draws = ((error @ metric) * error).sum(axis=1)
    assert abs(standard_errors(draws, population_risk(delta, update, sigma, 0.49, metric))) <= MONTE_CARLO
    plain = (error**2).sum(axis=1)
    assert abs(standard_errors(plain, population_risk(delta, update, sigma, 0.49))) <= MONTE_CARLO


def test_worked_example_in_two_dimensions() -> None:
    """Sigma = diag(4, 1), Delta = I, both factors frozen at (1, 1)/sqrt 2."""
    sigma, half = np.diag([4.0, 1.0]), np.full((1, 2), 0.5**0.5)
    close(half @ sigma @ half.T, 2.5)
    close(half @ sigma @ sigma @ half.T, 8.5)
    close(excess_risk(np.eye(2), np.zeros((2, 2)), sigma), 5.0)
    close(fit_b_only(np.eye(2), sigma, half).captured, 3.4)
    close(fit_a_only(np.eye(2), sigma, half.T).captured, 2.5)


def test_a_singular_feature_covariance_uses_the_pseudo_inverse_and_says_so() -> None:
    sigma, delta = np.diag([2.0, 0.0, 0.0]), np.ones((2, 3))
    for q in (np.eye(3)[:2], np.eye(3)[1:], np.ones((2, 3)), np.zeros((1, 3))):
        fit = fit_b_only(delta, sigma, q)
        assert fit.pseudo_inverse
        close(fit.captured, 4.0 if q[:, 0].any() else 0.0)
    assert fit_a_only(delta, sigma, np.ones((2, 2))).pseudo_inverse
    assert fit_both(delta, sigma, 2).pseudo_inverse
    assert not fit_both(delta, sigma, 1).pseudo_inverse
    nothing = fit_b_only(delta, np.zeros((3, 3)), np.eye(3)[:1])
    assert nothing.pseudo_inverse
    assert nothing.captured == nothing.approximation == 0.0


def test_bad_input_is_refused_in_one_line() -> None:
    delta, sigma, q = np.ones((2, 3)), np.diag([1.0, 1.0, -0.5]), np.eye(3)[:1]
    with pytest.raises(ValueError, match=r"eigenvalue -0\.5: expected a positive semidefinite matrix"):
        fit_b_only(delta, sigma, q)
    with pytest.raises(ValueError, match=r"differs from its transpose by 1: symmetrise it first"):
        fit_b_only(delta, np.eye(3) + np.eye(3, k=1), q)
    with pytest.raises(ValueError, match=r"not finite"):
        fit_a_only(delta, np.diag([1.0, 1.0, np.nan]), np.eye(2)[:, :1])
    with pytest.raises(ValueError, match=r"rank 3: expected 1 to 2 for a 2x3 map"):
        fit_both(delta, np.eye(3), 3)
    with pytest.raises(ValueError, match=r"noise variance -1\.0: expected >= 0"):
        population_risk(delta, delta, np.eye(3), -1.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_is_refused_and_never_becomes_a_risk(bad: float) -> None:
    sigma, q, u = np.eye(3), np.eye(3)[:1], np.eye(2)[:, :1]
    broken = np.where(np.arange(3) == 1, bad, np.ones((2, 3)))
    for fit in (
        lambda: fit_b_only(broken, sigma, q),
        lambda: fit_a_only(broken, sigma, u),
        lambda: fit_both(broken, sigma, 1),
    ):
        with pytest.raises(ValueError, match="the change holds entries that are not finite"):
            fit()
    with pytest.raises(ValueError, match="frozen A holds entries that are not finite"):
        fit_b_only(np.ones((2, 3)), sigma, np.where(q > 0, bad, q))
    with pytest.raises(ValueError, match="frozen B holds entries that are not finite"):
        fit_a_only(np.ones((2, 3)), sigma, np.where(u > 0, bad, u))
