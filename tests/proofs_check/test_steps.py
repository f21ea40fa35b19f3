"""Every proof step holds at its smallest size, and a step can fail."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check import registry
from proofs_check.evidence import verdict_of
from proofs_check.registry import steps_of
from sims.solvers import rank_reduction

CLAIMS_WITH_PROOFS = {
    "NTK-L2.2": 5,
    "NTK-T3.1": 5,
    "NTK-T4.1": 7,
    "NTK-W": 4,
    "NTK-Z": 4,
    "NTK-T5.1": 6,
    "KKR-T1": 5,
    "ASY-T4.3'": 4,
    "ASY-BOUNDARY": 5,
}


@pytest.mark.parametrize("claim", CLAIMS_WITH_PROOFS)
def test_the_proof_has_all_its_steps_in_order(claim: str) -> None:
    steps = steps_of(claim)
    assert len(steps) == CLAIMS_WITH_PROOFS[claim]
    assert [step.id for step in steps] == sorted(step.id for step in steps)


@pytest.mark.parametrize("claim", CLAIMS_WITH_PROOFS)
@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=2)
def test_every_step_holds(claim: str, seed: int) -> None:
    for step in steps_of(claim):  # together: some claims measure all their steps at once and keep them
        evidence = step.check("smoke", seed, "digits")
        assert evidence.instances > 0
        assert verdict_of(evidence) == "holds", (step.id, [m for m in evidence.worst() if not m.satisfied])


def test_a_reduction_along_a_direction_outside_the_kernel_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    original = rank_reduction.null_direction

    def mutant(*args: object) -> object:
        found = original(*args)  # type: ignore[arg-type]
        if found is None:
            return None
        spoilt = [b.copy() for b in found]
        spoilt[0][0, 0] += 0.1
        return spoilt

    import proofs_check.steps.reduction as reduction

    monkeypatch.setattr(reduction, "null_direction", mutant)
    steps = {step.id: step for step in steps_of("NTK-T3.1")}
    assert verdict_of(steps["P1"].check("smoke", 0, "digits")) == "fails"
    assert verdict_of(steps["P2"].check("smoke", 0, "digits")) == "fails"


def test_a_step_declared_twice_is_refused() -> None:
    step = steps_of("NTK-T4.1")[0]
    with pytest.raises(ValueError, match="is declared twice"):
        registry.proof_step(claim=step.claim, id=step.id, statement="again")(lambda level, seed, data: None)  # type: ignore[arg-type, return-value]
