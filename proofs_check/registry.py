"""The registry of claims: what each paper says, as printed, and the checks that decide it.

A claim is declared in its own module of ``proofs_check.claims`` by decorating its check with ``@claim(...)``.
"""

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from proofs_check.evidence import Evidence, Level, Paper, Verdict
from proofs_check.exits import exits_are_raised
from sims.errors import BadInput, one_line
from sims.names import did_you_mean

Check = Callable[[Level, int, str], Evidence]
Kind = Literal["equality", "upper", "lower", "asymptotic", "empirical", "conjecture"]

PAPERS: tuple[str, ...] = get_args(Paper)
KINDS: tuple[str, ...] = get_args(Kind)
_ID = re.compile(r"[A-Za-z0-9]+([-.'+_]+[A-Za-z0-9]+)*'*")  # it becomes part of file names and addresses


@dataclass(frozen=True)
class Claim:
    """A published statement, the verdict that we expect and why, its check, and a control that drops a hypothesis."""

    id: str
    paper: str
    statement: str
    source: str
    kind: str
    assumptions: tuple[str, ...]
    expected: Verdict
    expected_reason: str
    control: str
    control_expected: Verdict
    check: Callable[..., Any]
    control_check: Callable[..., Any]

    def __post_init__(self) -> None:
        """Raise ValueError for a declaration that the ledger could not read."""
        if not _ID.fullmatch(self.id):
            raise ValueError(f"claim {self.id!r}: an id has letters, digits and - . ' + _ inside, such as NTK-T3.1")
        if self.paper not in PAPERS:
            raise ValueError(f"claim {self.id}: paper {self.paper!r}, expected one of {', '.join(PAPERS)}")
        if self.kind not in KINDS:
            raise ValueError(f"claim {self.id}: kind {self.kind!r}, expected one of {', '.join(KINDS)}")
        if self.expected != "holds" and not self.expected_reason:
            raise ValueError(f"claim {self.id}: expected {self.expected!r} needs an expected_reason")
        if self.expected == "inconclusive" and self.kind not in ("empirical", "conjecture"):
            raise ValueError(f"claim {self.id}: a claim of kind {self.kind!r} cannot be expected to be inconclusive")
        if not self.control:
            raise ValueError(f"claim {self.id}: a negative control needs a sentence that says what is dropped")

    def description(self) -> dict[str, Any]:
        """Return what `lora-theory claims --json` prints of it."""
        return {
            "id": self.id,
            "paper": self.paper,
            "statement": self.statement,
            "source": self.source,
            "kind": self.kind,
            "expected": self.expected,
            "expected_reason": self.expected_reason,
            "assumptions": list(self.assumptions),
            "negative_control": {"statement": self.control, "expected": self.control_expected},
        }


@dataclass(frozen=True)
class Step:
    """One step of a claim's proof as a check: compute X, it must equal or bound Y on every instance."""

    claim: str
    id: str
    statement: str
    check: Callable[..., Any]


_CLAIMS: dict[str, Claim] = {}
_STEPS: dict[tuple[str, str], Step] = {}
_BROKEN: dict[str, str] = {}  # by module: what stopped it


def claim(
    *,
    id: str,  # noqa: A002 (the key that the ledger uses)
    paper: Paper,
    statement: str,
    source: str,
    kind: Kind,
    control: str,
    control_check: Check,
    assumptions: tuple[str, ...] = (),
    expected: Verdict = "holds",
    expected_reason: str = "",
    control_expected: Verdict = "fails",
) -> Callable[[Check], Check]:
    """Return a decorator that registers check(level, seed, data) -> Evidence as the check of this claim.

    Raises ValueError when the id, in any case of letters, is taken by another check or the declaration is incomplete.
    """

    def register(check: Check) -> Check:
        taken = next((known for known in _CLAIMS.values() if known.id.upper() == id.upper()), None)
        if taken is not None and _place(taken.check) != _place(check):  # the same place: the module was reloaded
            told = id if taken.id == id else f"{taken.id} (or {id})"
            raise ValueError(f"claim {told} is declared twice: {_place(taken.check)} and {_place(check)}")
        _CLAIMS[id] = Claim(
            id=id,
            paper=paper,
            statement=statement,
            source=source,
            kind=kind,
            assumptions=tuple(assumptions),
            expected=expected,
            expected_reason=expected_reason,
            control=control,
            control_expected=control_expected,
            check=check,
            control_check=control_check,
        )
        return check

    return register


