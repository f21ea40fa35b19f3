"""The table of constants that could be wrong by two: every claim is in it, and what it says is so."""

import sys
from collections.abc import Iterator

import pytest

from proofs_check.evidence import verdict_of
from proofs_check.registry import all_claims, find
from tests.mutants.machinery import Mutant, planted
from tests.proofs_check.power_table import NOTICED, SLOW, UNNOTICED

SEED = 1001  # of no other test

PAIRS = [(ident, mutant) for ident, mutants in NOTICED.items() for mutant in mutants]
QUICK = [pair for pair in PAIRS if pair[0] not in SLOW]


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    """Checks keep what they compute for the next one, which must not see what a mutant made."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    ours = [m for name, m in sys.modules.items() if name.split(".")[0] in ("proofs_check", "sims", "theory")]
    for kept in [value for module in ours for value in vars(module).values() if hasattr(value, "cache_clear")]:
        kept.cache_clear()


def test_every_claim_is_in_the_table_once() -> None:
    assert sorted([*NOTICED, *UNNOTICED]) == sorted(claim.id for claim in all_claims())
    assert set(SLOW) <= set(NOTICED)


@pytest.mark.parametrize(("ident", "mutant"), QUICK, ids=[f"{ident}: {mutant.error}" for ident, mutant in QUICK])
def test_a_constant_wrong_by_two_is_noticed(ident: str, mutant: Mutant) -> None:
    claim = find(ident)
    with planted(mutant):
        assert verdict_of(claim.check("smoke", SEED, "digits")) != claim.expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ident", "mutant"),
    [pair for pair in PAIRS if pair[0] in SLOW],
    ids=[f"{ident}: {mutant.error}" for ident, mutant in PAIRS if ident in SLOW],
)
def test_a_constant_wrong_by_two_is_noticed_by_a_slow_check(ident: str, mutant: Mutant) -> None:
    test_a_constant_wrong_by_two_is_noticed(ident, mutant)
