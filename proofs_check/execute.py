"""Claims are run here: one by one, in worker processes or on a cluster; each becomes a row of the ledger."""

import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, as_completed
from dataclasses import asdict
from typing import Any

from proofs_check import compile_cache
from proofs_check.evidence import Evidence, Level, Measurement, Verdict, verdict_of
from proofs_check.ledger import LedgerRow, json_ready
from proofs_check.registry import Claim, Step, find, steps_of
from sims.errors import BadInput
from sims.fingerprint import fingerprint
from sims.records import Record, machine, make_record
from sims.threads import blas_on_one_thread
from sims.used import Used, using

MOST_MEASUREMENTS = 40


@blas_on_one_thread()  # the numbers do not depend on how many processes share the cores
def run_claim(ident: str, level: Level, seed: int, data: str) -> LedgerRow:
    """Return the row of one claim: its check, then its negative control.

    ``data`` of the row names what was loaded, which is not what was asked for where the claim cannot use that.

    An exception inside a check makes the verdict inconclusive and is told in the notes; raises BadInput only for an
    unknown id. KeyboardInterrupt passes through.
    """
    compile_cache.enable()
    claim = find(ident)
    started = time.perf_counter()
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
        "seconds": time.perf_counter() - started,
        "notes": notes,
        "error": error or control_error,
        "proof": proof,
        "data": _named(used),
        "made": machine() | {"looked_for": used.looked_for | used_by_control.looked_for},
    }
    row["negative_control"] |= {"verdict": _verdict(control, control_error), "data": _named(used_by_control)}
    return json_ready(row)


def run_many(
    idents: Iterable[str],
    level: Level,
    seed: int,
    data: str,
    executor: Executor | None = None,
    on_row: Callable[[LedgerRow], object] | None = None,
    on_queued: Callable[[], object] | None = None,
) -> list[LedgerRow]:
    """Return the rows in the order of the ids; ``on_row`` sees each as soon as it is finished.

    With an executor ``on_queued`` is called once all claims are in its queue, so that more can be put behind them.
    Without one the claims run in this process. A worker that dies makes its claims inconclusive. On
    KeyboardInterrupt what has not started is cancelled; the rows given to ``on_row`` are what is finished.
    """
    claims = [find(ident) for ident in idents]
    rows: dict[str, LedgerRow] = {}

    def finished(claim: Claim, row: LedgerRow) -> None:
        rows[claim.id] = row
        if on_row is not None:
            on_row(row)

    if executor is None:
        for claim in claims:
            finished(claim, run_claim(claim.id, level, seed, data))
        return [rows[claim.id] for claim in claims]
    futures: dict[Future[LedgerRow], Claim] = {}
    try:
        for claim in claims:
            try:
                futures[executor.submit(run_claim, claim.id, level, seed, data)] = claim
            except Exception as error:  # an earlier claim has already broken the pool
                finished(claim, _lost_row(claim, level, seed, data, error))
        if on_queued is not None:
            on_queued()
        for future in as_completed(futures):
            claim = futures[future]
            try:
                row = future.result()
            except Exception as error:
                row = _lost_row(claim, level, seed, data, error)
            finished(claim, row)
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return [rows[claim.id] for claim in claims]


def run_experiment(name: str, level: Level, seed: int, data: str) -> Record:
    """Return the record of the experiment behind a figure; raises BadInput when there is none of this name."""
    compile_cache.enable()
    experiment = _experiment(name)
    fingerprint(experiment.__module__)  # read now and remembered: sources may change while it runs
    with using() as used, blas_on_one_thread():
        result = experiment(level, seed, data)
    config = {"level": level, "seed": seed, "data": data}
    return make_record(name, config, result, experiment.__module__, used=used)


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


def _guarded(check: Callable[..., Evidence], level: Level, seed: int, data: str) -> tuple[Evidence, str]:
    """Return what the check found and an empty text, or empty evidence and one line about the exception."""
    try:
        evidence = check(level, seed, data)
        if not isinstance(evidence, Evidence):
            raise TypeError(f"the check returned {type(evidence).__name__}, expected Evidence")
        return evidence, ""
    except Exception as error:
        if os.environ.get("LORA_THEORY_DEBUG"):
            traceback.print_exc(file=sys.stderr)
        return Evidence((), 0, "none"), one_line(error)


def one_line(error: BaseException) -> str:
    """Return the type and message of an exception on one line of readable length."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return text if len(text) <= 400 else text[:399] + "…"


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
        | {"instances": 0, "negative_control": control, "certificate": "none"}
        | {"level": level, "seed": seed, "data": "none", "data_asked": data, "seconds": 0.0, "made": {}}
        | {"notes": [], "sizes": {}, "seeds": [], "error": "", "from_record": False, "proof": []}
        | _numbers(empty, "control_")
    )


def _lost_row(claim: Claim, level: Level, seed: int, data: str, error: Exception) -> LedgerRow:
    """Return the row of a claim whose worker was lost."""
    text = one_line(error)
    return json_ready(_empty_row(claim, level, seed, data) | {"notes": [f"worker lost: {text}"], "error": text})
