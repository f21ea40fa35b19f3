"""Where B-only fits better than A-only: shape ratio, alignment of the change, decay of the spectrum, rank.

For every cell (proofs_check.boundary_cells) the logarithm of mean II_A over mean II_B from independent random frozen
factors, with its standard error, beside log Theta_r, the proved bounds ``lower`` and ``upper`` of the logarithm and log
Theta. A cell is decided when the measured number is beyond 7 standard errors and the bounds are on one side of 0; a
sign is wrong when a prediction contradicts a decided cell. ``all_wrong`` counts contradicted signs in all cells,
decided or not; ``outside`` counts cells that are beyond a bound by more than 7 standard errors (none, if the bounds are
right).

Sizes: ``smoke`` 45 cells of 300 draws; ``quick`` 9 shapes, 9 alignments, decay 1/2, 1 and 2, ranks 1 and 8, 600
draws; ``full`` ranks 1, 2, 4, 8, decay also 0 (white inputs) and 3/2, alignments in steps of 1/4, 4000 draws. The data
set is not used.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.boundary_cells import STANDARD_ERRORS, Cell, Comparison, compare
from proofs_check.experiments._levels import sizes_at

VERSION = 1  # of the layout of the result, which the figure checks

# (d_out, d_in) from 1/16 to 16 with about the same number of entries
_TALL = ((48, 48), (64, 32), (96, 24), (128, 16), (256, 16))
SHAPES = tuple((short, long) for long, short in reversed(_TALL[1:])) + _TALL


@dataclass(frozen=True)
class Sizes:
    """Shapes, alignments, decays, ranks and draws."""

    shapes: tuple[tuple[int, int], ...]
    alignments: tuple[float, ...]
    decays: tuple[float, ...]
    ranks: tuple[int, ...]
    draws: int


def _grid(step: float) -> tuple[float, ...]:
    return tuple(float(a) for a in np.arange(-2.0, 2.0 + step / 2, step))


SIZES = {
    "smoke": Sizes(SHAPES, _grid(1.0), (2.0,), (4,), 300),
    "quick": Sizes(SHAPES, _grid(0.5), (0.5, 1.0, 2.0), (1, 8), 600),
    "full": Sizes(SHAPES, _grid(0.25), (0.0, 0.5, 1.0, 1.5, 2.0), (1, 2, 4, 8), 4000),
}


def asymmetry_boundary(level: str, seed: int, data: str) -> dict[str, Any]:  # noqa: ARG001
    """Return measured and predicted logarithms, a panel for every decay and rank, and the counts of wrong signs."""
    sizes = sizes_at(level, SIZES)
    panels: list[dict[str, Any]] = []
    found: list[Comparison] = []
    for decay in sizes.decays:
        for rank in sizes.ranks:
            rows = [
                [
                    compare(
                        Cell(d_out, d_in, rank, decay, a), sizes.draws, seed + len(found) + i * len(sizes.shapes) + j
                    )
                    for j, (d_out, d_in) in enumerate(sizes.shapes)
                ]
                for i, a in enumerate(sizes.alignments)
            ]
            found += [cell for row in rows for cell in row]
            panels.append({"decay": decay, "rank": rank, **_table(rows)})
    by_rank = {
        str(rank): summary([cell for panel_rank, cell in _with_rank(panels, found) if panel_rank == rank])
        for rank in sizes.ranks
    }
    return {
        "version": VERSION,
        "draws": sizes.draws,
        "standard_errors": STANDARD_ERRORS,
        "shapes": [list(shape) for shape in sizes.shapes],
        "alignments": list(sizes.alignments),
        "panels": panels,
        "summary": summary(found),
        "summary_by_rank": by_rank,
    }


def summary(cells: list[Comparison]) -> dict[str, Any]:
    """Return how many cells are decided, and for each prediction its wrong signs and its errors in the log."""
    measured = np.array([cell.measured for cell in cells])
    decided = np.array([cell.decided for cell in cells])
    predictions = {
        "theta_r": np.array([cell.log_theta_r for cell in cells]),
        "theta": np.array([cell.log_theta for cell in cells]),
    }
    slack = STANDARD_ERRORS * np.array([cell.error for cell in cells])
    lower, upper = (np.array([getattr(cell, name) for cell in cells]) for name in ("lower", "upper"))
    found: dict[str, Any] = {
        "cells": len(cells),
        "proved": sum(cell.proved for cell in cells),
        "decided": int(decided.sum()),
        "outside": int(((measured < lower - slack) | (measured > upper + slack)).sum()),
        "median_width": float(np.median(upper - lower)),
    }
    for name, predicted in predictions.items():
        opposite = np.sign(predicted) * np.sign(measured) < 0
        errors = np.abs(predicted - measured)
        found[name] = {
            "wrong": int((opposite & decided).sum()),
            "all_wrong": int(opposite.sum()),
            "median_error": float(np.median(errors)),
            "max_error": float(errors.max()),
        }
    return found


def _table(rows: list[list[Comparison]]) -> dict[str, Any]:
    """Return each number as a table (alignment, shape)."""
    numbers = {
        name: np.round([[getattr(cell, name) for cell in row] for row in rows], 6).tolist()
        for name in ("measured", "error", "log_theta_r", "lower", "upper", "log_theta")
    }
    return {**numbers, "decided": [[cell.decided for cell in row] for row in rows]}


def _with_rank(panels: list[dict[str, Any]], found: list[Comparison]) -> list[tuple[int, Comparison]]:
    """Return every cell with the rank of its panel."""
    size = len(found) // len(panels)
    return [(panels[i // size]["rank"], cell) for i, cell in enumerate(found)]
