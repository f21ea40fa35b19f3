"""ASY-STRATEGY: the README's strategy string of the official code trains the wrong factor."""

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from sims.adapters.strategy import official_strategy, parse_strategy

README, IN_ORDER = "A_rand_hB_zero", "hB_zero_A_rand"


def _trained_as_marked(text: str) -> Evidence:
    """Compare what the official parser trains with the letters of the string (h marks a trained factor)."""
    official, marked = official_strategy(text), parse_strategy(text)
    found = [
        Measurement("B is trained", official.trains_b, marked.trains_b, "==", 0.0, text),
        Measurement("A is trained", official.trains_a, marked.trains_a, "==", 0.0, text),
        Measurement("B starts as stated", official.b_start == marked.b_start, 1.0, "==", 0.0, text),
        Measurement("A starts as stated", official.a_start == marked.a_start, 1.0, "==", 0.0, text),
    ]
    notes = (f"{text}: the official parser makes {official.adapter} of it, the letters say {marked.adapter}",)
    return Evidence(tuple(found), 1, certificate="none", notes=notes)


def _control(level: Level, seed: int, data: str) -> Evidence:
    return _trained_as_marked(IN_ORDER)


@claim(
    id="ASY-STRATEGY",
    paper="asymmetry",
    statement="In the official code, the strategy string of its README, A_rand_hB_zero, trains B from zero with A "
    "frozen at random.",
    source="arXiv 2402.16842, official code, README and parser of strategies",
    kind="equality",
    assumptions=("the official parser as sims.adapters.strategy models it (its source was read; it is not run here)",),
    expected="fails",
    expected_reason="The parser takes the first two words for B and the last two for A, whatever letters they hold: "
    "this string trains A from zero and freezes B at random, the opposite. In its order the string is "
    "hB_zero_A_rand. Which one made the published tables is not known.",
    control="the same strategy written in the parser's order, hB_zero_A_rand: it trains what it says",
    control_check=_control,
    control_expected="holds",
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Lay what the official parser reads beside what the letters of the string say."""
    return _trained_as_marked(README)
