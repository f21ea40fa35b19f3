"""NTK-ESC: above the threshold a flat path of constant objective leads out of every non-global point."""

from dataclasses import replace

import numpy as np

from proofs_check.certificates import critical_point
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level, planted, planted_flat
from proofs_check.registry import claim
from proofs_check.second_order_search import survey
from sims.landscape.search import find_stationary_points
from sims.solve import solve
from sims.solvers.rank_reduction import null_direction

_ROUNDING = 1e-10
_FLAT = ((3, 4, 5), (2, 3, 5), (3, 5, 5))  # r, m, n of family C0 with r(r+3)/2 > KN = 1 + r(m - r)


def _path(u: np.ndarray, v: np.ndarray, direction: np.ndarray, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return points Q (I + t B)^{1/2} from t = 0 to the first t where a column vanishes."""
    values, vectors = np.linalg.eigh(direction)
    extreme = values[np.argmax(np.abs(values))]
    points = []
    for t in np.linspace(0.0, 1.0, count):
        stretch = np.sqrt(np.maximum(1.0 - t * values / extreme, 0.0))
        points.append(((u @ vectors) * stretch, (v @ vectors) * stretch))
    return points


def _escape(instance: Instance, q: np.ndarray, seed: int) -> list[Measurement]:
    """Walk the path from a non-global point, look at the Hessian at its end, and descend from there.

    The perturbation of the landscape is None or a multiple of the identity.
    """
    m, p = instance.landscape.d_out, instance.landscape.perturbation
    u, v = q[:m], q[m:]
    problem, lam, name = instance.problem, instance.lam, instance.name
    start = critical_point(problem, u, v, lam, p)
    direction = null_direction(problem, [(u, v)])
    if direction is None:
        return [Measurement("a path of constant predictions exists (1 = yes)", 0, 1, "==", 0, name)]
    measurements = [Measurement("a path of constant predictions exists (1 = yes)", 1, 1, "==", 0, name)]
    points = _path(u, v, direction[0], 9)
    here = problem.predictions_low_rank([(u, v)])
    scale = max(1.0, float(np.abs(here).max()))
    for a, b in points:
        there = critical_point(problem, a, b, lam, p)
        drift = abs(there.objective - start.objective) / max(1.0, abs(start.objective))
        shift = float(np.abs(problem.predictions_low_rank([(a, b)]) - here).max()) / scale
        measurements += [
            Measurement("drift of the objective along the path", drift, 0, "<=", _ROUNDING, name),
            Measurement("drift of the predictions along the path", shift, 0, "<=", _ROUNDING, name),
            Measurement("relative gradient norm along the path", there.relative_gradient_norm, 0, "<=", 1e-8, name),
        ]
    a, b = points[-1]
    end = critical_point(problem, a, b, lam, p)
    measurements.append(Measurement("rank of Q at the end of the path", end.rank, start.rank - 1, "<=", 0, name))
    measurements.append(
        Measurement(
            "smallest Hessian eigenvalue at the end over its norm", end.min_eigenvalue / end.scale, -1e-6, "<=", 0, name
        )
    )
    q_end = np.concatenate([a, b])
    noise = 1e-6 * np.random.default_rng(seed).standard_normal((4, *q_end.shape))
    found = find_stationary_points(instance.landscape, q_end[None] + noise)
    # P = c I is the weight decay 2 c in another place: ⟨cI, QQᵀ⟩ = c(‖u‖² + ‖v‖²)
    optimum = solve(problem, lam + (0.0 if p is None else 2.0 * float(p[0, 0]))).certificate
    excess = float(found.objective.max()) - optimum.dual
    measurements.append(
        Measurement(
            "value above the optimum after the descent", excess, 0, "<=", 1e-8, name, bool(found.accepted.all())
        )
    )
    return measurements


def _with_perturbation(instance: Instance) -> Instance:
    """Return the instance with 0.4 of its weight decay left and the rest put into P = 0.3 λ I."""
    landscape = instance.landscape
    p = 0.3 * landscape.lam * np.eye(landscape.size)
    return Instance(
        f"{instance.name}, 0.4 λ and P = 0.3 λ I",
        replace(landscape, lam=0.4 * landscape.lam, perturbation=p),
        instance.planted,
    )


def _control(level: Level, seed: int, data: str) -> Evidence:
    """r(r+3)/2 = KN: at the strict minima of family A' the measurement map is injective, there is no path."""
    instances = [planted("A'", r, r + 2, r + 3) for r in by_level(level, (1, 2), (1, 2, 3), (1, 2, 3, 4))]
    measurements = [m for i in instances if i.planted is not None for m in _escape(i, i.planted, seed)]
    return Evidence(tuple(measurements), len(instances))


@claim(
    id="NTK-ESC",
    paper="ntk",
    statement="r(r+3)/2 > KN, any features, any λ ≥ 0 and P ⪰ 0: from every second-order stationary point that is not "
    "global there is a path of constant objective and predictions, made of critical points, to a point of rank below "
    "r with a negative Hessian eigenvalue. So on every connected component of every sublevel set the infimum is that "
    "of the convex problem (attained if λ > 0).",
    source="this project (after Burer, Monteiro 2005)",
    kind="equality",
    assumptions=("linearised model", "convex C² loss", "λ ≥ 0", "r(r+3)/2 > KN"),
    control="r(r+3)/2 = KN (family A'): no such path",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Escape from the plateaus of family B (with λ, with λ and P) and, at λ = 0, C0: planted and found points."""
    measurements = []
    count = 0
    cases = [(planted("B", r, r + 2, r + 3), r) for r in by_level(level, (3,), (2, 3, 4), (2, 3, 4, 5))]
    cases += [(_with_perturbation(instance), rank) for instance, rank in cases[-1:]]
    cases += [(planted_flat(r, m, p), r) for r, m, p in by_level(level, _FLAT[:1], _FLAT[:2], _FLAT)]
    for instance, rank in cases:
        assert instance.planted is not None
        p = instance.landscape.perturbation
        found = survey(instance, rank, starts=8, seed=seed, planted_noise=0.05, perturbation=p)
        trapped = [q for q, point in zip(found.factors, found.points) if point.above_optimum]
        for q in [instance.planted, *trapped]:
            measurements += _escape(instance, q, seed)
            count += 1
    return Evidence(tuple(measurements), count, seeds=(seed,), notes=(f"{count} non-global points were left",))
