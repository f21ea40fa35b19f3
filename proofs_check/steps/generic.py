"""Proofs of Theorem W (W1 to W4) and Theorem Z (Z1 to Z4)."""

import numpy as np

from proofs_check.claims.ntk_z import family_c
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level, gaussian, planted
from proofs_check.registry import proof_step
from proofs_check.second_order_search import survey
from proofs_check.steps.common import ROUNDING, evidence, stationarity, zero
from sims.solvers.rank_reduction import measurement_map
from theory import factored_objective as lora

Point = tuple[Instance, np.ndarray]
_RANK = 1e-7  # relative singular value that counts in the ranks below


def _full_rank(level: Level, seed: int) -> list[Point]:
    """Return full-rank second-order points of generic instances with λ > 0, global and not."""
    found: list[Point] = []
    for trial in range(by_level(level, 1, 3, 10)):
        s = seed + trial
        cases = [
            (planted("A'", r, r + 2, r + 3, noise=0.02, seed=s), r)
            for r in by_level(level, (2,), (1, 2, 3), (1, 2, 3, 4))
        ]
        cases.append((gaussian(s, 10, 1, 5, 6, ratio=0.02), 1))
        for instance, rank in cases:
            surveyed = survey(instance, rank, starts=8, seed=s)
            found += [(instance, q) for q, point in zip(surveyed.factors, surveyed.points) if point.rank == rank]
    return found


def _split(point: Point) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return u, v and the data gradient at the point."""
    instance, q = point
    m = instance.landscape.d_out
    (gradient,) = instance.problem.data_gradients(instance.problem.predictions_low_rank([(q[:m], q[m:])]))
    return q[:m], q[m:], gradient


@proof_step(
    claim="NTK-W",
    id="W1",
    statement="At a critical point with rank Q = r, ∇L̂ has the singular value λ with multiplicity ≥ r, "
    "and r(r+1)/2 ≤ KN.",
)
def multiplicity(level: Level, seed: int, data: str) -> Evidence:
    """Singular values of the gradient at full-rank points."""
    rows = []
    points = _full_rank(level, seed)
    for instance, q in points:
        _, _, gradient = _split((instance, q))
        sigma = np.linalg.svd(gradient, compute_uv=False)
        count = int((np.abs(sigma - instance.lam) < _RANK * instance.lam).sum())
        r = q.shape[1]
        rows.append(Measurement("multiplicity of λ minus r", count - r, 0, ">=", 0, instance.name))
        rows.append(
            Measurement("r(r+1)/2 − KN", r * (r + 1) // 2 - instance.problem.measurements, 0, "<=", 0, instance.name)
        )
    return evidence(rows, len(points), seed)


@proof_step(
    claim="NTK-W", id="W2", statement="For generic features B ↦ (⟨Ḡ_ij, QBQᵀ⟩) is injective at every such point."
)
def injective(level: Level, seed: int, data: str) -> Evidence:
    """Rank of the measurement map."""
    rows = []
    points = _full_rank(level, seed)
    for instance, q in points:
        u, v, _ = _split((instance, q))
        matrix = measurement_map(instance.problem, [(u, v)])
        sigma = np.linalg.svd(matrix, compute_uv=False)
        rank = int((sigma > _RANK * sigma[0]).sum())
        rows.append(
            Measurement("rank − r(r+1)/2", rank - q.shape[1] * (q.shape[1] + 1) // 2, 0, "==", 0, instance.name)
        )
    return evidence(rows, len(points), seed)


def _negative_space(s: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (basis of {Σ x_i z_iᵀ + QB} as columns, values of the form of S predicted on it)."""
    d, r = q.shape
    values, vectors = np.linalg.eigh(s)
    negative = values < -_RANK * np.abs(values).max()
    columns, predicted = [], []
    for value, x in zip(values[negative], vectors[:, negative].T):
        for k in range(r):
            direction = np.zeros((d, r))
            direction[:, k] = x
            columns.append(direction.reshape(-1))
            predicted.append(value)
    for i in range(r):
        for j in range(i, r):
            b = np.zeros((r, r))
            b[i, j] = b[j, i] = 1.0
            columns.append((q @ b).reshape(-1))
            predicted.append(0.0)
    return np.array(columns).T, np.array(predicted)


