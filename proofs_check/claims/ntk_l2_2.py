"""NTK-L2.2: the nuclear norm is the least factor penalty."""

import numpy as np
import scipy.optimize

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level, network
from proofs_check.registry import claim
from sims.solve import solve
from theory.convex_lora import nuclear_norm
from theory.factorisation import balanced_factors, factor_penalty, penalty_gap

_ROUNDING = 1e-12
_CONVERGED = 1e-7  # of the penalty: what a descent may leave, bounded at the point itself
_RESTARTS = 20  # an ill-conditioned gauge group makes a line search give up early


def _updates(level: Level, seed: int, data: str) -> list[tuple[str, np.ndarray, int]]:
    """Return (name, delta, r) with rank(delta) <= r: random ones, and optimal updates on real features."""
    g = np.random.default_rng(seed)
    found = []
    for trial in range(by_level(level, 8, 40, 200)):
        m, p = ((3, 5), (6, 4), (8, 8), (1, 7))[trial % 4]
        rank = int(g.integers(1, min(m, p) + 1))
        delta = g.standard_normal((m, rank)) @ (g.standard_normal((rank, p)) * 10.0 ** g.uniform(-3, 3))
        found.append((f"Gaussian {m}x{p} of rank {rank}, trial {trial}", delta, rank))
    instance = network(data, seed, samples=6, classes=3, m=8, p=10)
    ((u, v),) = solve(instance.problem, instance.lam).factors
    found.append((f"optimal update, {instance.name}", u @ v.T, u.shape[1]))
    return found


def _least_penalty(u: np.ndarray, v: np.ndarray, g: np.random.Generator) -> tuple[float, float]:
    """Return the penalty that descent over u R, v R^{-T} reaches from a random invertible R, and what may be left.

    The second number bounds the distance to the minimum without knowing it (penalty_gap); both in units of the start.
    """
    r = u.shape[1]
    matrix = np.linalg.qr(g.standard_normal((r, r)))[0] * np.exp(g.uniform(-1, 1, r))
    scale = float(factor_penalty(u, v))

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        change = flat.reshape(r, r)
        inverse = np.linalg.inv(change)
        left, right = u @ change, v @ inverse.T
        slope = u.T @ left - inverse.T @ (right.T @ right)
        return float(factor_penalty(left, right)) / scale, slope.reshape(-1) / scale

    options = {"maxiter": 1000, "maxfun": 2000, "ftol": 1e-16, "gtol": 1e-12, "maxcor": 30}
    for _ in range(_RESTARTS):
        result = scipy.optimize.minimize(value, matrix.reshape(-1), jac=True, method="L-BFGS-B", options=options)
        matrix = result.x.reshape(r, r)
        left = penalty_gap(u @ matrix, v @ np.linalg.inv(matrix).T) / scale
        if left <= _CONVERGED:
            break
    return float(result.fun), left


def _regauged(u: np.ndarray, v: np.ndarray, g: np.random.Generator) -> float:
    """Return the penalty at a random invertible gauge."""
    matrix = np.linalg.qr(g.standard_normal((u.shape[1],) * 2))[0] * np.exp(g.uniform(-1, 1, u.shape[1]))
    return float(factor_penalty(u @ matrix, v @ np.linalg.inv(matrix).T))


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Fewer columns than rank(delta): the minimum runs over the empty set, no factors reproduce delta."""
    g = np.random.default_rng(seed)
    measurements = []
    for rank in (2, 3, 4):
        delta = g.standard_normal((6, rank)) @ g.standard_normal((rank, 5))
        left, s, right = np.linalg.svd(delta)
        closest = (left[:, : rank - 1] * s[: rank - 1]) @ right[: rank - 1]
        miss = float(np.linalg.norm(delta - closest) / np.linalg.norm(delta))
        measurements.append(
            Measurement("||u v^T - delta|| / ||delta||, best factors", miss, 0.0, "==", _ROUNDING, f"r = {rank - 1}")
        )
    return Evidence(tuple(measurements), len(measurements))


@claim(
    id="NTK-L2.2",
    paper="ntk",
    statement="If rank δ ≤ r then ‖δ‖_* = min{ (‖u‖²_F + ‖v‖²_F)/2 : u vᵀ = δ, u ∈ ℝ^{m×r}, v ∈ ℝ^{n×r} }, "
    "attained at balanced factors.",
    source="arXiv 2402.11867, Lemma 2.2 (Recht, Fazel, Parrilo 2010, Lemma 5.1)",
    kind="equality",
    assumptions=("rank δ ≤ r",),
    control="r one below rank δ: no factors with r columns reproduce δ",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Balanced factors attain the norm; random gauges and descent over all gauges never go below it."""
    g = np.random.default_rng(seed + 1)
    measurements = []
    updates = _updates(level, seed, data)
    for name, delta, rank in updates:
        norm = nuclear_norm(delta)
        u, v = balanced_factors(delta, rank, tolerance=1e-13)
        defect = float(np.linalg.norm(u @ v.T - delta) / np.linalg.norm(delta))
        block = np.block([[u @ u.T, delta], [delta.T, v @ v.T]])
        eigenvalues = np.linalg.eigvalsh(block)
        least, left = (float(x * factor_penalty(u, v) / norm) for x in _least_penalty(u, v, g))
        measurements += [
            Measurement("penalty of balanced factors / ‖δ‖_*", factor_penalty(u, v) / norm, 1, "==", _ROUNDING, name),
            Measurement("‖u vᵀ − δ‖ / ‖δ‖", defect, 0, "==", _ROUNDING, name),
            Measurement("penalty in a random gauge / ‖δ‖_*", _regauged(u, v, g) / norm, 1, ">=", _ROUNDING, name),
            Measurement("penalty after descent / ‖δ‖_*", least, 1, ">=", _ROUNDING, name),
            Measurement(
                "penalty after descent less what may be left / ‖δ‖_*",
                least - left,
                1,
                "<=",
                _ROUNDING,
                name,
                left <= _CONVERGED,
            ),
            Measurement(
                "smallest eigenvalue of [[uuᵀ, δ], [δᵀ, vvᵀ]] / largest",
                eigenvalues[0] / eigenvalues[-1],
                0,
                ">=",
                _ROUNDING,
                name,
            ),
        ]
    return Evidence(tuple(measurements), len(updates), seeds=(seed,))
