"""The convex problem: effective measurements, consistency over layers, and every refusal."""

import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sims.convex_problem import ConvexProblem, make_problem
from sims.errors import BadInput
from sims.ntk.features import DenseFeatures, FactoredFeatures
from tests.checks import check_data_gradient_is_the_derivative, close, random_factors
from tests.problems import ALL_LOSSES, dense_twin, random_problem
from tests.strategies import seeds
from theory.losses import CROSS_ENTROPY, LOGISTIC, SQUARED, Loss

each_loss = pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.name)


@each_loss
@given(seed=seeds)
def test_data_gradient_is_the_derivative_of_the_mean_loss(loss: Loss, seed: int) -> None:
    check_data_gradient_is_the_derivative(loss, seed)


@each_loss
@pytest.mark.parametrize("t", [1, 2])
@given(seed=seeds)
def test_factored_and_dense_problems_agree(loss: Loss, t: int, seed: int) -> None:
    problem = random_problem(seed, loss, k=2, shapes=((3, 4), (2, 5)), positions=t)
    twin = dense_twin(problem)
    factors = random_factors(seed, problem, 2)
    deltas = [u @ v.T for u, v in factors]
    close(problem.predictions(deltas), twin.predictions(deltas))
    close(problem.predictions_low_rank(factors), twin.predictions(deltas))
    for mine, other in zip(problem.data_gradients(problem.f0), twin.data_gradients(problem.f0)):
        close(mine, other)
    close(problem.lambda_max(), twin.lambda_max())
    assert problem.measurements == twin.measurements


@pytest.mark.parametrize(("loss", "expected"), [(SQUARED, 12), (LOGISTIC, 12), (CROSS_ENTROPY, 8)])
@given(seed=seeds)
def test_generic_features_count_as_kn_and_as_one_output_less_for_softmax(loss: Loss, expected: int, seed: int) -> None:
    assert random_problem(seed, loss, n=4, k=3, shapes=((5, 6),)).measurements == expected


