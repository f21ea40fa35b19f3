"""Proof of Theorem 4.1: rank-deficient points (D1 to D3) and the dimension count for almost every P (S1 to S4)."""

import numpy as np

from proofs_check.certificates import critical_point
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, planted, random_perturbation
from proofs_check.registry import proof_step
from proofs_check.second_order_search import survey
from proofs_check.steps.common import ROUNDING, evidence, instances, lifted, sizes, stationarity, zero
from sims.convex_problem import ConvexProblem
from sims.landscape.search import find_stationary_points, gaussian_starts
from sims.solvers.rank_reduction import measurement_map
from theory import factored_objective as lora


@proof_step(claim="NTK-T4.1", id="D1", statement="If Qz = 0, ‖z‖ = 1, then Hess[x zᵀ] = xᵀ S x for every x.")
def null_column(level: Level, seed: int, data: str) -> Evidence:
    """Both sides at random rank-deficient Q."""
    rows = []
    g = np.random.default_rng(seed)
    chosen = instances(level, seed)
    for instance in chosen:
        landscape = instance.landscape
        z = g.standard_normal(3)
        z /= np.linalg.norm(z)
        q = g.standard_normal((landscape.size, 3)) @ (np.eye(3) - np.outer(z, z))
        args = (landscape.gradients, landscape.f0, landscape.y, landscape.loss, landscape.lam)
        s = stationarity(instance, [(q[: landscape.d_out], q[landscape.d_out :])])
        x = g.standard_normal(landscape.size)
        direction = np.outer(x, z)
        left = float((direction * lora.hessian_product(*args, q, direction)).sum())
        right = float(x @ s @ x)
        rows.append(
            zero("Hess[x zᵀ] − xᵀSx", left - right, abs(right) + float(np.linalg.norm(s)) * float(x @ x), instance.name)
        )
    return evidence(rows, len(chosen), seed)


@proof_step(
    claim="NTK-T4.1",
    id="D2",
    statement="At a critical point F(Z) − F(QQᵀ) ≥ ½⟨S, Z − QQᵀ⟩ = ½⟨S, Z⟩ for all Z ⪰ 0: "
    "S ⪰ 0 certifies a global minimum.",
)
def convex_lift(level: Level, seed: int, data: str) -> Evidence:
    """The inequality at stationary points against random and rank-one Z."""
    rows = []
    g = np.random.default_rng(seed)
    chosen = instances(level, seed)[:3]
    for instance in chosen:
        landscape, problem = instance.landscape, instance.problem
        m = landscape.d_out
        found = find_stationary_points(landscape, gaussian_starts(landscape, 3, 4, scale=0.5, seed=seed))
        for q, accepted in zip(found.q, found.accepted):
            s = stationarity(instance, [(q[:m], q[m:])])
            here = _semidefinite_objective(instance.lam, problem, q @ q.T, m)
            rows.append(
                Measurement(
                    "⟨S, QQᵀ⟩ / ‖S‖", np.sum(s * (q @ q.T)) / np.linalg.norm(s), 0, "==", ROUNDING, "", bool(accepted)
                )
            )
            for width in (1, 3):
                w = g.standard_normal((landscape.size, width))
                z = w @ w.T
                there = _semidefinite_objective(instance.lam, problem, z, m)
                slack = (there - here - 0.5 * float((s * z).sum())) / max(1.0, there)
                rows.append(
                    Measurement("F(Z) − F(QQᵀ) − ½⟨S, Z⟩", slack, 0, ">=", ROUNDING, instance.name, bool(accepted))
                )
    return evidence(rows, len(chosen), seed)


def _semidefinite_objective(lam: float, problem: ConvexProblem, z: np.ndarray, m: int) -> float:
    """Return F(Z) = L̂(Z̄) + λ/2 tr Z."""
    return float(problem.loss.value(problem.predictions([z[:m, m:]]), problem.y).mean()) + 0.5 * lam * float(
        np.trace(z)
    )


