"""Proved, measured and conjectured are told apart, and a violated number shows the digits that violate it."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proofs_check import registry
from proofs_check.evidence import Evidence, Measurement, digits_apart
from proofs_check.execute import run_claim
from proofs_check.ledger import number, relation, table
from proofs_check.standing import STANDINGS, ground_of, read_back, standing_of, verdict_in_words
from tests.proofs_check import fake_claims

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9)


@pytest.mark.parametrize(
    ("kind", "verdict", "certificate", "ground", "standing"),
    [
        ("equality", "holds", "float", "proof", "proved"),
        ("upper", "holds", "exact", "proof", "proved"),
        ("lower", "inconclusive", "float", "run", "measured"),
        ("equality", "holds", "none", "run", "measured"),
        ("equality", "fails", "float", "run", "measured"),  # a refutation in floats is no proof
        ("equality", "fails", "exact", "proof", "proved"),
        ("asymptotic", "holds", "float", "run", "measured"),
        ("empirical", "holds", "exact", "run", "measured"),
        ("empirical", "fails", "exact", "proof", "proved"),
        ("conjecture", "holds", "exact", "run", "conjectured"),
        ("conjecture", "fails", "float", "run", "conjectured"),
        ("conjecture", "fails", "exact", "proof", "proved"),
    ],
)
def test_what_a_verdict_rests_on(kind, verdict, certificate, ground, standing):
    assert ground_of(kind, verdict, certificate) == ground
    row = {"kind": kind, "evidence": ground}
    assert standing_of(row) is STANDINGS[standing]
    assert read_back(row)["evidence"] == ("proof" if ground == "proof" else "record")
    assert standing_of(read_back(row)) is STANDINGS[standing]


def test_a_conjecture_never_holds_in_words(claims):
    claims(fake_claims.make("NTK-T"), fake_claims.make("NTK-C", kind="conjecture"))
    rows = [run_claim(ident, "smoke", 0, "digits") for ident in ("NTK-T", "NTK-C")]
    assert [row["evidence"] for row in rows] == ["proof", "run"]
    theorem, conjecture = (line for line in table(rows, 200).splitlines() if line.lstrip().startswith("NTK-"))
    assert " holds " in theorem
    assert " proved " in theorem
    assert " holds " not in conjecture
    assert "no counterexample found" in conjecture
    assert " conjectured " in conjecture
    assert "1 proved or certified, 1 conjectured" in table(rows, 200)
    assert verdict_in_words("upper", "holds") == "holds"
    assert verdict_in_words("conjecture", "fails") == "fails"


def test_theorem_t_is_registered_as_a_conjecture_and_tried_without_weight_decay():
    claim = registry.find("NTK-TARGET")
    assert claim.kind == "conjecture"
    evidence = claim.check("smoke", 0, "digits")
    assert any("λ = 0" in m.instance for m in evidence.measurements)
    assert any("λ = 0" in m.instance for m in claim.control_check("smoke", 0, "digits").measurements)


def test_only_open_statements_may_be_expected_to_stay_open():
    for kind in ("empirical", "conjecture"):
        fake_claims.make("NTK-X", kind=kind, expected="inconclusive", expected_reason="too few runs")
    with pytest.raises(ValueError, match="kind 'upper' cannot be expected to be inconclusive"):
        fake_claims.make("NTK-X", expected="inconclusive", expected_reason="too few runs")


@given(measured=FINITE, excess=st.floats(1e-15, 10.0), tolerance=st.sampled_from([0.0, 1e-12, 1e-6, 0.3]))
def test_a_violation_is_visible_in_its_digits(measured, excess, tolerance):
    predicted = measured - excess * max(1.0, abs(measured)) - tolerance
    m = Measurement("x", measured, predicted, "<=", tolerance)
    assume(m.slack < -1e-14 * max(abs(measured), abs(predicted), tolerance))  # not the rounding of the slack itself
    digits = digits_apart(measured, predicted, tolerance)
    left, right, room = (float(number(x, digits)) for x in (measured, predicted, tolerance))
    assert left - right > room


def test_one_is_never_said_to_violate_one(claims):
    def check(level, seed, data):
        return Evidence((Measurement("penalty", 1.0000010550060652, 1.0, "==", 1e-6, "trial 35"),), 1)

    claims(fake_claims.make("NTK-P", check))
    row = run_claim("NTK-P", "smoke", 0, "digits")
    assert relation(row["measurements"][0]) == "1.00000106 violates == 1 ± 1e-06"
    text = table([row], 160)
    assert "penalty: 1.00000106 violates == 1 ± 1e-06, trial 35" in text


def test_equal_and_unknown_numbers_keep_their_three_digits():
    assert digits_apart(1.0, 1.0) == 3
    assert digits_apart(float("nan"), 1.0) == 3
    assert digits_apart(float("inf"), 1.0) == 3
    assert digits_apart(2.0, 1.0) == 3
