"""Interval Newton: true spurious minima are proved, everything else is refused, and a wrong derivative is noticed."""

from fractions import Fraction
from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pytest
from flint import arb, arb_mat
from hypothesis import given, settings

from proofs_check import interval_newton
from proofs_check.ball_objective import BallObjective, exact_matrix
from proofs_check.certify import certify
from proofs_check.claims.ntk_z import family_c
from proofs_check.found_minima import polished, prove_found
from proofs_check.instances import Instance, planted
from proofs_check.interval_newton import MAX_RADIUS, prove_spurious_minimum, prove_strict_minimum
from sims.convex_problem import ConvexProblem, make_problem
from sims.errors import BadInput
from sims.ntk.features import DenseFeatures
from sims.problem_files import Candidate
from sims.solve import solve
from tests.problems import ALL_LOSSES, family_d, planted_problem, random_problem
from tests.strategies import seeds
from tests.tolerances import IDENTITY, SPURIOUS_GAP
from theory import factored_objective as lora
from theory.factorisation import balanced_factors
from theory.losses import Loss
from theory.planted_families import planted_instance

EXACT = IDENTITY["float64"]
each_loss = pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)


def found(instance: Instance) -> tuple[ConvexProblem, np.ndarray, np.ndarray, Fraction]:
    assert instance.planted is not None
    q = polished(instance.problem, instance.planted, instance.lam)
    m = instance.landscape.d_out
    return instance.problem, q[:m], q[m:], Fraction(instance.lam)


def saddle() -> tuple[ConvexProblem, np.ndarray, np.ndarray, Fraction]:
    """Family A with a coupling 4 % too weak: full rank, stationary, one small negative eigenvalue."""
    made = planted_instance("A", 2, coupling=float(np.sqrt(0.96 * 0.5)))
    return planted_problem(made), made.u, made.v, Fraction(1, made.n)


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("family", ["A", "A'"])
def test_noisy_families_are_proved_spurious_and_strict(family: str, rank: int, noise: float) -> None:
    problem, u, v, lam = found(planted(family, rank, rank + 1, rank + 2, noise=noise, seed=1))  # type: ignore[arg-type]
    proof = prove_spurious_minimum(problem, u, v, lam, better=solve(problem, float(lam)).factors)
    assert proof is not None
    assert proof.gauge_dimension == rank * (rank - 1) // 2
    assert proof.better_rank <= rank
    assert proof.radius < MAX_RADIUS
    assert proof.curvature > 0
    assert proof.excess > SPURIOUS_GAP
    assert proof.value[0] <= proof.value[1]
    assert proof.value[0] - proof.better_value <= proof.excess + EXACT


@pytest.mark.parametrize(("rank", "m", "p"), [(1, 2, 2), (2, 3, 4), (3, 4, 5)])
def test_noisy_family_c_is_proved_modulo_the_linear_gauge(rank: int, m: int, p: int) -> None:
    problem, u, v, lam = found(family_c(rank, m, p, noise=0.02, seed=1))
    proof = prove_spurious_minimum(problem, u, v, lam, better=solve(problem, 0.0).factors)
    assert lam == 0
    assert proof is not None
    assert proof.gauge_dimension == rank**2
    assert proof.excess > SPURIOUS_GAP


@pytest.mark.parametrize(
    "instance",
    [planted("A'", 2, 4, 4, noise=0.05, seed=3), family_c(1, 3, 3, noise=0.05, seed=3)],
    ids=lambda instance: instance.name,
)
def test_what_the_landscape_search_finds_is_proved_within_its_rank(instance: Instance) -> None:
    assert instance.planted is not None
    rank = instance.planted.shape[1]
    proof = prove_found(instance, rank)
    assert proof is not None
    assert proof.better_rank <= rank


@pytest.mark.parametrize("lam", [Fraction(0), Fraction(1, 1000)])
def test_a_noisy_logistic_minimum_is_proved_at_rank_one(lam: Fraction) -> None:
    exact, u, v = family_d()
    gradients = np.asarray(exact.layers[0].dense())
    gradients = gradients + 0.02 * np.random.default_rng(0).standard_normal(gradients.shape)
    problem = make_problem([DenseFeatures(gradients)], exact.f0, exact.y, exact.loss)
    q = polished(problem, np.concatenate([u, v]), float(lam))
    proof = prove_spurious_minimum(problem, q[:2], q[2:], lam)
    assert proof is not None
    assert proof.gauge_dimension == (1 if lam == 0 else 0)
    assert proof.excess > SPURIOUS_GAP


