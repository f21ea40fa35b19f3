"""Strategy strings train the factor that they mark, whichever comes first; the official parser does not."""

from itertools import product

import pytest

from sims.adapters.initialisations import INITIALISATIONS
from sims.adapters.strategy import Strategy, official_strategy, parse_strategy
from sims.errors import BadInput


def test_p34_the_readme_string_trains_b_here_and_a_in_the_official_code() -> None:
    b_only = Strategy(trains_a=False, trains_b=True, a_start="rand", b_start="zero")
    assert parse_strategy("A_rand_hB_zero") == parse_strategy("hB_zero_A_rand") == b_only
    assert official_strategy("hB_zero_A_rand") == b_only
    assert official_strategy("A_rand_hB_zero") == Strategy(
        trains_a=True, trains_b=False, a_start="zero", b_start="rand"
    )
    assert b_only.adapter == "b-only"
    assert official_strategy("A_rand_hB_zero").adapter == "a-only"


def test_p34_every_documented_string_trains_its_marked_factors_in_either_order() -> None:
    starts = product(("zero", "rand", "he", "V"), ("zero", "rand", "he", "U"), ("A", "hA"), ("B", "hB"))
    seen = set()
    for a_start, b_start, a, b in starts:
        if (a, b) == ("A", "B") or a_start == b_start == "zero":
            continue
        if (a, a_start) == ("A", "zero") or (b, b_start) == ("B", "zero"):
            continue
        first = parse_strategy(f"{b}_{b_start}_{a}_{a_start}")
        assert (
            first == parse_strategy(f"{a}_{a_start}_{b}_{b_start}") == official_strategy(f"{b}_{b_start}_{a}_{a_start}")
        )
        assert (first.trains_a, first.trains_b) == (a == "hA", b == "hB")
        assert first.a_start in INITIALISATIONS["A"]
        assert first.b_start in INITIALISATIONS["B"]
        seen.add(first.adapter)
    assert seen == {"lora", "b-only", "a-only"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hB_zero", "expected FACTOR_START_FACTOR_START, such as hB_zero_A_rand"),
        ("hB_zero_hB_rand", "'hB', expected A or hA and B or hB, each once"),
        ("hC_zero_A_rand", "'hC', expected A or hA"),
        ("hB_zero_A_U", "start 'U' of factor A, expected one of zero, rand, he, V"),
        ("B_zero_A_rand", "trains nothing: mark a trained factor with h"),
        ("hB_zero_hA_zero", "a frozen factor at zero, or both, stops all training"),
        ("hB_rand_A_zero", "a frozen factor at zero, or both, stops all training"),
    ],
)
def test_other_strings_are_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_strategy(text)


def test_the_official_model_refuses_what_it_does_not_model() -> None:
    with pytest.raises(BadInput, match="strategy 'hB_zero_A': expected FACTOR_START_FACTOR_START"):
        official_strategy("hB_zero_A")
    with pytest.raises(BadInput, match="strategy 'hB_magic_A_rand'"):
        official_strategy("hB_magic_A_rand")
