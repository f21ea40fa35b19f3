"""Verdicts over seeds: a claim that is decided by its seed is not decided."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from proofs_check.ledger import as_expected, comparison, shorten

TITLES = ("id", "expected", "as registered", "verdicts", "control", "seconds", "seeds that differ")
_SHOWN = 3


def over_seeds(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one mapping a claim: how often it came out as registered, its verdicts, and every seed that differs."""
    by_claim: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_claim.setdefault(row["id"], []).append(row)
    return [_summary(ident, sorted(found, key=lambda row: row["seed"])) for ident, found in by_claim.items()]


def lines(table: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the table's lines as text, under `TITLES`."""
    return [
        (
            entry["id"],
            entry["expected"],
            f"{entry['as_expected']} of {len(entry['seeds'])}",
            _counts(entry["verdicts"]),
            _counts(entry["control_verdicts"]),
            f"{entry['seconds']:.1f}",
            "; ".join(f"{d['seed']}: {shorten(d['because'], 60)}" for d in entry["differ"][:_SHOWN])
            + ("; ..." if len(entry["differ"]) > _SHOWN else ""),
        )
        for entry in table
    ]


def summary(table: Sequence[Mapping[str, Any]]) -> str:
    """Return one line: how many verdicts, how many as registered, which claims differ on some seed."""
    runs = sum(len(entry["seeds"]) for entry in table)
    good = sum(entry["as_expected"] for entry in table)
    recorded = sum(entry["from_records"] for entry in table)
    differ = [entry["id"] for entry in table if entry["differ"]]
    parts = [f"{len(table)} claims, {runs} verdicts, {good} as registered"]
    parts += [f"NOT on every seed: {', '.join(differ)}"] if differ else []
    parts += [f"{recorded} of {runs} from records"] if recorded else []
    return "; ".join([*parts, f"{sum(entry['seconds'] for entry in table):.1f} s of checks"])


def _summary(ident: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first = rows[0]
    return {
        "id": ident,
        "level": first["level"],
        "expected": first["expected"],
        "seeds": [row["seed"] for row in rows],
        "as_expected": sum(as_expected(row) for row in rows),
        "verdicts": dict(Counter(row["verdict"] for row in rows)),
        "control_verdicts": dict(Counter(row["negative_control"]["verdict"] for row in rows)),
        "differ": [_difference(row) for row in rows if not as_expected(row)],
        "from_records": sum(bool(row.get("from_record")) for row in rows),
        "seconds": sum(float(row["seconds"]) for row in rows),
    }


def _difference(row: Mapping[str, Any]) -> dict[str, Any]:
    control = row["negative_control"]
    steps = [step for step in row.get("proof", ()) if step["verdict"] != "holds"]
    if row["error"]:
        because = row["error"]
    elif row["verdict"] != row["expected"]:
        because = f"{row['verdict']} ({comparison(row)})"
    elif control["verdict"] != control["expected"]:
        because = f"control {control['verdict']} ({comparison(row, 'control_')})"
    else:
        because = f"step {steps[0]['id']} {steps[0]['verdict']}"
    return {"seed": row["seed"], "verdict": row["verdict"], "control": control["verdict"], "because": because}


def _counts(verdicts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
