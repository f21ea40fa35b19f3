"""Every adapter family keeps the protocol: counts, low-rank products, merging, gradients, and what is refused."""

from dataclasses import fields

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from sims.adapters.low_rank import LowRank
from sims.adapters.protocol import Factors, adapted
from sims.adapters.registry import FAMILIES, make_adapter
from sims.errors import BadInput
from tests.strategies import matrix_shapes, seeds
from tests.tolerances import CLOSED_FORM, CURVATURE, DERIVATIVE, IDENTITY
from theory.bounds.parameter_count import tuned_parameters

NAMES = tuple(FAMILIES)
# of a matrix (d_out, d_in): a frozen A keeps r of its inputs, a frozen B r of its outputs
LARGEST = {"lora": min, "b-only": lambda shape: shape[1], "a-only": lambda shape: shape[0]}
names = st.sampled_from(NAMES)


def adapter_for(name: str, shape: tuple[int, int], rng: np.random.Generator):
    rank = int(rng.integers(1, LARGEST[name](shape) + 1)) if FAMILIES[name].ranked else 0
    return make_adapter(name, rank)


def moved(factors: Factors, rng: np.random.Generator) -> Factors:
    """Return the factors with every trained entry moved, as training would."""
    trained = {k: v + jnp.asarray(rng.standard_normal(v.shape)) for k, v in factors.trained.items()}
    return Factors(trained, factors.frozen)


