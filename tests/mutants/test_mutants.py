"""Planted mutants: each deliberate error in the package is caught by a named test.

The named test (or a check that it shares) must pass on the real code and raise AssertionError on the mutant.
"""

import inspect

import pytest

from tests.mutants import bounds, convex, kernels, linear, training
from tests.mutants.machinery import Mutant, check_the_real_code, named_test, planted, run

MUTANTS = (*convex.MUTANTS, *kernels.MUTANTS, *linear.MUTANTS, *bounds.MUTANTS, *training.MUTANTS)

each_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.error.replace(" ", "-"))


@each_mutant
def test_the_mutant_is_caught_by_its_named_test(mutant: Mutant) -> None:
    check_the_real_code(mutant)
    with planted(mutant), pytest.raises(AssertionError, match=r"."):
        run(mutant)


@each_mutant
def test_the_named_test_exists_and_runs_the_check(mutant: Mutant) -> None:
    test = named_test(mutant)
    if mutant.check is None:
        return
    check = mutant.check.__name__
    if check.startswith("_"):
        # the local wrapper fixes sizes; its last line calls the shared check
        check = inspect.getsource(mutant.check).split("checks.")[-1].split("(")[0]
    assert f"{check}(" in inspect.getsource(test)


def test_a_planted_mutant_leaves_no_trace() -> None:
    mutant = linear.MUTANTS[0]
    with pytest.raises(RuntimeError, match="inside"), planted(mutant):
        raise RuntimeError("inside")
    run(mutant)


def test_errors_have_names_of_their_own() -> None:
    assert len({mutant.error for mutant in MUTANTS}) == len(MUTANTS)


def test_every_kind_of_planted_error_is_covered() -> None:
    """The list that the project promises, each word in the name of some mutant."""
    errors = " ".join(mutant.error for mutant in MUTANTS)
    words = (
        *("half", "transposed", "soft threshold", "lambda", "1/n", "t = +1/mu", "without scaling"),
        *("d_out for d_in", "ln 2", "delta for 1/delta", "A and B exchanged", "scale squared", "frozen factor trained"),
        *("counted bits", "header", "n - r for n - r - 1", "upside down"),
    )
    for word in words:
        assert word in errors, word
