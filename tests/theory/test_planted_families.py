"""Families A, A' and B: every golden value, the sharp condition, and what each family is a counterexample to."""

import itertools

import numpy as np
import pytest

from tests.checks import EXACT, close
from tests.tolerances import GAUGE_ZERO, POLISHED_STATIONARITY
from theory import factored_objective as lora
from theory.losses import SQUARED
from theory.planted_families import Family, PlantedInstance, planted_instance
from theory.rank_thresholds import generic_rank, perturbed_rank, spurious_possible

FAMILIES: tuple[Family, ...] = ("A", "A'", "B")
RANKS = (1, 2, 3, 4, 5)
# (m, p) as offsets to the rank: square and tight, one longer side each way, both longer
OFFSETS = ((1, 1), (1, 2), (2, 1), (2, 3))
# errata, item 11: min(2, 4 - 4 cos(pi / r)) for family A'
NEXT_OF_PRIME = {1: 2.0, 2: 2.0, 3: 2.0, 4: 1.1716, 5: 0.7639}

each = pytest.mark.parametrize(("family", "rank", "offset"), list(itertools.product(FAMILIES, RANKS, OFFSETS)))


def arguments(instance: PlantedInstance) -> tuple:
    """Return the leading arguments of theory.factored_objective."""
    return instance.gradients, np.zeros((instance.n, 1)), instance.targets, SQUARED, instance.lam


def spectrum(instance: PlantedInstance) -> np.ndarray:
    """Return the Hessian eigenvalues at the planted point, in the scaling without 1/n."""
    q = np.concatenate([instance.u, instance.v])
    return np.linalg.eigvalsh(instance.n * lora.hessian(*arguments(instance), q))


def value_at(instance: PlantedInstance, u: np.ndarray, v: np.ndarray) -> float:
    """Return the objective in the scaling without 1/n."""
    return float(instance.n * lora.objective(*arguments(instance), np.concatenate([u, v])))


@each
def test_planted_point_has_the_printed_value_zeros_and_next_eigenvalue(
    family: Family, rank: int, offset: tuple[int, int]
) -> None:
    made = planted_instance(family, rank, rank + offset[0], rank + offset[1])
    q = np.concatenate([made.u, made.v])
    assert np.linalg.norm(lora.gradient(*arguments(made), q)) <= EXACT
    value = {"A": 1.5 * rank, "A'": rank + 0.5, "B": rank + 0.5}[family]
    close([made.value, value_at(made, made.u, made.v)], [value, value])
    zeros = rank**2 - 1 if family == "B" else rank * (rank - 1) // 2
    wide = max(offset) >= 2
    nearest = NEXT_OF_PRIME[rank] if family == "A'" else 2.0
    nearest = min(nearest, 1.0) if wide else nearest
    eigenvalues = spectrum(made)
    assert (np.abs(eigenvalues) <= GAUGE_ZERO).sum() == zeros == made.zero_eigenvalues
    close(eigenvalues[zeros], made.next_eigenvalue)
    assert round(float(eigenvalues[zeros]), 4) == nearest
    assert eigenvalues[0] >= -GAUGE_ZERO


@each
def test_optimum_is_certified_by_the_dual_and_lies_below(family: Family, rank: int, offset: tuple[int, int]) -> None:
    made = planted_instance(family, rank, rank + offset[0], rank + offset[1])
    golden = {"A": 1.5 * rank - 0.625, "A'": (rank + 1) / 2 - 0.125, "B": (rank + 1) / 2 - 0.125}[family]
    residual = np.einsum("nkij,ij->nk", made.gradients, made.optimum) - made.targets
    gradient = np.einsum("nkij,nk->ij", made.gradients, residual)
    primal = 0.5 * (residual**2).sum() + made.weight * np.linalg.norm(made.optimum, "nuc")
    dual = -(0.5 * residual**2 + residual * made.targets).sum()
    close([made.optimal_value, primal, dual], [golden] * 3)
    assert np.linalg.norm(gradient, 2) <= made.weight * (1 + EXACT)
    close((gradient * made.optimum).sum(), -made.weight * np.linalg.norm(made.optimum, "nuc"))
    assert np.linalg.matrix_rank(made.optimum) == (rank if family == "A" else 1)
    assert made.value > made.optimal_value + 0.5


@each
def test_data_gradient_at_the_planted_point_has_exactly_one_singular_value_above_the_weight(
    family: Family, rank: int, offset: tuple[int, int]
) -> None:
    made = planted_instance(family, rank, rank + offset[0], rank + offset[1])
    q = np.concatenate([made.u, made.v])
    gradient = made.n * lora.data_gradient(*arguments(made)[:4], q)
    singular = np.linalg.svd(gradient, compute_uv=False)
    # G = -lam sum u_k v_k^T - (lam tau / c') a b^T with tau = 2
    close(singular[: rank + 1], [2.0] + [1.0] * rank)
    close(np.linalg.eigvalsh(lora.stationarity_matrix(gradient, made.weight))[0], -1.0)


