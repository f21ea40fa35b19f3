"""The measured open points: verdicts and controls as registered, and that each rule could have failed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check import registry
from proofs_check.claims import ntk_open_decay, ntk_open_init, ntk_open_noise, ntk_open_rank1
from proofs_check.claims.ntk_open_ce import logistic_family
from proofs_check.evidence import verdict_of
from proofs_check.instances import planted
from proofs_check.trained_runs import Ends, ends_at
from tests.tolerances import ROUNDING

OPEN = ("NOISE", "INIT", "BASIN", "DECAY", "RANK1", "CE")
each_claim = pytest.mark.parametrize("ident", [f"NTK-OPEN-{name}" for name in OPEN])


@each_claim
@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=2)
def test_verdict_and_control_are_as_registered(ident: str, seed: int) -> None:
    claim = registry.find(ident)
    evidence = claim.check("smoke", seed, "digits")
    assert verdict_of(evidence) == claim.expected, [m for m in evidence.worst() if not (m.satisfied and m.trusted)]
    assert evidence.notes  # what was seen is said in words
    assert verdict_of(claim.control_check("smoke", seed, "digits")) == claim.control_expected


@each_claim
def test_nothing_is_sold_as_a_theorem(ident: str) -> None:
    claim = registry.find(ident)
    assert claim.kind == "empirical"
    assert claim.assumptions


def test_shares_count_every_run_and_are_not_trusted_with_undecided_ones() -> None:
    ends = Ends(3, 1, 0)
    assert (ends.runs, ends.trapped, ends.escaped) == (4, 0.25, 0.75)
    assert ends.share("x", ends.escaped, ">=", 1.0, "").trusted
    assert not Ends(3, 1, 1).share("x", 0.5, "<=", 1.0, "").trusted


def test_the_end_at_a_planted_minimum_is_spurious_and_at_its_optimum_global() -> None:
    instance = planted("A'", 2, 4, 4)
    assert instance.planted is not None
    assert ends_at(instance, instance.planted[None]) == Ends(0, 1, 0)


def test_the_plateau_points_are_stationary_at_the_plateau_value() -> None:
    instance, points = ntk_open_noise.on_the_plateau(2, 4, 0)
    assert ends_at(instance, points) == Ends(0, 4, 0)
    problem, m = instance.problem, instance.landscape.d_out
    for q in points:
        values = problem.loss.value(problem.predictions_low_rank([(q[:m], q[m:])]), problem.y)
        objective = float(values.mean()) + 0.5 * instance.lam * float((q**2).sum())
        assert objective * problem.n == pytest.approx(2.5, rel=ROUNDING[np.float64])  # r + 1/2


def test_lora_starts_have_a_zero_factor_and_the_papers_standard_deviation() -> None:
    instance = planted("A'", 2, 6, 8)
    starts = ntk_open_init.lora_starts(instance, 1.0, 0)
    assert np.all(starts[:, :6] == 0.0)
    np.testing.assert_array_equal(ntk_open_init.lora_starts(instance, 0.5, 0), 0.5 * starts)
    assert starts[:, 6:].std() == pytest.approx(1 / (2**0.5 * 8), rel=0.2)


def test_the_moved_planted_point_meets_its_first_measurement_up_to_the_decay() -> None:
    for ratio in (1.0, 0.1, 0.0):
        instance = ntk_open_decay.with_decay(2, ratio, 0)
        assert instance.planted is not None
        exact = planted("A'", 2, 4, 4)
        u, v = instance.planted[:4], instance.planted[4:]
        prediction = float((exact.landscape.gradients[0, 0] * (u @ v.T)).sum())
        assert float(exact.landscape.y[0, 0]) - prediction == pytest.approx(ratio, abs=ROUNDING[np.float64] * 10)


def test_token_sums_have_the_rank_of_their_tokens() -> None:
    for tokens in (1, 2):
        gradients = ntk_open_rank1.token_sum(0, 4, 2, tokens, 6, 7, ratio=0.1).landscape.gradients
        assert {int(np.linalg.matrix_rank(g)) for g in gradients.reshape(-1, 6, 7)} == {tokens}


def test_the_logistic_family_has_labels_of_both_signs_and_independent_features() -> None:
    instance = logistic_family(3)
    assert set(instance.landscape.y.ravel()) == {-1.0, 1.0}
    assert instance.problem.measurements == 9
