"""No false certificate: at any scale, condition, loss, rank and lambda 'global_minimum' is said of optima only."""

from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from proofs_check.certify import certify
from sims.convex_problem import ConvexProblem, make_problem
from sims.errors import BadInput
from sims.ntk.features import DenseFeatures, FactoredFeatures
from sims.problem_files import Candidate
from sims.solve import solve
from tests.problems import ALL_LOSSES, planted_problem, random_problem
from tests.sims.test_scaling import rescaled
from tests.strategies import seeds
from theory.losses import CROSS_ENTROPY, LOGISTIC, SQUARED, Loss
from theory.planted_families import planted_instance

each_loss = pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)
SPURIOUS = {"spurious_local_minimum", "spurious_second_order_point"}


def dense(features: list, y: list, loss: Loss = SQUARED, f0: list | None = None) -> ConvexProblem:
    """Return a problem from nested lists of (n, d_out, d_in) features."""
    g = np.asarray(features, dtype=float)[:, None]
    offsets = np.zeros((len(g), 1)) if f0 is None else np.asarray(f0, dtype=float)
    return make_problem([DenseFeatures(g)], offsets, np.asarray(y, dtype=float), loss)


def update(delta: object) -> Candidate:
    """Return an update as a candidate."""
    return Candidate(np.asarray(delta, dtype=float))


def factors(u: object, v: object) -> Candidate:
    """Return factors as a candidate."""
    left, right = np.asarray(u, dtype=float), np.asarray(v, dtype=float)
    return Candidate(left @ right.T, left, right)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("size", [0.5, 2.0, 5.0, 30.0, 800.0])
def test_an_infimum_that_is_not_attained_is_never_certified(size: float, exact: bool) -> None:
    problem = dense([[[1.0]], [[2.0]]], [1.0, 1.0], LOGISTIC)
    for candidate in (update([[size]]), factors([[size]], [[1.0]])):
        told = certify(problem, candidate, Fraction(0), exact=exact)
        assert told["verdict"] != "global_minimum"
        assert told["gap"] >= 0


@settings(max_examples=30)
@given(seed=seeds, loss=st.sampled_from([LOGISTIC, CROSS_ENTROPY]))
def test_random_points_of_lambda_zero_have_no_negative_gap(seed: int, loss: Loss) -> None:
    rng = np.random.default_rng(seed)
    problem = random_problem(seed, loss, n=6, k=3, shapes=((2, 1),))
    told = certify(problem, update(5 * rng.standard_normal((2, 1))), Fraction(0))
    assert told["gap"] >= 0
    assert told["verdict"] != "global_minimum"


@pytest.mark.parametrize("exact", [False, True])
def test_a_value_above_an_attained_zero_is_not_optimal_however_ill_scaled(exact: bool) -> None:
    one, other = [[1.0, 0], [0, 0]], [[0, 0], [0, 1.0]]
    far = dense([one, other], [1e5, 1.0])
    assert certify(far, update([[1e5, 0], [0, 0]]), Fraction(0), exact=exact)["verdict"] != "global_minimum"
    assert certify(far, update([[1e5, 0], [0, 1.0]]), Fraction(0), exact=exact)["verdict"] == "global_minimum"
    tiny = dense([one, (1e-8 * np.asarray(other)).tolist()], [1.0, 1.0])
    told = certify(tiny, update(one), Fraction(0), exact=exact)
    assert told["verdict"] != "global_minimum"
    assert told["dual"] == 0.0


@pytest.mark.parametrize("exact", [False, True])
def test_nearly_dependent_features_give_no_dual_above_what_is_attained(exact: bool) -> None:
    """The second feature differs in one entry by 1e-20: both targets can be met, at 1e20."""
    problem = dense([[[1.0, 0], [0, 0]], [[1.0, 0], [0, 1e-20]]], [1.0, 2.0])
    told = certify(problem, update([[1.5, 0], [0, 0]]), Fraction(0), exact=exact)
    assert told["verdict"] != "global_minimum"
    assert told["dual"] == 0.0


