"""The ledger: one row a claim, as JSON and as the table that `lora-theory verify` prints."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from proofs_check.evidence import digits_apart
from proofs_check.standing import STANDINGS, standing_of, verdict_in_words
from sims.files import encodable

LedgerRow = dict[str, Any]

_COLUMNS = ("id", "expected", "verdict", "standing", "measured vs predicted", "seconds")
_SHOWN = 3  # violated measurements told below the table, a row


def as_expected(row: Mapping[str, Any]) -> bool:
    """Return whether the verdict and the negative control came out as registered, and every step of the proof holds."""
    control = row["negative_control"]
    proved = all(step["verdict"] == "holds" for step in row.get("proof", ()))
    return bool(row["verdict"] == row["expected"] and control["verdict"] == control["expected"] and proved)


def exit_code(rows: Iterable[Mapping[str, Any]]) -> int:
    """Return 0 when every row is as expected, otherwise 1."""
    return 0 if all(as_expected(row) for row in rows) else 1


def json_ready(value: Any) -> Any:
    """Return the value with numbers that JSON lacks as "NaN", "Infinity", "-Infinity", and arrays as lists.

    float() reads each of these words back.
    """
    if isinstance(value, Mapping):
        return {encodable(str(k)): json_ready(v) for k, v in value.items()}
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, bool | int) or value is None:
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if hasattr(value, "tolist"):  # numpy and JAX arrays and scalars
        return json_ready(value.tolist())
    if isinstance(value, Iterable):
        return [json_ready(v) for v in value]
    return encodable(str(value))


def to_json(value: Any) -> str:
    """Return strict JSON (no NaN literals), readable, ending in a newline."""
    return json.dumps(json_ready(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def table(rows: Sequence[Mapping[str, Any]], width: int) -> str:
    """Return the ledger as text of at most ``width`` columns where the numbers allow it, statements shortened to fit.

    Rows that did not come out as expected are marked, and what is known about them follows the table.
    """
    cells = [_cells(row) for row in rows]
    widths = [max(len(c) for c in column) for column in zip(_COLUMNS, *cells)]
    room = max(16, width - sum(widths) - 2 * len(_COLUMNS) - 2)
    statements = ["statement", *(shorten(row["statement"], room) for row in rows)]
    room = min(room, max(map(len, statements)))
    lines = []
    for mark, line, statement in zip([" ", *map(_mark, rows)], [_COLUMNS, *cells], statements):
        ident, *rest = (c.ljust(w) for c, w in zip(line[:-1], widths))
        lines.append("  ".join([f"{mark} {ident}", statement.ljust(room), *rest, line[-1].rjust(widths[-1])]).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    for row in rows:
        lines += _details(row)
    return "\n".join([*lines, summary(rows)])


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return one line: how many claims, how many as expected, how many from a record, how long."""
    differ = [row["id"] for row in rows if not as_expected(row)]
    recorded = sum(bool(row.get("from_record")) for row in rows)
    parts = [f"{len(rows)} claim{'s' * (len(rows) != 1)}, {len(rows) - len(differ)} as expected"]
    standings = Counter(standing_of(row).key for row in rows)
    parts.append(", ".join(f"{standings[key]} {s.label}" for key, s in STANDINGS.items() if standings[key]))
    if differ:
        parts.append(f"NOT as expected: {', '.join(differ)}")
    if recorded:
        parts.append(f"{recorded} of {len(rows)} from records")
    return f"{'; '.join(parts)}; {sum(row['seconds'] for row in rows):.1f} s of checks"


def shorten(text: str, room: int) -> str:
    """Return the text on one line, cut to ``room`` characters with an ellipsis."""
    text = " ".join(text.split())
    return text if len(text) <= room else text[: max(0, room - 1)].rstrip() + "…"


def number(value: Any, digits: int = 3) -> str:
    """Return a number as a short text: 3 significant digits (or so many), whole numbers in full."""
    x = float(value)
    return str(int(x)) if math.isfinite(x) and x == int(x) and abs(x) < 1e6 else f"{x:.{digits}g}"


def relation(fields: Mapping[str, Any]) -> str:
    """Return one measurement of a row as "measured <= predicted"; a violated one with the digits that violate it.

    The tolerance is shown where the reader would otherwise wonder why the relation counts as satisfied, or violated.
    """
    measured, predicted, room = (float(fields[key]) for key in ("measured", "predicted", "tolerance"))
    violated = not fields["satisfied"] and measured == measured and predicted == predicted
    digits = digits_apart(measured, predicted, room) if violated else 3
    left, right = number(measured, digits), number(predicted, digits)
    by_tolerance = fields["satisfied"] and left != right and float(fields["slack"]) <= room
    sign = f"violates {fields['relation']}" if violated else fields["relation"]
    words = f"{left} {sign} {right}" + (f" ± {number(room, digits)}" if (by_tolerance or violated) and room else "")
    return words if fields["trusted"] else f"{words} (not certified)"


def _mark(row: Mapping[str, Any]) -> str:
    return " " if as_expected(row) else "!"


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a row in the order of the columns, the statement left out."""
    expected, verdict = (verdict_in_words(row["kind"], row[key]) for key in ("expected", "verdict"))
    return row["id"], expected, verdict, standing_of(row).key, comparison(row), f"{row['seconds']:.1f}"


def comparison(row: Mapping[str, Any], prefix: Literal["", "control_"] = "") -> str:
    """Return the tightest measurement of the row, or of its control, beside its prediction."""
    measurements = row.get(f"{prefix}measurements") or []
    if not measurements:
        return "nothing measured"
    worst = measurements[0]
    more = f" (+{len(measurements) - 1})" if len(measurements) > 1 else ""
    return f"{shorten(worst['name'], 28)}: {relation(worst)}{more}"


def _details(row: Mapping[str, Any]) -> list[str]:
    """Return the lines below the table about a row that is not as expected; none for the others."""
    if as_expected(row):
        return []
    control = row["negative_control"]
    lines = [f"! {row['id']}: expected {row['expected']}, found {row['verdict']}"]
    if control["verdict"] != control["expected"]:
        lines[0] += f"; negative control expected {control['expected']}, found {control['verdict']}"
    missed = [m for m in row.get("measurements") or [] if not (m["satisfied"] and m["trusted"])]
    if row["verdict"] != row["expected"]:
        lines += [f"    {m['name']}: {relation(m)}{', ' * bool(m['instance'])}{m['instance']}" for m in missed[:_SHOWN]]
    lines += [
        f"    step {s['id']} {s['error'] or s['verdict']}: {s['statement']}"
        for s in row.get("proof", ())
        if s["verdict"] != "holds"
    ]
    return lines + [f"    {shorten(note, 200)}" for note in row.get("notes", ())]