@proof_step(
    claim="NTK-W",
    id="W3",
    statement="On X = {Σ x_i z_iᵀ + QB} the form of S is Σ(λ − σ_i)|z_i|²; a positive semidefinite Hessian forces "
    "r p + r(r+1)/2 ≤ rank(A_Q|X) ≤ KN.",
)
def negative_directions(level: Level, seed: int, data: str) -> Evidence:
    """The form of S on X, and the rank of A_Q restricted to X, at second-order points."""
    rows = []
    points = _full_rank(level, seed)
    for instance, q in points:
        u, v, _ = _split((instance, q))
        s = stationarity(instance, [(u, v)])
        basis, predicted = _negative_space(s, q)
        r = q.shape[1]
        form = basis.T @ np.kron(s, np.eye(r)) @ basis
        scale = float(np.abs(s).max()) * max(1.0, float((basis**2).sum(axis=0).max()))
        rows.append(
            zero("form of S on X − its prediction", np.abs(form - np.diag(predicted)).max(), scale, instance.name, 1e-7)
        )
        image = lora.prediction_jacobian(instance.landscape.gradients, q) @ basis
        sigma = np.linalg.svd(image, compute_uv=False)
        rank = int((sigma > _RANK * sigma[0]).sum()) if sigma.size else 0
        rows.append(Measurement("r p + r(r+1)/2 − rank(A_Q|X)", basis.shape[1] - rank, 0, "<=", 0, instance.name))
        rows.append(Measurement("rank(A_Q|X) − KN", rank - instance.problem.measurements, 0, "<=", 0, instance.name))
    return evidence(rows, len(points), seed)


@proof_step(
    claim="NTK-W",
    id="W4",
    statement="p = 0 ⟺ S ⪰ 0 ⟺ global: the duality gap vanishes exactly at the points with p = 0.",
)
def no_negative_directions(level: Level, seed: int, data: str) -> Evidence:
    """Relative duality gap against the sign of λ − ‖∇L̂‖_op."""
    rows = []
    points = _full_rank(level, seed)
    for instance, q in points:
        u, v, gradient = _split((instance, q))
        gap = instance.problem.report([u @ v.T], instance.lam).relative_gap
        definite = np.linalg.norm(gradient, 2) <= instance.lam * (1 + _RANK)
        agrees = (gap <= 1e-6) == definite
        rows.append(Measurement("gap vanishes iff p = 0 (1 = yes)", agrees, 1, "==", 0, instance.name))
    return evidence(rows, len(points), seed)


def _zero_decay_points(level: Level, seed: int) -> list[Point]:
    """Return non-global second-order points at λ = 0, from noisy family C."""
    found: list[Point] = []
    shapes = ((1, 3, 4), (2, 4, 4), (2, 3, 5), (3, 5, 5))[: by_level(level, 1, 3, 4)]
    for r, m, p in shapes:
        instance = family_c(r, m, p, noise=0.02, seed=seed)
        surveyed = survey(instance, r, starts=8, seed=seed)
        found += [(instance, q) for q, point in zip(surveyed.factors, surveyed.points) if point.above_optimum]
    return found


@proof_step(
    claim="NTK-Z",
    id="Z1",
    statement="λ = 0: if u or v is rank deficient and G(y) ≠ 0, the Hessian has a negative direction.",
)
def deficient(level: Level, seed: int, data: str) -> Evidence:
    """Smallest Hessian eigenvalue at points with a null vector and nonzero gradient of the data term."""
    g = np.random.default_rng(seed)
    rows = []
    for trial in range(by_level(level, 3, 12, 60)):
        instance = gaussian(seed + trial, 8, 1, 4, 5)
        q = g.standard_normal((9, 2))
        q[:4, 1] = 0.0
        landscape = instance.landscape
        hessian = lora.hessian(landscape.gradients, landscape.f0, landscape.y, landscape.loss, 0.0, q)
        values = np.linalg.eigvalsh(hessian)
        rows.append(
            Measurement(
                "smallest Hessian eigenvalue over the largest", values[0] / values[-1], 0, "<=", 0, instance.name
            )
        )
    return evidence(rows, by_level(level, 3, 12, 60), seed)


