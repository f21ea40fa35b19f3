"""Claims and experiments as tasks of the one queue, each with the settings that its record is kept under."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from proofs_check import execute
from proofs_check.evidence import Level
from proofs_check.ledger import LedgerRow
from proofs_check.registry import Claim, modules_of
from proofs_check.standing import read_back
from sims.queue import Outcome, Task

CLAIM = "claim"


def claim_task(claim: Claim, level: Level, seed: int, data: str, *, kept: bool = True) -> Task:
    """Return the claim as a task; its record counts for exactly this code of the claim and all that it imports."""
    return Task(
        name=claim.id,
        function=execute.run_claim,
        arguments=(claim.id, level, seed, data),
        config={CLAIM: claim.id} | execute.settings(level, seed, data) if kept else None,
        modules=modules_of(claim.id) if kept else (),
        experiment=CLAIM,
        sound=partial(execute.is_row, claim.id),
        looked_for=_looked_for,
    )


def row_of(outcome: Outcome) -> LedgerRow:
    """Return the row of the ledger that a claim's task ended with; a lost process leaves an inconclusive one."""
    if outcome.error is None:
        return read_back(outcome.result) if outcome.recorded else dict(outcome.result) | {"from_record": False}
    ident, level, seed, data = outcome.task.arguments
    return execute.lost_row(ident, level, seed, data, outcome.error)


def experiment_task(name: str, level: Level, seed: int, data: str) -> Task:
    """Return an experiment as a task, its record in NAME.json, where figures look for it."""
    return Task(
        name=name,
        function=execute.run_experiment,
        arguments=(name, level, seed, data),
        config=execute.settings(level, seed, data),
        modules=(execute.made_by(name),),
        experiment=name,
        file=f"{name}.json",
    )


def _looked_for(row: Mapping[str, Any]) -> Mapping[str, bool]:
    return row["made"].get("looked_for", {})