@each_loss
@settings(max_examples=5)
@given(seed=seeds)
def test_balls_contain_value_gradient_and_hessian(loss: Loss, seed: int) -> None:
    problem = random_problem(seed, loss, n=3, k=2, shapes=((3, 2),))
    q = np.random.default_rng(seed).standard_normal((5, 2))
    args = (np.asarray(problem.layers[0].dense()), problem.f0, problem.y, loss, 0.25, q)
    balls, at = BallObjective(problem, Fraction(1, 4)), exact_matrix(q)
    for inside, outside in (
        ([balls.value(at)], lora.objective(*args)),
        (balls.gradient(at).entries(), lora.gradient(*args)),
        (balls.hessian(at).entries(), lora.hessian(*args)),
    ):
        flat = np.asarray(outside).reshape(-1)
        scale = max(1.0, float(np.abs(flat).max()))
        np.testing.assert_allclose([float(x.mid()) for x in inside], flat, rtol=0, atol=EXACT * scale)


@pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)
def test_wide_balls_contain_the_values_at_every_point_inside(loss: Loss) -> None:
    problem = random_problem(1, loss, n=3, k=2, shapes=((3, 2),))
    rng = np.random.default_rng(1)
    q, width = rng.standard_normal((5, 2)), 0.125
    balls = BallObjective(problem, Fraction(1, 4))
    wide = arb_mat([[arb(float(x), width) for x in row] for row in q])
    for _ in range(20):
        inside = exact_matrix(q + width * rng.uniform(-1, 1, q.shape))
        assert balls.value(wide).overlaps(balls.value(inside))
        assert balls.gradient(wide).contains(balls.gradient(inside))
        assert balls.hessian(wide).contains(balls.hessian(inside))


def test_a_saddle_is_refused() -> None:
    assert prove_strict_minimum(*saddle()) is None
    assert prove_spurious_minimum(*saddle()) is None


@pytest.mark.parametrize("rank", [2, 3])
def test_a_flat_minimum_is_refused(rank: int) -> None:
    made = planted_instance("B", rank)
    assert prove_strict_minimum(planted_problem(made), made.u, made.v, Fraction(1, made.n)) is None


def test_rank_deficient_factors_are_refused() -> None:
    made = planted_instance("A", 3)
    u, v = made.u.copy(), made.v.copy()
    u[:, 1:] = v[:, 1:] = 0.0
    assert prove_strict_minimum(planted_problem(made), u, v, Fraction(1, made.n)) is None


def test_a_global_minimum_is_a_strict_minimum_but_not_spurious() -> None:
    made = planted_instance("A'", 2)
    problem, lam = planted_problem(made), Fraction(1, made.n)
    u, v = balanced_factors(made.optimum, 1)
    assert prove_strict_minimum(problem, u, v, lam) is not None
    assert prove_spurious_minimum(problem, u, v, lam, better=[(u, v), (made.u, made.v)]) is None


@settings(max_examples=15)
@given(seed=seeds, exponent=st.floats(-12.0, -2.5))
def test_the_radius_covers_the_true_point_and_a_point_beyond_it_is_refused(seed: int, exponent: float) -> None:
    """Family A at rank 1 has no gauge: the true point is the planted one, at a known distance."""
    made = planted_instance("A", 1)
    direction = np.random.default_rng(seed).standard_normal((4, 1))
    q = np.concatenate([made.u, made.v]) + 10.0**exponent * direction / np.linalg.norm(direction)
    distance = float(np.linalg.norm(q - np.concatenate([made.u, made.v])))
    proof = prove_spurious_minimum(planted_problem(made), q[:2], q[2:], Fraction(1, made.n))
    if distance > MAX_RADIUS:
        assert proof is None
    elif distance < MAX_RADIUS / 10:
        assert proof is not None
        assert distance * (1 - EXACT) <= proof.radius <= MAX_RADIUS
        assert proof.value[0] <= made.value / made.n <= proof.value[1]


@settings(max_examples=10)
@given(seed=seeds, size=st.sampled_from([1e-5, 1e-4, 1e-3]))
def test_perturbations_off_the_gauge_beyond_the_radius_are_refused(seed: int, size: float) -> None:
    problem, u, v, lam = found(planted("A'", 2, 3, 4, noise=0.05, seed=1))
    direction = np.random.default_rng(seed).standard_normal((7, 2))
    gauge = lora.gauge_directions(u, v, weight_decay=True)
    along = gauge @ np.linalg.lstsq(gauge, direction.reshape(-1), rcond=None)[0]
    direction -= along.reshape(7, 2)
    direction *= size / np.linalg.norm(direction)
    assert prove_strict_minimum(problem, u + direction[:3], v + direction[3:], lam) is None
    # a rotation of the factors is no perturbation at all
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert prove_strict_minimum(problem, u @ turn, v @ turn, lam) is not None