@pytest.mark.parametrize("rank", RANKS)
def test_counts_sit_exactly_where_the_theorems_say(rank: int) -> None:
    sharp, prime, above = (planted_instance(family, rank) for family in FAMILIES)
    assert sharp.n == prime.n == rank * (rank + 3) // 2
    assert above.n == rank + 1
    # A and A' are the last count that Theorem W allows to be spurious: one measurement fewer and it is not
    assert spurious_possible(rank, sharp.n, rank + 1, rank + 1)
    assert not spurious_possible(rank, sharp.n - 1, rank + 1, rank + 1)
    assert generic_rank(sharp.n) == rank + 1
    # B contradicts 'no spurious points above the threshold' without the perturbation, from r = 3 on
    assert (rank >= perturbed_rank(above.n)) == (rank >= 3)


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("constants", [(1.0, 1.0, 1.0, 2.0), (0.5, 1.5, 1.0, 3.0), (2.0, 0.7, 1.3, 2.0)])
def test_coupling_condition_is_sharp(family: Family, rank: int, constants: tuple[float, float, float, float]) -> None:
    weight, scale, diagonal, spread = constants
    critical = weight * (spread / diagonal - 1) / (2 * scale**2)
    lowest = []
    for factor in (0.96, 1.04):
        made = planted_instance(
            family,
            rank,
            weight=weight,
            scale=scale,
            diagonal=diagonal,
            spread=spread,
            coupling=float(np.sqrt(factor * critical)),
        )
        q = np.concatenate([made.u, made.v])
        assert np.linalg.norm(made.n * lora.gradient(*arguments(made), q)) <= POLISHED_STATIONARITY
        lowest.append(float(spectrum(made)[0]))
    # along (a, b) x z: the form of S gives -weight (tau / c' - 1), the measurements C_k give 2 c^2 s^2
    close(lowest[0], -0.04 * weight * (spread / diagonal - 1))
    assert lowest[1] >= -GAUGE_ZERO


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("constants", [(0.5, 1.5, 1.2, 2.5, 3.0), (2.0, 0.7, 1.3, 4.0, 2.0)])
def test_closed_forms_hold_for_other_constants(family: Family, constants: tuple[float, ...]) -> None:
    weight, scale, diagonal, coupling, spread = constants
    made = planted_instance(
        family, 3, 5, 4, weight=weight, scale=scale, diagonal=diagonal, coupling=coupling, spread=spread
    )
    residual = np.einsum("nkij,ij->nk", made.gradients, made.optimum) - made.targets
    gradient = np.einsum("nkij,nk->ij", made.gradients, residual)
    primal = 0.5 * (residual**2).sum() + weight * np.linalg.norm(made.optimum, "nuc")
    close(made.optimal_value, primal)
    assert np.linalg.norm(gradient, 2) <= weight * (1 + EXACT)
    close((gradient * made.optimum).sum(), -weight * np.linalg.norm(made.optimum, "nuc"))
    close(made.value, value_at(made, made.u, made.v))


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_planted_point_of_family_b_lies_on_a_manifold_of_the_same_value(rank: int) -> None:
    """Q (I + t B)^(1/2) with tr B = 0 keeps predictions and penalty, so it stays critical and spurious."""
    made = planted_instance("B", rank)
    rng = np.random.default_rng(0)
    b = rng.standard_normal((rank, rank))
    b = b + b.T
    b -= np.trace(b) / rank * np.eye(rank)
    values, vectors = np.linalg.eigh(np.eye(rank) + 0.3 * b / np.linalg.norm(b))
    root = (vectors * np.sqrt(values)) @ vectors.T
    q = np.concatenate([made.u @ root, made.v @ root])
    assert np.linalg.norm(lora.gradient(*arguments(made), q)) <= EXACT
    close(value_at(made, made.u @ root, made.v @ root), made.value)


@pytest.mark.parametrize(("rank", "m", "p"), [(0, 3, 3), (3, 3, 4), (2, 5, 2)])
def test_a_rank_without_room_for_the_far_pair_is_refused(rank: int, m: int, p: int) -> None:
    with pytest.raises(ValueError, match=rf"rank {rank} with shape {m} x {p}: family A needs 1 <= rank < min\(m, p\)"):
        planted_instance("A", rank, m, p)


def test_an_explicit_size_of_zero_is_refused_and_not_taken_for_the_default() -> None:
    with pytest.raises(ValueError, match=r"rank 1 with shape 0 x 3"):
        planted_instance("A", 1, 0, 3)
