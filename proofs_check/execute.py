"""One claim is run here, wherever here is: its check, its control, its proof; they become a row of the ledger."""

import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import count
from typing import Any

import jax

from proofs_check import compile_cache
from proofs_check.evidence import Evidence, Level, Measurement, Verdict, verdict_of
from proofs_check.exits import exits_are_raised
from proofs_check.ledger import LedgerRow, json_ready
from proofs_check.registry import Claim, Step, find, steps_of
from proofs_check.standing import ground_of
from sims.errors import BadInput, CannotServe, one_line
from sims.fingerprint import fingerprint
from sims.records import Record, machine, make_record
from sims.threads import blas_on_one_thread
from sims.used import Used, using

MOST_MEASUREMENTS = 40
_REMEMBERED = 100  # claims
EVERYWHERE = "digits"  # the data set that comes with scikit-learn and serves every check


@blas_on_one_thread()  # the numbers do not depend on how many processes share the cores
def run_claim(ident: str, level: Level, seed: int, data: str) -> LedgerRow:
    """Return the row of one claim: its check, its negative control, the steps of its proof.

    ``data`` of the row names what was loaded, which is not what was asked for where the claim cannot use that: data
    of another kind than it needs are replaced by `EVERYWHERE`, and a note says so. An exception inside a check of any
    kind, SystemExit and os._exit too, makes the verdict inconclusive and is told in the notes. Raises BadInput only for
    an unknown id. KeyboardInterrupt passes through.
    """
    compile_cache.enable()
    claim = find(ident)
    started = time.perf_counter()
    try:
        row = _row(claim, level, seed, data)
        used = row["data"].split(", ")
        unserved = f"{data} was asked for, {row['data']} is what ran" if {"none", data}.isdisjoint(used) else ""
    except CannotServe as error:
        row = _row(claim, level, seed, EVERYWHERE)
        unserved = f"ran on {EVERYWHERE} instead of {data}: {error}"
    if unserved:
        row["notes"] = [unserved, *row["notes"]]
    _forget_now_and_then()
    return json_ready(row | {"data_asked": data, "seconds": time.perf_counter() - started})


_RUN = count(1)


def _forget_now_and_then() -> None:
    """Drop JAX's compiled programs from memory: 5 MB a claim, which a table over seeds would fill it with."""
    if next(_RUN) % _REMEMBERED == 0:
        jax.clear_caches()


def _row(claim: Claim, level: Level, seed: int, data: str) -> LedgerRow:
    """Return the row of a claim; raises CannotServe for data of another kind than it needs."""
    with using() as used:
        evidence, error = _guarded(claim.check, level, seed, data)
        proof = [_proof_row(step, level, seed, data) for step in steps_of(claim.id)]
    with using() as used_by_control:
        control, control_error = _guarded(claim.control_check, level, seed, data)
    notes = [*evidence.notes, *(f"control: {note}" for note in control.notes)]
    notes += [f"check stopped: {error}"] if error else []
    notes += [f"negative control stopped: {control_error}"] if control_error else []
    row = _empty_row(claim, level, seed, data) | _numbers(evidence) | _numbers(control, "control_")
    row |= {
        "verdict": _verdict(evidence, error),
        "instances": evidence.instances,
        "certificate": evidence.certificate,
        "sizes": dict(evidence.sizes),
        "seeds": list(evidence.seeds),
        "notes": notes,
        "error": next(filter(None, (error, control_error, *(step["error"] for step in proof))), ""),
        "proof": proof,
        "data": _named(used),
        "made": machine() | {"looked_for": used.looked_for | used_by_control.looked_for},
    }
    row["evidence"] = ground_of(claim.kind, row["verdict"], row["certificate"])
    row["negative_control"] |= {"verdict": _verdict(control, control_error), "data": _named(used_by_control)}
    return row


def lost_row(ident: str, level: Level, seed: int, data: str, error: BaseException) -> LedgerRow:
    """Return the row of a claim whose process was lost."""
    text = one_line(error)
    row = _empty_row(find(ident), level, seed, data)
    return json_ready(row | {"notes": [f"worker lost: {text}"], "error": text})


def is_row(ident: str, value: Mapping[str, Any]) -> bool:
    """Return whether a recorded value is a whole row of this claim."""
    whole = _empty_row(find(ident), "smoke", 0, "")
    return value.get("id") == ident and all(isinstance(value.get(key), type(known)) for key, known in whole.items())


