"""The landscape of the factored objective: what every second-order stationary point must satisfy.

All searches share 4 x 4 matrices and two feature counts, so that few shapes are compiled; searches are cached.
"""

from functools import cache

import numpy as np
import pytest
import scipy.optimize

from proofs_check.certificates import critical_point
from sims.convex_problem import ConvexProblem
from sims.errors import BadInput
from sims.landscape.search import Landscape, StationaryPoints, _batch, find_stationary_points, gaussian_starts
from sims.solve import solve
from sims.solvers.rank_reduction import measurement_map
from tests.checks import EXACT, close
from tests.problems import landscape_of, planted_problem, random_perturbation, random_problem, zero_decay_problem
from tests.tolerances import (
    HESSIAN_NEGATIVITY,
    IDENTITY,
    NUMERICAL_RANK,
    POLISHED_STATIONARITY,
    SOLVER_GAP,
    SPURIOUS_GAP,
)
from theory import factored_objective as lora
from theory.losses import CROSS_ENTROPY, LOGISTIC, SQUARED, Loss
from theory.perturbation import perturbation_price
from theory.planted_families import planted_instance
from theory.planted_zero_decay import zero_decay_instance

STARTS = 16
SEEDS = (0, 1, 2)


def instance(kind: str, seed: int, loss: Loss = SQUARED) -> tuple[ConvexProblem, float]:
    """Return (problem, lam) of 4 x 4 features: 'A2' and 'A3' noisy families (KN 5, 9), 'gauss5', 'gauss9', 'B3'."""
    if kind == "B3":
        family = planted_instance("B", 3, 4, 4)
        return planted_problem(family), family.lam
    if kind.startswith("A"):
        family = planted_instance("A", int(kind[1]), 4, 4)
        return planted_problem(family, noise=0.05, seed=seed), family.lam
    problem = random_problem(seed, loss, n=int(kind[5:]), shapes=((4, 4),))
    return problem, 0.1 * problem.lambda_max()


def starts_near(kind: str, landscape: Landscape, rank: int, seed: int) -> np.ndarray:
    """Return random starts of several scales, half of them near the planted point where there is one."""
    rng = np.random.default_rng([seed, rank])
    starts = gaussian_starts(landscape, rank, STARTS, scale=0.5, seed=seed)
    if kind[1:] == str(rank):
        planted = np.concatenate([np.eye(4)[:, :rank]] * 2)
        starts[::2] = planted + 0.05 * rng.standard_normal(starts[::2].shape)
    return starts


@cache
def search(
    kind: str, rank: int, seed: int, loss: Loss = SQUARED, radius: float = 0.0
) -> tuple[Landscape, StationaryPoints]:
    """Return the landscape (with a random P of this radius) and where all starts end; every start must converge."""
    problem, lam = instance(kind, seed, loss)
    p = random_perturbation(np.random.default_rng(seed), 8, radius) if radius else None
    landscape = landscape_of(problem, lam, p)
    points = find_stationary_points(landscape, starts_near(kind, landscape, rank, seed))
    assert points.accepted.all()
    return landscape, points


def gradient_at(landscape: Landscape, q: np.ndarray) -> np.ndarray:
    """Return the data term's gradient G(y)."""
    return lora.data_gradient(landscape.gradients, landscape.f0, landscape.y, landscape.loss, q)


def s_matrix(landscape: Landscape, q: np.ndarray) -> np.ndarray:
    """Return S = lam I + M + 2 P."""
    return lora.stationarity_matrix(gradient_at(landscape, q), landscape.lam, landscape.perturbation)


def hessian_at(landscape: Landscape, q: np.ndarray) -> np.ndarray:
    """Return the Hessian from the formula of theory."""
    return lora.hessian(
        landscape.gradients, landscape.f0, landscape.y, landscape.loss, landscape.lam, q, landscape.perturbation
    )


def rank_of(q: np.ndarray) -> int:
    """Return the numerical rank."""
    s = np.linalg.svd(q, compute_uv=False)
    return int((s > NUMERICAL_RANK * max(s[0], NUMERICAL_RANK)).sum())