@proof_step(claim="NTK-Z", id="Z2", statement="Otherwise G v = 0, Gᵀu = 0 and ρ = rank G ≤ min(m, n) − r.")
def orthogonal(level: Level, seed: int, data: str) -> Evidence:
    """Products and rank at non-global second-order points."""
    rows = []
    points = _zero_decay_points(level, seed)
    for instance, q in points:
        u, v, gradient = _split((instance, q))
        size = float(np.linalg.norm(gradient)) * float(np.linalg.norm(q))
        rows.append(
            zero(
                "‖Gv‖ + ‖Gᵀu‖",
                float(np.linalg.norm(gradient @ v) + np.linalg.norm(gradient.T @ u)),
                size,
                instance.name,
                1e-7,
            )
        )
        rho = int(np.linalg.matrix_rank(gradient, tol=_RANK * np.linalg.norm(gradient, 2)))
        rows.append(
            Measurement("ρ − (min(m, n) − r)", rho - (min(gradient.shape) - q.shape[1]), 0, "<=", 0, instance.name)
        )
    return evidence(rows, len(points), seed)


@proof_step(claim="NTK-Z", id="Z3", statement="Jᵀy = 0 with y ≠ 0, so rank A_Q ≤ KN − 1.")
def one_less(level: Level, seed: int, data: str) -> Evidence:
    """Norm of J^T y, and the rank of J."""
    rows = []
    points = _zero_decay_points(level, seed)
    for instance, q in points:
        u, v, _ = _split((instance, q))
        jacobian = lora.prediction_jacobian(instance.landscape.gradients, q)
        y = instance.problem.loss.gradient(instance.problem.predictions_low_rank([(u, v)]), instance.problem.y).reshape(
            -1
        )
        size = float(np.linalg.norm(jacobian)) * float(np.linalg.norm(y))
        rows.append(zero("‖Jᵀy‖", float(np.linalg.norm(jacobian.T @ y)), size, instance.name, 1e-7))
        rank = int(np.linalg.matrix_rank(jacobian, tol=_RANK * np.linalg.norm(jacobian, 2)))
        rows.append(Measurement("rank A_Q − (KN − 1)", rank - (y.size - 1), 0, "<=", 0, instance.name))
    return evidence(rows, len(points), seed)


@proof_step(claim="NTK-Z", id="Z4", statement="KN − 1 ≥ r(m + n − ρ − r) ≥ r·max(m, n), and (m − ρ)(n − ρ) ≤ KN − 1.")
def count(level: Level, seed: int, data: str) -> Evidence:
    """The three numbers at non-global second-order points."""
    rows = []
    points = _zero_decay_points(level, seed)
    for instance, q in points:
        _, _, gradient = _split((instance, q))
        (m, p), r = gradient.shape, q.shape[1]
        rho = int(np.linalg.matrix_rank(gradient, tol=_RANK * np.linalg.norm(gradient, 2)))
        less = instance.problem.measurements - 1
        rows.append(Measurement("r(m + n − ρ − r)", r * (m + p - rho - r), less, "<=", 0, instance.name))
        rows.append(
            Measurement(
                "r max(m, n) over r(m + n − ρ − r)",
                r * max(m, p) / (r * (m + p - rho - r)),
                1,
                "<=",
                ROUNDING,
                instance.name,
            )
        )
        rows.append(Measurement("(m − ρ)(n − ρ)", (m - rho) * (p - rho), less, "<=", 0, instance.name))
    return evidence(rows, len(points), seed)
