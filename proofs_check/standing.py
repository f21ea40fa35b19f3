"""What a verdict rests on, in three words that are never mixed: proved or certified, measured, conjectured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Ground = Literal["proof", "run", "record"]

_THEOREMS = ("equality", "upper", "lower")
NO_COUNTEREXAMPLE = "no counterexample found"


@dataclass(frozen=True)
class Standing:
    """One of the three: told by symbol and words, never by colour alone."""

    key: str
    symbol: str
    label: str
    meaning: str


STANDINGS = {
    standing.key: standing
    for standing in (
        Standing(
            "proved",
            "∎",
            "proved or certified",
            "A theorem with a proof in its source, held against every instance here; or refuted by a counterexample "
            "that is certified exactly.",
        ),
        Standing(
            "measured",
            "≈",
            "measured on instances",
            "Seen on the instances that were run, and said of those only; or a limit, followed over finite sizes.",
        ),
        Standing(
            "conjectured",
            "○",
            "conjectured",
            "No complete proof is known. Trials are counted: no counterexample found, or a counterexample.",
        ),
    )
}


def ground_of(kind: str, verdict: str, certificate: str) -> Ground:
    """Return the ledger's "evidence" of a claim of this kind that was run: "proof" or "run".

    "proof": the statement is a theorem (kinds equality, upper, lower) and holds, or it fails by an exact certificate.
    """
    if verdict == "fails":
        return "proof" if certificate == "exact" else "run"
    return "proof" if verdict == "holds" and kind in _THEOREMS and certificate != "none" else "run"


def read_back(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an earlier run as one that was read from its record; a proof remains one."""
    return dict(row) | {"from_record": True, "evidence": "record" if row["evidence"] == "run" else row["evidence"]}


def standing_of(row: Mapping[str, Any]) -> Standing:
    """Return which of the three a row of the ledger is."""
    if row["evidence"] == "proof":
        return STANDINGS["proved"]
    return STANDINGS["conjectured" if row["kind"] == "conjecture" else "measured"]


def verdict_in_words(kind: str, verdict: str) -> str:
    """Return the verdict as it is shown: a conjecture does not hold, it has no counterexample yet."""
    return NO_COUNTEREXAMPLE if kind == "conjecture" and verdict == "holds" else verdict