@proof_step(
    claim="NTK-T4.1", id="D3", statement="P = 0: λ_min(S) = λ − ‖∇L̂‖_op, so S ⪰ 0 is the LoRA certificate ‖∇L̂‖_op ≤ λ."
)
def spectral_certificate(level: Level, seed: int, data: str) -> Evidence:
    """Both numbers at random points."""
    rows = []
    g = np.random.default_rng(seed)
    chosen = instances(level, seed)
    for instance in chosen:
        q = g.standard_normal((instance.landscape.size, 2))
        m = instance.landscape.d_out
        s = stationarity(instance, [(q[:m], q[m:])])
        (gradient,) = instance.problem.data_gradients(instance.problem.predictions_low_rank([(q[:m], q[m:])]))
        top = float(np.linalg.norm(gradient, 2))
        rows.append(
            zero("λ_min(S) − (λ − ‖∇L̂‖_op)", np.linalg.eigvalsh(s)[0] - (instance.lam - top), top, instance.name)
        )
    return evidence(rows, len(chosen), seed)


def _full_rank_points(level: Level, seed: int) -> list[tuple[Instance, np.ndarray, np.ndarray]]:
    """Return (instance, Q, P): full-rank critical points below the threshold, where they exist, with a random P."""
    found: list[tuple[Instance, np.ndarray, np.ndarray]] = []
    for index, rank in enumerate((1, 2, 3)[: max(2, min(3, sizes(level)))]):
        instance = planted("A'", rank, rank + 2, rank + 3)
        p = random_perturbation(instance.landscape.size, 0.03 * instance.lam, seed + index)
        surveyed = survey(instance, rank, starts=8, seed=seed, perturbation=p)
        found += [(instance, q, p) for q, point in zip(surveyed.factors, surveyed.points) if point.rank == rank]
    return found


@proof_step(
    claim="NTK-T4.1",
    id="S1",
    statement="A critical point with rank Q = r has S Q = 0: S has nullity ≥ r, and 2P = S − λI − M(y).",
)
def nullity(level: Level, seed: int, data: str) -> Evidence:
    """Number of vanishing eigenvalues of S at full-rank critical points that the search finds."""
    rows = []
    points = _full_rank_points(level, seed)
    for instance, q, p in points:
        m = instance.landscape.d_out
        s = stationarity(instance, [(q[:m], q[m:])], p)
        scale = float(np.abs(np.linalg.eigvalsh(s)).max())
        count = int((np.abs(np.linalg.eigvalsh(s)) < 1e-8 * scale).sum())
        rows.append(Measurement("nullity of S minus r", count - q.shape[1], 0, ">=", 0, instance.name))
        point = critical_point(instance.problem, q[:m], q[m:], instance.lam, p)
        rows.append(Measurement("‖SQ‖ / (‖S‖‖Q‖)", point.relative_gradient_norm, 0, "<=", 1e-8, instance.name))
    return evidence(rows, len(points), seed)


