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
CHEAP = [pair for pair in PAIRS if pair[0] not in SLOW]


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


def _noticed(ident: str, mutant: Mutant) -> bool:
    claim = find(ident)
    with planted(mutant):
        return verdict_of(claim.check("smoke", SEED, "digits")) != claim.expected


def test_every_claim_is_in_the_table() -> None:
    assert {*NOTICED, *UNNOTICED} == {claim.id for claim in all_claims()}
    assert all(NOTICED.values())
    assert set(SLOW) <= set(NOTICED)


@pytest.mark.parametrize(("ident", "mutant"), CHEAP, ids=[f"{ident}: {mutant.error}" for ident, mutant in CHEAP])
def test_a_constant_wrong_by_two_is_noticed(ident: str, mutant: Mutant) -> None:
    assert _noticed(ident, mutant)


if __name__ == "__main__":  # the whole table, the slow checks too; prefixes of ids choose some
    for wanted, wrong in PAIRS:
        if wanted.startswith(tuple(sys.argv[1:] or [""])):
            _forget()
            print(f"{wanted:22} {wrong.error:32} {'noticed' if _noticed(wanted, wrong) else 'MISSED'}", flush=True)