@exits_are_raised()
def run_experiment(name: str, level: Level, seed: int, data: str) -> Record:
    """Return the record of the experiment behind a figure; raises BadInput when there is none of this name.

    Data of another kind than it needs are replaced by `EVERYWHERE`, and ``note`` of the result says so.
    """
    compile_cache.enable()
    experiment = _experiment(name)
    fingerprint(experiment.__module__)  # read now and remembered: sources may change while it runs
    with blas_on_one_thread():
        try:
            with using() as used:
                result = experiment(level, seed, data)
        except CannotServe as error:
            if data == EVERYWHERE:
                raise
            with using() as used:
                result = experiment(level, seed, EVERYWHERE)
            result = dict(result) | {"note": f"ran on {EVERYWHERE} instead of {data}: {error}"}
    return make_record(name, settings(level, seed, data), result, experiment.__module__, used=used)


def settings(level: Level, seed: int, data: str) -> dict[str, Any]:
    """Return what a record of a claim or an experiment is kept under besides its name."""
    return {"level": level, "seed": seed, "data": data}


def made_by(name: str) -> str:
    """Return the module whose code, with all it imports, makes an experiment's numbers; raises BadInput as above."""
    return str(_experiment(name).__module__)


def _experiment(name: str) -> Callable[..., Any]:
    from proofs_check.experiments import EXPERIMENTS  # only for figures, and heavy

    if name not in EXPERIMENTS:
        raise BadInput(f"unknown experiment {name!r}: expected one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


def _named(used: Used) -> str:
    return ", ".join(sorted(used.loaded)) or "none"


def _proof_row(step: Step, level: Level, seed: int, data: str) -> dict[str, Any]:
    """Return what one step of a proof came to: its verdict, instances and worst numbers."""
    evidence, error = _guarded(step.check, level, seed, data)
    measured, predicted, slack = evidence.summary()
    return {
        "id": step.id,
        "statement": step.statement,
        "verdict": _verdict(evidence, error),
        "instances": evidence.instances,
        "measured": measured,
        "predicted": predicted,
        "slack": slack,
        "error": error,
    }


@exits_are_raised()
def _guarded(check: Callable[..., Evidence], level: Level, seed: int, data: str) -> tuple[Evidence, str]:
    """Return what the check found and an empty text, or empty evidence and one line about the exception.

    Raises CannotServe where other data would do.
    """
    try:
        evidence = check(level, seed, data)
        if not isinstance(evidence, Evidence):
            raise TypeError(f"the check returned {type(evidence).__name__}, expected Evidence")
        return evidence, ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, CannotServe) and data != EVERYWHERE:
            raise
        if os.environ.get("LORA_THEORY_DEBUG"):
            traceback.print_exc(file=sys.stderr)
        return Evidence((), 0, "none"), one_line(error)


def _verdict(evidence: Evidence, error: str) -> Verdict:
    return "inconclusive" if error else verdict_of(evidence)


def _numbers(evidence: Evidence, prefix: str = "") -> dict[str, Any]:
    """Return measured, predicted, slack and the worst measurements, the tightest first."""
    measured, predicted, slack = evidence.summary()
    worst = sorted(evidence.worst(), key=_tightness)[:MOST_MEASUREMENTS]
    return {
        f"{prefix}measured": measured,
        f"{prefix}predicted": predicted,
        f"{prefix}slack": slack,
        f"{prefix}measurements": [asdict(m) | {"slack": m.slack, "satisfied": m.satisfied} for m in worst],
    }


def _tightness(m: Measurement) -> float:
    """Return the slack relative to the numbers compared, so that quantities of different size can be ranked."""
    if not m.known:
        return -math.inf
    size = max(abs(m.measured), abs(m.predicted), m.tolerance, sys.float_info.min)
    return m.slack / size if math.isfinite(size) else m.slack


def _empty_row(claim: Claim, level: Level, seed: int, data: str) -> LedgerRow:
    """Return the row of a claim that nothing is known about yet."""
    fields = claim.description()
    control = fields.pop("negative_control") | {"verdict": "inconclusive"}
    empty = Evidence((), 0, "none")
    return (
        fields
        | {"verdict": "inconclusive"}
        | _numbers(empty)
        | {"instances": 0, "negative_control": control, "certificate": "none", "evidence": "run"}
        | {"level": level, "seed": seed, "data": "none", "data_asked": data, "seconds": 0.0, "made": {}}
        | {"notes": [], "sizes": {}, "seeds": [], "error": "", "from_record": False, "proof": []}
        | _numbers(empty, "control_")
    )