@proof_step(
    claim="NTK-T4.1",
    id="S2",
    statement="{S symmetric d×d, nullity r} has codimension r(r+1)/2: X ↦ RᵀXR is onto; with KN dimensions of y the "
    "bad P have dimension at most d(d+1)/2 − r(r+1)/2 + KN.",
)
def codimension(level: Level, seed: int, data: str) -> Evidence:
    """Rank of X -> R^T X R over symmetric X."""
    g = np.random.default_rng(seed)
    rows = []
    for _ in range(sizes(level)):
        d, r = int(g.integers(4, 10)), int(g.integers(1, 4))
        basis = np.linalg.qr(g.standard_normal((d, r)))[0]
        images = [_symmetric_coordinates(basis.T @ e @ basis) for e in _symmetric_basis(d)]
        rows.append(Measurement("rank of X ↦ RᵀXR", np.linalg.matrix_rank(np.array(images)), r * (r + 1) // 2, "=="))
    return evidence(rows, sizes(level), seed)


@proof_step(
    claim="NTK-T4.1",
    id="S3",
    statement="dim(span{X : RᵀXR = 0} + span{Ḡ_ij}) = d(d+1)/2 − r(r+1)/2 + rank[vec(RᵀḠ_ijR)]; it is everything "
    "only if the KN × r(r+1)/2 matrix has full column rank, impossible for KN < r(r+1)/2.",
)
def tangent_space(level: Level, seed: int, data: str) -> Evidence:
    """Both dimensions on Gaussian features below, at and above the count (the case 4, 4, 2, 2 gives 35 of 36)."""
    g = np.random.default_rng(seed)
    rows = []
    for m, p, r, count in ((4, 4, 2, 2), (4, 4, 2, 3), (4, 5, 3, 5), (4, 5, 3, 8)):
        d = m + p
        basis = np.linalg.qr(g.standard_normal((d, r)))[0]
        features = np.zeros((count, d, d))
        features[:, :m, m:] = g.standard_normal((count, m, p))
        features += np.swapaxes(features, 1, 2)
        compressed = np.array([_symmetric_coordinates(basis.T @ f @ basis) for f in features])
        symmetric = _symmetric_basis(d)
        onto = np.array([_symmetric_coordinates(basis.T @ e @ basis) for e in symmetric])
        # coordinates of the kernel {X : R^T X R = 0} in the orthonormal basis of symmetric matrices
        kernel = np.linalg.svd(onto.T)[2][r * (r + 1) // 2 :]
        both = np.concatenate([kernel, [_symmetric_coordinates(f) for f in features]])
        expected = d * (d + 1) // 2 - r * (r + 1) // 2 + np.linalg.matrix_rank(compressed)
        name = f"(m, n, r, KN) = {(m, p, r, count)}"
        rows.append(Measurement("dimension of the sum", np.linalg.matrix_rank(both), expected, "==", 0, name))
        covers = expected == d * (d + 1) // 2
        rows.append(
            Measurement(
                "covers everything iff KN ≥ r(r+1)/2 (1 = as predicted)",
                covers == (count >= r * (r + 1) // 2),
                1,
                "==",
                0,
                name,
            )
        )
    return evidence(rows, 4, seed)


@proof_step(
    claim="NTK-T4.1",
    id="S4",
    statement="For almost every P, B ↦ (⟨G_ij, uBvᵀ⟩) is injective at every critical point with rank Q = r; with "
    "r(r+1)/2 > KN it cannot be, so such points are rank deficient and D1–D3 apply.",
)
def injective(level: Level, seed: int, data: str) -> Evidence:
    """Rank of the measurement map at full-rank critical points below the threshold."""
    rows = []
    points = _full_rank_points(level, seed)
    for instance, q, _ in points:
        m, r = instance.landscape.d_out, q.shape[1]
        matrix = measurement_map(instance.problem, [(q[:m], q[m:])])
        rows.append(
            Measurement(
                "rank of the map − r(r+1)/2",
                np.linalg.matrix_rank(matrix, tol=1e-8) - r * (r + 1) // 2,
                0,
                "==",
                0,
                instance.name,
            )
        )
        rows.append(
            Measurement("r(r+1)/2 − KN", r * (r + 1) // 2 - instance.problem.measurements, 0, "<=", 0, instance.name)
        )
        features = lifted(instance)
        forms = np.array([_symmetric_coordinates(q.T @ f @ q) for f in features])
        rows.append(
            Measurement(
                "rank of vec(QᵀḠQ) − rank of the map",
                np.linalg.matrix_rank(forms, tol=1e-8) - np.linalg.matrix_rank(matrix, tol=1e-8),
                0,
                "==",
                0,
                instance.name,
            )
        )
    return evidence(rows, len(points), seed)


def _symmetric_basis(d: int) -> list[np.ndarray]:
    """Return an orthonormal basis of the symmetric d x d matrices, in the order of ``np.triu_indices``."""
    basis = []
    for i, j in zip(*np.triu_indices(d)):
        e = np.zeros((d, d))
        e[i, j] = e[j, i] = 1.0 if i == j else np.sqrt(0.5)
        basis.append(e)
    return basis


def _symmetric_coordinates(x: np.ndarray) -> np.ndarray:
    """Return the coordinates of a symmetric matrix in that basis."""
    i, j = np.triu_indices(x.shape[0])
    return x[i, j] * np.where(i == j, 1.0, np.sqrt(2.0))
