"""Search in the report: the text by which a claim is found, and how that text and a query are written alike.

The page does in JavaScript (templates/search.js) what `normalised` and `matches` do here, with the same `RULES`.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from proofs_check.bibliography import cited

_GREEK = "αβγδεζηθικλμνξοπρσςτυφχψω"
_SPELT = {"lamda": "lambda", "final sigma": "sigma"}


def _greek_name(letter: str) -> str:
    """Return the name by which people type a Greek letter, such as "lambda" for λ."""
    name = unicodedata.name(letter).removeprefix("GREEK SMALL LETTER ").lower()
    return _SPELT.get(name, name)


_WORDS = {letter: _greek_name(letter) for letter in _GREEK} | {
    "√": "sqrt",
    "∞": "infinity",
    "∇": "nabla",
    "∈": "in",
    "⌊": "floor",
    "⌈": "ceil",
    "⇔": "iff",
    "⟺": "iff",
}
_OPERATORS = {
    "≤": "<=",
    "⩽": "<=",
    "≥": ">=",
    "⩾": ">=",
    "⪰": ">=",
    "=\u0338": "!=",  # ≠ decomposed
    "≈": "~",
    "≪": "<<",
    "≫": ">>",
    "→": "->",
    "↦": "->",
    "←": "<-",
    "⇒": "=>",
}
_CHARACTERS = {
    "‖": "||",
    "−": "-",
    "–": "-",
    "—": "-",
    "×": "x",
    "·": " ",
    "′": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "⁄": "/",
    "ł": "l",
}

# What Python and the page's script both read; symbols in the form that NFKD and lower case leave.
RULES: dict[str, Any] = {
    "symbols": {c: f" {word} " for c, word in (_WORDS | _OPERATORS).items()} | _CHARACTERS,
    "marks": r"[\u0300-\u036f]",  # accents, hats and bars
    "operators": r"<=|>=|!=|<<|>>|->|<-|=>",
    "names": "|".join(sorted({*_WORDS.values()}, key=lambda name: (-len(name), name))),
    "dropped": r"[(){}\[\]⟨⟩⌋⌉^_\\]",  # brackets, and the signs that set an index or a power
}


def normalised(text: str) -> str:
    """Return the text as it is compared: λ is "lambda", √n is "sqrt n", r² is "r2", ‖·‖ is "||", without accents."""
    text = unicodedata.normalize("NFKD", text).lower()
    for symbol, written in RULES["symbols"].items():
        text = text.replace(symbol, written)
    text = re.sub(RULES["marks"], "", text)
    text = re.sub(RULES["operators"], r" \g<0> ", text)
    text = re.sub(rf"(?<![a-z])(?:{RULES['names']})(?![a-z])", r" \g<0> ", text)
    return " ".join(re.sub(RULES["dropped"], "", text).split())


def matches(query: str, text: str) -> bool:
    """Return whether each word of the query is in the normalised text; the name of a symbol only as a whole word.

    So "eta" finds η and not the "beta" of β.
    """
    names = set(RULES["names"].split("|"))
    return all(f" {word} " in f" {text} " if word in names else word in text for word in normalised(query).split())


def searched(row: Mapping[str, Any], numbers: str = "") -> str:
    """Return the normalised text by which a row of the ledger is found: what it says, not the words around it.

    ``numbers`` are the numbers as the page shows them.
    """
    return normalised(" ".join([*_said(row), numbers]))


def _said(row: Mapping[str, Any]) -> Iterator[str]:
    """Give the texts of a row that are about the claim, with the authors of the papers that it cites."""
    texts = [str(row[key]) for key in ("id", "paper", "statement", "source", "kind", "expected_reason")]
    texts += [*map(str, row["assumptions"]), str(row["negative_control"]["statement"])]
    texts += [*map(str, row.get("notes") or ()), str(row.get("data") or "")]
    texts += [f"{step['id']} {step['statement']}" for step in row.get("proof") or ()]
    yield from texts
    for paper in cited(" ".join(texts)):
        yield f"{', '.join(paper.authors)} {paper.year}"