@pytest.mark.parametrize("exact", [False, True])
def test_more_measurements_than_parameters_are_certified_at_their_least_squares(exact: bool) -> None:
    rng = np.random.default_rng(0)
    g, y = rng.standard_normal((7, 2, 2)), rng.standard_normal(7)
    least = np.linalg.lstsq(g.reshape(7, 4), y, rcond=None)[0].reshape(2, 2)
    problem = dense(g.tolist(), y.tolist())
    assert certify(problem, update(least), Fraction(0), exact=exact)["verdict"] == "global_minimum"
    assert certify(problem, update(least + 1e-3), Fraction(0), exact=exact)["verdict"] != "global_minimum"


def test_exact_is_about_the_file_not_about_features_that_were_multiplied_in_floats() -> None:
    signal, activation = np.zeros((1, 1, 2, 1)), np.zeros((1, 2, 1))
    signal[0, 0, :, 0], activation[0, :, 0] = [1 + 2.0**-30, -(1 + 2.0**-29)], [1 + 2.0**-30, 1.0]
    problem = make_problem([FactoredFeatures(signal, activation)], np.zeros((1, 1)), np.ones(1), SQUARED)
    for exact in (False, True):
        assert certify(problem, update([[0.0]]), Fraction(0), exact=exact)["verdict"] != "global_minimum"
    assert certify(problem, update([[2.0**60]]), Fraction(0), exact=True)["verdict"] == "global_minimum"


@settings(max_examples=15)
@given(power=st.integers(-100, 100), which=st.sampled_from(["planted", "zero", "optimum"]), exact=st.booleans())
def test_verdicts_of_family_a_do_not_depend_on_the_unit_of_the_loss(power: int, which: str, exact: bool) -> None:
    made = planted_instance("A'", 2, 3, 3)
    c = 4.0**power
    problem = rescaled(planted_problem(made), 1.0, c)
    lam = Fraction(1, made.n) * Fraction(4) ** power
    candidate = {
        "planted": lambda: factors(2.0**power * made.u, 2.0**power * made.v),
        "zero": lambda: update(np.zeros((3, 3))),
        "optimum": lambda: update(c * made.optimum),
    }[which]()
    expected = {"planted": "spurious_local_minimum", "zero": "not_optimal", "optimum": "global_minimum"}[which]
    told = certify(problem, candidate, lam, exact=exact)
    assert told["verdict"] == expected
    if which == "planted":
        assert told["better_rank"] <= 2
        assert told["better_value"] < told["primal"]


@each_loss
@settings(max_examples=10)
@given(seed=seeds, power=st.integers(-100, 100), off=st.sampled_from([0.0, 1e-7, 1e-4, 0.1]))
def test_verdicts_do_not_depend_on_the_unit_of_the_features(loss: Loss, seed: int, power: int, off: float) -> None:
    problem = random_problem(seed, loss, n=5, k=2, shapes=((3, 4),))
    lam = Fraction(0.1 * problem.lambda_max())
    noise = np.random.default_rng(seed).standard_normal((3, 4))
    ((u, v),) = solve(problem, float(lam)).factors
    delta = u @ v.T + off * np.abs(u @ v.T).max() * noise
    one = certify(problem, update(delta), lam)
    other = certify(rescaled(problem, 4.0**power, 1.0), update(4.0**-power * delta), lam * Fraction(4) ** power)
    assert one["verdict"] == other["verdict"]
    assert one["relative_gap"] == other["relative_gap"]
    assert (one["verdict"] == "global_minimum") == (off == 0.0)


