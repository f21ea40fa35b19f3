"""Proofs that a spurious local minimum found in floats exists: interval Newton (Krawczyk) on the gauge quotient.

The objective L is constant along the gauge: Q -> Q O for rotations O (lam > 0), (u, v) -> (u W, v W^-T) for invertible
W (lam = 0). Let T(Q) be the tangent directions of that orbit and B a float basis of a complement of T(Q0). On the slice
{Q0 + B s} with the box |s_i| <= rho the proof shows, for all points of the box at once,

1. Krawczyk's operator of s -> B^T grad L maps the box into its interior: exactly one zero s* of it in the box;
2. [B, T(Q)] is invertible: as T(Q)^T grad L = 0 always, B^T grad L = 0 means grad L = 0, a true stationary point Q*;
3. B^T (Hess L) B - c B^T B is positive definite: the Hessian at Q* has no zeros but the gauge's, and all its other
   eigenvalues are at least c > 0, so Q* is a strict local minimum modulo gauge;
4. L over the box exceeds L at an explicit point (exact floats): Q* is not a global minimum.

Features, targets and lam are exact. Krawczyk (1969); Rump (2010), 'Verification methods', Acta Numerica 19.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb, arb_mat, ctx

from proofs_check.ball_objective import BallObjective, column, exact_matrix, midpoints
from proofs_check.rational import BITS, ball_sum, proves_positive_definite
from sims.convex_problem import ConvexProblem
from sims.errors import BadInput
from theory import factored_objective as lora

MAX_RADIUS = 1e-6  # a point farther than this from the given factors is no longer 'the point that was found'
MAX_ROWS = 160  # entries of Q beyond which balls take minutes
_INFLATIONS = 6  # how often the box is widened by 4 before the proof is given up
_APPENDED = tuple(4.0**-j for j in range(12))  # squared lengths of a column appended along a descent direction

Factors = tuple[np.ndarray, np.ndarray]
Linearisation = Callable[[arb_mat], arb_mat]


@dataclass(frozen=True)
class StrictMinimum:
    """Theorem: a stationary Q* lies within ``radius`` (Frobenius) of the factors, a strict local minimum modulo gauge.

    It is the only one in a box of the slice. ``curvature`` bounds the Hessian's eigenvalues at Q* other than the
    ``gauge_dimension`` zeros from below; ``value`` encloses L(Q*).
    """

    rank: int
    gauge_dimension: int
    radius: float
    curvature: float
    value: tuple[float, float]


@dataclass(frozen=True)
class SpuriousMinimum(StrictMinimum):
    """Theorem: Q* is moreover not global: L(Q*) - L(better) >= ``excess`` > 0, rank(better) <= ``better_rank``."""

    better_value: float
    better_rank: int
    excess: float


def prove_strict_minimum(
    problem: ConvexProblem, u: np.ndarray, v: np.ndarray, lam: Fraction, *, max_radius: float = MAX_RADIUS
) -> StrictMinimum | None:
    """Return what is proved about the point near (u, v), or None, which proves nothing.

    Raises:
        BadInput: several layers, wrong shapes, or lam negative.
    """
    with _precision():
        return _strict(*_checked(problem, u, v, lam), max_radius)


def prove_spurious_minimum(
    problem: ConvexProblem,
    u: np.ndarray,
    v: np.ndarray,
    lam: Fraction,
    *,
    better: Sequence[Factors] = (),
    max_radius: float = MAX_RADIUS,
) -> SpuriousMinimum | None:
    """Return the proof that a spurious local minimum, strict modulo gauge, lies near (u, v), or None.

    ``better`` holds factors (any rank) whose objective may be lower; the point with one more column along the most
    negative direction of S is tried as well.

    Raises:
        BadInput: several layers, wrong shapes, or lam negative.
    """
    with _precision():
        objective, q0 = _checked(problem, u, v, lam)
        found = _strict(objective, q0, max_radius)
        if found is None:
            return None
        points = [np.concatenate(pair) for pair in better if pair[0].shape[1] == pair[1].shape[1] > 0]
        points += _with_one_more_column(objective, q0)
        values = [objective.value(exact_matrix(q)) for q in points]
        below = [i for i, value in enumerate(values) if arb(found.value[0]) > value]
        if not below:
            return None
        # 'spurious within the rank' is the stronger statement: points of no higher rank first
        best = min(below, key=lambda i: (points[i].shape[1] > found.rank, float(values[i].mid())))
        fields = {name: getattr(found, name) for name in StrictMinimum.__dataclass_fields__}
        return SpuriousMinimum(
            **fields,
            better_value=_float_above(values[best]),
            better_rank=points[best].shape[1],
            excess=_float_below(arb(found.value[0]) - values[best]),
        )


@contextmanager
def _precision() -> Iterator[None]:
    """Work with ``BITS`` bits; constants such as lam are rounded to balls of the precision in force."""
    previous, ctx.prec = ctx.prec, BITS
    try:
        yield
    finally:
        ctx.prec = previous


def _checked(problem: ConvexProblem, u: np.ndarray, v: np.ndarray, lam: Fraction) -> tuple[BallObjective, np.ndarray]:
    if len(problem.layers) != 1:
        raise BadInput(f"{len(problem.layers)} layers: interval Newton takes one layer, join them block-diagonally")
    if lam < 0:
        raise BadInput(f"lambda {lam} is negative: expected a number >= 0")
    m, p = problem.shapes[0]
    if u.ndim != 2 or v.ndim != 2 or u.shape[0] != m or v.shape[0] != p or u.shape[1] != v.shape[1]:
        raise BadInput(f"factors of shapes {u.shape} and {v.shape}: expected ({m}, r) and ({p}, r)")
    return BallObjective(problem, lam), np.concatenate([u, v])


def _strict(objective: BallObjective, q0: np.ndarray, max_radius: float) -> StrictMinimum | None:
    if not 0 < q0.size <= MAX_ROWS or not np.isfinite(q0).all():
        return None
    gauge = _gauge(objective, q0)
    left, sizes, _ = np.linalg.svd(gauge)
    if sizes.size and sizes[-1] <= 1e-8 * max(1.0, sizes[0]):
        return None  # the orbit loses dimension here (rank-deficient factors): no slice
    basis = exact_matrix(left[:, gauge.shape[1] :])
    enclosure = _krawczyk(objective.gradient, objective.hessian, exact_matrix(q0), basis, max_radius)
    if enclosure is None or not _transversal(objective, basis, enclosure.points):
        return None
    reduced = enclosure.hessian
    curvature = 0.5 * float(np.linalg.eigvalsh(midpoints(reduced)).min(initial=np.inf))
    metric = basis.transpose() * basis
    if not (0 < curvature < np.inf) or not proves_positive_definite(reduced - metric * arb(curvature)):
        return None
    value = objective.value(enclosure.points)
    enclosed = _float_below(value), _float_above(value)
    return StrictMinimum(q0.shape[1], gauge.shape[1], enclosure.radius, curvature, enclosed)


@dataclass(frozen=True)
class _Enclosure:
    """Balls around the only zero in the box, the reduced Hessian over the whole box, a bound of |Q* - Q0|."""

    points: arb_mat
    hessian: arb_mat
    radius: float


def _krawczyk(
    gradient: Linearisation, hessian: Linearisation, centre: arb_mat, basis: arb_mat, max_radius: float
) -> _Enclosure | None:
    """Return the enclosure of the one zero of B^T gradient on the slice, or None."""
    d, r = centre.nrows(), centre.ncols()
    across = basis.transpose()

    def moved(s: arb_mat) -> arb_mat:
        return centre + arb_mat(d, r, (basis * s).entries())

    residual = across * gradient(centre)
    size = residual.nrows()
    middle = midpoints(across * hessian(centre) * basis)
    if not np.isfinite(middle).all() or np.linalg.matrix_rank(middle) < size:
        return None
    inverse = exact_matrix(np.linalg.inv(middle))
    step = inverse * residual
    largest = max(float(x.abs_upper()) for x in step.entries())
    rho = 2.0 * largest + 2.0**-80
    for _ in range(_INFLATIONS):
        if not rho <= max_radius:
            return None
        interval = arb(0, rho)
        box = column([interval] * size)
        derivative = across * hessian(moved(box)) * basis
        image = (_identity(size) - inverse * derivative) * box - step
        if all(x.abs_upper() < arb(rho) for x in image.entries()):
            if not _agrees(lambda s: across * gradient(moved(s)), derivative, residual, rho):
                return None
            # abs_upper first: the square root of a ball around zero is not a number
            lengths = [x.abs_upper() for x in (basis * image).entries()]
            radius = _float_above(ball_sum(x * x for x in lengths).sqrt())
            return _Enclosure(moved(image), derivative, radius) if radius <= max_radius else None
        rho *= 4.0
    return None


def _agrees(system: Linearisation, derivative: arb_mat, residual: arb_mat, rho: float) -> bool:
    """Return whether differences of the system along every coordinate of the box lie in the derivative's balls.

    True by the mean value theorem, so it adds no hypothesis: it is there to catch a wrong derivative.
    """
    size = residual.nrows()
    for j in range(size):
        ahead = system(column([arb(rho if i == j else 0.0) for i in range(size)]))
        for i in range(size):
            if not (ahead[i, 0] - residual[i, 0]).overlaps(derivative[i, j] * arb(rho)):
                return False
    return True


def _gauge(objective: BallObjective, q: np.ndarray) -> np.ndarray:
    return np.asarray(
        lora.gauge_directions(q[: objective.m], q[objective.m :], weight_decay=bool(objective.lam > 0)), dtype=float
    )


def _gauge_balls(objective: BallObjective, points: arb_mat) -> list[list[arb]]:
    """Return the columns of T(Q) over balls, the same directions as in floats."""
    u, v = objective.split(points)
    r, decay = points.ncols(), bool(objective.lam > 0)
    columns = []
    for i in range(r):
        for j in range(i if decay else r):
            w = arb_mat(r, r)
            w[i, j] = arb(1)
            if decay:
                w[j, i] = arb(-1)
            columns.append((u * w).entries() + (v * w.transpose() * arb(-1)).entries())
    return columns


def _transversal(objective: BallObjective, basis: arb_mat, points: arb_mat) -> bool:
    """Return whether [B, T(Q)] is proved invertible for every Q in the balls."""
    gauge = _gauge_balls(objective, points)
    rows = [list(row) + [part[i] for part in gauge] for i, row in enumerate(basis.tolist())]
    square = arb_mat(rows)
    size = square.nrows()
    if square.ncols() != size:
        return False
    inverse = exact_matrix(np.linalg.inv(midpoints(square)))
    defect = _identity(size) - inverse * square
    sums = [ball_sum(abs(x) for x in row) for row in defect.tolist()]
    return all(bool(x < 1) for x in sums)


def _with_one_more_column(objective: BallObjective, q0: np.ndarray) -> list[np.ndarray]:
    """Return Q0 with a column along the most negative direction of S appended, of several lengths; none if S >= 0."""
    values, vectors = np.linalg.eigh(midpoints(objective.stationarity_matrix(exact_matrix(q0))))
    if values[0] >= 0:
        return []
    scale = max(1.0, float(np.abs(q0).max()))
    return [np.concatenate([q0, scale * np.sqrt(t) * vectors[:, :1]], axis=1) for t in _APPENDED]


def _identity(size: int) -> arb_mat:
    return arb_mat(size, size, [arb(1 if i == j else 0) for i in range(size) for j in range(size)])


def _float_below(x: arb) -> float:
    return float(np.nextafter(float(x.lower()), -np.inf))


def _float_above(x: arb) -> float:
    return float(np.nextafter(float(x.upper()), np.inf))
