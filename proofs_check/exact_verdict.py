"""The verdict on a candidate as a theorem about the numbers in the files; what cannot be proved is 'inconclusive'."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from flint import arb, ctx
from jaxtyping import Float

from proofs_check.ball_objective import BallObjective, exact_matrix
from proofs_check.exact import MAX_EXACT_ROWS, SquaredProblem
from proofs_check.float_verdict import Judged
from proofs_check.gap_enclosure import gap_enclosure
from proofs_check.interval_newton import prove_strict_minimum
from proofs_check.rational import BITS, ball_sum
from sims.convex_problem import ConvexProblem
from sims.solve import solve
from theory.convex_lora import OptimalityReport

Array = np.ndarray
_HOPELESS = 1e-3  # relative gap, rounding taken off, from which a proof of optimality is not tried
_MOST_SIDES = 400  # d_out + d_in: definiteness in balls takes the cube of it
_MOST_FEATURES = 2_000_000  # entries of all features that are turned into rationals


def exact_verdict(
    problem: ConvexProblem,
    delta: Float[Array, "m p"],
    factors: tuple[Array, Array] | None,
    lam: Fraction,
    report: OptimalityReport,
    judged: Judged,
    tol: float,
) -> Judged:
    """Return the verdict that is proved; ``judged``, the one in floats, decides what is tried, never what is said."""
    entries = problem.n * problem.k * delta.size
    if entries > _MOST_FEATURES:
        return Judged("inconclusive", f"{entries} entries of the features: a proof takes up to {_MOST_FEATURES}")
    if sum(problem.shapes[0]) > _MOST_SIDES:
        return Judged("inconclusive", f"sides that sum to {sum(problem.shapes[0])}: a proof takes up to {_MOST_SIDES}")
    small = sum(problem.shapes[0]) * (1 if factors is None else factors[0].shape[1]) <= MAX_EXACT_ROWS
    squared = SquaredProblem(problem, lam) if problem.loss.name == "squared" and small else None
    if _global(problem, delta, factors, lam, report, squared, tol):
        return replace(judged, verdict="global_minimum", reason="")
    if factors is None:
        return _update(problem, delta, lam, squared)
    return _factors(problem, factors, lam, judged, squared, small=small)


def _global(
    problem: ConvexProblem,
    delta: Array,
    factors: tuple[Array, Array] | None,
    lam: Fraction,
    report: OptimalityReport,
    squared: SquaredProblem | None,
    tol: float,
) -> bool:
    """Return whether the candidate is proved to be a global minimum, exactly or up to the relative gap."""
    known = report.gap - 2.0 * report.rounding  # rounding is part of the gap; so much of it is certain
    if lam > 0 and known > _HOPELESS * abs(report.primal) and report.spectral_norm_ratio > 1.0 + _HOPELESS:
        return False
    if squared is not None and factors is None and lam > 0 and squared.proves_optimal(delta):
        return True
    return gap_enclosure(problem, delta, lam, factors).proves_gap_below(tol)


def _update(problem: ConvexProblem, delta: Array, lam: Fraction, squared: SquaredProblem | None) -> Judged:
    """Prove that an update is not optimal: ||G||_op > lam, or a point with a lower value."""
    if squared is not None and squared.proves_infeasible(delta):
        return Judged("not_optimal", "the gradient's spectral norm is above lambda")
    if lam == 0 and problem.loss.name != "squared":
        return Judged("inconclusive", "no proof was found")
    ((u, v),) = solve(problem, float(lam)).factors
    with _precision():
        objective = BallObjective(problem, lam)
        lower = (
            objective.value(exact_matrix(np.concatenate([u, v])))
            if u.shape[1]
            else objective.value_at(exact_matrix(0 * delta))
        )
        here = objective.value_at(exact_matrix(delta)) + arb(objective.lam) * _nuclear_norm_below(delta)
        if lower < here:
            value = float(lower.upper())
            return Judged("not_optimal", "a lower point is shown", better_rank=u.shape[1], better_value=value)
    return Judged("inconclusive", "no proof was found")


def _nuclear_norm_below(delta: Array) -> arb:
    """Return a ball that is nowhere above ||delta||_*: <W, delta> / ||W|| for the float polar factor W."""
    left, _, right = np.linalg.svd(delta, full_matrices=False)
    w, x = exact_matrix(left @ right), exact_matrix(delta)
    inner = ball_sum(a * b for a, b in zip(w.entries(), x.entries()))
    square = (w.transpose() * w).tolist()
    norm = max((ball_sum(abs(a) for a in row).upper() for row in square), default=arb(1))  # of W^T W, by its rows
    return inner / arb(norm).sqrt()


def _factors(
    problem: ConvexProblem,
    factors: tuple[Array, Array],
    lam: Fraction,
    judged: Judged,
    squared: SquaredProblem | None,
    *,
    small: bool,
) -> Judged:
    """Prove what kind of point the factors are: exactly where they are stationary, else by interval Newton nearby."""
    if not small:
        return Judged(
            "inconclusive",
            f"more than {MAX_EXACT_ROWS} entries of the factors: no proof is tried",
            judged.gradient_norm,
        )
    if squared is not None and squared.stationary(*factors):
        facts = squared.facts(*factors)
        found = replace(judged, radius=0.0, reason="")
        if facts.hessian_inertia[2]:
            return replace(found, verdict="saddle", better_rank=None, better_value=None)
        if not facts.s_inertia[2]:
            return replace(found, verdict="global_minimum", better_rank=None, better_value=None)
        return _spurious(
            problem, factors, lam, found, arb_value(problem, factors, lam), strict=facts.strict_above_optimum
        )
    with _precision():
        gradient = BallObjective(problem, lam).gradient(exact_matrix(np.concatenate(factors)))
    nonzero = any(bool(x > 0) or bool(x < 0) for x in gradient.entries())
    if judged.verdict == "not_stationary":
        return (
            replace(judged, radius=None)
            if nonzero
            else Judged("inconclusive", "no proof was found", judged.gradient_norm)
        )
    if "minimum" in judged.verdict and judged.verdict != "global_minimum":
        proof = prove_strict_minimum(problem, *factors, lam)
        if proof is not None:
            with _precision():
                value = arb(proof.value[0])
            return _spurious(problem, factors, lam, replace(judged, radius=proof.radius), value, strict=True)
    return Judged("inconclusive", "no proof was found", judged.gradient_norm, judged.point)


def _spurious(
    problem: ConvexProblem,
    factors: tuple[Array, Array],
    lam: Fraction,
    found: Judged,
    value: arb,
    *,
    strict: bool,
) -> Judged:
    """Return the word for a second-order point above the optimum: spurious where a lower one of its rank is proved."""
    word = "local_minimum" if strict else "second_order_point"
    lower = None
    if found.better is not None and found.better[0].shape[1] <= factors[0].shape[1]:
        lower = arb_value(problem, found.better, lam)
    if lower is not None and lower < value:
        return replace(found, verdict=f"spurious_{word}", better_value=float(lower.upper()))
    reason = "above the convex optimum; no lower point of its rank is proved"
    return replace(found, verdict=word, reason=reason, better_rank=None, better_value=None)


def arb_value(problem: ConvexProblem, factors: tuple[Array, Array], lam: Fraction) -> arb:
    """Return a ball around the factored objective at float factors."""
    with _precision():
        objective = BallObjective(problem, lam)
        u, v = factors
        if u.shape[1] == 0:
            return objective.value_at(exact_matrix(np.zeros(problem.shapes[0])))
        return objective.value(exact_matrix(np.concatenate([u, v])))


class _precision:
    """Work with ``BITS`` bits."""

    def __enter__(self) -> None:
        self.previous, ctx.prec = ctx.prec, BITS

    def __exit__(self, *_: object) -> None:
        ctx.prec = self.previous