@each_loss
@settings(max_examples=15)
@given(
    seed=seeds,
    exponent=st.sampled_from([0.0, 1.0, 3.0, 6.0]),
    condition=st.sampled_from([0, 2, 4]),
    rank=st.integers(1, 3),
    off=st.sampled_from([1e-6, 1e-3, 1.0]),
)
def test_points_clearly_above_the_optimum_are_never_certified(
    loss: Loss, seed: int, exponent: float, condition: int, rank: int, off: float
) -> None:
    """lambda from lambda_max down to 1e-6 of it, features of condition up to 1e4, perturbed optima of every rank."""
    rng = np.random.default_rng(seed)
    k = 3 if loss is CROSS_ENTROPY else 1
    g = rng.standard_normal((6, k, 3, 4)) * np.logspace(0, -condition, 6)[:, None, None, None]
    y = {"squared": rng.standard_normal((6, k)), "logistic": rng.choice([-1.0, 1.0], (6, k))}.get(
        loss.name, rng.integers(0, k, 6)
    )
    problem = make_problem([DenseFeatures(g)], rng.standard_normal((6, k)), y, loss)
    lam = Fraction(0.5 * problem.lambda_max() * 10.0**-exponent)
    best = solve(problem, float(lam))
    ((u, v),) = best.factors
    size = max(float(np.abs(u).max(initial=0.0)), 1.0)
    u, v = (np.pad(f, ((0, 0), (0, rank))) for f in (u, v))
    a, b = (f + off * size * rng.standard_normal(f.shape) for f in (u, v))
    value = certify(problem, factors(a, b), lam)
    assert value["gap"] >= 0
    if value["primal"] > best.certificate.primal * (1 + 1e-6):
        assert value["verdict"] != "global_minimum"
    assert (value["verdict"] in SPURIOUS) <= (value["better_value"] is not None)


@pytest.mark.parametrize("exact", [False, True])
def test_the_best_point_of_its_rank_is_not_called_spurious(exact: bool) -> None:
    corners = np.zeros((4, 2, 2))
    corners[[0, 1, 2, 3], [0, 0, 1, 1], [0, 1, 0, 1]] = 1.0
    problem = dense(corners.tolist(), [2.0, 0.0, 0.0, 1.0])
    told = certify(problem, factors([[1.25], [0.0]], [[1.25], [0.0]]), Fraction(7, 64), exact=exact)
    assert told["verdict"] == "local_minimum"
    assert (told["better_rank"], told["better_value"]) == (None, None)


def test_factors_without_columns_are_judged_as_the_zero_update() -> None:
    problem = random_problem(0, SQUARED, shapes=((3, 4),))
    empty = Candidate(np.zeros((3, 4)), np.zeros((3, 0)), np.zeros((4, 0)))
    above, below = Fraction(2 * problem.lambda_max()), Fraction(0.5 * problem.lambda_max())
    assert certify(problem, empty, above)["verdict"] == "global_minimum"
    told = certify(problem, empty, below)
    assert told["verdict"] == "not_optimal"
    assert told["stationarity"] is None


@pytest.mark.parametrize("size", [1e5, 1e160])
def test_badly_balanced_factors_are_balanced_at_lambda_zero(size: float) -> None:
    problem = dense([[[1.0, 0], [0, 0]], [[0, 0], [1.0, 0]]], [1.0, 1.0])
    told = certify(problem, factors([[size], [0.0]], [[1 / size], [0.0]]), Fraction(0))
    assert told["verdict"] == "saddle" or told["verdict"] == "not_stationary"


def test_factors_whose_penalty_overflows_are_refused_in_one_line() -> None:
    problem = dense([[[1.0, 0], [0, 0]], [[0, 0], [1.0, 0]]], [1.0, 1.0])
    with pytest.raises(BadInput, match="balance them"):
        certify(problem, factors([[1e160], [0.0]], [[1e-160], [0.0]]), Fraction(1, 10))


def test_a_problem_with_several_layers_is_refused() -> None:
    with pytest.raises(BadInput, match="2 layers in the problem"):
        certify(random_problem(0, shapes=((3, 4), (2, 2))), update(np.zeros((3, 4))), Fraction(1, 10))


@pytest.mark.parametrize("extra", [0, 3, 6])
def test_a_large_optimum_padded_with_zero_columns_is_certified_by_its_gap(extra: int) -> None:
    rng = np.random.default_rng(0)
    features = FactoredFeatures(
        rng.standard_normal((12, 1, 1, 260)) / 260**0.5, rng.standard_normal((12, 1, 260)) / 260**0.5
    )
    problem = make_problem([features], np.zeros((12, 1)), rng.standard_normal(12), SQUARED)
    ((u, v),) = solve(problem, 0.01).factors
    u, v = (np.pad(f, ((0, 0), (0, extra))) for f in (u, v))
    told = certify(problem, factors(u, v), Fraction(1, 100))
    assert told["verdict"] == "global_minimum"
    assert told["stationarity"]["min_hessian_eigenvalue"] is None


