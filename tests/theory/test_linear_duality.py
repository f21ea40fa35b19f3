"""Duality of the factors, the best frozen A, coordinate selectors, and inputs of low rank."""

import numpy as np
import pytest
from hypothesis import given

from tests.checks import close
from tests.strategies import orthonormal_columns, symmetric_with_spectrum
from tests.theory.linear_problems import Case, cases
from tests.tolerances import CLOSED_FORM, PRINTED_DIGITS
from theory.linear_adapters import excess_risk, fit_a_only, fit_b_only, fit_both
from theory.linear_duality import LinearProblem, best_frozen_a, dual, reparametrise, selector_approximation

LOW_RANK = ("rank-deficient", "rank one")


def _total(case: Case) -> float:
    return excess_risk(case.delta, np.zeros_like(case.delta), case.sigma, case.metric)


@given(case=cases())
def test_p7_the_transposed_problem_swaps_the_factors(case: Case) -> None:
    problem = LinearProblem(case.delta, case.sigma, case.metric)
    there = dual(problem)
    slack = CLOSED_FORM * _total(case)
    b_here = fit_b_only(case.delta, case.sigma, case.q, case.metric)
    a_there = fit_a_only(there.delta, there.sigma, case.q.T, there.metric)
    assert abs(b_here.approximation - a_there.approximation) <= slack
    close(b_here.update, a_there.update.T, CLOSED_FORM)
    a_here = fit_a_only(case.delta, case.sigma, case.u, case.metric)
    b_there = fit_b_only(there.delta, there.sigma, case.u.T, there.metric)
    assert abs(a_here.approximation - b_there.approximation) <= slack
    # the risk is that of the transposed update, whatever the update
    update = case.rng.standard_normal(case.delta.shape)
    risks = excess_risk(case.delta, update, case.sigma, case.metric), excess_risk(there.delta, update.T, *there[1:])
    close(risks[1] / risks[0], 1.0, CLOSED_FORM)
    assert all(x is y for x, y in zip(dual(there)[1:], problem[1:]))
    # white inputs and the plain loss: the problem is its own dual but for the transpose
    white, plain = np.eye(case.delta.shape[1]), np.eye(case.delta.shape[0])
    close(
        fit_b_only(case.delta, white, case.q).approximation,
        fit_a_only(case.delta.T, plain, case.q.T).approximation,
        CLOSED_FORM,
    )


@given(case=cases())
def test_the_best_frozen_a_reaches_the_optimum_over_both_factors(case: Case) -> None:
    rank = min(case.q.shape[0], *case.delta.shape)
    both = fit_both(case.delta, case.sigma, rank, case.metric)
    frozen = best_frozen_a(case.delta, case.sigma, rank, case.metric)
    assert frozen.shape == (rank, case.delta.shape[1])
    fit = fit_b_only(case.delta, case.sigma, frozen, case.metric)
    assert abs(fit.approximation - both.approximation) <= CLOSED_FORM * _total(case)


@given(case=cases())
def test_a_coordinate_selector_leaves_the_schur_complement(case: Case) -> None:
    d_in, rank = case.delta.shape[1], case.q.shape[0]
    total = excess_risk(case.delta, np.zeros_like(case.delta), case.sigma)
    found = selector_approximation(case.delta, case.sigma, rank)
    assert abs(found - fit_b_only(case.delta, case.sigma, np.eye(d_in)[:rank]).approximation) <= CLOSED_FORM * total
    regular = case.sigma + np.eye(d_in)
    s11, s12, s22 = regular[:rank, :rank], regular[:rank, rank:], regular[rank:, rank:]
    rest = case.delta[:, rank:]
    expected = float(np.trace(rest @ (s22 - s12.T @ np.linalg.solve(s11, s12)) @ rest.T))
    close(selector_approximation(case.delta, regular, rank), expected, CLOSED_FORM)


@given(case=cases(LOW_RANK))
def test_p10_with_few_input_directions_freezing_a_is_free(case: Case) -> None:
    d_out, d_in = case.delta.shape
    rank = int(np.linalg.matrix_rank(case.sigma, hermitian=True))
    total = excess_risk(case.delta, np.zeros_like(case.delta), case.sigma)
    for r in {rank, min(rank + 1, d_in)}:
        q = orthonormal_columns(case.rng, d_in, r).T
        fit = fit_b_only(case.delta, case.sigma, q)
        assert abs(fit.captured - total) <= CLOSED_FORM * total
        assert fit.pseudo_inverse == (r > rank)
        b, a = case.rng.standard_normal((d_out, 2)), case.rng.standard_normal((2, d_in))
        moved = reparametrise(b, a, case.sigma, q)
        inputs = case.sigma @ case.rng.standard_normal((d_in, 50))
        scale = np.linalg.norm(moved) * np.linalg.norm(inputs)
        assert np.linalg.norm(moved @ q @ inputs - b @ a @ inputs) <= CLOSED_FORM * scale


def test_a_frozen_factor_that_misses_an_input_direction_is_refused() -> None:
    sigma, q = np.diag([1.0, 2.0, 0.0, 0.0]), np.eye(4)[1:3]
    with pytest.raises(ValueError, match=r"Q sees 1 of the 2 directions of the inputs: expected all"):
        reparametrise(np.ones((3, 1)), np.ones((1, 4)), sigma, q)
    with pytest.raises(ValueError, match=r"Q sees 1 of the 2"):
        reparametrise(np.ones((3, 1)), np.ones((1, 4)), sigma, np.ones((1, 4)))
    # and it captures less than everything: the remark is for almost every Q, not for every one
    fit = fit_b_only(np.eye(4), sigma, q)
    close(fit.captured, 2.0)
    close(fit.approximation, 1.0)


def test_the_gap_for_inputs_of_rank_r_is_one_minus_r_over_d() -> None:
    """Sigma = s U U^T of rank r: II_A = T, and the mean of II_B over a design of frozen B is (r/d) T."""
    rng = np.random.default_rng(0)
    d, r = 6, 2
    sigma = symmetric_with_spectrum(rng, [1.5, 1.5, 0, 0, 0, 0])
    delta = rng.standard_normal((d, d))
    total = excess_risk(delta, np.zeros((d, d)), sigma)
    basis = orthonormal_columns(rng, d, d)
    # disjoint blocks of a basis average U U^T to (r/d) I exactly
    ii_b = np.mean([fit_a_only(delta, sigma, basis[:, i : i + r]).captured for i in range(0, d, r)])
    ii_a = fit_b_only(delta, sigma, orthonormal_columns(rng, d, r).T).captured
    close(ii_a - ii_b, (1 - r / d) * total, CLOSED_FORM)


def test_ranks_outside_the_sides_are_refused() -> None:
    delta = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"rank 0: expected 1 to 2"):
        best_frozen_a(delta, np.eye(3), 0)
    with pytest.raises(ValueError, match=r"rank 4: expected 1 to d_in = 3"):
        selector_approximation(delta, np.eye(3), 4)
    close(selector_approximation(delta, np.eye(3), 3), 0.0, PRINTED_DIGITS)
