"""NTK-OPEN-CE: logistic loss with weight decay has spurious minima at r(r+3)/2 = KN, as the squared loss has."""

from fractions import Fraction

import numpy as np

from proofs_check.certificates import critical_point
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level
from proofs_check.interval_newton import prove_spurious_minimum
from proofs_check.registry import claim
from proofs_check.second_order_search import survey, tally
from sims.landscape.search import Landscape
from sims.solve import solve
from theory.losses import LOGISTIC
from theory.planted_logistic import logistic_instance

_NOISE = 0.02
_PERSIST = "certified strict spurious minima under noise"


def logistic_family(rank: int, *, noise: float = 0.0, drop: int = 0, seed: int = 0) -> Instance:
    """Return the logistic analogue of family A', (r+1) x (r+2), its last ``drop`` measurements deleted."""
    known = logistic_instance(rank, rank + 1, rank + 2)
    keep = known.n - drop
    gradients = known.gradients[:keep]
    gradients = gradients + noise * np.random.default_rng([seed, rank]).standard_normal(gradients.shape)
    name = f"logistic A', r = {rank}, KN = {keep}, noise {noise:g}, seed {seed}"
    landscape = Landscape(gradients, np.zeros((keep, 1)), known.labels[:keep], LOGISTIC, known.lam)
    return Instance(name, landscape, np.concatenate([known.u, known.v]))


def _persist(level: Level, seed: int, drop: int) -> Evidence:
    surveys = [
        survey(logistic_family(rank, noise=_NOISE, drop=drop, seed=seed + s), rank, starts=16, seed=seed + s)
        for rank in by_level(level, (2,), (1, 2, 3), (1, 2, 3, 4))
        for s in range(by_level(level, 1, 2, 6))
    ]
    measurements = []
    for found in surveys:
        strict = sum(point.kind == "local_minimum" for point in found.points)
        decided = found.rejected < len(found.points)
        measurements.append(Measurement(_PERSIST, strict, 1, ">=", 0, found.name(), trusted=decided))
    return Evidence(tuple(measurements), len(surveys), seeds=(seed,), notes=tally(surveys))


def _control(level: Level, seed: int, data: str) -> Evidence:
    """One measurement less, r(r+3)/2 > KN: none is left (Theorem W holds for every convex C² loss)."""
    return _persist(level, seed, drop=1)


@claim(
    id="NTK-OPEN-CE",
    paper="ntk",
    statement="Cross-entropy with two classes (logistic loss), λ > 0, no offsets: at KN = r(r+3)/2 there is a strict "
    "spurious local minimum (family A' with its measurements mixed, so that all logistic residuals are equal), its "
    "convex optimum has rank 1, and it persists under noise on the features.",
    source="this project (sharpness of Theorem W beyond the squared loss)",
    kind="empirical",
    assumptions=("linearised model", "logistic loss", "λ > 0", "r(r+3)/2 = KN, r < min(m, n)"),
    control="one measurement less: no spurious minimum is found",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Certify the planted points in floats and by interval Newton; search under noise on the features."""
    measurements, notes = [], []
    for rank in by_level(level, (1, 2), (1, 2, 3), (1, 2, 3, 4)):
        instance, known = logistic_family(rank), logistic_instance(rank, rank + 1, rank + 2)
        point = critical_point(instance.problem, known.u, known.v, known.lam)
        optimum = solve(instance.problem, known.lam)
        proof = prove_spurious_minimum(instance.problem, known.u, known.v, Fraction(known.lam), better=optimum.factors)
        name = instance.name
        strict, proved = point.kind == "local_minimum", proof is not None
        gain = point.objective - optimum.certificate.primal
        measurements += [
            Measurement("strict spurious minimum by float certificate (1 = yes)", strict, 1, "==", 0, name),
            Measurement("strict spurious minimum proved by interval Newton (1 = yes)", proved, 1, "==", 0, name),
            Measurement("excess over the certified optimum", gain, 0.01, ">=", 0, name),
            Measurement("objective against its closed form", point.objective, known.value, "==", 1e-12, name),
            Measurement("rank of the convex optimum", sum(optimum.ranks), 1, "==", 0, name),
        ]
        excess = "none" if proof is None else f"{proof.excess:.4f} above a point of rank {proof.better_rank}"
        notes.append(
            f"{name}: value {point.objective:.6f}, {point.zeros} zeros of the Hessian (gauge {point.gauge_dimension}), "
            f"next eigenvalue {point.next_eigenvalue:.3f}; proof: {excess}"
        )
    noisy = _persist(level, seed, drop=0)
    return Evidence(
        (*measurements, *noisy.measurements),
        len(notes) + noisy.instances,
        seeds=(seed,),
        notes=(*notes, *noisy.notes),
    )
