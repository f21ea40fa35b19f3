"""Second-order points of losses that need not be linearised, and every step of the proof of Theorem 1 at each of them.

The reference X* is the best point found at one rank more: its first-order condition ||grad f(X*)||_op <= lam is
measured, and nothing else about it is used. Several matrices are handled together: with one alpha for all and a beta_l
for each,

    sum_l [(1 - 2 kappa_l alpha) ||X_l - X*_l||^2 - ||X_l - (X_l)_{r*_l}||^2] / (2 kappa_l) >= 0,

so that one layer at least is either X* or at the distance of Theorem 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from proofs_check.evidence import Measurement, Relation
from sims.landscape.smooth import SmoothLandscape, smooth_stationary_points
from theory.convex_lora import nuclear_norm, spectral_norm
from theory.restricted_curvature import (
    SpectralSplit,
    distance_bound,
    escape_direction,
    smoothness_quotient,
    spectral_split,
    subgradient_near,
    truncated,
)

ROUNDING = 1e-7  # relative; stationary points are accurate to 1e-11, their square roots to less
SAME = 1e-5  # relative distance below which a point is X*
_RANK = 1e-6

Updates = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class CurvedInstance:
    """A landscape, proved constants alpha (for all layers) and beta (each layer) if known, and points to start near.

    ``near`` holds lists of factors (A, B), one pair a layer, of the rank that is searched.
    """

    name: str
    landscape: SmoothLandscape
    alpha: float | None = None
    beta: tuple[float, ...] | None = None
    near: tuple[tuple[tuple[np.ndarray, np.ndarray], ...], ...] = ()
    scales: tuple[float, ...] = (0.1, 1.0, 3.0)


@dataclass(frozen=True)
class CurvedSurvey:
    """Second-order points (updates of every layer) at one rank, X* with its ranks, and how many runs were rejected."""

    instance: CurvedInstance
    rank: int
    star: Updates
    star_ranks: tuple[int, ...]
    star_defect: float
    points: tuple[Updates, ...]
    objectives: tuple[float, ...]
    rejected: int

    @property
    def name(self) -> str:
        """Instance and rank in words."""
        return f"{self.instance.name}, r = {self.rank}, rank X* = {'+'.join(map(str, self.star_ranks))}"

    @property
    def trusted(self) -> bool:
        """Whether X* meets its first-order condition, no layer of it is zero, and most runs converged."""
        enough = len(self.points) > 0 and self.rejected <= len(self.points)
        return self.star_defect <= ROUNDING and min(self.star_ranks) >= 1 and enough

    @property
    def rank_suffices(self) -> bool:
        """Whether r >= rank X* in every layer, without which the theorem says nothing."""
        return max(self.star_ranks) <= self.rank

    def distance(self, point: Updates) -> float:
        """Return ||X - X*||_F over all layers, relative to ||X*||."""
        size = sum(float((x**2).sum()) for x in self.star)
        return (sum(float(((x - s) ** 2).sum()) for x, s in zip(point, self.star, strict=True)) / size) ** 0.5

    def is_star(self, point: Updates) -> bool:
        """Whether the point is X* up to rounding."""
        return self.distance(point) <= SAME

    @property
    def others(self) -> int:
        """Number of second-order points that are not X*."""
        return sum(not self.is_star(point) for point in self.points)


def _start(instance: CurvedInstance, rank: int, count: int, g: np.random.Generator) -> np.ndarray:
    width = instance.landscape.unknowns(rank)
    rows = [instance.scales[i % len(instance.scales)] * g.standard_normal(width) for i in range(count)]
    for factors in instance.near:
        if factors[0][0].shape[1] == rank:
            flat = np.concatenate([part.reshape(-1) for pair in factors for part in pair])
            rows[: count // 2] = [flat + 0.05 * g.standard_normal(width) for _ in range(count // 2)]
    return np.array(rows)


def reference(instance: CurvedInstance, rank: int, starts: int, seed: int) -> tuple[Updates, float]:
    """Return X*, the best point at this rank, and by how much ||grad f(X*)||_op exceeds lam, relative to lam."""
    landscape = instance.landscape
    g = np.random.default_rng([seed, 1])
    found = smooth_stationary_points(landscape, rank, _start(replace(instance, near=()), rank, starts, g))
    best = found.q[int(np.where(found.accepted, found.objective, np.inf).argmin())]
    star = tuple(a @ b.T for a, b in landscape.factors(best, rank))
    excess = max(spectral_norm(gradient) for gradient in landscape.gradients(star)) / landscape.lam - 1.0
    return star, max(excess, 0.0) if found.accepted.any() else float("inf")


def curved_survey(
    instance: CurvedInstance, rank: int, *, starts: int, seed: int, star: tuple[Updates, float] | None = None
) -> CurvedSurvey:
    """Return the second-order points that ``starts`` runs reach at this rank."""
    star = star or reference(instance, rank + 1, max(4, starts // 4), seed)
    found = smooth_stationary_points(
        instance.landscape, rank, _start(instance, rank, starts, np.random.default_rng([seed, rank]))
    )
    points = [tuple(a @ b.T for a, b in instance.landscape.factors(q, rank)) for q in found.q[found.accepted]]
    ranks = tuple(int((_values(x) > _RANK * max(_values(x)[0], 1e-300)).sum()) for x in star[0])
    return CurvedSurvey(
        instance,
        rank,
        star[0],
        ranks,
        star[1],
        tuple(points),
        tuple(found.objective[found.accepted]),
        int((~found.accepted).sum()),
    )


def _values(x: np.ndarray) -> np.ndarray:
    return np.linalg.svd(x, compute_uv=False)


@dataclass(frozen=True)
class LayerFacts:
    """What the proof needs of one layer at one point."""

    x: np.ndarray
    star: np.ndarray
    split: SpectralSplit
    beta: float
    subgradient: np.ndarray
    rank: int
    star_rank: int

    @property
    def sigma_last(self) -> float:
        """sigma_r(X), 0 below full rank (rounding counts as 0)."""
        last = self.split.sigma(self.rank)
        return last if last > _RANK * self.split.sigma(1) else 0.0

    @property
    def kappa(self) -> float:
        """sigma_{r*}(X) / (beta sigma_r(X)), infinite for a point of lower rank."""
        last = self.sigma_last
        return self.split.sigma(self.star_rank) / (self.beta * last) if last > 0 else float("inf")

    @property
    def curved(self) -> bool:
        """Whether X has full rank r and f bends upwards along the direction of the second step: kappa is finite."""
        return self.sigma_last > 0 and self.beta > 0

    @property
    def step(self) -> float:
        """||X - X*||_F^2."""
        return float(((self.x - self.star) ** 2).sum())

    @property
    def tail(self) -> float:
        """||X - X_{r*}||_F^2."""
        return float(((self.x - truncated(self.x, self.star_rank)) ** 2).sum())


def layer_facts(found: CurvedSurvey, point: Updates, gradients: Sequence[np.ndarray]) -> list[LayerFacts]:
    """Return the facts of every layer; beta is the quotient along the direction of the second step."""
    landscape = found.instance.landscape
    facts = []
    for layer, (x, gradient) in enumerate(zip(point, gradients, strict=True)):
        split = spectral_split(x, gradient, landscape.lam)
        beta = 0.0
        if split.values.size >= found.rank:
            h = escape_direction(split)
            directions = [h if other == layer else np.zeros_like(y) for other, y in enumerate(point)]
            beta = smoothness_quotient(landscape.curvature(point, directions), h)
        g, _ = subgradient_near(split, landscape.lam)
        facts.append(LayerFacts(x, found.star[layer], split, beta, g, found.rank, found.star_ranks[layer]))
    return facts


def proof_steps(found: CurvedSurvey, point: Updates) -> list[Measurement]:
    """Return the steps K1 to K5 at one second-order point, with the quotients of that point as alpha and beta."""
    landscape, name = found.instance.landscape, found.name
    lam, trusted = landscape.lam, found.trusted
    gradients, at_star = landscape.gradients(point), landscape.gradients(found.star)
    facts = layer_facts(found, point, gradients)
    size = sum(float((s**2).sum()) for s in found.star)
    convexity = sum(float(((g - h) * (f.x - f.star)).sum()) for g, h, f in zip(gradients, at_star, facts, strict=True))
    steps: list[Measurement] = []

    def add(label: str, measured: float, relation: Relation = "<=") -> None:
        steps.append(Measurement(label, measured, 0.0, relation, ROUNDING, name, trusted))

    pull = balance = 0.0
    for fact, gradient in zip(facts, gradients, strict=True):
        spread = max(lam, spectral_norm(gradient))
        dual = fact.subgradient + gradient
        inner = float((dual * (fact.x - fact.star)).sum())
        pull += inner
        add("K1: ∇f = −λLRᵀ + S⊥, what is left over / size", fact.split.mismatch / spread)
        add("K2: ‖S⊥‖ − λ − βσ_r, / size", (fact.split.top[1] - lam - fact.beta * fact.sigma_last) / spread)
        nuclear = nuclear_norm(fact.x)
        aligned = abs(float((fact.subgradient * fact.x).sum()) / lam - nuclear) / max(nuclear, 1e-300)
        add("K3: g ∈ λ∂‖X‖_*, defect", max(aligned, spectral_norm(fact.subgradient) / lam - 1.0))
        add("K3: ‖g + ∇f‖ − βσ_r, / size", (spectral_norm(dual) - max(0.0, fact.beta * fact.sigma_last)) / spread)
        if fact.curved:
            add(
                "K4: ‖X−X_r*‖² − ‖X−X*‖² + 2κ⟨g+∇f, X−X*⟩, / size",
                (fact.tail - fact.step + 2 * fact.kappa * inner) / size,
            )
            balance += (fact.step - fact.tail) / (2 * fact.kappa)
    # alpha is the quotient of this pair of points: alpha ||X - X*||^2 = <grad f(X) - grad f(X*), X - X*>
    scale = lam * max(size**0.5, 1e-300)
    add("K5: ⟨g+∇f, X−X*⟩ − α‖X−X*‖², / size", (pull - convexity) / scale, ">=")
    if any(fact.curved for fact in facts):  # a layer with infinite kappa adds nothing
        add("K5: Σ[(1−2κα)‖X−X*‖² − ‖X−X_r*‖²]/2κ, / size", (balance - convexity) / scale, ">=")
    return steps


def alternative(found: CurvedSurvey, point: Updates, alpha: float, betas: Sequence[float]) -> float:
    """Return how clearly the alternative of Theorem 1 holds at a point that is not X*: >= 1 iff it does, in some layer.

    The smaller of sigma_r / ((2 alpha / beta) sigma_{r*}) and of the distance over its lower bound; 0 below full rank.
    """
    best = 0.0
    for layer, (x, star) in enumerate(zip(point, found.star, strict=True)):
        values = np.append(_values(x), np.zeros(found.rank))
        last, at_star = float(values[found.rank - 1]), float(values[found.star_ranks[layer] - 1])
        if last <= _RANK * float(values[0]):
            continue
        tail = float(np.linalg.norm(x - truncated(x, found.star_ranks[layer])))
        needed = distance_bound(tail, alpha, betas[layer], at_star, last)
        ratio = float(np.linalg.norm(x - star)) / needed if needed > 0 else np.inf
        best = max(best, min(last / (2 * alpha / betas[layer] * at_star), ratio))
    return best


def local_constants(found: CurvedSurvey, point: Updates) -> tuple[float, tuple[float, ...]]:
    """Return (alpha, beta by layer): the quotients of the pair (X, X*) and of the second step, which the proof uses."""
    gradients, at_star = (found.instance.landscape.gradients(x) for x in (point, found.star))
    parts = [(g - h, x - s) for g, h, x, s in zip(gradients, at_star, point, found.star, strict=True)]
    inner, size = (sum(float((a * b).sum()) for a, b in pairs) for pairs in (parts, [(d, d) for _, d in parts]))
    betas = (fact.beta for fact in layer_facts(found, point, gradients))
    return inner / size, tuple(max(beta, 1e-300) for beta in betas)
