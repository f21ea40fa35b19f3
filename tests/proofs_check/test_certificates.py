"""Certificates of critical points: the right word for every kind of point, whatever the gauge, the unit, the size."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from proofs_check.certificates import critical_point
from proofs_check.hessian_spectrum import DENSE_ROWS
from sims.convex_problem import ConvexProblem, make_problem
from sims.ntk.features import DenseFeatures, FactoredFeatures
from sims.solve import solve
from tests.checks import close
from tests.problems import (
    ALL_LOSSES,
    family_d,
    planted_problem,
    random_perturbation,
    random_problem,
    zero_decay_problem,
)
from tests.strategies import orthonormal_columns, seeds
from tests.tolerances import GAUGE_ZERO, SOLVER_GAP
from theory import factored_objective as lora
from theory.factorisation import balanced_factors
from theory.losses import SQUARED, Loss
from theory.planted_families import Family, planted_instance
from theory.planted_zero_decay import zero_decay_instance

each_loss = pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("family", "kind"),
    [("A", "local_minimum"), ("A'", "local_minimum"), ("B", "second_order_point")],
)
def test_planted_points_are_called_by_their_name(family: Family, kind: str, rank: int) -> None:
    made = planted_instance(family, rank)
    facts = critical_point(planted_problem(made), made.u, made.v, made.lam)
    # at rank 1 the manifold of family B is a point and its minimum strict
    assert facts.kind == ("local_minimum" if rank == 1 else kind)
    assert facts.zeros == made.zero_eigenvalues
    assert facts.gauge_dimension == rank * (rank - 1) // 2
    assert (facts.rank, facts.negative_directions) == (rank, 1)
    close(made.n * facts.objective, made.value)
    close(made.n * facts.next_eigenvalue, made.next_eigenvalue)
    close(made.n * facts.lowest_s, -1.0)


@pytest.mark.parametrize("family", ["A", "A'", "B"])
@pytest.mark.parametrize("rank", [2, 3])
def test_the_known_optimum_is_a_global_minimum_at_every_rank_that_holds_it(family: Family, rank: int) -> None:
    made = planted_instance(family, rank)
    u, v = balanced_factors(made.optimum, rank)
    facts = critical_point(planted_problem(made), u, v, made.lam)
    assert facts.kind == "global_minimum"
    close(made.n * facts.objective, made.optimal_value)


@pytest.mark.parametrize(("rank", "m", "p"), [(1, 2, 2), (1, 3, 3), (2, 3, 3), (2, 4, 4), (1, 2, 4), (2, 3, 5)])
def test_family_c_has_a_strict_spurious_minimum_without_weight_decay(rank: int, m: int, p: int) -> None:
    made = zero_decay_instance("C", rank, m, p)
    facts = critical_point(zero_decay_problem(made), made.u, made.v, 0.0)
    assert facts.kind == "local_minimum"
    assert facts.zeros == facts.gauge_dimension == rank**2
    close([made.n * facts.objective, made.n * facts.next_eigenvalue], [0.5, 1.0])


@pytest.mark.parametrize(("rank", "m", "p"), [(1, 2, 2), (2, 4, 4), (2, 3, 5)])
def test_family_c0_has_a_flat_spurious_point_without_weight_decay(rank: int, m: int, p: int) -> None:
    made = zero_decay_instance("C0", rank, m, p)
    facts = critical_point(zero_decay_problem(made), made.u, made.v, 0.0)
    assert facts.kind == "second_order_point"
    assert facts.zeros == made.zero_eigenvalues > facts.gauge_dimension == rank**2


def test_family_d_has_a_strict_spurious_minimum_for_the_logistic_loss_at_rank_one() -> None:
    problem, u, v = family_d()
    facts = critical_point(problem, u, v, 0.0)
    assert facts.kind == "local_minimum"
    assert round(4 * facts.objective, 7) == 2.5600376
    hessian = lora.hessian(problem.layers[0].dense(), problem.f0, problem.y, problem.loss, 0.0, np.concatenate([u, v]))
    assert np.linalg.eigvalsh(4 * hessian).round(4).tolist()[1:] == [0.2039, 1.5424, 3.883]
    assert (facts.zeros, facts.gauge_dimension) == (1, 1)


@settings(max_examples=10)
@given(seed=seeds)
def test_an_interpolating_point_without_weight_decay_is_a_global_minimum(seed: int) -> None:
    problem = random_problem(seed, SQUARED, n=5, shapes=((4, 4),))
    u, v = balanced_factors(solve(problem, 0.0).deltas[0], 4)
    facts = critical_point(problem, u, v, 0.0)
    assert facts.objective <= SOLVER_GAP
    assert facts.kind == "global_minimum"


@each_loss
@settings(max_examples=10)
@given(seed=seeds)
def test_certified_optima_are_global_minima_and_padding_changes_nothing(loss: Loss, seed: int) -> None:
    problem = random_problem(seed, loss, n=5, k=2, shapes=((4, 5),))
    lam = 0.1 * problem.lambda_max()
    ((u, v),) = solve(problem, lam).factors
    for extra in (0, 1):
        padded = [np.pad(f, ((0, 0), (0, extra))) for f in (u, v)]
        facts = critical_point(problem, padded[0], padded[1], lam)
        assert facts.kind == "global_minimum"
        assert facts.rank == u.shape[1]
        assert facts.negative_directions == 0


@settings(max_examples=10)
@given(seed=seeds, size=st.sampled_from([1e-6, 1e-3, 1.0]))
def test_a_spoilt_point_is_not_stationary(seed: int, size: float) -> None:
    made = planted_instance("A", 2, 4, 4)
    noise = size * np.random.default_rng(seed).standard_normal((8, 2))
    facts = critical_point(planted_problem(made), made.u + noise[:4], made.v + noise[4:], made.lam)
    assert facts.kind == "not_stationary"
    assert not facts.is_global
    assert not facts.second_order


def test_noise_below_the_tolerance_does_not_change_the_word() -> None:
    made = planted_instance("A", 2, 4, 4)
    noise = 1e-11 * np.random.default_rng(0).standard_normal((8, 2))
    facts = critical_point(planted_problem(made), made.u + noise[:4], made.v + noise[4:], made.lam)
    assert facts.kind == "local_minimum"


@each_loss
def test_zero_is_a_saddle_below_lambda_max_and_the_minimum_above(loss: Loss) -> None:
    problem = random_problem(0, loss, k=2)
    u, v = np.zeros((4, 2)), np.zeros((5, 2))
    below = critical_point(problem, u, v, 0.5 * problem.lambda_max())
    assert below.kind == "saddle"
    assert below.min_eigenvalue < 0
    assert critical_point(problem, u, v, 2.0 * problem.lambda_max()).kind == "global_minimum"


def test_a_planted_point_with_one_column_removed_is_a_saddle() -> None:
    made = planted_instance("A", 2)
    u, v = made.u.copy(), made.v.copy()
    u[:, 1] = v[:, 1] = 0.0
    facts = critical_point(planted_problem(made), u, v, made.lam)
    assert facts.kind == "saddle"


def test_a_point_below_the_coupling_condition_is_a_saddle() -> None:
    made = planted_instance("A", 2, coupling=float(np.sqrt(0.96 * 0.5)))
    assert critical_point(planted_problem(made), made.u, made.v, made.lam).kind == "saddle"


def test_factors_without_columns_are_judged_by_s_alone() -> None:
    problem = random_problem(0)
    empty = np.zeros((4, 0)), np.zeros((5, 0))
    assert critical_point(problem, *empty, 2.0 * problem.lambda_max()).kind == "global_minimum"
    assert not critical_point(problem, *empty, 0.5 * problem.lambda_max()).is_global


@settings(max_examples=10)
@given(seed=seeds, family=st.sampled_from(["A", "A'", "B"]))
def test_certificate_does_not_depend_on_the_rotation_of_the_factors(seed: int, family: Family) -> None:
    made = planted_instance(family, 3)
    rotation = orthonormal_columns(np.random.default_rng(seed), 3, 3)
    problem = planted_problem(made)
    one = critical_point(problem, made.u, made.v, made.lam)
    other = critical_point(problem, made.u @ rotation, made.v @ rotation, made.lam)
    assert (one.kind, one.zeros, one.gauge_dimension) == (other.kind, other.zeros, other.gauge_dimension)
    close(
        [other.objective, other.min_eigenvalue, other.next_eigenvalue, other.lowest_s, other.scale],
        [one.objective, one.min_eigenvalue, one.next_eigenvalue, one.lowest_s, one.scale],
    )


@settings(max_examples=10)
@given(seed=seeds, exponent=st.integers(-8, 8))
def test_certificate_does_not_depend_on_the_unit_of_the_loss(seed: int, exponent: int) -> None:
    """Targets, factors squared and lam in another unit: same word, same counts."""
    unit = 10.0**exponent
    made = planted_instance("A", 2)
    features = DenseFeatures(made.gradients)
    problem = make_problem([features], np.zeros((made.n, 1)), unit * made.targets, SQUARED)
    facts = critical_point(problem, np.sqrt(unit) * made.u, np.sqrt(unit) * made.v, unit * made.lam)
    assert facts.kind == "local_minimum"
    assert (facts.zeros, facts.gauge_dimension) == (1, 1)


def test_factored_and_dense_features_give_the_same_certificate() -> None:
    rng = np.random.default_rng(0)
    factored = FactoredFeatures(rng.standard_normal((5, 2, 3, 4)), rng.standard_normal((5, 3, 4)))
    y, f0 = rng.standard_normal((5, 2)), np.zeros((5, 2))
    problems = [make_problem([f], f0, y, SQUARED) for f in (factored, DenseFeatures(factored.dense()))]
    q = rng.standard_normal((8, 2))
    one, other = (critical_point(problem, q[:4], q[4:], 0.2) for problem in problems)
    close([one.min_eigenvalue, one.scale, one.objective], [other.min_eigenvalue, other.scale, other.objective])


@settings(max_examples=10)
@given(seed=seeds)
def test_perturbation_enters_objective_gradient_and_s(seed: int) -> None:
    problem = random_problem(seed, SQUARED, n=4, shapes=((3, 4),))
    rng = np.random.default_rng(seed)
    q, p = rng.standard_normal((7, 2)), random_perturbation(rng, 7, 0.5)
    facts = critical_point(problem, q[:3], q[3:], 0.2, p)
    args = (np.asarray(problem.layers[0].dense()), problem.f0, problem.y, SQUARED, 0.2, q, p)
    close(facts.objective, lora.objective(*args))
    close(facts.gradient_norm, np.linalg.norm(lora.gradient(*args)))
    close(facts.min_eigenvalue, np.linalg.eigvalsh(lora.hessian(*args))[0])


def noisy_family(size: int) -> tuple[ConvexProblem, np.ndarray, np.ndarray, float]:
    """Return family A of rank 2 in a larger matrix, where most of S is lam I."""
    made = planted_instance("A", 2, size, size)
    return planted_problem(made), made.u, made.v, made.lam


@pytest.mark.parametrize("size", [5, 12])
def test_counting_finds_what_the_dense_spectrum_finds(size: int) -> None:
    problem, u, v, lam = noisy_family(size)
    dense = critical_point(problem, u, v, lam)
    sparse = critical_point(problem, u, v, lam, dense_rows=4)
    assert (sparse.kind, sparse.zeros) == (dense.kind, dense.zeros)
    tolerance = GAUGE_ZERO
    close(sparse.min_eigenvalue, dense.min_eigenvalue, tolerance)
    close([sparse.next_eigenvalue, sparse.scale], [dense.next_eigenvalue, dense.scale], tolerance)


@pytest.mark.parametrize("family", ["A'", "B"])
def test_slices_count_every_zero_of_a_manifold(family: Family) -> None:
    made = planted_instance(family, 3, 9, 9)
    problem = planted_problem(made)
    facts = critical_point(problem, made.u, made.v, made.lam, dense_rows=4)
    assert facts.zeros == made.zero_eigenvalues


def test_slices_see_a_saddle() -> None:
    problem = random_problem(0, SQUARED, n=6, shapes=((10, 12),))
    u, v = np.zeros((10, 2)), np.zeros((12, 2))
    lam = 0.5 * problem.lambda_max()
    facts = critical_point(problem, u, v, lam, dense_rows=4)
    assert facts.kind == "saddle"
    close(facts.min_eigenvalue, critical_point(problem, u, v, lam).min_eigenvalue, GAUGE_ZERO)


def test_a_truly_large_hessian_is_certified_without_its_full_spectrum() -> None:
    made = planted_instance("A", 2, 520, 520)
    u, v = made.u, made.v
    facts = critical_point(planted_problem(made), u, v, made.lam)
    assert u.shape[1] * 1040 > DENSE_ROWS
    assert facts.kind == "local_minimum"
    assert facts.zeros == 1
    close(made.n * facts.next_eigenvalue, made.next_eigenvalue, GAUGE_ZERO)


def test_json_holds_the_numbers_of_the_command() -> None:
    made = planted_instance("A", 2)
    numbers = critical_point(planted_problem(made), made.u, made.v, made.lam).json()
    assert set(numbers) == {
        "gradient_norm",
        "min_hessian_eigenvalue",
        "gauge_zeros",
        "next_eigenvalue",
        "gauge_dimension",
        "lambda_min_s",
    }
    assert numbers["gauge_zeros"] == numbers["gauge_dimension"] == 1


def corner_features(size: int) -> ConvexProblem:
    """Return three measurements of diagonal entries, factored."""
    signal, activation = np.zeros((3, 1, 1, size)), np.zeros((3, 1, size))
    signal[np.arange(3), 0, 0, np.arange(3)] = activation[np.arange(3), 0, np.arange(3)] = 1.0
    return make_problem([FactoredFeatures(signal, activation)], np.zeros((3, 1)), np.array([2.0, 1.0, 0.5]), SQUARED)


@pytest.mark.parametrize(("size", "dense_rows"), [(60, DENSE_ROWS), (60, 4), (510, DENSE_ROWS)])
def test_every_zero_of_a_flat_valley_is_counted_at_every_size(size: int, dense_rows: int) -> None:
    """At (e_1, e_2) diag(2, 1) without weight decay only the measured entries and the descent along e_3 are curved."""
    u = np.eye(size)[:, :2] * np.sqrt([2.0, 1.0])
    facts = critical_point(corner_features(size), u, u, 0.0, dense_rows=dense_rows)
    # curved: the two measured entries, and u_3, v_3 of both columns through S, which is not zero there only
    assert (facts.zeros, facts.kind) == (4 * size - 6, "saddle")
    close([3 * facts.min_eigenvalue, 3 * facts.next_eigenvalue], [-0.5, 0.5], GAUGE_ZERO)
