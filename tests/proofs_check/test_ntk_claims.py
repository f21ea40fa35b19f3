"""The claims on the landscape: verdict and control are as registered whatever the seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check.certificates import critical_point
from proofs_check.claims import ntk_esc, ntk_l2_2, ntk_target
from proofs_check.execute import run_claim
from proofs_check.instances import planted_flat
from proofs_check.ledger import as_expected
from proofs_check.registry import find
from tests.checks import EXACT, close
from theory.convex_lora import nuclear_norm
from theory.factorisation import balanced_factors

CLAIMS = [
    f"NTK-{name}"
    for name in ("L2.2", "T3.1", "T4.1", "T4.1-P0", "C4.2", "CE", "D", "ESC", "GAP", "M", "ML", "RMIN", "RPK", "W", "Z")
]
CLAIMS.append("NTK-TARGET")


@pytest.mark.parametrize("ident", CLAIMS)
@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=2)
def test_verdict_control_and_steps_are_as_registered(ident: str, seed: int) -> None:
    row = run_claim(ident, "smoke", seed, "digits")
    assert not row["error"]
    assert as_expected(row), (row["verdict"], row["negative_control"], row["measurements"][:3])


@pytest.mark.parametrize("seed", [2, 3])
def test_a_descent_of_the_lemma_is_run_until_it_converges(seed: int) -> None:
    """At these seeds a descent in the units of a small delta used to stop short, and was trusted."""
    row = run_claim("NTK-L2.2", "quick", seed, "digits")
    assert as_expected(row), row["measurements"][:3]


@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from([(1, 7), (3, 5), (6, 4)]), size=st.floats(-6.0, 6.0))
@settings(deadline=None)
def test_what_the_descent_may_have_left_is_what_it_has_left(seed: int, shape: tuple[int, int], size: float) -> None:
    g = np.random.default_rng(seed)
    delta = 10.0**size * g.standard_normal(shape)
    u, v = balanced_factors(delta)
    least, left = ntk_l2_2._least_penalty(u, v, g)  # in units of the norm of delta
    assert left <= ntk_l2_2._CONVERGED
    assert -EXACT <= least - 1.0 <= left + EXACT
    close((u**2).sum(), nuclear_norm(delta))


@pytest.mark.parametrize(("rank", "m", "p"), [*ntk_esc._FLAT, *ntk_target._FLAT])
def test_the_flat_points_without_decay_are_second_order_and_above_the_optimum(rank: int, m: int, p: int) -> None:
    instance = planted_flat(rank, m, p)
    assert instance.planted is not None
    assert rank * (rank + 3) / 2 > instance.problem.measurements
    point = critical_point(instance.problem, instance.planted[:m], instance.planted[m:], 0.0)
    assert point.second_order
    assert not point.is_global
    assert point.objective > 0


@pytest.mark.parametrize(
    ("ident", "words"),
    [
        ("NTK-W", "strict modulo rotations"),
        ("NTK-ESC", "any λ ≥ 0"),
        ("NTK-ESC", "connected component of every sublevel set"),
        ("NTK-T4.1", "λ = 0 and L̂ has a minimiser"),
        ("NTK-C4.2", "at λ = 0 that is assumed"),
        ("KKR-T1", "1 ≤ r* ≤ r"),
        ("KKR-T1", "‖X−X*‖_F ≤ D"),
        ("P26-1", "for all features"),
        ("NTK-LORA-KERNEL", "law of √r A"),
        ("NTK-OPEN-DECAY", "at the λ tried"),
        ("NTK-D", "2 log 2"),
        ("KKR-L1", "b⌈log(ε/4)/log(1−μλ)⌉"),
    ],
)
def test_statements_carry_their_hypotheses(ident: str, words: str) -> None:
    assert words in find(ident).statement