def negative_directions(landscape: Landscape, q: np.ndarray) -> int:
    """Return p, the number of singular values of G(y) above lam (P = 0)."""
    sigma = np.linalg.svd(gradient_at(landscape, q), compute_uv=False)
    return int((sigma > landscape.lam * (1 + NUMERICAL_RANK)).sum())


ALL = [(kind, rank, seed) for kind in ("A2", "A3", "gauss5", "gauss9") for rank in (1, 2, 3) for seed in SEEDS]


@pytest.mark.parametrize("loss", [SQUARED, LOGISTIC, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_accepted_points_are_second_order_stationary_by_independent_numbers(loss: Loss) -> None:
    landscape, points = search("gauss5", 2, 0, loss)
    for q, value, norm, lowest in zip(points.q, points.objective, points.gradient_norm, points.min_eigenvalue):
        facts = critical_point(landscape.convex_problem(), q[:4], q[4:], landscape.lam)
        assert facts.relative_gradient_norm <= POLISHED_STATIONARITY
        assert facts.second_order
        close(facts.objective, value)
        close(facts.gradient_norm, norm)
        close(facts.min_eigenvalue, lowest)


def test_rank_deficient_second_order_points_are_global_with_a_certificate() -> None:
    deficient = 0
    for seed in SEEDS:
        landscape, points = search("gauss5", 3, seed)
        for q in points.q:
            if rank_of(q) == 3:
                continue
            deficient += 1
            # D1: along x z^T with Q z = 0 the Hessian is x^T S x
            z = np.linalg.svd(q)[2][-1]
            x = np.random.default_rng(seed).standard_normal(8)
            way = np.outer(x, z).reshape(-1)
            s = s_matrix(landscape, q)
            close(way @ hessian_at(landscape, q) @ way, x @ s @ x, float(np.sqrt(IDENTITY["float64"])))
            # D2: hence S >= 0, and the duality gap closes
            assert np.linalg.eigvalsh(s)[0] >= -HESSIAN_NEGATIVITY * np.abs(s).max()
            report = landscape.convex_problem().report([q[:4] @ q[4:].T], landscape.lam)
            assert report.relative_gap <= SOLVER_GAP
    assert deficient == STARTS * len(SEEDS)


@pytest.mark.parametrize(("kind", "rank"), [("gauss5", 3), ("gauss5", 4), ("gauss9", 4)])
def test_no_stationary_point_has_full_rank_above_the_existence_threshold(kind: str, rank: int) -> None:
    """KN < r(r+1)/2 and generic features: not even a saddle has rank r. Roots of the gradient, from any start."""
    found, positive = 0, 0
    for seed in SEEDS:
        problem, lam = instance(kind, seed)
        landscape = landscape_of(problem, lam)
        args = (landscape.gradients, landscape.f0, landscape.y, SQUARED, lam)
        for start in gaussian_starts(landscape, rank, 10, scale=0.7, seed=seed):
            root = scipy.optimize.root(
                lambda x, a=args, r=rank: lora.gradient(*a, x.reshape(8, r)).reshape(-1),
                start.reshape(-1),
                jac=lambda x, a=args, r=rank: lora.hessian(*a, x.reshape(8, r)),
                method="lm",
                options={"xtol": EXACT**1.2, "ftol": EXACT**1.2, "gtol": 0.0, "maxiter": 2000},
            )
            q = root.x.reshape(8, rank)
            if np.linalg.norm(lora.gradient(*args, q)) > POLISHED_STATIONARITY * max(1.0, np.linalg.norm(q)):
                continue
            found += 1
            positive += rank_of(q) > 0
            # the root is degenerate where a column is lost: it is found to the square root of the usual accuracy only
            s = np.linalg.svd(q, compute_uv=False)
            assert s[-1] <= np.sqrt(NUMERICAL_RANK) * max(1.0, s[0])
    assert found >= 10
    assert positive >= 1


def test_a_full_rank_stationary_point_exists_at_the_threshold() -> None:
    """The control of the previous test: KN = 5 allows rank 2, and the noisy family has such a point."""
    _, points = search("A2", 2, 0)
    assert any(rank_of(q) == 2 for q in points.q)


def test_every_non_global_point_satisfies_the_dimension_inequality() -> None:
    """Theorem W: rank r, p >= 1 and r p + r(r+1)/2 <= KN; attained, so it is no loose bound."""
    spurious, tight = 0, 0
    for kind, rank, seed in ALL:
        landscape, points = search(kind, rank, seed)
        problem = landscape.convex_problem()
        best = solve(problem, landscape.lam).certificate.primal
        for q, value in zip(points.q, points.objective):
            p = negative_directions(landscape, q)
            if p == 0:
                assert abs(value - best) <= SOLVER_GAP * max(1.0, best)
                continue
            spurious += 1
            assert value > best
            assert rank_of(q) == rank
            count = rank * p + rank * (rank + 1) // 2
            assert count <= problem.measurements
            tight += count == problem.measurements
    assert spurious >= 100
    assert tight >= 10


@pytest.mark.parametrize(("kind", "rank"), [("A2", 3), ("gauss5", 3)])
def test_above_the_sharp_threshold_every_point_is_global(kind: str, rank: int) -> None:
    for seed in SEEDS:
        landscape, points = search(kind, rank, seed)
        best = solve(landscape.convex_problem(), landscape.lam).certificate.primal
        assert (points.objective - best <= SOLVER_GAP * max(1.0, best)).all()


@pytest.mark.parametrize("rank", [2, 3])
def test_at_the_sharp_threshold_the_noisy_family_keeps_its_spurious_minimum(rank: int) -> None:
    for seed in SEEDS:
        landscape, points = search(f"A{rank}", rank, seed)
        best = solve(landscape.convex_problem(), landscape.lam).certificate.primal
        worst = int(np.argmax(points.objective))
        assert points.objective[worst] > best + SPURIOUS_GAP
        q = points.q[worst]
        facts = critical_point(landscape.convex_problem(), q[:4], q[4:], landscape.lam)
        assert facts.kind == "local_minimum"


def test_measurements_are_injective_on_the_tangent_directions_of_full_rank_points() -> None:
    """W2 and W3: rank of B -> A(QBQ^T) is r(r+1)/2, and of A_Q on {sum x_i z_i^T + QB} at least r p + r(r+1)/2."""
    checked = 0
    for kind, rank, seed in ALL:
        landscape, points = search(kind, rank, seed)
        problem = landscape.convex_problem()
        for q in points.q[:6]:
            if rank_of(q) < rank:
                continue
            checked += 1
            matrix = measurement_map(problem, [(q[:4], q[4:])])
            sigma = np.linalg.svd(matrix, compute_uv=False)
            assert (sigma > NUMERICAL_RANK * sigma[0]).sum() == rank * (rank + 1) // 2
            values, vectors = np.linalg.eigh(s_matrix(landscape, q))
            negative = vectors[:, values < -NUMERICAL_RANK * values[-1]]
            ways = [np.outer(x, z) for x in negative.T for z in np.eye(rank)]
            ways += [q @ (np.outer(a, b) + np.outer(b, a)) for a in np.eye(rank) for b in np.eye(rank)]
            images = lora.prediction_jacobian(landscape.gradients, q) @ np.stack([w.reshape(-1) for w in ways], axis=1)
            sigma = np.linalg.svd(images, compute_uv=False)
            image_rank = int((sigma > NUMERICAL_RANK * sigma[0]).sum())
            assert image_rank >= rank * negative.shape[1] + rank * (rank + 1) // 2
    assert checked >= 50


@pytest.mark.parametrize("radius", [1e-3, 1e-2, 1e-1])
def test_with_the_perturbation_every_point_is_global_and_rank_deficient_even_on_family_b(radius: float) -> None:
    """Theorem 4.1 on exact, structured features with r(r+1)/2 > KN; without P the family is its counterexample."""
    for seed in SEEDS:
        landscape, points = search("B3", 3, seed, radius=radius)
        for q in points.q:
            s = s_matrix(landscape, q)
            assert np.linalg.eigvalsh(s)[0] >= -HESSIAN_NEGATIVITY * np.abs(s).max()
            assert rank_of(q) < 3
        spread = points.objective.max() - points.objective.min()
        assert spread <= SOLVER_GAP * max(1.0, abs(float(points.objective.min())))


def test_without_the_perturbation_family_b_keeps_spurious_points_above_the_threshold() -> None:
    landscape, points = search("B3", 3, 0)
    best = planted_instance("B", 3, 4, 4).optimal_value / 4
    assert points.objective.max() > best + SPURIOUS_GAP
    worst = points.q[int(np.argmax(points.objective))]
    facts = critical_point(landscape.convex_problem(), worst[:4], worst[4:], landscape.lam)
    assert facts.kind == "second_order_point"
    assert facts.zeros == 8


@pytest.mark.parametrize("radius", [1e-3, 1e-2, 1e-1])
def test_price_of_the_perturbation_is_within_the_corollary(radius: float) -> None:
    excesses = []
    for seed in SEEDS:
        landscape, points = search("B3", 3, seed, radius=radius)
        optimum = solve(landscape.convex_problem(), landscape.lam)
        assert landscape.perturbation is not None
        norm = float(np.linalg.norm(landscape.perturbation, 2))
        assert np.linalg.eigvalsh(landscape.perturbation)[0] >= -EXACT
        assert np.linalg.norm(landscape.perturbation) <= radius
        nuclear = float(np.linalg.norm(optimum.deltas[0], "nuc"))
        for q in points.q:
            value = landscape.convex_problem().report([q[:4] @ q[4:].T], landscape.lam).primal
            excesses.append(value - optimum.certificate.primal)
            assert -EXACT <= excesses[-1] <= perturbation_price(norm, nuclear)
            assert perturbation_price(norm, nuclear) <= perturbation_price(radius, nuclear)
    assert max(excesses) > 0


def test_deleting_one_measurement_of_the_family_removes_the_spurious_points() -> None:
    """The band of the reference numbers: rank 2 is safe at KN = 4 and unsafe at KN = 5."""
    kept = {}
    for n in (4, 5):
        family = planted_instance("A", 2, 4, 4)
        noisy = planted_problem(family, noise=0.02, seed=1)
        features = np.asarray(noisy.layers[0].dense())[:n]
        landscape = Landscape(features, noisy.f0[:n], noisy.y[:n], SQUARED, family.weight / n)
        points = find_stationary_points(landscape, starts_near("A2", landscape, 2, 0))
        assert points.accepted.all()
        best = solve(landscape.convex_problem(), landscape.lam).certificate.primal
        kept[n] = int((points.objective > best + SPURIOUS_GAP).sum())
    assert kept[4] == 0
    assert kept[5] >= STARTS // 2


def test_searches_repeat_exactly_and_rows_do_not_influence_each_other() -> None:
    landscape, points = search("A2", 2, 0)
    starts = starts_near("A2", landscape, 2, 0)
    np.testing.assert_array_equal(find_stationary_points(landscape, starts).q, points.q)
    flipped = find_stationary_points(landscape, starts[::-1].copy())
    close(flipped.objective[::-1], points.objective)


def test_a_stopped_search_accepts_nothing_it_has_not_reached() -> None:
    problem, lam = instance("gauss9", 0)
    landscape = landscape_of(problem, lam)
    starts = gaussian_starts(landscape, 2, STARTS, scale=5.0, seed=0)
    points = find_stationary_points(landscape, starts, gradient_tolerance=0.0, max_steps=1)
    assert not points.accepted.any()


def test_starting_at_a_saddle_ends_below_it() -> None:
    landscape, _ = search("A2", 2, 0)
    saddle = np.zeros((STARTS, 8, 2))
    points = find_stationary_points(landscape, saddle)
    at_zero = lora.objective(landscape.gradients, landscape.f0, landscape.y, SQUARED, landscape.lam, saddle[0])
    assert points.accepted.all()
    assert (points.objective < at_zero - SPURIOUS_GAP).all()


def test_a_block_pattern_makes_one_layer_out_of_two() -> None:
    """Block-diagonal features with Q confined to the blocks: the landscape of a model with two layers."""
    problem = random_problem(0, SQUARED, n=3, shapes=((2, 2), (2, 2)))
    lam = 0.1 * problem.lambda_max()
    blocks = np.zeros((3, 1, 4, 4))
    blocks[:, :, :2, :2], blocks[:, :, 2:, 2:] = (np.asarray(layer.dense()) for layer in problem.layers)
    mask = np.kron(np.ones((2, 1)), np.kron(np.eye(2), np.ones((2, 2))))
    landscape = Landscape(blocks, problem.f0, problem.y, SQUARED, lam, mask=mask)
    points = find_stationary_points(landscape, gaussian_starts(landscape, 4, STARTS, scale=0.5, seed=0))
    assert points.accepted.all()
    close(points.q * (1 - mask), np.zeros(points.q.shape))
    best = solve(problem, lam).certificate.primal
    # rank 2 = min(m, n) in both layers: every second-order point is global
    close(points.objective, np.full(STARTS, best), SOLVER_GAP)
    with pytest.raises(BadInput, match=r"mask has shape \(8, 4\): expected \(8, 3\) as the starts"):
        find_stationary_points(landscape, np.ones((1, 8, 3)))


@pytest.mark.parametrize(("rank", "spurious"), [(1, True), (2, False)])
def test_without_weight_decay_spurious_points_stop_at_the_interpolation_rank(rank: int, spurious: bool) -> None:
    """Theorem Z on the noisy family C: KN = r p + 1 traps rank r, and never the next rank."""
    made = zero_decay_instance("C", 1, 3, 3)
    problem = zero_decay_problem(made, noise=0.02)
    landscape = landscape_of(problem, 0.0)
    starts = 0.3 * np.random.default_rng(0).standard_normal((STARTS, 6, rank))
    starts[:, :, :1] += np.concatenate([made.u, made.v])
    points = find_stationary_points(landscape, starts, max_steps=3000)
    assert points.accepted.mean() >= 0.5
    trapped = points.accepted & (points.objective > SPURIOUS_GAP)
    assert trapped.any() == spurious


@pytest.mark.parametrize("shape", [(3, 7, 2), (0, 8, 2), (3, 8, 0), (8, 2)])
def test_starts_of_the_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    problem, lam = instance("gauss5", 0)
    expected = BadInput if len(shape) == 3 else TypeError  # two axes are caught by the shape annotation under pytest
    with pytest.raises(expected, match=r"expected \(count, 8, rank\)|starts"):
        find_stationary_points(landscape_of(problem, lam), np.zeros(shape))


@pytest.mark.parametrize("count", [1, 5, 8, 16, 24, 48, 512])
@pytest.mark.parametrize("rows", [6, 64, 65, 400])
def test_batches_hold_the_active_starts_are_few_and_waste_little(count: int, rows: int) -> None:
    sizes = [_batch(active, count, rows) for active in range(1, count + 1)]
    assert all(size >= active for active, size in enumerate(sizes, start=1))
    assert max(sizes) <= max(8, 2 * count)
    assert len(set(sizes)) <= 2 + np.log2(count) / 3
    assert min(sizes) == (8 if rows <= 64 else 1)


def test_the_size_of_the_batch_does_not_change_where_a_start_ends() -> None:
    problem, lam = instance("A2", 0)
    landscape = landscape_of(problem, lam)
    starts = gaussian_starts(landscape, 2, 24, scale=1.0, seed=0)
    together, few = find_stationary_points(landscape, starts), find_stationary_points(landscape, starts[:5])
    close(together.q[:5], few.q, EXACT)
    assert (together.accepted[:5] == few.accepted).all()