@given(names, matrix_shapes, seeds)
def test_the_count_is_the_number_of_trained_entries(name: str, shape: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    adapter = adapter_for(name, shape, rng)
    factors = adapter.init(jax.random.key(seed), jnp.asarray(rng.standard_normal(shape)))
    assert adapter.count(shape) == sum(leaf.size for leaf in jax.tree.leaves(factors.trained))


@pytest.mark.parametrize(
    ("name", "count"),
    [("full", 3072 * 768), ("rank0", 0), ("lora", 8 * 3840), ("b-only", 8 * 3072), ("a-only", 8 * 768)],
)
def test_counts_of_a_wide_matrix(name: str, count: int) -> None:
    assert make_adapter(name, 8 if FAMILIES[name].ranked else 0).count((3072, 768)) == count


@given(names, matrix_shapes, seeds)
def test_p32_step_0_is_the_base_model_exactly(name: str, shape: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    adapter = adapter_for(name, shape, rng)
    weight, h = jnp.asarray(rng.standard_normal(shape)), jnp.asarray(rng.standard_normal((5, shape[1])))
    factors = adapter.init(jax.random.key(seed), weight)
    np.testing.assert_array_equal(adapter.apply(factors, weight, h), h @ weight.T)
    assert not np.any(adapter.delta(factors, weight))


@given(names, matrix_shapes, seeds)
def test_p32_merged_weights_reproduce_the_forward(name: str, shape: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    adapter = adapter_for(name, shape, rng)
    weight, h = jnp.asarray(rng.standard_normal(shape)), jnp.asarray(rng.standard_normal((2, 3, shape[1])))
    factors = moved(adapter.init(jax.random.key(seed), weight), rng)
    merged = adapter.merge(factors, weight)
    found, expected = adapter.apply(factors, weight, h), h @ merged.T
    scale = 1 + np.abs(h).max() * np.abs(merged).max() * shape[1]
    np.testing.assert_allclose(found, expected, atol=IDENTITY[np.float64] * scale)
    np.testing.assert_allclose(merged - weight, adapter.delta(factors, weight), atol=IDENTITY[np.float64] * scale)
    if adapter.count(shape) > 0:
        assert np.any(np.asarray(adapter.delta(factors, weight)))


@given(matrix_shapes, seeds, st.sampled_from((0.5, 2.0, 7.0)))
def test_gradients_of_the_factors_are_products_of_the_dense_gradient(
    shape: tuple[int, int], seed: int, alpha: float
) -> None:
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, min(shape) + 1))
    adapter = make_adapter("lora", rank, alpha=alpha)
    assert isinstance(adapter, LowRank)
    weight, h = jnp.asarray(rng.standard_normal(shape)), jnp.asarray(rng.standard_normal((6, shape[1])))
    target = jnp.asarray(rng.standard_normal((6, shape[0])))
    factors = moved(adapter.init(jax.random.key(seed), weight), rng)
    a, b = adapter.factors_ab(factors)

    def loss(z):
        return (jnp.tanh(z - target) ** 2).sum()

    found = jax.grad(lambda trained: loss(adapter.apply(Factors(trained, {}), weight, h)))(factors.trained)
    g = jax.grad(lambda w: loss(h @ w.T))(weight + adapter.delta(factors, weight))
    scale = alpha / rank
    size = 1 + scale * np.abs(np.asarray(g)).sum() * max(np.abs(np.asarray(a)).max(), np.abs(np.asarray(b)).max())
    np.testing.assert_allclose(found["B"], scale * g @ a.T, atol=DERIVATIVE[np.float64] * size)
    np.testing.assert_allclose(found["A"], scale * b.T @ g, atol=DERIVATIVE[np.float64] * size)


def test_every_matrix_has_its_own_start_and_others_are_left_alone() -> None:
    weights = {"one": jnp.zeros((4, 6)), "two": jnp.zeros((4, 6))}
    adapter = make_adapter("b-only", 2)
    factors = adapter.init_all(jax.random.key(0), weights)
    assert np.any(np.asarray(factors["one"].frozen["A"] != factors["two"].frozen["A"]))
    again = adapter.init_all(jax.random.key(0), {"other": weights["one"], "names": weights["two"]})
    np.testing.assert_array_equal(factors["two"].frozen["A"], again["names"].frozen["A"])
    linear, h = adapted(adapter, {"one": moved(factors["one"], np.random.default_rng(0))}), jnp.ones((3, 6))
    assert np.any(np.asarray(linear("one", weights["one"], h)))
    assert not np.any(np.asarray(linear("two", weights["two"], h)))


def test_the_two_factors_of_a_matrix_start_independently() -> None:
    """On a square matrix, where B drawn from the key of A would be its transpose."""
    adapter = make_adapter("lora", 3, a_start="gaussian", b_start="gaussian")
    factors = adapter.init(jax.random.key(0), jnp.zeros((6, 6)))
    assert not np.any(np.isin(factors.trained["B"], factors.trained["A"]))


def test_starts_and_scale_are_those_asked_for() -> None:
    default, other = make_adapter("a-only", 4), make_adapter("a-only", 4, alpha=1.0, b_start="kaiming")
    assert isinstance(default, LowRank)
    assert isinstance(other, LowRank)
    assert (default.scale, default.a_start, default.b_start) == (2.0, "zero", "orthonormal")
    assert (other.scale, other.a_start, other.b_start) == (0.25, "zero", "kaiming")
    assert {f.name for f in fields(LowRank)} == {"rank", "scale", "trains_a", "trains_b", "a_start", "b_start"}


@pytest.mark.parametrize(
    ("name", "rank", "options", "message"),
    [
        ("loar", 2, {}, "adapter 'loar' is unknown: expected one of full, rank0, lora, b-only, a-only"),
        ("lora", 0, {}, "rank 0 is out of range for lora: expected at least 1"),
        ("lora", -1, {}, "rank -1 is out of range for lora"),
        ("full", 2, {}, "full has no rank, alpha or starts"),
        ("rank0", 0, {"alpha": 1.0}, "rank0 has no rank, alpha or starts"),
        ("lora", 2, {"alpha": 0.0}, "alpha 0.0 is out of range"),
        ("lora", 2, {"alpha": float("nan")}, "alpha nan is out of range"),
        ("lora", 2, {"a_start": "svd"}, "start 'svd' of factor A is unknown: expected one of zero, gaussian"),
        ("lora", 2, {"b_start": "singular-right"}, "start 'singular-right' of factor B is unknown"),
        ("lora", 2, {"a_start": "zero"}, "A and B both start at zero: .* choose another a_start or b_start"),
        (
            "b-only",
            2,
            {"a_start": "zero", "b_start": "gaussian"},
            "A is frozen at zero: .* a_start=orthonormal",
        ),
        ("a-only", 2, {"b_start": "zero"}, "B is frozen at zero: no gradient reaches A; .* b_start=orthonormal"),
    ],
)
def test_settings_that_do_not_fit_are_refused(name: str, rank: int, options: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        make_adapter(name, rank, **options)


@given(st.sampled_from(tuple(LARGEST)), matrix_shapes, seeds)
def test_the_largest_rank_is_that_of_the_bounds_and_one_more_is_refused(
    name: str, shape: tuple[int, int], seed: int
) -> None:
    largest, weight = LARGEST[name](shape), jnp.asarray(np.random.default_rng(seed).standard_normal(shape))
    adapter, above = make_adapter(name, largest), make_adapter(name, largest + 1)
    assert isinstance(adapter, LowRank)
    assert adapter.largest_rank(shape) == largest
    adapter.init(jax.random.key(seed), weight)
    assert adapter.count(shape) == tuned_parameters(name, [shape], largest)
    for refused in (lambda: above.init(jax.random.key(seed), weight), lambda: above.check({"the matrix": shape})):
        with pytest.raises(BadInput, match=f"rank {largest + 1} of .* expected 1 to {largest}, .*choose a lower rank"):
            refused()
    with pytest.raises(ValueError, match=f"expected 1 to {largest}"):
        tuned_parameters(name, [shape], largest + 1)


@given(st.sampled_from(("orthonormal", "gaussian", "kaiming", "rand", "singular")), st.booleans(), matrix_shapes, seeds)
def test_p4_one_factor_at_its_largest_rank_is_the_whole_matrix(
    kind: str, b_alone: bool, shape: tuple[int, int], seed: int
) -> None:
    """Any change is s B Q with B = change Q^-1 / s, also where r = d_in is above d_out; mirrored for A alone."""
    rng = np.random.default_rng(seed)
    frozen = kind if kind != "singular" else ("singular-right" if b_alone else "singular-left")
    name, starts = ("b-only", {"a_start": frozen}) if b_alone else ("a-only", {"b_start": frozen})
    adapter = make_adapter(name, LARGEST[name](shape), **starts)
    assert isinstance(adapter, LowRank)
    weight, change = jnp.asarray(rng.standard_normal(shape)), rng.standard_normal(shape)
    factors = adapter.init(jax.random.key(seed), weight)
    q = np.asarray(factors.frozen["A" if b_alone else "B"])
    inverse, condition = np.linalg.inv(q), np.linalg.cond(q)
    if kind not in ("gaussian", "kaiming"):
        np.testing.assert_allclose(inverse, q.T, atol=IDENTITY[np.float64])
    trained = {"B": jnp.asarray(change @ inverse)} if b_alone else {"A": jnp.asarray(inverse @ change)}
    trained = {key: value / adapter.scale for key, value in trained.items()}
    found = adapter.delta(Factors(trained, factors.frozen), weight)
    np.testing.assert_allclose(found, change, atol=IDENTITY[np.float64] * condition * np.abs(change).max())


def squares_left(adapter, shape: tuple[int, int], seed: int) -> float:
    """Return the least sum of squares on random data over all values of the trained factor."""
    rng = np.random.default_rng(seed)
    weight = jnp.asarray(rng.standard_normal(shape))
    h, y = jnp.asarray(rng.standard_normal((20, shape[1]))), rng.standard_normal((20, shape[0]))
    factors = adapter.init(jax.random.key(seed), weight)
    [(key, start)] = factors.trained.items()
    outputs = lambda value: adapter.apply(Factors({key: value}, factors.frozen), weight, h).ravel()  # noqa: E731
    design = np.asarray(jax.jacobian(outputs)(start)).reshape(y.size, start.size)
    left = y.ravel() - np.asarray(outputs(jnp.zeros_like(start)))
    return float(np.sum((left - design @ np.linalg.lstsq(design, left)[0]) ** 2))


@pytest.mark.parametrize(("name", "shape"), [("b-only", (3, 6)), ("a-only", (6, 3)), ("b-only", (6, 3))])
def test_p4_least_squares_at_the_largest_rank_are_those_of_the_whole_matrix(name: str, shape: tuple[int, int]) -> None:
    full, largest = squares_left(make_adapter("full"), shape, seed=0), LARGEST[name](shape)
    assert abs(squares_left(make_adapter(name, largest), shape, seed=0) - full) <= CLOSED_FORM * full
    # one direction fewer, and at the shorter side, where A and B together reach everything: something is missed
    for rank in {largest - 1, min(shape)} - {largest}:
        assert squares_left(make_adapter(name, rank), shape, seed=0) > (1 + CURVATURE) * full


@pytest.mark.parametrize(
    ("name", "rank", "message"),
    [
        ("lora", 4, "rank 4 of A and B is too large for up, 9 x 3 .d_out x d_in.: expected 1 to 3, its shorter side"),
        ("b-only", 4, "rank 4 of B alone is too large for up, 9 x 3 .d_out x d_in.: expected 1 to 3, d_in"),
        ("a-only", 8, "rank 8 of A alone is too large for down, 4 x 9 .d_out x d_in.: expected 1 to 4, d_out"),
    ],
)
def test_a_rank_that_is_too_large_names_the_narrowest_matrix(name: str, rank: int, message: str) -> None:
    weights = {"down": jnp.zeros((4, 9)), "up": jnp.zeros((9, 3)), "wide": jnp.zeros((9, 9))}
    with pytest.raises(BadInput, match=message):
        make_adapter(name, rank).init_all(jax.random.key(0), weights)
    assert make_adapter(name, rank).init_all(jax.random.key(0), {}) == {}
    with pytest.raises(BadInput, match="rank 6 with initialisation 'orthonormal' of factor B of a 4 x 9 matrix"):
        make_adapter("b-only", 6, b_start="orthonormal").init(jax.random.key(0), weights["down"])


def test_with_no_factor_trained_there_is_no_adapter() -> None:
    with pytest.raises(BadInput, match="neither factor is trained"):
        LowRank(2, 1.0, False, False, "gaussian", "gaussian")