@pytest.mark.parametrize("exact", [False, True])
def test_an_update_beside_the_optimum_is_not_optimal(exact: bool) -> None:
    problem = random_problem(3, SQUARED, n=5, shapes=((3, 4),))
    lam = Fraction(0.2 * problem.lambda_max())
    (best,) = solve(problem, float(lam)).deltas
    told = certify(problem, update(0.9 * best), lam, exact=exact)
    assert (told["verdict"], told["exact"]) == ("not_optimal", exact)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("size", [800.0, 1e5, 1e300])
def test_a_loss_that_underflows_to_zero_is_not_certified(size: float, exact: bool) -> None:
    two = make_problem([DenseFeatures(np.array([1.0, -1.0]).reshape(1, 2, 1, 1))], np.zeros((1, 2)), [0], CROSS_ENTROPY)
    for problem in (dense([[[1.0]]], [1.0], LOGISTIC), two):
        told = certify(problem, update([[size]]), Fraction(0), exact=exact)
        assert told["verdict"] == "inconclusive"


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("y", "step"), [(1e16, 0.9), (1e16 + 2, 2.9)])
def test_a_residual_that_is_rounded_away_proves_nothing_at_lambda_zero(y: float, step: float, exact: bool) -> None:
    problem = dense([[[1.0]]], [[y]], f0=[[1e16]])
    for candidate in (update([[step]]), factors([[step]], [[1.0]])):
        assert certify(problem, candidate, Fraction(0), exact=exact)["verdict"] != "global_minimum"
    still = certify(dense([[[1.0]]], [[1e16]], f0=[[1e16]]), update([[0.0]]), Fraction(0), exact=exact)
    assert still["verdict"] == "global_minimum"


@pytest.mark.parametrize("lam", [Fraction(0), Fraction(1, 10**100)])
@settings(max_examples=20)
@given(power=st.integers(-100, 100), exact=st.booleans())
def test_zero_targets_do_not_hide_an_update_that_is_small(lam: Fraction, power: int, exact: bool) -> None:
    c = Fraction(4) ** power
    told = certify(dense([[[1.0]]], [[0.0]]), update([[1e-130 * float(c)]]), lam * c, exact=exact)
    assert told["verdict"] == "not_optimal"


def test_a_small_residual_counts_beside_targets_that_are_met() -> None:
    problem = dense([[[1.0, 0.0]], [[0.0, 1.0]]], [[1.0], [1e-170]], f0=[[1.0], [0.0]])
    assert certify(problem, update([[0.0, 0.0]]), Fraction(0))["verdict"] == "not_optimal"


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("feature", "lam", "size"), [(1.0, 0, 1e200), (1.0, 1, 1e200), (1e200, 1, 1e300)])
def test_an_objective_beyond_floats_is_refused_in_one_line(feature: float, lam: int, size: float, exact: bool) -> None:
    with pytest.raises(BadInput, match="fit into float64"):
        certify(dense([[[feature]]], [[1.0]]), update([[size]]), Fraction(lam), exact=exact)


@pytest.mark.parametrize("feature", [1.0, 1e-200])
def test_a_lambda_beyond_floats_is_refused_in_one_line(feature: float) -> None:
    with pytest.raises(BadInput, match="larger than the data"):
        certify(dense([[[feature]]], [[1.0]]), update([[0.0]]), Fraction(10) ** 300)


def test_exact_says_nothing_of_factors_that_rescaling_has_lost() -> None:
    problem = dense([[[1e-200, 0.0], [0.0, 1e-200]]], [[1e100]])
    lost = factors([[1e-180], [0.0]], [[0.0], [1e-180]])
    assert certify(problem, lost, Fraction(0), exact=True)["verdict"] == "inconclusive"


