"""The duality certificate of a candidate, recomputed from data and candidate alone, with rounding charged.

A point z whose G(z) has spectral norm at most lam bounds the optimum from below. Two are tried: the loss's gradient at
the candidate, and the same corrected to satisfy the optimality system G(z) v = -lam u, G(z)^T u = -lam v on the
candidate's singular pairs, which keeps its digits where predictions minus targets cancel (small lam). Primal and dual
are moved apart by what rounding can have done to them, so a candidate is certified only if the gap is small in truth,
and a negative gap is a fault.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from sims.convex_problem import ConvexProblem
from sims.rounding import UNIT, gradient_rounding, prediction_rounding
from sims.unreachable import unreachable_dual
from theory import convex_lora
from theory.convex_lora import OptimalityReport
from theory.factorisation import balanced_factors, rebalanced

Array = Any
Candidate = tuple[Array, Array] | Array  # factors (u, v) or the update itself
_CANCELLED = 1e-11  # rounding of the predictions over the dual point above which the optimality system is asked
_PAIRS = 1e-9  # relative singular value above which a pair belongs to the optimality system
_MOST_WORK = 2e10  # multiplications that a least-squares correction may take


def certificate_at(
    problem: ConvexProblem, candidates: Sequence[Candidate], lam: float, *, penalty: float | None = None
) -> OptimalityReport:
    """Return primal, dual and KKT residuals at one candidate a layer: factors (u, v) or an update delta.

    ``penalty`` replaces the sum of nuclear norms in the primal: the (larger) penalty of factors that are not balanced.

    Raises:
        BadInput: not one candidate for every layer.
    """
    predictions = _predictions(problem, candidates)
    moved = prediction_rounding(problem.layers, problem.f0, list(candidates))
    nuclear = [_nuclear_norm(c) for c in candidates]
    norm = sum(nuclear) if penalty is None else penalty
    losses = problem.loss.value(predictions, problem.y)
    primal = float(losses.mean()) + lam * norm
    if problem.loss.name != "squared":  # never zero in truth: where it underflows, no gap is small beside it
        primal = max(primal, float(np.nextafter(0.0, 1.0)))
    z = problem.loss.gradient(predictions, problem.y)
    rounding = _primal_rounding(problem, predictions, losses, z, moved) + 16.0 * UNIT * lam * norm
    if lam > 0:
        dual, ratio, alignment = _regularised_dual(problem, candidates, z, moved, lam, sum(nuclear))
    else:
        found = unreachable_dual(problem.loss, problem.span, z, problem.f0, problem.y)
        # the three losses are nowhere negative: z = 0 is feasible and says so
        dual, ratio, alignment = max(found or 0.0, 0.0), float("inf"), 0.0
    attained = _interpolates(problem, z, moved) if lam == 0 else None
    return OptimalityReport(
        primal, dual - rounding if dual > 0 or lam > 0 else dual, ratio, alignment, rounding, attained
    )


def _interpolates(problem: ConvexProblem, z: Float[Array, "n k"], moved: Float[Array, "n k"]) -> bool:
    """Return whether a squared loss is at most ``ATTAINED_ZERO`` of that at delta = 0, rounding charged.

    Residuals are compared, not losses: the square of a small residual underflows. No other loss is ever zero.
    """
    if problem.loss.name != "squared":
        return False
    first, left = np.abs(problem.f0 - problem.y), np.abs(z) + moved
    scale = float(first.max())
    if scale == 0.0:
        return not left.any()
    return bool(((left / scale) ** 2).sum() <= convex_lora.ATTAINED_ZERO * ((first / scale) ** 2).sum())


def _predictions(problem: ConvexProblem, candidates: Sequence[Candidate]) -> Float[Array, "n k"]:
    if all(isinstance(c, tuple) for c in candidates):
        return problem.predictions_low_rank(list(candidates))
    return problem.predictions([c[0] @ c[1].T if isinstance(c, tuple) else c for c in candidates])


def _nuclear_norm(candidate: Candidate) -> float:
    if not isinstance(candidate, tuple):
        return convex_lora.nuclear_norm(candidate)
    u, v = candidate
    core = np.linalg.qr(u)[1] @ np.linalg.qr(v)[1].T
    return convex_lora.nuclear_norm(core) if core.size else 0.0


def _primal_rounding(
    problem: ConvexProblem,
    predictions: Float[Array, "n k"],
    losses: Float[Array, " n"],
    z: Float[Array, "n k"],
    moved: Float[Array, "n k"],
) -> float:
    """Return how far rounding can have moved the mean loss."""
    through = (np.abs(z) * moved).sum(axis=1) + 0.5 * problem.loss.curvature * (moved**2).sum(axis=1)
    evaluated = 8.0 * UNIT * np.abs(losses)
    if problem.loss.name != "squared":  # log-sum-exp is accurate to a unit of its largest argument
        evaluated = evaluated + 4.0 * UNIT * (np.abs(z) * np.abs(predictions)).sum(axis=1)
    return float((through + evaluated).mean())


def _regularised_dual(
    problem: ConvexProblem,
    candidates: Sequence[Candidate],
    z: Float[Array, "n k"],
    moved: Float[Array, "n k"],
    lam: float,
    nuclear: float,
) -> tuple[float, float, float]:
    """Return the best lower bound found, ||gradient||_op / lam, and <gradient, delta> + lam ||delta||_*."""
    gradients = [layer.adjoint(z) / problem.n for layer in problem.layers]
    tops = [convex_lora.spectral_norm(g) for g in gradients]
    best = _charged_dual(problem, z, tops, lam)
    aligned = sum(
        float((g * c).sum()) if not isinstance(c, tuple) else float(((g @ c[1]) * c[0]).sum())
        for g, c in zip(gradients, candidates, strict=True)
    )
    largest = float(np.abs(z).max(initial=0.0))
    if largest > 0 and float(moved.max()) > _CANCELLED * largest:
        for corrected in _on_the_optimality_system(problem, candidates, z, lam):
            norms = [convex_lora.spectral_norm(layer.adjoint(corrected) / problem.n) for layer in problem.layers]
            best = max(best, _charged_dual(problem, corrected, norms, lam))
    return best, max(tops, default=0.0) / lam, aligned + lam * nuclear


def _charged_dual(problem: ConvexProblem, z: Float[Array, "n k"], tops: Sequence[float], lam: float) -> float:
    """Return a lower bound of the dual value at the largest multiple of z that is certainly feasible."""
    rounding = [gradient_rounding(layer, z) / problem.n for layer in problem.layers]
    largest = max((top + moved for top, moved in zip(tops, rounding, strict=True)), default=0.0)
    scale = 1.0 if largest <= lam else lam / largest * (1.0 - 4.0 * UNIT)
    point = scale * z
    conjugate = problem.loss.conjugate(point, problem.y)
    if not np.isfinite(conjugate).all():
        return -np.inf
    terms = np.abs(point * problem.f0).sum(axis=1) + np.abs(conjugate)
    if problem.loss.name == "squared":  # l* = z^2/2 + z y: its two terms may cancel
        terms = terms + (np.abs(point * problem.y) + 0.5 * point**2).sum(axis=1)
    else:  # the entropies are sums of terms of either sign, each as accurate as z
        terms = terms + np.abs(point).sum(axis=1) * (1.0 + np.abs(np.log(np.abs(point).clip(1e-300))).max(axis=1))
    value = float(((point * problem.f0).sum(axis=1) - conjugate).mean())
    return value - 8.0 * UNIT * float(terms.mean())


def _on_the_optimality_system(
    problem: ConvexProblem, candidates: Sequence[Candidate], z: Float[Array, "n k"], lam: float
) -> Iterator[Float[Array, "n k"]]:
    """Yield the point nearest to z with G(z) v = -lam u and G(z)^T u = -lam v on the candidate's singular pairs."""
    n, k = z.shape
    blocks, right = [], []
    for layer, candidate in zip(problem.layers, candidates, strict=True):
        u, v = (
            rebalanced(*candidate, tolerance=_PAIRS)
            if isinstance(candidate, tuple)
            else balanced_factors(candidate, tolerance=_PAIRS)
        )
        r = u.shape[1]
        if r == 0:
            continue
        size = np.sqrt((u**2).sum(axis=0))
        left, other = u / size, v / size
        by_left = np.asarray(layer.project_input(other.T).dense()).reshape(n, k, -1)
        by_right = np.asarray(layer.project_output(left).dense()).reshape(n, k, -1)
        blocks += [by_left, by_right]
        right += [-lam * n * left.reshape(-1), -lam * n * other.T.reshape(-1)]
    if not blocks:
        return
    system = np.concatenate(blocks, axis=2)
    if problem.loss.free_outputs(k) < k:
        system = system - system.mean(axis=1, keepdims=True)  # the correction keeps the sum over outputs
    system = system.reshape(n * k, -1)
    if float(min(system.shape)) ** 2 * max(system.shape) > _MOST_WORK:
        return
    wanted = np.concatenate(right)
    corrected = z.reshape(-1)
    for _ in range(2):
        corrected = corrected + np.linalg.lstsq(system.T, wanted - corrected @ system, rcond=1e-12)[0]
    yield _inside(problem, corrected.reshape(n, k))


def _inside(problem: ConvexProblem, z: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """Return z moved into the conjugate's domain; a step outside, however small, would be worth p times its length."""
    if problem.loss.name == "squared":
        return z
    if problem.loss.name == "logistic":
        return -problem.y * np.clip(-problem.y * z, 0.0, 1.0)
    label = np.arange(z.shape[1])[None, :] == problem.y[:, None]
    others = np.where(label, 0.0, np.maximum(z, 0.0))
    others = others / np.maximum(others.sum(axis=1, keepdims=True), 1.0)
    return np.where(label, -others.sum(axis=1, keepdims=True), others)
