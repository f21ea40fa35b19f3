"""The report: one self-contained page made of the ledger's rows, the figures and the environment."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from proofs_check import pictures, readable, search
from proofs_check.bibliography import with_authors
from proofs_check.evidence import Measurement, digits_apart
from proofs_check.ledger import as_expected
from proofs_check.standing import NO_COUNTEREXAMPLE, STANDINGS, standing_of
from sims.files import write_atomic


@dataclass(frozen=True)
class Outcome:
    """How a verdict stands to what is registered: never told by colour alone, always by symbol and words."""

    key: str
    symbol: str
    label: str
    meaning: str


@dataclass(frozen=True)
class Line:
    """One line of a table of numbers: a measured number beside the predicted one, as the page shows them."""

    name: str
    measured: float
    predicted: float
    relation: str = ""
    tolerance: float = 0.0
    slack: float | None = None
    instance: str = ""
    state: str = ""  # satisfied, violated, unknown; empty when only the two numbers are recorded
    digits: int = 0  # significant digits that show a violation, 0 where there is none


OUTCOMES = {
    outcome.key: outcome
    for outcome in (
        Outcome("holds", "✓", "holds", "Every number measured satisfies the claim."),
        Outcome(
            "unrefuted",
            "○",
            f"conjecture: {NO_COUNTEREXAMPLE}",
            "Not proved. Every trial agrees with it, which is no proof.",
        ),
        Outcome(
            "finding",
            "◆",
            "fails, as expected: false as printed",
            "A finding, not an error: the claim is registered word for word, and a counterexample refutes it.",
        ),
        Outcome(
            "differs", "≠", "differs from registered", "Came out otherwise than registered: look at this one first."
        ),
        Outcome("inconclusive", "?", "inconclusive", "The numbers are not certified enough to decide either way."),
    )
}
PAPERS = {
    "ntk": "LoRA in the NTK regime",
    "asymmetry": "Asymmetry of the two factors",
    "lotta": "LottaLoRA",
    "randlora": "RandLoRA",
    "gelora": "GeLoRA",
    "beyond": "Beyond the papers",
}
KINDS = {
    "equality": "equality: both sides agree up to rounding",
    "upper": "upper bound: the measured number must not exceed the predicted one",
    "lower": "lower bound: the measured number must not fall below the predicted one",
    "asymptotic": "asymptotic: a trend as sizes grow",
    "empirical": "empirical: an observation about runs, not a theorem",
    "conjecture": "conjecture: no proof is known to be complete; trials are counted",
}
CERTIFICATES = {
    "float": "Floating point: recomputed in 64-bit arithmetic from the data and the candidate alone. Strong numerical "
    "evidence, up to rounding; not a formal proof.",
    "exact": "Exact: decided in rational or ball arithmetic, every rounding error accounted for. A proof for the "
    "instances listed.",
    "none": "None: measured numbers only, with no independent certificate.",
}
RELATIONS = {"<=": "≤", ">=": "≥", "==": "="}


def outcome_of(row: Mapping[str, Any]) -> Outcome:
    """Return the outcome of a ledger row, its negative control included; a conjecture is never said to hold."""
    if row["verdict"] == "inconclusive":
        return OUTCOMES["inconclusive"]
    if not as_expected(row):
        return OUTCOMES["differs"]
    if row["verdict"] == "fails":
        return OUTCOMES["finding"]
    return OUTCOMES["unrefuted" if row["kind"] == "conjecture" else "holds"]


def control_differs(row: Mapping[str, Any]) -> bool:
    """Return whether the negative control came out otherwise than registered."""
    return bool(row["negative_control"]["verdict"] != row["negative_control"]["expected"])


def write_report(
    out: Path,
    rows: Sequence[Mapping[str, Any]],
    figures: Sequence[Mapping[str, Any]],
    environment: Mapping[str, Any],
    *,
    level: str,
    seed: int,
) -> Path:
    """Return the path of out/index.html after writing it in one step; nothing in the page is loaded from elsewhere.

    A row holds the ledger's JSON keys. A figure holds "name", "title", "caption" and the paths "png" and "pdf", with a
    table also "csv" and "tex"; without the paths out/figures/NAME.png and so on. "made" of either says when and on what
    machine its numbers were made, ``environment`` where the page is written. Raises OSError when a picture cannot
    be read, BadInput when the page cannot be written.
    """
    page = Path(out) / "index.html"
    ordered = sorted(rows, key=lambda row: _natural(str(row["id"])))
    counts = Counter(outcome_of(row).key for row in ordered)
    # when and where the numbers were made, which is not where this page is when they come from records
    makings = [made for item in (*ordered, *figures) if (made := item.get("made"))] or [environment]
    html = _template().render(
        rows=ordered,
        figures=[pictures.shown(Path(out), figure) for figure in figures],
        environment=environment,
        machine="; ".join(dict.fromkeys(_machine(made) for made in makings)),
        when=_when(makings),
        level=level,
        seed=seed,
        surprises=[row for row in ordered if not as_expected(row)],
        findings=[row for row in ordered if outcome_of(row).key == "finding"],
        tiles=[(outcome, counts[key]) for key, outcome in OUTCOMES.items()],
        papers=Counter(str(row["paper"]) for row in ordered),
        data=sorted({name for row in ordered for name in str(row.get("data") or "none").split(", ")} - {"none"}),
        seconds=sum(row.get("seconds") or 0.0 for row in ordered),
        search=search.RULES,
    )
    write_atomic(page, html)
    return page


def lines_of(row: Mapping[str, Any], prefix: str = "") -> list[Line]:
    """Return the lines of the table of numbers, tightest first; of the negative control with the prefix "control_".

    Raises KeyError or ValueError for a measurement that the ledger cannot have written.
    """
    if row.get(f"{prefix}measurements"):
        return [_line(fields) for fields in row[f"{prefix}measurements"]]
    measured, predicted = row.get(f"{prefix}measured") or {}, row.get(f"{prefix}predicted") or {}
    return [Line(name, _real(measured.get(name)), _real(predicted.get(name))) for name in {**measured, **predicted}]


def _real(value: Any) -> float:
    """Return the float behind a number or one of the ledger's words ("NaN", "Infinity"); NaN when there is none."""
    return math.nan if value is None else float(value)


