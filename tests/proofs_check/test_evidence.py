"""The verdict is a function of the evidence, and the only one."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.evidence import Evidence, Measurement, verdict_of

NUMBERS = st.floats(allow_nan=False, width=32)
MEASUREMENTS = st.builds(
    Measurement,
    name=st.sampled_from(["gap", "rank"]),
    measured=st.floats(width=32),
    predicted=NUMBERS,
    relation=st.sampled_from(["<=", ">=", "=="]),
    tolerance=st.floats(0, 10, width=32),
    trusted=st.booleans(),
)
MANY = st.lists(MEASUREMENTS, max_size=6).map(tuple)


@given(NUMBERS, NUMBERS)
def test_without_tolerance_satisfied_means_the_relation_itself(measured, predicted):
    assert Measurement("x", measured, predicted, "<=").satisfied == (measured <= predicted)
    assert Measurement("x", measured, predicted, ">=").satisfied == (measured >= predicted)
    assert Measurement("x", measured, predicted, "==").satisfied == (measured == predicted)


@given(MEASUREMENTS)
def test_slack_is_nonnegative_exactly_when_satisfied(m):
    assert m.satisfied == (m.slack >= 0)
    assert math.isnan(m.slack) == math.isnan(m.measured)


@given(MEASUREMENTS)
def test_mirrored_relations_have_the_same_slack(m):
    swapped = {"<=": ">=", ">=": "<=", "==": "=="}[m.relation]
    mirrored = replace(m, measured=m.predicted, predicted=m.measured, relation=swapped)
    assert mirrored.slack == m.slack or math.isnan(m.slack)


@given(MANY)
def test_verdict_is_decided_by_certified_numbers_alone(measurements):
    verdict = verdict_of(Evidence(measurements, len(measurements)))
    refuted = any(m.trusted and not math.isnan(m.measured) and not m.satisfied for m in measurements)
    assert (verdict == "fails") == refuted
    if verdict == "holds":
        assert measurements
        assert all(m.trusted and m.satisfied for m in measurements)


@given(MANY, st.randoms(use_true_random=False))
def test_order_of_measurements_does_not_matter(measurements, random):
    shuffled = list(measurements)
    random.shuffle(shuffled)
    before, after = Evidence(measurements, 1), Evidence(tuple(shuffled), 1)
    assert verdict_of(before) == verdict_of(after)
    assert before.summary()[2] == after.summary()[2] or math.isnan(before.summary()[2])


@given(MANY, MEASUREMENTS)
def test_more_measurements_never_turn_a_refutation_into_a_proof(measurements, extra):
    if verdict_of(Evidence(measurements, 1)) == "fails":
        assert verdict_of(Evidence((*measurements, extra), 1)) == "fails"


@given(MANY)
def test_distrust_never_proves_and_never_refutes(measurements):
    distrusted = tuple(replace(m, trusted=False) for m in measurements)
    assert verdict_of(Evidence(distrusted, 1)) == "inconclusive"


@given(MANY)
def test_summary_gives_the_worst_of_each_name(measurements):
    evidence = Evidence(measurements, 1)
    measured, predicted, slack = evidence.summary()
    assert set(measured) == set(predicted) == {m.name for m in measurements}
    assert all(
        worst.slack <= m.slack
        for worst in evidence.worst()
        for m in measurements
        if m.name == worst.name and worst.known
    )
    if verdict_of(evidence) == "holds":
        assert slack >= 0


def test_nothing_measured_and_nan_are_inconclusive():
    assert verdict_of(Evidence((), 0)) == "inconclusive"
    assert verdict_of(Evidence((Measurement("x", math.nan, 1.0, "<="),), 1)) == "inconclusive"
    assert verdict_of(Evidence((Measurement("x", 0.0, math.nan, "<="),), 1)) == "inconclusive"


def test_a_vacuous_bound_holds_even_for_an_infinite_number():
    assert Measurement("x", math.inf, math.inf, "<=").satisfied


def test_tolerance_covers_rounding_and_is_part_of_the_slack():
    assert Measurement("x", 1.5, 1.0, "<=", tolerance=0.5).slack == 0
    assert not Measurement("x", 1.75, 1.0, "==", tolerance=0.5).satisfied


def test_whole_numbers_are_stored_as_floats():
    m = Measurement("rank", 3, 4, "<=")
    assert type(m.measured) is type(m.predicted) is float


@pytest.mark.parametrize("tolerance", [-1.0, math.nan, math.inf])
def test_tolerance_must_be_a_finite_number(tolerance):
    with pytest.raises(ValueError, match=r"tolerance of 'x'.*finite number >= 0"):
        Measurement("x", 1.0, 1.0, "<=", tolerance=tolerance)
