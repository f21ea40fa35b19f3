"""BND-JS: the information in one column's 0-1 loss is a Jensen-Shannon divergence."""

import numpy as np

from proofs_check.conditional_instances import ROUNDING, below, enumerated, evidence, interpolating
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.conditional import single_loss_information
from theory.bounds.discrete_information import mutual_information

_BIASED = 0.3  # P(U = 1) of the control


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Bits that are not fair: P(U_i = 1) = 0.3."""
    rows = []
    for e in _binary(level, seed):
        x = e.exact
        for i, train in enumerate(x.train_rows):
            channel = np.array([[1 - train, train], [1 - x.population, x.population]])
            information = float(mutual_information(np.array([[_BIASED], [1 - _BIASED]]) * channel))
            predicted = float(single_loss_information(train, x.population))
            name = f"{e.name}, row {i}"
            rows.append(Measurement("I(ℓ; U), unfair bit", information, predicted, "==", ROUNDING, name))
    return evidence(rows, seed)


def _binary(level: Level, seed: int) -> list:
    return [e for e in enumerated(level, seed) if set(np.unique(e.learner.losses)) <= {0.0, 1.0}] + list(
        interpolating(level, seed)
    )


@claim(
    id="BND-JS",
    paper="asymmetry",
    statement="For the 0-1 loss, I(ℓ_{i,c}; U_i) = JS(Bern(L̂_i), Bern(L)) for both columns c of every row: a function "
    "of the two risks alone. It is at most I(ℓ_{i,0}, ℓ_{i,1}; U_i), which also depends on how often both are wrong.",
    source="Wang, Mao (2023), arXiv 2302.02432 (single loss); identity: this project (one line)",
    kind="equality",
    assumptions=("0-1 loss", "i.i.d. examples", "U independent fair bits"),
    control="bits with P(U_i = 1) = 0.3",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Lay enumerated informations beside the divergence, row by row and column by column."""
    rows = []
    for e in _binary(level, seed):
        predicted = single_loss_information(e.exact.train_rows, np.full(e.exact.samples, e.exact.population))
        for column in (0, 1):
            worst = float(np.abs(e.exact.single[:, column] - predicted).max())
            rows.append(Measurement("I(ℓ; U) − JS, worst row", worst, 0.0, "==", ROUNDING, e.name))
            excess = float((e.exact.single[:, column] - e.exact.pairs_unconditional).max())
            rows.append(below("I(ℓ; U) − I(both losses; U), worst row", excess, 0.0, e.name))
    return evidence(rows, seed)
