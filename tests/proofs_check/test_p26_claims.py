"""The three claims about capacity, cross-entropy and variance: verdicts, the exact instances, the census."""

from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check.capacity_census import gaussian_ends
from proofs_check.certificates import critical_point
from proofs_check.claims.p26_1 import proved_spurious
from proofs_check.evidence import Evidence, verdict_of
from proofs_check.exact import SquaredProblem
from proofs_check.execute import run_claim
from proofs_check.logistic_counterexample import (
    LABELS,
    family_d,
    family_d_problem,
    far_update,
    planted_factors,
    prove_family_d,
)
from proofs_check.registry import find
from sims.convex_problem import make_problem
from sims.ntk.features import DenseFeatures
from tests.checks import close
from tests.tolerances import GAUGE_ZERO, PRINTED_DIGITS
from theory.capacity import capacity_ratio
from theory.losses import LOGISTIC, SQUARED
from theory.planted_capacity import capacity_instance

EXPECTED = {"P26-1": ("fails", "holds"), "P26-2": ("fails", "holds"), "P26-3": ("holds", "fails")}


@pytest.mark.parametrize("ident", EXPECTED)
@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=3)
def test_verdicts_are_as_registered(ident: str, seed: int) -> None:
    row = run_claim(ident, "smoke", seed, "digits")
    assert not row["error"]
    assert (row["verdict"], row["negative_control"]["verdict"]) == EXPECTED[ident]
    assert (row["expected"], row["negative_control"]["expected"]) == EXPECTED[ident]


@pytest.mark.parametrize(("rank", "m", "p"), [(1, 4, 4), (1, 6, 6), (2, 6, 6)])
def test_minima_above_the_ratio_are_strict_and_spurious_inside_the_rank(rank: int, m: int, p: int) -> None:
    made = capacity_instance(rank, m, p)
    problem = make_problem([DenseFeatures(made.gradients)], np.zeros((made.n, 1)), made.targets, SQUARED)
    exact = SquaredProblem(problem, Fraction(0))
    here, best = exact.facts(made.u, made.v), exact.facts(made.best_u, made.best_v)
    assert here.stationary
    assert here.hessian_inertia == ((m + p) * rank - rank**2, rank**2, 0)
    assert here.gauge_dimension == rank**2
    assert (here.objective, best.objective) == (Fraction(1, 2 * made.n), 0)
    measurement, _ = proved_spurious(rank, m, p)
    assert verdict_of(Evidence((measurement,), 1)) == "fails"


def test_below_the_ratio_nothing_is_claimed_to_be_refuted() -> None:
    """KN = 9, r = 2, 4 x 4 has ratio 1.33 < 1.35: a spurious minimum there contradicts nothing in the paper."""
    measurement, _ = proved_spurious(2, 4, 4)
    assert not measurement.trusted
    assert verdict_of(Evidence((measurement,), 1)) == "inconclusive"


def test_a_coupling_too_weak_gives_no_minimum() -> None:
    made = capacity_instance(1, 4, 4)
    gradients = made.gradients.copy()
    gradients[2:] /= 8.0  # coupling 3/8: 2 c^2 s^2 < target
    problem = make_problem([DenseFeatures(gradients)], np.zeros((made.n, 1)), made.targets, SQUARED)
    facts = SquaredProblem(problem, Fraction(0)).facts(made.u, made.v)
    assert facts.stationary
    assert facts.hessian_inertia[2] > 0


@pytest.mark.parametrize("bits", [64, 160, 400])
def test_family_d_is_proved_at_any_precision(bits: int) -> None:
    proof = prove_family_d(bits)
    assert proof.spurious
    assert proof.q.contains(prove_family_d(2 * bits).q)
    close(float(proof.value.mid()), 2.5600376, PRINTED_DIGITS)
    close(float(proof.q.mid()), 0.4540921, PRINTED_DIGITS)
    close([float(e.mid()) for e in proof.eigenvalues], [0.2039, 1.5424, 3.8830], PRINTED_DIGITS)
    close(float(proof.infimum.mid()), 1.3862943611198906)
    assert not proof.lower_value < proof.infimum
    close(float(proof.lower_value.mid()), 1.3862943611198906)
    close(proof.excess, 1.1737433, PRINTED_DIGITS)


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(-2, 3))
@settings(deadline=None)
def test_no_update_of_family_d_is_below_its_infimum(seed: int, scale: float) -> None:
    delta = 10.0**scale * np.random.default_rng(seed).standard_normal((2, 2))
    predictions = np.tensordot(family_d()[:, 0], delta, axes=2)
    assert float(LOGISTIC.value(predictions[:, None], LABELS).sum()) >= 2 * np.log(2.0)


@given(t=st.floats(1.0, 30.0))
@settings(deadline=None)
def test_rank_one_comes_near_the_infimum_of_family_d(t: float) -> None:
    update = far_update(t)
    assert np.linalg.matrix_rank(update) == 1
    predictions = np.tensordot(family_d()[:, 0], update, axes=2)
    close(predictions, [t, -t, 0.0, 0.0])
    close(float(LOGISTIC.value(predictions[:, None], LABELS).sum()), 2 * np.log(2.0) + 2 * np.log1p(np.exp(-t)))


@pytest.mark.parametrize("ident", ["P26-1", "P26-2"])
@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=5)
def test_controls_of_refuted_claims_hold_at_any_seed(ident: str, seed: int) -> None:
    """A spurious verdict about an unconverged point, or 0/0 where the gradient underflows, would turn them red."""
    evidence = find(ident).control_check("smoke", seed, "digits")
    assert verdict_of(evidence) == "holds"


@pytest.mark.parametrize("seed", [7, 12, 70, 71])
def test_descents_are_run_until_the_sign_of_s_is_decided(seed: int) -> None:
    """At these seeds a gradient of 1e-12 leaves long factors at lam = 0 with S = -1e-7 of its scale."""
    assert verdict_of(find("P26-1").control_check("smoke", seed, "digits")) == "holds"


def test_family_d_agrees_with_the_float_certificate() -> None:
    proof = prove_family_d()
    point = critical_point(family_d_problem(), *planted_factors(float(proof.q.mid())), 0.0)
    assert point.kind == "local_minimum"
    assert point.zeros == point.gauge_dimension == 1
    close(4 * point.objective, float(proof.value.mid()), GAUGE_ZERO)
    close(4 * point.next_eigenvalue, float(proof.eigenvalues[0].mid()), GAUGE_ZERO)
    assert family_d().shape == (4, 1, 2, 2)
    assert LABELS[:, 0].tolist() == [1, -1, 1, -1]


def test_a_wrong_balance_is_not_proved() -> None:
    proof = prove_family_d()
    assert not arb(0.5).contains(proof.q)
    assert not proof.q.contains(arb(0.5))
    # elsewhere on the planted line the point is not stationary
    point = critical_point(family_d_problem(), *planted_factors(0.5), 0.0)
    assert point.kind == "not_stationary"


def test_gaussian_features_are_easy_above_the_guarantee_and_hard_at_the_dimension() -> None:
    easy = gaussian_ends(1, 4, 4, 4, instances=3, starts=6, seed=0)
    hard = gaussian_ends(1, 7, 4, 4, instances=3, starts=6, seed=0)
    assert (easy.runs, hard.runs) == (18, 18)
    assert easy.escaped == 1.0  # KN = r max(m, n): Theorem Z
    assert hard.spurious > 0
    close(capacity_ratio(1, 7, 4, 4), 1.0)
