"""`lora-theory claims`: the registry."""

from proofs_check.commands import _options, _output


def claims(*, paper: _options.Paper | None = None, json: _options.Json = None) -> int:
    """List the claims: id, statement, source, the verdict that is expected and why.

    Parameters
    ----------
    paper
        Only the claims of this body of work.
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    from proofs_check import registry
    from proofs_check.standing import verdict_in_words

    answer = _output.Answer(json)
    found = registry.claims_of(paper) if paper else registry.all_claims()
    lines = [(c.id, c.paper, c.kind, verdict_in_words(c.kind, c.expected), c.source, c.statement) for c in found]
    text = _output.columns(("id", "paper", "kind", "expected", "source", "statement"), lines)
    answer.give([c.description() for c in found], text)
    return 0
