"""`lora-theory claims`: the registry."""

import textwrap
from typing import TYPE_CHECKING

from proofs_check.commands import _options, _output, _selection

if TYPE_CHECKING:
    from proofs_check.registry import Claim


def claims(*idents: str, paper: _options.Paper | None = None, json: _options.Json = None) -> int:
    """List the claims with the verdict that is expected; with ids, tell these as a whole.

    Parameters
    ----------
    idents
        Ids such as NTK-W: statement, source, kind, hypotheses, negative control and the steps of the proof are shown.
    paper
        Only the claims of this body of work.
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    from proofs_check.standing import verdict_in_words

    answer = _output.Answer(json)
    found = _selection.selected(idents, paper)
    _selection.tell_broken()
    if idents:
        text = "\n\n".join(_whole(claim) for claim in found)
    else:
        lines = [(c.id, c.paper, verdict_in_words(c.kind, c.expected), c.statement) for c in found]
        text = _output.columns(("id", "paper", "expected", "statement"), lines)
    answer.give([c.description() for c in found], text)
    return 0


def _whole(claim: "Claim") -> str:
    """Return everything that is registered about a claim, in the width of the terminal."""
    from proofs_check.registry import steps_of

    told = [
        ("statement", claim.statement),
        ("paper", claim.paper),
        ("source", claim.source),
        ("kind", claim.kind),
        ("expected", claim.expected + (f": {claim.expected_reason}" if claim.expected_reason else "")),
        *(("assumes", assumption) for assumption in claim.assumptions),
        ("control", f"{claim.control} (expected: {claim.control_expected})"),
        *((f"step {step.id}", step.statement) for step in steps_of(claim.id)),
        ("run it", f"lora-theory verify {claim.id}"),
    ]
    longest = max(len(name) for name, _ in told)
    lines = [claim.id]
    for name, text in told:
        lines += textwrap.wrap(
            " ".join(text.split()),
            _output.width(),
            initial_indent=f"  {name.ljust(longest)}  ",
            subsequent_indent=" " * (longest + 4),
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)
