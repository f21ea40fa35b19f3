"""Laws of the starts of adapter factors, and the singular vectors of the matrix that was loaded."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from sims.adapters.initialisations import INITIALISATIONS, initialise
from sims.errors import BadInput
from tests.checks import close
from tests.strategies import matrix_with_spectrum, seeds
from tests.tolerances import IDENTITY, MONTE_CARLO
from theory.step_size import kaiming_norm
from theory.subspaces import similarity

SHAPES = ((7, 5), (4, 6), (5, 5))


def drawn(name: str, factor: str, shape: tuple[int, int], rank: int, count: int = 4000) -> np.ndarray:
    """Return `count` draws with the r vectors as columns: (count, d, r)."""
    keys = jax.random.split(jax.random.key(3), count)
    made = np.asarray(jax.vmap(lambda key: initialise(name, key, shape, rank, factor=factor))(keys))
    return made.swapaxes(1, 2) if factor == "A" else made


@given(seed=seeds, shape=st.sampled_from(SHAPES), rank=st.integers(1, 4))
def test_p33_singular_starts_are_the_top_singular_vectors_of_the_loaded_weight(
    seed: int, shape: tuple[int, int], rank: int
) -> None:
    rng = np.random.default_rng(seed)
    weight = matrix_with_spectrum(rng, shape, [2.0**-i for i in range(min(shape))])
    key = jax.random.key(seed)
    a = np.asarray(initialise("singular-right", key, shape, rank, weight))
    b = np.asarray(initialise("singular-left", key, shape, rank, weight, factor="B"))
    # oracle: eigenvectors of W^T W and W W^T, largest first; equal up to the sign of each
    right = np.linalg.eigh(weight.T @ weight)[1][:, ::-1][:, :rank]
    left = np.linalg.eigh(weight @ weight.T)[1][:, ::-1][:, :rank]
    tolerance = IDENTITY["float64"] * 4**rank  # eigenvalue gaps shrink fourfold from one vector to the next
    close(np.abs(a @ right), np.eye(rank), tolerance)
    close(np.abs(left.T @ b), np.eye(rank), tolerance)


@pytest.mark.parametrize("factor", ["A", "B"])
def test_p33_beyond_the_shorter_side_singular_starts_go_on_with_what_the_weight_maps_to_zero(factor: str) -> None:
    shape, name = ((3, 6), "singular-right") if factor == "A" else ((6, 3), "singular-left")
    weights = np.random.default_rng(0).standard_normal((2, *shape))
    for rank in (4, 6):
        made = jax.vmap(lambda w, r=rank: initialise(name, jax.random.key(0), shape, r, w, factor=factor))(weights)
        for weight, vectors in zip(weights, np.asarray(made), strict=True):
            top = np.asarray(initialise(name, jax.random.key(1), shape, 3, weight, factor=factor))
            if factor == "B":
                weight, vectors, top = weight.T, vectors.T, top.T
            close(vectors @ vectors.T, np.eye(rank))
            close(vectors[:3], top)
            close(weight @ vectors[3:].T, np.zeros((3, rank - 3)))


def test_p33_columns_of_vh_of_other_noise_are_not_those_singular_vectors() -> None:
    """The official code takes Vh[:, :r].T of the weight that the layer holds before loading: no better than chance."""
    rng = np.random.default_rng(0)
    overlaps = []
    for _ in range(40):
        loaded, discarded = rng.standard_normal((2, 30, 20))
        loaded += 5 * np.outer(rng.standard_normal(30), rng.standard_normal(20))
        right = np.asarray(initialise("singular-right", jax.random.key(0), (30, 20), 4, loaded))
        official = np.linalg.svd(discarded)[2][:, :4].T
        own = np.linalg.svd(loaded)[2][:, :4].T  # the second slip alone, on the right matrix
        overlaps.append((similarity(official.T, right.T), similarity(own.T, right.T)))
    errors = np.std(overlaps, axis=0) / np.sqrt(len(overlaps))
    assert (np.abs(np.mean(overlaps, axis=0) - 4 / 20) <= MONTE_CARLO * errors).all()


@pytest.mark.parametrize("factor", ["A", "B"])
@pytest.mark.parametrize("name", ["orthonormal", "rand", "gaussian", "kaiming"])
def test_size_and_mean_projector_of_a_random_start(name: str, factor: str) -> None:
    shape, rank = (6, 8), 3
    vectors = drawn(name, factor, shape, rank)
    d = vectors.shape[1]
    squares = (vectors**2).sum(axis=1)
    if name in ("orthonormal", "rand"):
        close(vectors.swapaxes(1, 2) @ vectors, np.broadcast_to(np.eye(rank), (len(vectors), rank, rank)))
    else:
        norm = kaiming_norm(d, shape[1] if factor == "A" else rank) if name == "kaiming" else 1.0
        assert abs(squares.mean() - norm**2) <= MONTE_CARLO * squares.std() / np.sqrt(squares.size)
    q = np.linalg.qr(vectors)[0]
    projectors = q @ q.swapaxes(1, 2)
    # mean (r/d) I for every law with independent symmetric entries, and for rotations
    if name != "rand":
        errors = projectors.std(axis=0) / np.sqrt(len(projectors))
        assert (np.abs(projectors.mean(axis=0) - rank / d * np.eye(d)) <= MONTE_CARLO * errors).all()


@pytest.mark.parametrize("factor", ["A", "B"])
@pytest.mark.parametrize("name", ["orthonormal", "gaussian", "kaiming"])
def test_a_random_start_has_no_preferred_sign(name: str, factor: str) -> None:
    """Row spaces would not show it: QR alone fixes a sign for every vector."""
    entries = drawn(name, factor, (6, 8), 3)
    errors = entries.std(axis=0) / np.sqrt(len(entries))
    assert (np.abs(entries.mean(axis=0)) <= MONTE_CARLO * errors).all()


def test_row_space_of_kaiming_is_not_uniform_and_that_of_gaussian_is() -> None:
    """d = 2, r = 1: variance of the captured share of a coordinate 1/8 for Haar, .1073 for a uniform start."""
    for name, variance in (("gaussian", 1 / 8), ("orthonormal", 1 / 8), ("kaiming", 0.1073)):
        vectors = drawn(name, "A", (2, 2), 1, 40_000)[:, :, 0]
        share = vectors[:, 0] ** 2 / (vectors**2).sum(axis=1)
        error = np.sqrt(np.mean((share - 0.5) ** 4) / len(share))
        assert abs(share.var() - variance) <= MONTE_CARLO * error
    rotated = drawn("kaiming", "A", (2, 2), 1, 40_000)[:, :, 0] @ np.array([1.0, 1.0]) / np.sqrt(2)
    share = rotated**2 / (drawn("kaiming", "A", (2, 2), 1, 40_000)[:, :, 0] ** 2).sum(axis=1)
    assert abs(share.var() - 0.1427) <= MONTE_CARLO * np.sqrt(np.mean((share - 0.5) ** 4) / len(share))


@pytest.mark.parametrize("factor", ["A", "B"])
def test_shapes_dtypes_and_keys(factor: str) -> None:
    weight = np.random.default_rng(1).standard_normal((7, 5)).astype(np.float32)
    expected = (3, 5) if factor == "A" else (7, 3)
    for name in INITIALISATIONS[factor]:
        one, same, other = (initialise(name, jax.random.key(k), (7, 5), 3, weight, factor=factor) for k in (0, 0, 1))
        assert one.shape == expected
        assert one.dtype == jnp.float32
        assert (one == same).all()
        assert bool((one == other).all()) == (name == "zero" or name.startswith("singular"))
    assert initialise("gaussian", jax.random.key(0), (7, 5), 9, factor=factor).dtype == jnp.float64
    assert initialise("kaiming", jax.random.key(0), (7, 5), 2, weight, dtype=jnp.float64).dtype == jnp.float64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("magic", (7, 5), 3, None, "A"), "initialisation 'magic' of factor A is unknown: expected one of zero, gauss"),
        (("singular-left", (7, 5), 3, None, "A"), "initialisation 'singular-left' of factor A is unknown"),
        (("zero", (7, 5), 3, None, "C"), "factor 'C' is unknown: expected 'A'"),
        (("singular-right", (7, 5), 3, None, "A"), "without a weight: give the loaded matrix"),
        (("zero", (7, 5), 3, np.zeros((5, 7)), "A"), r"weight has shape \(5, 7\), expected \(7, 5\)"),
        (
            ("orthonormal", (7, 5), 6, None, "A"),
            "rank 6 .* 7 x 5 matrix: expected 1 to 5, d_in, .* lower rank, or z",
        ),
        (("rand", (7, 5), 8, None, "B"), "expected 1 to 7, d_out"),
        (("singular-left", (5, 7), 6, np.zeros((5, 7)), "B"), "expected 1 to 5, d_out"),
        (("zero", (7, 5), 0, None, "A"), "rank 0: expected a whole number >= 1"),
        (("zero", (7, 5), True, None, "A"), "rank True: expected a whole number >= 1"),
        (("zero", (7,), 1, None, "A"), r"shape \(7,\): expected \(d_out, d_in\)"),
        (("zero", (7, 0), 1, None, "B"), r"shape \(7, 0\): expected \(d_out, d_in\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments: tuple, message: str) -> None:
    name, shape, rank, weight, factor = arguments
    with pytest.raises(BadInput, match=message):
        initialise(name, jax.random.key(0), shape, rank, weight, factor=factor)