@settings(max_examples=20)
@given(seed=seeds, loss=st.sampled_from([LOGISTIC, CROSS_ENTROPY]), size=st.sampled_from([1e6, 1e9, 1e12]))
def test_large_offsets_raise_no_dual_above_the_optimum(seed: int, loss: Loss, size: float) -> None:
    rng = np.random.default_rng(seed)
    n, k = 5, 1 if loss is LOGISTIC else 3
    g = rng.standard_normal((n, k, 3, 3))
    y = np.sign(rng.standard_normal((n, 1))) if loss is LOGISTIC else rng.integers(0, k, n)
    f0 = rng.standard_normal((n, k))
    for i in range(3):  # told apart by far: their dual points are 0, the edge of the conjugate's domain
        f0[i] = size * y[i] if loss is LOGISTIC else np.where(np.arange(k) == y[i], 0.0, -size * rng.random(k))
    problem = make_problem([DenseFeatures(g)], f0, y, loss)
    lam = 0.3 * problem.lambda_max()
    found = solve(problem, lam)
    assert found.certificate.gap >= 0
    ((u, v),) = found.factors
    assert certify(problem, update(1.001 * u @ v.T), Fraction(lam))["gap"] >= 0


def test_a_dual_charges_the_rounding_of_features_that_cancel() -> None:
    tiny, e = 2.0**-60, 2.0**-30  # (1 + e)^2 - (1 + 2 e) is e^2, and 0 in floats
    parts = [
        [(tiny, 1.0, 0)],
        [(tiny, 1.0, 1)],
        [(1 + e, 1 + e, 0), (-(1 + 2 * e), 1.0, 0), (tiny, 1.0, 0), (tiny, 1.0, 1)],
    ]
    signal, activation = np.zeros((3, 1, 4, 2)), np.zeros((3, 4, 2))
    for i, row in enumerate(parts):
        for t, (s, a, j) in enumerate(row):
            signal[i, 0, t, j], activation[i, t, j] = s, a
    y = np.array([[1.0], [1.0], [3.0]])  # met by delta = 2^60 I
    problem = make_problem([FactoredFeatures(signal, activation)], np.zeros((3, 1)), y, SQUARED)
    assert certify(problem, update(np.zeros((2, 2))), Fraction(0))["dual"] == 0.0
    assert solve(problem, 0.0).report()["status"] != "optimal"


@pytest.mark.parametrize("lam", [0.0, 1e-3])
def test_measurements_that_floats_cannot_hold_together_are_counted(lam: float) -> None:
    far = dense([[[1e200, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1e-200]]], [[1.0], [1.0]])
    signal = np.array([[1.0, 0.0], [0.0, 1e-200]]).reshape(2, 1, 1, 2)
    small = make_problem([FactoredFeatures(signal, signal[:, 0])], np.zeros((2, 1)), np.ones((2, 1)), SQUARED)
    for problem in (far, small):
        told = solve(problem, lam).report()
        assert told["n_measurements"] == 2
        assert lam > 0 or told["status"] != "optimal"  # 0 is attained, far away


@pytest.mark.parametrize("lam", [Fraction(0), Fraction(1, 100)])
def test_the_best_point_of_its_rank_is_not_spurious_for_being_a_little_off(lam: Fraction) -> None:
    basis = np.eye(4).reshape(4, 2, 2)
    problem = make_problem(
        [DenseFeatures(basis[:, None])], np.zeros((4, 1)), np.array([[1.0], [0], [0], [0.99]]), SQUARED
    )
    column = np.sqrt(1 - 4 * float(lam)) * np.array([[np.cos(1e-6)], [np.sin(1e-6)]])
    assert certify(problem, factors(column, column), lam)["verdict"] == "local_minimum"


def test_an_update_of_many_digits_is_refuted_exactly_without_elimination() -> None:
    rng = np.random.default_rng(0)  # elimination of its fractions took 40 s at 30 x 30
    problem = make_problem(
        [DenseFeatures(rng.standard_normal((4, 1, 80, 80)))], np.zeros((4, 1)), np.ones((4, 1)), SQUARED
    )
    told = certify(problem, update(rng.standard_normal((80, 80))), Fraction(1, 10), exact=True)
    assert told["verdict"] == "not_optimal"
    assert told["exact"]
