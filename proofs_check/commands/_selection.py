"""Which claims a command is about: by id, by paper, by words, or those that differed the last time."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proofs_check.registry import Claim


def selected(
    idents: Sequence[str], paper: str | None = None, words: str | None = None, last_differed: bool = False
) -> "tuple[Claim, ...]":
    """Return the claims to run, each once.

    Raises BadInput for an unknown id or one of another paper, for words that no claim has, or when none is left.
    """
    from proofs_check import registry
    from proofs_check.commands import _output
    from sims.errors import BadInput

    pool = registry.claims_of(paper) if paper else registry.all_claims()
    chosen = tuple(dict.fromkeys(registry.find(ident) for ident in idents)) or pool
    for claim in chosen:
        if claim not in pool:
            raise BadInput(f"claim {claim.id} is of paper {claim.paper!r}, not {paper!r}; leave out --paper or the id")
    if not chosen:
        told = "; ".join(registry.broken()) or "install lora-theory again (make setup)"
        raise BadInput(f"no claims are installed (proofs_check/claims); {told}")
    if words is not None:
        chosen = tuple(claim for claim in chosen if _says(claim, words))
        if not chosen:
            raise BadInput(f"-k {words!r}: no claim has all these words in its id, statement, source or paper")
    if last_differed:
        differed = set(_last())
        again = tuple(claim for claim in chosen if claim.id in differed)
        if not again:
            _output.say("--lf: none of these claims differed the last time, so all of them are run")
        chosen = again or chosen
    return chosen


def tell_broken() -> int:
    """Print a line about each file of claims that cannot be used; return how many there are."""
    from proofs_check import registry
    from proofs_check.commands import _output

    lines = registry.broken()
    for line in lines:
        _output.say(line)
    return len(lines)


def remember(rows: Iterable[Mapping[str, Any]]) -> None:
    """Keep which of these claims differ, for --lf; what was not run now stays as it was."""
    from proofs_check.ledger import as_expected
    from sims.files import write_atomic

    run = {row["id"]: as_expected(row) for row in rows}
    differed = [ident for ident in _last() if ident not in run]
    differed += [ident for ident, good in run.items() if not good]
    with suppress(OSError, ValueError):  # a convenience: a home that cannot be written is no failure
        write_atomic(_memory(), json.dumps(sorted(set(differed))) + "\n")


def _says(claim: "Claim", words: str) -> bool:
    text = f"{claim.id} {claim.paper} {claim.statement} {claim.source}".casefold()
    return all(word in text for word in words.casefold().split())


def _last() -> list[str]:
    """Return the ids that differed when they were last verified."""
    try:
        found = json.loads(_memory().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [ident for ident in found if isinstance(ident, str)] if isinstance(found, list) else []


def _memory() -> Path:
    import pooch

    return Path(pooch.os_cache("lora-theory")) / "last_differed.json"
