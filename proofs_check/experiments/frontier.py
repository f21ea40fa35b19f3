"""Existence of strict spurious local minima: rank r against KN measurements, every answer with a certificate.

At and above r(r+3)/2 = KN features are designed by a semidefinite program (proofs_check.worst_case_design). Each is
proved a strict spurious minimum twice: in rational arithmetic at the planted point, and by interval Newton near it
after noise on every feature entry. Below, the program's bound on the smallest off-gauge Hessian eigenvalue of any
features is recorded, and whether it is proved in rational arithmetic that no features do. Weight decay, squared loss,
(r+1) x (r+2) matrices.

Sizes: ``smoke`` ranks 1-2, KN 1-6; ``quick`` ranks 1-4, KN 1-16; ``full`` ranks 1-5, KN 1-22.
Theory: Theorem W (spurious only if r(r+3)/2 <= KN) and its sharpness; arXiv 2402.11867, Theorem 4.1: r(r+1)/2.
"""

from typing import Any

import numpy as np

from proofs_check.design_proofs import NOISE, prove
from proofs_check.experiments._levels import sizes_at
from proofs_check.worst_case_design import curvature_bound, design, least_features, proves_exclusion, structure

VERSION = 1  # of the layout of the result, which the figure checks
SIZES = {"smoke": (2, 6), "quick": (4, 16), "full": (5, 22)}


def frontier(level: str, seed: int, data: str) -> dict[str, Any]:  # noqa: ARG001
    """Return tables over rank and KN: proofs of existence (exact, interval), proofs that none exists, bounds."""
    largest, most = sizes_at(level, SIZES)
    ranks, counts = range(1, largest + 1), range(1, most + 1)
    rows = [_row(rank, counts, seed) for rank in ranks]
    radii = [cell["radius"] for _, row in rows for cell in row if cell["radius"] is not None]
    gains = [cell["excess"] for _, row in rows for cell in row if cell["excess"] is not None]
    names = ("exact", "interval", "excluded", "bound", "curvature")
    return {
        "version": VERSION,
        "ranks": list(ranks),
        "measurements": list(counts),
        **{name: [[cell[name] for cell in row] for _, row in rows] for name in names},
        "measurements_of_design": [least for least, _ in rows],
        "sharp": [rank * (rank + 3) // 2 for rank in ranks],
        "paper": [rank * (rank + 1) // 2 for rank in ranks],
        "largest_radius": max(radii, default=None),
        "smallest_excess": min(gains, default=None),
        "noise": NOISE,
    }


def _row(rank: int, counts: range, seed: int) -> tuple[int, list[dict[str, Any]]]:
    known = structure(rank, rank + 1, rank + 2)
    free = least_features(known, seed)
    row = []
    for kn in counts:
        made = design(known, free, kn, seed)
        proofs = prove(made, seed)
        bound = curvature_bound(known, kn)
        row.append(
            {
                "exact": bool(proofs.exact),
                "interval": proofs.interval is not None,
                "excluded": bool(proves_exclusion(known, kn)),
                "bound": bound if np.isfinite(bound) else None,
                "curvature": made.curvature,
                "radius": None if proofs.interval is None else proofs.interval.radius,
                "excess": None if proofs.interval is None else proofs.interval.excess,
            }
        )
    return len(free) + 1, row
