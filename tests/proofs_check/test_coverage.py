"""Chances of failure of certificates: exact against draws, their power, and the shares that are counted."""

from functools import partial
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.stats import binom

from proofs_check.coverage import DELTA, EVERY, FALSE_ALARM, POWER, CodedClass, any_of, counted, judged, power
from proofs_check.evidence import verdict_of
from proofs_check.registry import find
from tests.checks import close
from tests.strategies import seeds
from theory.bounds.code_length import occam_hoeffding, occam_kl

CLAIMS = (
    "BND-OCCAM-HOEFFDING",
    "BND-OCCAM-KL",
    "BND-OCCAM-BINOMIAL",
    "BND-CATONI",
    "BND-TOKENS",
    "BND-SUBLORA",
    "BND-PACBAYES",
    "BND-CERTIFICATE",
)


@given(seed=seeds, share=st.sampled_from([0.1, 0.3, 0.5]))
def test_the_chance_of_failure_is_the_share_of_drawn_samples(seed: int, share: float) -> None:
    world = CodedClass(30, 0.4, ((3, 4), (5, 16)))
    rng, runs = np.random.default_rng(seed), 1500
    failed = np.zeros(runs, dtype=bool)
    for bits, predictors in world.code:
        train = rng.binomial(world.n, world.risk, (runs, predictors)) / world.n
        failed |= (occam_kl(train, world.n, share * bits, world.delta**share) < world.risk).any(axis=1)
    chance = world.failure(occam_kl, share)
    count = int(failed.sum())
    assert min(binom.cdf(count, runs, chance), binom.sf(count - 1, runs, chance)) >= FALSE_ALARM


@given(each=st.floats(0.0, 1.0), count=st.integers(1, 50))
def test_any_of_independent_events(each: float, count: int) -> None:
    close(any_of(np.array([each]), np.array([float(count)])), 1 - (1 - each) ** count)


def test_any_of_very_many_rare_events() -> None:
    close(any_of(np.array([2.0**-60]), np.array([2.0**40])), -np.expm1(-(2.0**-20)))
    assert any_of(np.array([0.0, 1.0]), np.array([2.0**60, 1.0])) == 1.0


@pytest.mark.parametrize("world", EVERY, ids=lambda world: world.name)
def test_every_certificate_fails_less_often_the_more_it_charges(world: CodedClass) -> None:
    chances = [world.failure(occam_hoeffding, share) for share in np.linspace(0.05, 1.0, 20)]
    assert all(larger >= smaller for larger, smaller in pairwise(chances))


@given(seen=st.integers(0, 100))
def test_power_is_the_largest_share_in_hundredths_that_is_seen_to_fail(seen: int) -> None:
    found = power(lambda share: float(share <= seen / 100), DELTA, "")
    assert found.measured == seen / 100
    assert found.satisfied == (seen / 100 >= POWER)


@pytest.mark.parametrize("runs", [200, 1000, 20_000])
def test_drawn_samples_are_refused_at_one_in_a_million_and_no_sooner(runs: int) -> None:
    refused = next(k for k in range(runs) if not counted(np.arange(runs) < k, DELTA, "").satisfied)
    assert binom.sf(refused - 1, runs, DELTA) <= FALSE_ALARM < binom.sf(refused - 2, runs, DELTA)


@pytest.mark.parametrize("ident", CLAIMS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_row_of_a_control_is_red_and_every_claim_has_power(ident: str, seed: int) -> None:
    """Not one row only: each term of each budget has a world that notices seven tenths of it."""
    claim = find(ident)
    control = claim.control_check("smoke", seed, "digits")
    assert control.measurements
    assert not [m for m in control.measurements if m.satisfied]
    found = claim.check("smoke", seed, "digits")
    assert verdict_of(found) == "holds"
    assert [m for m in found.measurements if m.name.startswith("largest share of the budget")]


@pytest.mark.parametrize("share", [0.5, POWER])
def test_a_sharp_world_is_red_at_half_and_at_seven_tenths(share: float) -> None:
    world = EVERY[0]
    (row,) = judged(partial(world.failure, occam_kl), world.delta, world.name, share)
    assert not row.satisfied
