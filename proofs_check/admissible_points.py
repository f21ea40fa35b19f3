"""Points that the generalisation theorem speaks about, found on one sample, and the second half of its proof on them.

Admissible means Lhat(delta) + lam ||delta||_* <= Lhat(delta_true) + (1 + eps) lam ||delta_true||_*: both sides are
evaluated, so that nothing rests on a solver.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from proofs_check.evidence import Measurement
from proofs_check.generalisation_steps import ROUNDING, ball_points
from proofs_check.populations import Population
from sims.solvers.proximal_gradient import proximal_gradient
from sims.solvers.solution import Solution
from theory.convex_lora import nuclear_norm, spectral_norm
from theory.generalisation import GeneralisationBound


@dataclass(frozen=True)
class Admissible:
    """Points that meet the theorem's condition on one sample, as evaluated; ``excess`` is that of the minimiser."""

    deltas: tuple[Float[np.ndarray, "m p"], ...]
    excess: float
    largest_excess: float
    converged: bool


def minimiser(
    population: Population, weights: Float[np.ndarray, " q"], lam: float
) -> Solution[Float[np.ndarray, "m p"]]:
    """Return a minimiser of the regularised empirical risk of a sample given by its frequencies."""

    def value(delta: np.ndarray) -> float:
        return population.risk(delta, weights)

    # no fine-tuning is the solution for small samples, the true minimiser is close to it for large ones
    starts = (np.zeros(population.shape), population.true_delta)
    start = min(starts, key=lambda delta: value(delta) + lam * nuclear_norm(delta))
    return proximal_gradient(
        value,
        lambda delta: population.gradient(delta, weights),
        start,
        lam,
        population.smoothness(weights),
        tolerance=1e-6,
        max_steps=3000,
    )


def margin(
    population: Population, weights: Float[np.ndarray, " q"], bound: GeneralisationBound, delta: np.ndarray
) -> float:
    """Return Lhat(delta_true) + (1 + eps) lam ||delta_true||_* - Lhat(delta) - lam ||delta||_*: admissible iff >= 0."""
    lam = bound.weight_decay
    allowed = population.risk(population.true_delta, weights) + (1.0 + bound.slack) * lam * bound.true_norm
    return allowed - population.risk(delta, weights) - lam * nuclear_norm(delta)


def admissible_points(
    population: Population, weights: Float[np.ndarray, " q"], bound: GeneralisationBound, rng: np.random.Generator
) -> Admissible:
    """Return the minimiser and points pushed from it to the boundary of the admissible set, some uphill in L."""
    solution = minimiser(population, weights, bound.weight_decay)
    best = solution.value
    uphill = population.gradient(best)
    directions = [
        uphill,
        uphill - population.gradient(best, weights),
        best - population.true_delta,
        *rng.standard_normal((2, *population.shape)),
        np.outer(rng.standard_normal(population.shape[0]), rng.standard_normal(population.shape[1])),
    ]
    pushed = [_pushed(population, weights, bound, best, d) for d in directions if np.linalg.norm(d) > 0]
    # verified one by one: nothing rests on what the minimiser or the bisection believed
    found = [delta for delta in (best, *pushed) if margin(population, weights, bound, delta) >= 0]
    values = [population.excess(delta) for delta in found]
    return Admissible(tuple(found), population.excess(best), max(values, default=float("nan")), solution.converged)


def _pushed(
    population: Population,
    weights: Float[np.ndarray, " q"],
    bound: GeneralisationBound,
    start: np.ndarray,
    direction: np.ndarray,
) -> np.ndarray:
    """Return the last admissible point on a ray from ``start``, by bisection (the admissible set is convex)."""
    move = direction / nuclear_norm(direction)
    inside, outside = 0.0, 4.0 * (bound.true_norm + bound.radius)
    for _ in range(24):
        middle = 0.5 * (inside + outside)
        if margin(population, weights, bound, start + middle * move) >= 0:
            inside = middle
        else:
            outside = middle
    return start + inside * move


@dataclass(frozen=True)
class Conclusion:
    """On one sample: identities that hold surely, and ratios that are at most 1 with probability 1 - eta."""

    sure: tuple[Measurement, ...]
    likely: dict[str, float]

    @property
    def failed(self) -> bool:
        """Whether any of the likely ones is violated."""
        return any(not ratio <= 1.0 for ratio in self.likely.values())


def conclusion_steps(
    population: Population,
    weights: Float[np.ndarray, " q"],
    bound: GeneralisationBound,
    found: Admissible,
    rng: np.random.Generator,
) -> Conclusion:
    """Return G4 (segment, sphere, radius), G5 and the bound itself for the admissible points of one sample."""
    name = f"{population.name}, N = {bound.samples}"
    lam, truth = bound.weight_decay, population.true_delta
    at_truth = population.risk(truth, weights)
    scale = lam * bound.true_norm

    def rise(delta: np.ndarray) -> float:
        return (population.risk(delta, weights) + lam * nuclear_norm(delta) - at_truth) / scale

    segments = [(truth + t * (delta - truth), t) for delta in found.deltas for t in (0.25, 0.5, 0.75)]
    above = max(rise(middle) - (1.0 + t * bound.slack) for middle, t in segments)
    lowest = min(rise(delta) for delta in ball_points(population, bound.radius, 20, rng)[:10])
    identity = (lam - bound.kappa) * bound.radius / ((2.0 + bound.slack) * scale)
    norms = [nuclear_norm(delta) for delta in found.deltas]
    given = [population.excess(d) / bound.excess_risk_given_norm(norm) for d, norm in zip(found.deltas, norms)]
    sure = (
        Measurement("G4 convexity on the segment: (value − allowed) / λ‖δ_true‖", above, 0, "<=", ROUNDING, name),
        Measurement("G4 (λ − κ) D over (2 + ε) λ‖δ_true‖", identity, 1, "==", ROUNDING, name),
    )
    likely = {
        "G4 allowed value over the lowest at distance D": (1.0 + bound.slack) / lowest if lowest > 0 else np.inf,
        "G4 ‖δ − δ_true‖_* over D": max(nuclear_norm(d - truth) for d in found.deltas) / bound.radius,
        "G5 excess over the bound given ‖δ‖_*": max(given),
        "excess risk over the bound": found.largest_excess / bound.excess_risk,
    }
    return Conclusion(sure, likely)


def true_minimiser(population: Population, bound: GeneralisationBound) -> Measurement:
    """Return the certificate of delta_true: duality gap, and gradient times the radius, over the bound."""
    reach = spectral_norm(population.gradient(population.true_delta)) * bound.radius
    gap = max(population.true_gap, reach) / bound.excess_risk
    return Measurement("true minimiser: certified gap over the bound", gap, 0, "<=", 1e-9, population.name)
