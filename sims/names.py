"""Words that were meant: the nearest known name beside one that is not known."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ", did you mean ..." with the closest known words, or an empty string when none is close."""
    by_case = {k.lower(): k for k in known}
    close = difflib.get_close_matches(word.lower(), by_case, n=3, cutoff=0.5)
    return f", did you mean {' or '.join(by_case[c] for c in close)}" if close else ""