def proof_step(*, claim: str, id: str, statement: str) -> Callable[[Check], Check]:  # noqa: A002
    """Return a decorator that registers check(level, seed, data) -> Evidence as one step of a claim's proof.

    Raises ValueError when the step is taken by another check.
    """

    def register(check: Check) -> Check:
        taken = _STEPS.get((claim, id))
        if taken is not None and _place(taken.check) != _place(check):
            raise ValueError(f"step {id} of {claim} is declared twice: {_place(taken.check)} and {_place(check)}")
        _STEPS[claim, id] = Step(claim, id, statement, check)
        return check

    return register


def steps_of(ident: str) -> tuple[Step, ...]:
    """Return the steps of a claim's proof in the order of their ids; empty when it has none."""
    all_claims()
    return tuple(sorted((s for s in _STEPS.values() if s.claim == ident), key=lambda s: _natural(s.id)))


def modules_of(ident: str) -> tuple[str, ...]:
    """Return the modules whose code, with all they import, makes the numbers of a claim: of check, control, proof."""
    claim = find(ident)
    checks = [claim.check, claim.control_check, *(step.check for step in steps_of(ident))]
    return tuple(sorted({check.__module__ for check in checks}))


def all_claims() -> tuple[Claim, ...]:
    """Return every registered claim, by paper and then by id (numbers inside an id count as numbers).

    A file that cannot be imported costs its own claims only: `broken` names it.
    """
    for name in ("proofs_check.claims", "proofs_check.steps"):
        package = importlib.import_module(name)
        for module in pkgutil.iter_modules(package.__path__, prefix=f"{package.__name__}."):
            if module.name not in sys.modules and module.name not in _BROKEN:
                _import(module.name)
    return tuple(sorted(_CLAIMS.values(), key=lambda c: (PAPERS.index(c.paper), _natural(c.id))))


def broken() -> tuple[str, ...]:
    """Return a line about each file of claims or of steps that cannot be imported."""
    all_claims()
    return tuple(
        f"{name.replace('.', '/')}.py cannot be used ({reason}): its claims are left out; mend it or move it away"
        for name, reason in sorted(_BROKEN.items())
    )


@exits_are_raised()
def _import(name: str) -> None:
    """Import a file of claims; one that stops, even with os._exit, leaves nothing behind but its name."""
    try:
        importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        place = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
        _BROKEN[name] = place + one_line(error)
        for ident in [c.id for c in _CLAIMS.values() if name in (c.check.__module__, c.control_check.__module__)]:
            del _CLAIMS[ident]
        for key in [key for key, step in _STEPS.items() if step.check.__module__ == name]:
            del _STEPS[key]


def find(ident: str) -> Claim:
    """Return the claim of this id, in any case of letters; raises BadInput that names the closest ids."""
    claims = {c.id.upper(): c for c in all_claims()}
    if ident.upper() in claims:
        return claims[ident.upper()]
    raise BadInput(
        f"unknown claim {ident!r}{did_you_mean(ident, [c.id for c in claims.values()])}; see lora-theory claims"
        + "".join(f"; {line}" for line in broken())
    )


def claims_of(paper: str) -> tuple[Claim, ...]:
    """Return the claims of one paper; raises BadInput when the paper is unknown."""
    if paper not in PAPERS:
        raise BadInput(f"unknown paper {paper!r}{did_you_mean(paper, PAPERS)}; expected one of {', '.join(PAPERS)}")
    return tuple(c for c in all_claims() if c.paper == paper)


def _place(check: Callable[..., Any]) -> str:
    """Return where a check is defined."""
    return f"{getattr(check, '__module__', '?')}.{getattr(check, '__qualname__', repr(check))}"


def _natural(ident: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key in which T3.10 follows T3.9."""
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", ident) if p)
