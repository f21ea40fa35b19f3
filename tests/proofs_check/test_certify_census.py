"""A census of candidates against optima found another way: no false global minimum, no negative gap.

Shapes whose optimum has a closed form or is the root of one monotone function, at any scale; ``CENSUS`` candidates a
family (200 in the suite; 20000 takes some minutes).
"""

import os
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import brentq

from proofs_check.certify import certify
from sims.convex_problem import ConvexProblem, make_problem
from sims.ntk.features import DenseFeatures
from sims.problem_files import Candidate
from theory.losses import CROSS_ENTROPY, LOGISTIC, SQUARED

CENSUS = int(os.environ.get("CENSUS", "200"))
_FOUND = (4601, 14361)  # a loss that underflows; a dual point a unit of rounding outside its domain
Drawn = tuple[ConvexProblem, Fraction, np.ndarray, bool]  # problem, lam, optimum, attained


def diagonal(rng: np.random.Generator) -> Drawn:
    """Measure the diagonal with the squared loss: soft thresholds, entry by entry."""
    d = int(rng.integers(1, 4))
    sizes = 10.0 ** rng.uniform(-3, 3, d)
    g = np.zeros((d, 1, d, d))
    g[np.arange(d), 0, np.arange(d), np.arange(d)] = sizes
    y = rng.standard_normal(d) * 10.0 ** rng.uniform(-20, 20)
    lam = 0.0 if rng.random() < 0.3 else float(np.abs(y * sizes).max()) / d * 10.0 ** rng.uniform(-6, 0.1)
    shrunk = np.sign(y) * np.maximum(np.abs(y) - d * lam / sizes, 0.0) / sizes
    return make_problem([DenseFeatures(g)], np.zeros((d, 1)), y, SQUARED), Fraction(lam), np.diag(shrunk), True


def vector(rng: np.random.Generator) -> Drawn:
    """Many measurements of a column: the nuclear norm is Euclid's, and |delta| solves a secular equation."""
    n, d = int(rng.integers(2, 7)), int(rng.integers(1, 4))
    a = rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-1, 1, d)
    y = rng.standard_normal(n) * 10.0 ** rng.uniform(-20, 20)
    problem = make_problem([DenseFeatures(a.reshape(n, 1, d, 1))], np.zeros((n, 1)), y, SQUARED)
    values, vectors = np.linalg.eigh(a.T @ a / n)
    pulled = vectors.T @ (a.T @ y / n)
    top = float(np.linalg.norm(pulled))
    lam = 0.0 if rng.random() < 0.3 else top * 10.0 ** rng.uniform(-4, 0.1)
    if lam == 0.0:
        return problem, Fraction(0), np.linalg.lstsq(a, y, rcond=None)[0][:, None], True
    if lam >= top:
        return problem, Fraction(lam), np.zeros((d, 1)), True
    # (H + lam / t) delta = b with t = |delta|: the length of delta(t) / t falls with t
    largest = top / max(values[0], 1e-12 * values[-1])
    t = brentq(
        lambda t: float(np.linalg.norm(pulled / (t * values + lam))) - 1.0, 0.0, largest, xtol=1e-300, rtol=1e-15
    )
    return problem, Fraction(lam), (vectors @ (t * pulled / (t * values + lam)))[:, None], True


def scalar(rng: np.random.Generator) -> Drawn:
    """One unknown, logistic loss or cross-entropy: the root of the derivative, or no minimiser at all."""
    n = int(rng.integers(1, 5))
    softmax = bool(rng.random() < 0.5)
    k = 3 if softmax else 1
    g, f0 = rng.standard_normal((n, k)), rng.standard_normal((n, k))
    loss = CROSS_ENTROPY if softmax else LOGISTIC
    y = rng.integers(0, k, n) if softmax else rng.choice([-1.0, 1.0], (n, 1))
    problem = make_problem([DenseFeatures(g.reshape(n, k, 1, 1))], f0, y, loss)

    def slope(x: float) -> float:
        return float((loss.gradient(f0 + x * g, y) * g).sum()) / n

    at_zero = slope(0.0)
    lam = 0.0 if rng.random() < 0.5 else abs(at_zero) * 10.0 ** rng.uniform(-3, 0.1)
    if abs(at_zero) <= lam:
        return problem, Fraction(lam), np.zeros((1, 1)), True
    side = -np.sign(at_zero)
    far = side * 40.0
    if (slope(far) + side * lam) * side <= 0:
        return problem, Fraction(lam), np.full((1, 1), far), False
    x = brentq(lambda x: slope(x) + side * lam, 0.0, far, xtol=1e-300, rtol=1e-15)
    return problem, Fraction(lam), np.full((1, 1), x), True


def objective(problem: ConvexProblem, delta: np.ndarray, lam: Fraction) -> float:
    """Return the primal value by dense formulas."""
    g = np.asarray(problem.layers[0].dense())
    losses = problem.loss.value(problem.f0 + np.einsum("nkij,ij->nk", g, delta), problem.y)
    return float(losses.mean()) + float(lam) * float(np.linalg.norm(delta, "nuc"))


@pytest.mark.parametrize("draw", [diagonal, vector, scalar])
def test_no_candidate_is_certified_that_is_not_optimal(draw: Callable[[np.random.Generator], Drawn]) -> None:
    certified = 0
    for seed in (*range(CENSUS), *_FOUND):
        rng = np.random.default_rng(seed)
        problem, lam, best, attained = draw(rng)
        off = 0.0 if rng.random() < 0.2 else 10.0 ** rng.uniform(-12, 1)
        size = max(
            float(np.abs(best).max()), 1e-3 * objective(problem, 0 * best, lam) / max(problem.lambda_max(), 1e-300)
        )
        delta = best + off * size * rng.standard_normal(best.shape)
        candidate = Candidate(delta)
        if rng.random() < 0.5:
            left, s, right = np.linalg.svd(delta, full_matrices=False)
            u, v = left * np.sqrt(s), right.T * np.sqrt(s)
            candidate = Candidate(u @ v.T, u, v)
        told = certify(problem, candidate, lam)
        assert told["gap"] >= 0, (seed, told)
        assert "more than rounding" not in told["reason"], (seed, told)
        here, least = objective(problem, candidate.delta, lam), objective(problem, best, lam)
        interpolated = lam == 0 and here <= 1e-16 * objective(problem, 0 * best, lam)
        if told["verdict"] == "global_minimum":
            certified += 1
            assert attained, (seed, told)
            assert interpolated or here <= least * (1 + 2e-8), (seed, here, least, told)
        if off == 0.0 and attained and lam > 0:
            assert told["verdict"] == "global_minimum", (seed, told)
    assert certified >= 0.1 * CENSUS
