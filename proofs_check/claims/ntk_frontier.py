"""NTK-FRONTIER: strict spurious minima exist exactly down to KN = r(r+3)/2, by worst-case design of the features."""

import numpy as np

from proofs_check.design_proofs import NOISE, prove
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.exact import block_matrix
from proofs_check.found_minima import described, noisy_families
from proofs_check.instances import by_level
from proofs_check.rational import inertia
from proofs_check.registry import claim
from proofs_check.worst_case_design import (
    Structure,
    curvature_bound,
    design,
    least_features,
    proves_exclusion,
    structure,
)
from sims.rationals import rational, rational_matrix
from theory.rank_thresholds import spurious_possible

_SDP = 1e-6  # accuracy of an interior-point optimum of size one
_EXISTS = "strict spurious minimum proved (1 = yes)"


def _at_or_above(known: Structure, free: np.ndarray, counts: tuple[int, ...], seed: int) -> tuple[list, list[str]]:
    measurements, notes = [], []
    rank = known.q.shape[1]
    for kn in counts:
        proofs = prove(design(known, free, kn, seed), seed)
        name = f"designed features {known.d_out}x{known.q.shape[0] - known.d_out}, r = {rank}, KN = {kn}, seed {seed}"
        measurements.append(Measurement(f"rationals: {_EXISTS}", proofs.exact, 1, "==", 0, name))
        measurements.append(Measurement(f"balls, noise: {_EXISTS}", proofs.interval is not None, 1, "==", 0, name))
        notes.append(f"{name}, noise {NOISE:g}: {described(proofs.interval)}")
    return measurements, notes


def _below(known: Structure, free: np.ndarray, counts: tuple[int, ...], seed: int) -> list[Measurement]:
    measurements = []
    for kn in counts:
        name = f"r = {known.q.shape[1]}, KN = {kn}, seed {seed}"
        made, lowest = design(known, free, kn, seed), "off-gauge Hessian eigenvalue"
        measurements += [
            Measurement(f"below: smallest {lowest} of the design", made.curvature, 0.0, "<=", _SDP, name),
            Measurement(f"below: bound on the smallest {lowest}", curvature_bound(known, kn), 0.0, "<=", _SDP, name),
            Measurement("below: proved that no features do (1 = yes)", proves_exclusion(known, kn), 1, "==", 0, name),
        ]
    return measurements


def _full_rank(side: int) -> Measurement:
    """Return the measurement at r = min(m, n): S Q = 0 leaves S no negative eigenvalue, whatever KN is."""
    s = block_matrix(rational(1), rational_matrix(-np.eye(side, side + 1)))
    possible = spurious_possible(side, 10**6, side, side + 1)
    name = "r = min(m, n): negative eigenvalues that S can have"
    return Measurement(name, inertia(s)[2], possible, "==", 0, f"r = {side}, {side}x{side + 1}")


def _control(level: Level, seed: int, data: str) -> Evidence:
    """One measurement fewer than r(r+3)/2: the same design and the same proofs no longer give a strict minimum."""
    measurements = []
    for rank in by_level(level, (2,), (2, 3), (2, 3, 4)):
        known = structure(rank, rank + 1, rank + 2)
        count = rank * (rank + 3) // 2 - 1
        found, _ = _at_or_above(known, least_features(known, seed), (count,), seed)
        measurements += found
    return Evidence(tuple(measurements), len(measurements) // 2, certificate="exact", seeds=(seed,))


@claim(
    id="NTK-FRONTIER",
    paper="ntk",
    statement="λ > 0, P = 0, squared loss: features and targets with a strict (modulo rotations) spurious local "
    "minimum of rank r exist iff r < min(m, n) and r(r+3)/2 ≤ KN. A semidefinite program over the curvature JᵀJ of the "
    "features finds them down to equality; below, there are none, generic or not.",
    source="this project (Theorem W in the worst case; families A and A' are two of the designs)",
    kind="equality",
    assumptions=("linearised model", "squared loss", "λ > 0", "Hessian positive definite off the gauge"),
    control="one measurement fewer, KN = r(r+3)/2 - 1: 'exists' fails",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Design at and above the frontier, proved in rationals and with noise in balls; bound and exclude below it."""
    measurements: list[Measurement] = []
    notes: list[str] = []
    ranks = by_level(level, (1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 4, 5))
    draws = by_level(level, 1, 2, 4)
    for rank in ranks:
        sharp = rank * (rank + 3) // 2
        for draw in range(draws):
            known = structure(rank, rank + 1, rank + 1 + draw)
            free = least_features(known, seed + draw)
            name = f"r = {rank}, {rank + 1}x{rank + 1 + draw}, seed {seed + draw}"
            measurements.append(
                Measurement("measurements of the semidefinite optimum", len(free) + 1, sharp, "==", 0, name)
            )
            found, lines = _at_or_above(known, free, (sharp, sharp + 1, sharp + 3)[: 1 + 2 * draws], seed + draw)
            measurements += found
            notes += lines
            below = range(1, sharp) if rank < 4 else range(sharp - 3, sharp)
            measurements += _below(known, free, tuple(below), seed + draw)
        measurements.append(_full_rank(rank))
    noisy, lines = noisy_families(by_level(level, (1,), (1, 2, 3), (1, 2, 3)), seed)
    measurements += noisy
    return Evidence(
        tuple(measurements),
        len(ranks) * draws + len(noisy),
        certificate="exact",
        sizes={"ranks": list(ranks), "draws": draws},
        seeds=tuple(seed + draw for draw in range(draws)),
        notes=tuple(notes + lines),
    )
