"""NTK-C4.2: the price of the perturbation P."""

import numpy as np

from proofs_check.claims.ntk_t4_1 import perturbed_surveys
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level, random_perturbation
from proofs_check.registry import claim
from proofs_check.second_order_search import Survey, survey
from sims.landscape.search import Landscape
from sims.solve import CertifiedSolution, solve
from theory.convex_lora import nuclear_norm
from theory.losses import SQUARED
from theory.perturbation import perturbation_price


def _excess(instance: Instance, q: np.ndarray, optimum: CertifiedSolution) -> float:
    """Return L̂_λ(u vᵀ) minus the certified lower bound of the optimum."""
    m = instance.landscape.d_out
    return instance.problem.report([q[:m] @ q[m:].T], instance.lam).primal - optimum.certificate.dual


def _ratio(instance: Instance, factors: tuple[np.ndarray, ...], p: np.ndarray) -> tuple[float, bool]:
    """Return the largest excess over the price, and whether the optimum is certified."""
    optimum = solve(instance.problem, instance.lam)
    price = perturbation_price(float(np.linalg.norm(p, 2)), sum(nuclear_norm(d) for d in optimum.deltas))
    certified = optimum.certificate.gap <= 1e-3 * price
    return max((_excess(instance, q, optimum) for q in factors), default=float("nan")) / price, certified


def nearly_attained(seed: int) -> tuple[Survey, np.ndarray]:
    """Return a survey where nearly the whole price is paid: P weighs on the optimum, and a rival costs little more.

    One measurement <diag(1, 0.95), delta> = 1: the optimum is on the first direction, and with P on the second.
    """
    gradients, lam = np.diag([1.0, 0.95])[None, None], 0.1
    landscape = Landscape(gradients, np.zeros((1, 1)), np.ones((1, 1)), SQUARED, lam)
    p = 1.05 * 0.5 * (1.0 / 0.95 - 1.0) * lam * np.diag([1.0, 0.0, 1.0, 0.0])
    # generic, as the corollary asks
    p += random_perturbation(4, 1e-3 * float(np.linalg.norm(p)), seed)
    return survey(
        Instance("a rival of .95 of the optimum's slope", landscape), 2, starts=8, seed=seed, perturbation=p
    ), p


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Stationary but not second order: the origin is a critical point of every perturbed objective."""
    measurements = []
    for found, p in perturbed_surveys("smoke", seed, data, (0.01,)):
        origin = np.zeros((found.instance.landscape.size, found.rank))
        ratio, certified = _ratio(found.instance, (origin,), p)
        measurements.append(Measurement("excess over price, at Q = 0", ratio, 1, "<=", 0, found.name(), certified))
    return Evidence(tuple(measurements), len(measurements))


@claim(
    id="NTK-C4.2",
    paper="ntk",
    statement="Every second-order stationary point (û, v̂) of the objective perturbed by P ⪰ 0, ‖P‖_F ≤ ε, satisfies "
    "L̂_λ(ûv̂ᵀ) ≤ min L̂_λ + 2ε‖δ*_λ‖_* for every minimiser δ*_λ (one exists if λ > 0; at λ = 0 that is assumed); the "
    "proof gives the sharper 2‖P‖_op‖δ*_λ‖_*, which is what is checked.",
    source="arXiv 2402.11867, Corollary 4.2 (wording not verified)",
    kind="upper",
    assumptions=("the assumptions of Theorem 4.1", "λ > 0, or λ = 0 and L̂ attains its minimum"),
    control="second order dropped: the stationary point Q = 0",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Lay the excess over a certified optimum beside the price, for perturbations of several sizes."""
    measurements, notes = [], []
    surveys = perturbed_surveys(level, seed + 1, data, by_level(level, (0.1,), (0.1, 0.01), (0.3, 0.1, 0.03, 0.01)))
    surveys.append(nearly_attained(seed))
    for found, p in surveys:
        ratio, certified = _ratio(found.instance, found.factors, p)
        name = f"{found.name()}, ‖P‖_op = {np.linalg.norm(p, 2):.1e}"
        measurements.append(Measurement("excess over price 2‖P‖_op‖δ*‖_*", ratio, 1, "<=", 0, name, certified))
    ratios = [m.measured for m in measurements]
    notes.append(f"excess / price between {min(ratios):.1e} and {max(ratios):.1e}")
    return Evidence(tuple(measurements), len(surveys), seeds=(seed + 1,), notes=tuple(notes))
