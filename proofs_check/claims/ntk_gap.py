"""NTK-GAP: a bound on the distance to the optimum at any point, converged or not."""

import numpy as np

from proofs_check.certificates import critical_point
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level, gaussian, network, planted
from proofs_check.registry import claim
from sims.landscape.search import Landscape
from sims.solve import solve
from theory.a_posteriori import a_posteriori_gap
from theory.convex_lora import nuclear_norm
from theory.losses import CROSS_ENTROPY, LOGISTIC, SQUARED


def _nearly_attained() -> Instance:
    """Return an instance with optimum 0 and a point from which weight decay alone leads there.

    Half the gradient's norm times that of Q is then all of the gap, but for the small loss.
    """
    landscape = Landscape(0.1 * np.eye(2)[None, None], np.zeros((1, 1)), np.zeros((1, 1)), SQUARED, 1.0)
    return Instance("optimum 0, decay alone", landscape, np.array([[1.0], [0.0], [1.0], [0.0]]))


def _points(instance: Instance, seed: int, count: int) -> list[np.ndarray]:
    """Return Gaussian points, points near the optimum, and the planted point if there is one."""
    g = np.random.default_rng(seed)
    ((u, v),) = solve(instance.problem, instance.lam).factors
    rank = max(1, u.shape[1])
    best = np.zeros((instance.landscape.size, rank))
    best[:, : u.shape[1]] = np.concatenate([u, v])
    points = [
        scale * g.standard_normal((instance.landscape.size, r)) for scale in (0.1, 1.0) for r in (1, rank, rank + 1)
    ]
    points += [best + 10.0**-j * g.standard_normal(best.shape) for j in range(1, count)]
    return points + ([instance.planted] if instance.planted is not None else [])


def _measure(instance: Instance, seed: int, count: int, *, with_s: bool) -> list[Measurement]:
    optimum = solve(instance.problem, instance.lam)
    norm = sum(nuclear_norm(d) for d in optimum.deltas)
    m = instance.landscape.d_out
    measurements = []
    for q in _points(instance, seed, count):
        point = critical_point(instance.problem, q[:m], q[m:], instance.lam)
        lowest = point.lowest_s if with_s else 0.0
        bound = a_posteriori_gap(point.gradient_norm, float(np.linalg.norm(q)), lowest, norm)
        gap = point.objective - optimum.certificate.primal
        certified = optimum.certificate.gap <= 1e-9
        scale = max(1.0, point.objective)
        measurements.append(
            Measurement(
                "true gap minus bound, over the objective",
                (gap - bound) / scale,
                0,
                "<=",
                1e-10,
                instance.name,
                certified,
            )
        )
    return measurements


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The term with the smallest eigenvalue of S left out: a spurious minimum then has bound 0."""
    instances = [planted("A'", r, r + 2, r + 3) for r in (1, 2, 3)]
    return Evidence(tuple(x for i in instances for x in _measure(i, seed, 2, with_s=False)), len(instances))


@claim(
    id="NTK-GAP",
    paper="ntk",
    statement="At any (u, v), λ > 0: L̂_λ(u, v) − min L̂_λ ≤ ½‖∇L̂_λ(u, v)‖_F‖Q‖_F + max(0, −λ_min(S))·‖δ*‖_*.",
    source="this project (convexity of the semidefinite lift)",
    kind="upper",
    assumptions=("linearised model", "convex loss", "λ > 0"),
    control="the term with λ_min(S) left out",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Lay the true gap (certified optimum) beside the bound at random, nearly optimal and spurious points."""
    instances = [planted("A'", 2, 4, 5), planted("B", 3, 5, 6), _nearly_attained()]
    for trial in range(by_level(level, 2, 8, 40)):
        s = seed + trial
        instances += [gaussian(s, 10, 1, 5, 6), gaussian(s, 4, 3, 5, 6, loss=CROSS_ENTROPY, ratio=0.03)]
        instances += [gaussian(s, 8, 1, 4, 7, loss=LOGISTIC, ratio=0.03)]
        instances.append(network(data, s, samples=4, classes=3, m=6, p=7, loss=CROSS_ENTROPY))
    measurements = [x for i, instance in enumerate(instances) for x in _measure(instance, seed + i, 8, with_s=True)]
    return Evidence(tuple(measurements), len(instances), seeds=(seed,), notes=(f"{len(measurements)} points",))
