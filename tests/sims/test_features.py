"""Tangent features: both representations give the same numbers, and the factored one never multiplies out."""

from types import MethodType
from unittest import mock

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from sims.ntk.features import DenseFeatures, FactoredFeatures, TangentFeatures
from tests.checks import check_factor_gram_is_the_jacobian_gram, check_factored_features_equal_dense, close
from tests.strategies import dense_features, factored_features, feature_shapes, seeds
from tests.tolerances import IDENTITY, ROUNDING

positions = st.sampled_from([1, 3])


@given(seed=seeds, t=positions)
def test_every_method_of_both_representations_equals_einsum_on_the_dense_tensor(seed: int, t: int) -> None:
    check_factored_features_equal_dense(seed, t)


@given(drawn=factored_features(), seed=seeds)
def test_factored_and_dense_agree_on_every_shape_and_with_dead_samples(
    drawn: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    factored = FactoredFeatures(*drawn)
    dense = DenseFeatures(factored.dense())
    rng = np.random.default_rng(seed)
    delta, y = rng.standard_normal(factored.shape), rng.standard_normal((factored.n, factored.k))
    u, v = rng.standard_normal((factored.d_out, 2)), rng.standard_normal((factored.d_in, 2))
    w = rng.standard_normal((sum(factored.shape),) * 2)
    close(factored.apply(delta), dense.apply(delta))
    close(factored.apply_low_rank(u, v), dense.apply(u @ v.T))
    close(factored.adjoint(y), dense.adjoint(y))
    for left in (factored, dense):
        for right in (factored, dense):
            close(left.gram(right), dense.gram(dense))
    close(factored.factor_gram(u, v, w + w.T), dense.factor_gram(u, v, w + w.T))


@given(g=dense_features(), seed=seeds)
def test_adjoint_identity_holds_for_dense_features(g: np.ndarray, seed: int) -> None:
    made = DenseFeatures(g)
    rng = np.random.default_rng(seed)
    delta, y = rng.standard_normal(made.shape), rng.standard_normal((made.n, made.k))
    close((made.apply(delta) * y).sum(), (delta * made.adjoint(y)).sum())


@given(seed=seeds, t=positions)
def test_factor_gram_is_the_gram_of_the_explicit_jacobian(seed: int, t: int) -> None:
    check_factor_gram_is_the_jacobian_gram(seed, t)


@pytest.mark.parametrize("t", [1, 3])
def test_factors_without_columns_have_a_zero_gram_and_zero_predictions(t: int) -> None:
    rng = np.random.default_rng(0)
    factored = FactoredFeatures(rng.standard_normal((3, 2, t, 4)), rng.standard_normal((3, t, 5)))
    u, v = np.zeros((4, 0)), np.zeros((5, 0))
    for made in (factored, DenseFeatures(factored.dense())):
        close(made.factor_gram(u, v, np.eye(9)), np.zeros((6, 6)))
        close(made.apply_low_rank(u, v), np.zeros((3, 2)))


@pytest.mark.parametrize("t", [1, 3])
def test_gram_between_different_sample_sets_is_rectangular(t: int) -> None:
    rng = np.random.default_rng(0)
    left = FactoredFeatures(rng.standard_normal((3, 2, t, 4)), rng.standard_normal((3, t, 5)))
    right = FactoredFeatures(rng.standard_normal((2, 3, t, 4)), rng.standard_normal((2, t, 5)))
    expected = np.einsum("nkij,mlij->nkml", left.dense(), right.dense())
    assert expected.shape == (3, 2, 2, 3)
    close(left.gram(right), expected)


@pytest.mark.parametrize("t", [1, 2])
def test_jax_and_numpy_arrays_give_the_same_and_stay_in_their_library(t: int) -> None:
    rng = np.random.default_rng(0)
    arrays = rng.standard_normal((3, 2, t, 4)), rng.standard_normal((3, t, 5))
    delta, y = rng.standard_normal((4, 5)), rng.standard_normal((3, 2))
    u, v, w = rng.standard_normal((4, 2)), rng.standard_normal((5, 2)), np.eye(9)
    plain, traced = FactoredFeatures(*arrays), FactoredFeatures(*(jnp.asarray(a) for a in arrays))

    def numbers(f: TangentFeatures, xp: object) -> list:
        d, r, a, b, m = (xp.asarray(x) for x in (delta, y, u, v, w))  # type: ignore[attr-defined]
        parts = [f.apply(d), f.apply_low_rank(a, b), f.adjoint(r), f.gram(f), f.factor_gram(a, b, m), f.dense()]
        return [*parts, f.project_input(b.T).dense(), f.project_output(a).dense(), f.mix_outputs(r[:2]).dense()]

    for pair in ((plain, traced), (DenseFeatures(plain.dense()), DenseFeatures(traced.dense()))):
        for mine, other in zip(numbers(pair[0], np), numbers(pair[1], jnp)):
            assert isinstance(mine, np.ndarray)
            assert isinstance(other, jax.Array)
            close(other, mine, ROUNDING["float64"] * 10)


def test_features_are_pytrees_that_pass_through_jit() -> None:
    rng = np.random.default_rng(0)
    made = FactoredFeatures(jnp.asarray(rng.standard_normal((3, 2, 1, 4))), jnp.asarray(rng.standard_normal((3, 1, 5))))
    delta = jnp.asarray(rng.standard_normal((4, 5)))
    close(jax.jit(lambda f, d: f.apply(d))(made, delta), made.apply(delta))


@given(shape=feature_shapes, seed=seeds)
def test_projections_are_the_gradients_with_respect_to_each_factor(shape: tuple[int, ...], seed: int) -> None:
    """Delta = b a: predictions are linear in b at fixed a and in a at fixed b."""
    rng = np.random.default_rng(seed)
    made = DenseFeatures(rng.standard_normal(shape))
    b, a = rng.standard_normal((made.d_out, 2)), rng.standard_normal((2, made.d_in))
    close(made.project_input(a).apply(b), made.apply(b @ a))
    close(made.project_output(b).apply(a), made.apply(b @ a))


@pytest.mark.parametrize("t", [1, 3])
def test_factored_features_never_form_the_dense_tensor(t: int) -> None:
    rng = np.random.default_rng(0)
    n, k, m, p, r = 5, 2, 30, 20, 2
    made = FactoredFeatures(rng.standard_normal((n, k, t, m)), rng.standard_normal((n, t, p)))
    original = FactoredFeatures.dense

    def small_only(self: FactoredFeatures) -> np.ndarray:
        # projected features are small and may be multiplied out
        assert min(self.shape) <= r, f"dense tensor of shape {self.shape} was formed"
        return original(self)

    with mock.patch.object(FactoredFeatures, "dense", small_only):
        u, v, w = rng.standard_normal((m, r)), rng.standard_normal((p, r)), np.eye(m + p)
        y = rng.standard_normal((n, k))
        made.apply(rng.standard_normal((m, p)))
        made.apply_low_rank(u, v)
        made.adjoint(y)
        made.gram(made)
        made.factor_gram(u, v, w)
        made.mix_outputs(rng.standard_normal((k, 3))).project_input(v.T).project_output(u)
        with pytest.raises(AssertionError, match=r"dense tensor of shape \(30, 20\) was formed"):
            made.dense()


def test_forming_the_dense_tensor_is_announced_with_its_size(caplog: pytest.LogCaptureFixture) -> None:
    made = FactoredFeatures(np.ones((2, 3, 1, 4)), np.ones((2, 1, 5)))
    with caplog.at_level("INFO", logger="sims.ntk.features"):
        made.dense()
    assert "dense features: 2 x 3 x 4 x 5" in caplog.text


def test_single_precision_features_stay_in_single_precision() -> None:
    rng = np.random.default_rng(0)
    arrays = rng.standard_normal((3, 2, 1, 4)), rng.standard_normal((3, 1, 5))
    single = FactoredFeatures(*(a.astype(np.float32) for a in arrays))
    delta = rng.standard_normal((4, 5))
    result = single.apply(delta.astype(np.float32))
    assert result.dtype == single.gram(single).dtype == np.float32
    close(result, FactoredFeatures(*arrays).apply(delta), IDENTITY["float32"])


@pytest.mark.parametrize(
    "features", [DenseFeatures(np.ones((2, 1, 3, 4))), FactoredFeatures(*map(np.ones, ((2, 1, 1, 3), (2, 1, 4))))]
)
def test_methods_are_plain_and_the_features_still_a_tree(features: TangentFeatures) -> None:
    """Methods made anew as trees cost more than the small products that searches and certificates make of them."""
    assert isinstance(features.adjoint, MethodType)
    doubled = jax.jit(lambda f: f.adjoint(2.0 * jnp.ones((2, 1))))(features)
    close(doubled, 2.0 * features.adjoint(np.ones((2, 1))))
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(features))