@given(seed=seeds, rank=st.integers(1, 4))
def test_dependent_features_count_by_the_dimension_of_their_span(seed: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    basis = rng.integers(-9, 10, (rank, 4, 5)).astype(float)
    weights = rng.integers(-9, 10, (7, rank)).astype(float)
    g = np.einsum("nq,qij->nij", weights, basis)[:, None]
    problem = make_problem([DenseFeatures(g)], np.zeros((7, 1)), rng.standard_normal((7, 1)), SQUARED)
    assert problem.measurements == np.linalg.matrix_rank(g.reshape(7, 20)) <= rank


def test_features_that_are_dependent_up_to_rounding_only_count_in_full() -> None:
    rng = np.random.default_rng(0)
    g = np.einsum("nq,qij->nij", rng.standard_normal((7, 2)), rng.standard_normal((2, 4, 5)))[:, None]
    assert make_problem([DenseFeatures(g)], np.zeros((7, 1)), np.zeros(7), SQUARED).measurements == 7


@pytest.mark.parametrize(
    ("second", "count"),
    [({(1, 1): 1e-8, (0, 0): 1.0}, 2), ({(1, 1): 1e-20}, 2), ({(1, 1): 1e-20, (0, 0): 1.0}, 2), ({(0, 0): 2.0}, 1)],
)
def test_a_count_is_never_too_small(second: dict, count: int) -> None:
    g = np.zeros((2, 1, 3, 3))
    g[0, 0, 0, 0] = 1.0
    for at, value in second.items():
        g[1, 0][at] = value
    problem = make_problem([DenseFeatures(g)], np.zeros((2, 1)), np.array([1.0, -1.0]), SQUARED)
    assert problem.measurements == count


def test_factors_that_cancel_in_floats_are_counted_by_their_exact_product() -> None:
    """signal . activation is 2^-60, which floats round to zero."""
    signal, activation = np.zeros((1, 1, 2, 1)), np.zeros((1, 2, 1))
    signal[0, 0, :, 0], activation[0, :, 0] = [1 + 2.0**-30, -(1 + 2.0**-29)], [1 + 2.0**-30, 1.0]
    features = FactoredFeatures(signal, activation)
    assert not np.asarray(features.dense()).any()
    assert make_problem([features], np.zeros((1, 1)), np.ones(1), SQUARED).measurements == 1


def test_many_samples_with_few_parameters_are_counted_on_the_smaller_side() -> None:
    g = np.random.default_rng(0).standard_normal((60_000, 10, 2, 3))
    assert make_problem([DenseFeatures(g)], np.zeros((60_000, 10)), np.zeros((60_000, 10)), SQUARED).measurements == 6


def test_missing_and_surplus_updates_are_refused() -> None:
    problem = random_problem(0, shapes=((3, 4), (2, 2)))
    for deltas in ([np.zeros((3, 4))], [np.zeros((3, 4)), np.zeros((2, 2)), np.zeros((2, 2))]):
        with pytest.raises(BadInput, match="updates for 2 layers"):
            problem.report(deltas, 0.1)


def test_features_of_very_different_size_all_count() -> None:
    rng = np.random.default_rng(0)
    g = rng.standard_normal((5, 1, 4, 4)) * (10.0 ** np.arange(0, -20, -4))[:, None, None, None]
    assert make_problem([DenseFeatures(g)], np.zeros((5, 1)), np.zeros(5), SQUARED).measurements == 5


def test_more_features_than_entries_count_as_the_entries() -> None:
    assert random_problem(0, n=20, shapes=((2, 3),)).measurements == 6
    assert random_problem(0, n=20, shapes=((2, 3), (2, 2))).measurements == 10


def test_zero_features_count_as_nothing() -> None:
    problem = make_problem([DenseFeatures(np.zeros((3, 1, 2, 2)))], np.zeros((3, 1)), np.zeros(3), SQUARED)
    assert problem.measurements == 0


def test_softmax_outputs_that_move_together_count_as_nothing() -> None:
    g = np.repeat(np.random.default_rng(0).standard_normal((4, 1, 3, 3)), 3, axis=1)
    problem = make_problem([DenseFeatures(g)], np.zeros((4, 3)), np.zeros(4), CROSS_ENTROPY)
    assert problem.measurements == 0


@given(seed=seeds)
def test_two_layers_are_one_block_diagonal_layer(seed: int) -> None:
    problem = random_problem(seed, CROSS_ENTROPY, k=3, shapes=((3, 4), (2, 5)))
    a, b = (np.asarray(layer.dense()) for layer in problem.layers)
    blocks = np.zeros((problem.n, 3, 5, 9))
    blocks[:, :, :3, :4], blocks[:, :, 3:, 4:] = a, b
    joined = ConvexProblem((DenseFeatures(blocks),), problem.f0, problem.y, problem.loss)
    rng = np.random.default_rng(seed)
    deltas = [rng.standard_normal(shape) for shape in problem.shapes]
    big = np.zeros((5, 9))
    big[:3, :4], big[3:, 4:] = deltas
    mine, other = problem.report(deltas, 0.3), joined.report([big], 0.3)
    close([mine.primal, mine.dual], [other.primal, other.dual])
    close([mine.spectral_norm_ratio, mine.alignment], [other.spectral_norm_ratio, other.alignment])
    assert problem.measurements == joined.measurements


def test_logistic_targets_may_be_flat_for_one_output_and_labels_may_be_floats() -> None:
    g = DenseFeatures(np.ones((2, 1, 2, 2)))
    assert make_problem([g], np.zeros((2, 1)), np.array([1, -1]), LOGISTIC).y.shape == (2, 1)
    three = DenseFeatures(np.ones((2, 3, 2, 2)))
    labels = make_problem([three], np.zeros((2, 3)), np.array([2.0, 0.0]), CROSS_ENTROPY).y
    assert labels.dtype == np.int64


def test_single_precision_input_becomes_double() -> None:
    g = DenseFeatures(np.ones((2, 1, 2, 2), dtype=np.float32))
    problem = make_problem([g], np.zeros((2, 1), dtype=np.float32), np.zeros(2, dtype=np.float32), SQUARED)
    assert problem.f0.dtype == problem.y.dtype == problem.layers[0].dense().dtype == np.float64


def gaussian(n: int = 3, k: int = 1, m: int = 2, p: int = 2) -> np.ndarray:
    """Return features of these sizes."""
    return np.random.default_rng(0).standard_normal((n, k, m, p))


def spoilt(value: float) -> np.ndarray:
    """Return features with one entry replaced."""
    g = gaussian()
    g[1, 0, 1, 0] = value
    return g


REFUSED = {
    "no layers": (([], np.zeros((3, 1)), np.zeros(3), SQUARED), "0 layers: expected the features of at least one"),
    "no samples": (([gaussian(n=0)], np.zeros((0, 1)), np.zeros(0), SQUARED), "n = 0 samples, k = 1 outputs"),
    "no outputs": (([gaussian(k=0)], np.zeros((3, 0)), np.zeros((3, 0)), SQUARED), "n = 3 samples, k = 0 outputs"),
    "empty matrix": (([gaussian(m=0)], np.zeros((3, 1)), np.zeros(3), SQUARED), "expected at least one of each"),
    "layers disagree": (
        ([gaussian(), gaussian(n=4)], np.zeros((3, 1)), np.zeros(3), SQUARED),
        "layers disagree on (n, k): (3, 1), (4, 1)",
    ),
    "NaN features": (([spoilt(np.nan)], np.zeros((3, 1)), np.zeros(3), SQUARED), "features holds 1 NaN or infinite"),
    "infinite features": (([spoilt(np.inf)], np.zeros((3, 1)), np.zeros(3), SQUARED), "features holds 1 NaN"),
    "f0 shape": (([gaussian()], np.zeros((4, 1)), np.zeros(3), SQUARED), "f0 has shape (4, 1), expected (3, 1)"),
    "f0 NaN": (([gaussian()], np.full((3, 1), np.nan), np.zeros(3), SQUARED), "f0 holds 3 NaN or infinite entries"),
    "y shape": (([gaussian()], np.zeros((3, 1)), np.zeros(4), SQUARED), "y has shape (4,), expected (3, 1)"),
    "y NaN": (([gaussian()], np.zeros((3, 1)), np.array([0, np.nan, 0]), SQUARED), "y holds 1 NaN or infinite"),
    "y words": (([gaussian()], np.zeros((3, 1)), np.array(["a", "b", "c"]), SQUARED), "y has dtype <U1: expected"),
    "y complex": (([gaussian()], np.zeros((3, 1)), np.zeros(3) * 1j, SQUARED), "y has dtype complex128"),
    "logistic 0/1": (([gaussian()], np.zeros((3, 1)), np.array([0, 1, 1]), LOGISTIC), "label 0 is out of range"),
    "softmax flat": (([gaussian()], np.zeros((3, 1)), np.zeros(3), CROSS_ENTROPY), "with k = 1 output"),
    "label high": (([gaussian(k=2)], np.zeros((3, 2)), np.array([0, 2, 1]), CROSS_ENTROPY), "label 2 is out of range"),
    "label negative": (([gaussian(k=2)], np.zeros((3, 2)), np.array([0, -1, 1]), CROSS_ENTROPY), "label -1 is out of"),
    "label fraction": (([gaussian(k=2)], np.zeros((3, 2)), np.array([0, 0.5, 1]), CROSS_ENTROPY), "label 0.5 is out"),
    "label huge": (([gaussian(k=2)], np.zeros((3, 2)), np.array([0, 1e300, 1]), CROSS_ENTROPY), "is out of range"),
    "one-hot labels": (([gaussian(k=2)], np.zeros((3, 2)), np.eye(3)[:, :2], CROSS_ENTROPY), "y has shape (3, 2)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unusable_input_is_refused_in_one_line(case: str) -> None:
    (layers, f0, y, loss), line = REFUSED[case]
    with pytest.raises(BadInput, match=re.escape(line)) as caught:
        make_problem([DenseFeatures(g) for g in layers], f0, y, loss)
    assert "\n" not in str(caught.value)


def test_infinite_factored_features_are_refused() -> None:
    signal, activation = np.ones((3, 1, 1, 2)), np.ones((3, 1, 2))
    activation[0, 0, 0] = -np.inf
    with pytest.raises(BadInput, match=r"features holds 1 NaN or infinite entries"):
        make_problem([FactoredFeatures(signal, activation)], np.zeros((3, 1)), np.zeros(3), SQUARED)
