"""The inverse curvature of a Newton step against an eigendecomposition of S, in all the forms it is used in."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sims.ntk.features import DenseFeatures, FactoredFeatures
from sims.solvers.curvature import CholeskyMetric, Layer, SpectralMetric
from tests.checks import close
from tests.strategies import seeds

SHAPES = ((4, 4), (3, 5), (5, 3), (1, 4), (4, 1))
LAM = 0.7
shapes = st.sampled_from(SHAPES)


def layer_with(seed: int, shape: tuple[int, int], top: float) -> Layer:
    """Return a layer whose gradient has largest singular value ``top``."""
    rng = np.random.default_rng(seed)
    g = rng.standard_normal(shape)
    u, v = rng.standard_normal((shape[0], 2)), rng.standard_normal((shape[1], 2))
    return Layer(top * g / np.linalg.norm(g, 2), u, v, LAM)


def damped_inverse(layer: Layer, damping: float, *, signed: bool = False) -> np.ndarray:
    """Return the inverse of S with |.| on its eigenvalues and the damping added, through S itself."""
    g = layer.wide.T if layer.transposed else layer.wide
    s = np.block([[LAM * np.eye(g.shape[0]), g], [g.T, LAM * np.eye(g.shape[1])]])
    values, vectors = np.linalg.eigh(s)
    positive = np.abs(values) + damping
    if signed:
        positive = np.where(values < -damping, values, positive)
    return (vectors / positive) @ vectors.T


@given(seed=seeds, shape=shapes, fraction=st.floats(0.0, 0.999), damping=st.sampled_from([1e-6, 1e-2, 1.0]))
def test_below_lambda_the_metric_is_the_damped_inverse(
    seed: int, shape: tuple[int, int], fraction: float, damping: float
) -> None:
    layer = layer_with(seed, shape, fraction * LAM)
    metric = layer.metric(damping)
    assert isinstance(metric, CholeskyMetric)
    assert metric.definite
    expected = damped_inverse(layer, damping)
    close(metric.matrix(), expected)
    close(layer.metric(damping, signed=True).matrix(), expected)


@given(
    seed=seeds, shape=shapes, fraction=st.floats(1.2, 5.0), damping=st.sampled_from([1e-6, 1e-2]), signed=st.booleans()
)
def test_above_lambda_the_metric_is_that_of_the_absolute_values(
    seed: int, shape: tuple[int, int], fraction: float, damping: float, signed: bool
) -> None:
    layer = layer_with(seed, shape, fraction * LAM)
    metric = layer.metric(damping, signed=signed)
    assert isinstance(metric, SpectralMetric)
    assert not metric.definite
    close(metric.matrix(), damped_inverse(layer, damping, signed=signed))


@given(seed=seeds, shape=shapes, fraction=st.sampled_from([0.5, 2.0]))
def test_products_with_the_metric_are_those_of_its_matrix(seed: int, shape: tuple[int, int], fraction: float) -> None:
    rng = np.random.default_rng(seed)
    metric = layer_with(seed, shape, fraction * LAM).metric(0.01)
    matrix, (m, p) = metric.matrix(), shape
    x, y = rng.standard_normal((m, 3)), rng.standard_normal((p, 3))
    close(np.concatenate(metric.apply(x, y)), matrix @ np.concatenate([x, y]))
    s, a = rng.standard_normal((6, m)), rng.standard_normal((5, p))
    for part, expected in zip(
        metric.sandwich(s, a), (s @ matrix[:m, :m] @ s.T, a @ matrix[m:, m:] @ a.T, s @ matrix[:m, m:] @ a.T)
    ):
        close(part, expected)


@given(seed=seeds, shape=shapes, fraction=st.sampled_from([0.5, 2.0]), t=st.sampled_from([1, 3]), k=st.integers(1, 3))
def test_gram_matrix_in_a_metric_that_is_not_formed(
    seed: int, shape: tuple[int, int], fraction: float, t: int, k: int
) -> None:
    rng = np.random.default_rng(seed)
    metric = layer_with(seed, shape, fraction * LAM).metric(0.01)
    (m, p), n, r = shape, 4, 2
    features = FactoredFeatures(rng.standard_normal((n, k, t, m)), rng.standard_normal((n, t, p)))
    u, v = rng.standard_normal((m, r)), rng.standard_normal((p, r))
    dense = DenseFeatures(features.dense())
    expected = dense.factor_gram(u, v, metric.matrix())
    close(features.metric_gram(u, v, metric), expected)
    close(dense.metric_gram(u, v, metric), expected)
    z = rng.standard_normal((n, k))
    g = np.einsum("nkij,nk->ij", dense.gradients, z)
    for made in (features, dense):
        by_u, by_v = made.adjoint_factors(z, u, v)
        close(by_u, g @ v)
        close(by_v, g.T @ u)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_singular_value_within_the_damping_of_lambda_leaves_the_metric_positive(shape: tuple[int, int]) -> None:
    damping = 1e-3
    for excess in (-1.0, 0.0, 0.4, 0.6, 0.99, 1.01, 2.0):
        layer = layer_with(0, shape, LAM + excess * damping)
        values = np.linalg.eigvalsh(layer.metric(damping).matrix())
        assert np.isfinite(values).all()
        assert values[0] > 0.0