def shifted(original: object) -> object:
    """A Hessian with the identity added: every saddle would be a minimum."""
    return lambda self, q: original(self, q) + exact_matrix(np.eye(q.nrows() * q.ncols()))  # type: ignore[operator]


def inflated(original: object) -> object:
    """A Hessian a billion times too large: Newton's step vanishes and every point would be stationary."""
    return lambda self, q: original(self, q) * arb(10**9)  # type: ignore[operator]


@pytest.mark.parametrize("mutant", [shifted, inflated])
def test_a_wrong_jacobian_does_not_prove_a_false_statement(mutant: object) -> None:
    """Without the comparison with differences of the gradient both mutants would prove what is false."""
    problem, u, v, lam = saddle()
    if mutant is inflated:
        made = planted_instance("A", 2)
        problem, lam = planted_problem(made), Fraction(1, made.n)
        u, v = made.u + 1e-3, made.v  # not stationary, and the planted point is farther than the radius
    wrong = mutant(BallObjective.hessian)  # type: ignore[operator]
    with mock.patch.object(BallObjective, "hessian", wrong):
        assert prove_spurious_minimum(problem, u, v, lam) is None
        with mock.patch.object(interval_newton, "_agrees", return_value=True):
            assert prove_spurious_minimum(problem, u, v, lam) is not None


def without_data_curvature(self: BallObjective, q: arb_mat) -> arb_mat:
    s, r = self.stationarity_matrix(q), q.ncols()
    d = s.nrows()
    rows = [[s[i // r, j // r] if i % r == j % r else arb(0) for j in range(d * r)] for i in range(d * r)]
    return arb_mat(rows)


def test_a_jacobian_without_the_data_term_proves_nothing() -> None:
    problem, u, v, lam = found(planted("A'", 2, 3, 3, noise=0.02, seed=1))
    with mock.patch.object(BallObjective, "hessian", without_data_curvature):
        assert prove_strict_minimum(problem, u, v, lam) is None


def test_certify_proves_a_found_minimum_and_says_how_near_it_is() -> None:
    problem, u, v, lam = found(planted("A", 3, 5, 6, noise=0.05, seed=1))
    told = certify(problem, Candidate(u @ v.T, u, v), lam, exact=True)
    assert (told["verdict"], told["exact"]) == ("spurious_local_minimum", True)
    assert 0 < told["stationarity"]["radius"] < MAX_RADIUS
    assert "radius" not in certify(problem, Candidate(u @ v.T, u, v), lam)["stationarity"]


def test_certify_at_rational_points_needs_no_radius() -> None:
    instance = family_c(2, 3, 4)
    assert instance.planted is not None
    u, v = instance.planted[:3], instance.planted[3:]
    told = certify(instance.problem, Candidate(u @ v.T, u, v), Fraction(0), exact=True)
    # above the convex optimum, but no rank-2 matrix is lower: without noise the planted block leaves no interpolant
    assert (told["verdict"], told["exact"], told["stationarity"]["radius"]) == ("local_minimum", True, 0.0)


def test_certify_proves_no_flat_float_point() -> None:
    made = planted_instance("B", 3)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    u, v = made.u @ rotation, made.v @ rotation
    told = certify(planted_problem(made), Candidate(u @ v.T, u, v), Fraction(1, made.n), exact=True)
    assert (told["verdict"], told["exact"], told["stationarity"]["radius"]) == ("inconclusive", False, None)


def test_bad_input_is_refused_in_one_line() -> None:
    two = random_problem(0, shapes=((2, 3), (3, 2)))
    one = random_problem(0, shapes=((2, 3),))
    u, v = np.ones((2, 1)), np.ones((3, 1))
    with pytest.raises(BadInput, match="2 layers: interval Newton takes one layer"):
        prove_strict_minimum(two, u, v, Fraction(1))
    with pytest.raises(BadInput, match="lambda -1 is negative"):
        prove_strict_minimum(one, u, v, Fraction(-1))
    with pytest.raises(BadInput, match=r"factors of shapes \(3, 1\) and \(3, 1\): expected \(2, r\) and \(3, r\)"):
        prove_spurious_minimum(one, v, v, Fraction(1))