def _line(fields: Mapping[str, Any]) -> Line:
    """Return the table line of one measurement."""
    m = Measurement(
        name=str(fields["name"]),
        measured=_real(fields["measured"]),
        predicted=_real(fields["predicted"]),
        relation=fields["relation"],
        tolerance=_real(fields.get("tolerance", 0.0)),
        instance=str(fields.get("instance") or ""),
        trusted=bool(fields.get("trusted", True)),
    )
    state = "unknown" if not (m.trusted and m.known) else "satisfied" if m.satisfied else "violated"
    digits = 0 if m.satisfied or not m.known else digits_apart(m.measured, m.predicted, float(m.tolerance))
    return Line(m.name, m.measured, m.predicted, RELATIONS[m.relation], m.tolerance, m.slack, m.instance, state, digits)


def _found_by(row: Mapping[str, Any]) -> str:
    """Return the text by which the page's search finds a row: what it says, and its numbers as they are shown."""
    lines = [*lines_of(row), *lines_of(row, "control_")]
    shown = [line.name + " " + line.instance for line in lines]
    shown += [readable.number(x) for line in lines for x in (line.measured, line.predicted)]
    return search.searched(row, " ".join(dict.fromkeys(shown)).replace("\u202f", ""))  # 12 480 is found as 12480


def _template() -> jinja2.Template:
    """Return the page's template; every text is escaped, every missing key is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("proofs_check", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": readable.number,
        "duration": readable.duration,
        "moment": readable.moment,
        "setting": readable.setting,
        "linked": _linked,
        "with_authors": with_authors,
    }
    environment.globals |= {
        "OUTCOMES": OUTCOMES,
        "PAPERS": PAPERS,
        "KINDS": KINDS,
        "CERTIFICATES": CERTIFICATES,
        "RELATIONS": RELATIONS,
        "outcome_of": outcome_of,
        "STANDINGS": STANDINGS,
        "standing_of": standing_of,
        "as_expected": as_expected,
        "control_differs": control_differs,
        "lines_of": lines_of,
        "found_by": _found_by,
    }
    return environment.get_template("report.html")


def _machine(environment: Mapping[str, Any]) -> str:
    """Return in a few words which machine it was, from what the environment records of it."""
    kind, _, model = str(environment.get("device") or "").partition(": ")
    words = [kind if model in ("", kind) else f"{kind} ({model})"]
    words += [f"{environment['cpus']} processor cores"] if environment.get("cpus") else []
    words += [str(environment[key]) for key in ("platform", "dtype") if environment.get(key)]
    return ", ".join(word for word in words if word) or "not recorded"


def _when(makings: Sequence[Mapping[str, Any]]) -> str:
    """Return the moment at which numbers were made, or the first and the last one."""
    times = sorted(str(made["time"]) for made in makings if made.get("time"))
    ends = dict.fromkeys(readable.moment(time) for time in (times[:1] + times[-1:]))
    return " to ".join(ends) or "not recorded"


def _linked(text: str) -> Markup:
    """Return the escaped text with each arXiv number made a link to its abstract."""
    link = r'<a href="https://arxiv.org/abs/\1">\g<0></a>'
    return Markup(re.sub(r"arXiv[: ](\d{4}\.\d{4,5})", link, str(escape(text))))


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key under which T3.2 comes before T3.10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]
