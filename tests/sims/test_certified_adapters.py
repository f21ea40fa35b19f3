"""Certified adapters: fits against closed forms, what may not depend on the sample, decoding, certificates."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.linear_model import LogisticRegression

from sims.certified_adapters import (
    Task,
    certify,
    fit,
    frozen_a,
    frozen_b,
    least_squares,
    make_task,
    public_head,
)
from sims.certified_adapters.certify import decoded_update
from sims.certified_adapters.softmax import cross_entropy, softmax_fit
from sims.certified_adapters.task import count_errors
from sims.coding import decode, encode
from sims.data import Data, load
from sims.errors import BadInput
from tests.checks import close
from tests.tolerances import FINITE_DIFFERENCE, FLOAT32_KERNEL, IDENTITY, ORACLE_OBJECTIVE
from theory.bounds.code_length import occam_binomial, occam_hoeffding, occam_kl

DELTA = 0.05
KINDS = (("b-only", 6), ("a-only", 3), ("lora", 3), ("full", 0))


@cache
def digits() -> Data:
    return load("digits", samples=900)


@cache
def task() -> Task:
    return make_task(digits(), public=300, width=48, seed=0)


def _frozen(kind: str, rank: int) -> dict:
    if kind == "b-only":
        return {"a": frozen_a(task(), rank, "public", 0)}
    return {"b": frozen_b(task(), rank, 0)} if kind == "a-only" else {}


def _squares(update: np.ndarray) -> float:
    targets = np.eye(10)[task().sample_labels] - 0.1
    moment = task().moment
    cross = targets.T @ task().sample.astype(np.float64) / len(targets)
    return float(np.einsum("ki,ij,kj->", update, moment, update) - 2 * (update * cross).sum())


@pytest.mark.parametrize(("kind", "rank"), KINDS)
def test_least_squares_beat_perturbations_of_the_tuned_factors(kind: str, rank: int) -> None:
    found = least_squares(task(), kind, rank, **_frozen(kind, rank))
    best = _squares(found.update)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-1):
        for _ in range(20):
            b = found.b + (size * rng.standard_normal(found.b.shape) if kind != "a-only" else 0.0)
            a = found.a
            if a is not None and kind != "b-only":
                a = a + size * rng.standard_normal(a.shape)
            assert _squares(replace(found, b=b, a=a).update) >= best - FLOAT32_KERNEL
    assert found.rank == rank


def test_full_least_squares_are_ordinary_least_squares() -> None:
    x, y = task().sample.astype(np.float64), np.eye(10)[task().sample_labels] - 0.1
    moment = task().moment
    close(least_squares(task(), "full", 0).update @ moment, y.T @ x / len(x), FLOAT32_KERNEL)
    close(moment, x.T @ x / len(x) + 1e-6 * np.trace(x.T @ x / len(x)) / 48 * np.eye(48), FLOAT32_KERNEL)


def test_softmax_regression_against_scikit_learn() -> None:
    """Same convex objective: C = 1 / (n decay) penalises the sum over examples."""
    x, y = task().sample.astype(np.float64), task().sample_labels
    decay = 1e-2
    found = softmax_fit(x, y, 10, decay=decay, steps=2000)
    peer = LogisticRegression(C=1 / (len(x) * decay), fit_intercept=False, max_iter=5000, tol=1e-10).fit(x, y)

    def objective(w: np.ndarray) -> float:
        return cross_entropy(x @ w.T, y)[0] + 0.5 * decay * float((w**2).sum())

    assert abs(objective(found) - objective(peer.coef_)) <= ORACLE_OBJECTIVE


def test_cross_entropy_gradient() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 5)

    def value(flat: np.ndarray) -> float:
        return cross_entropy(flat.reshape(5, 3), labels)[0]

    def gradient(flat: np.ndarray) -> np.ndarray:
        return cross_entropy(flat.reshape(5, 3), labels)[1].ravel() / 5

    assert check_grad(value, gradient, rng.standard_normal(15)) <= 1e3 * FINITE_DIFFERENCE["float64"]


@pytest.mark.parametrize(("kind", "rank"), KINDS)
@pytest.mark.parametrize("fixed", [True, False])
def test_certificate_is_that_of_the_decoded_adapter(kind: str, rank: int, fixed: bool) -> None:
    frozen = _frozen(kind, rank)
    found = certify(task(), fit(task(), kind, rank, **frozen), DELTA, steps=(0.2, 0.4), dead_zones=(0.6,), fixed=fixed)
    adapter = decode(found.string, task().shape)
    assert (adapter.kind, adapter.rank) == (kind, rank)
    assert encode(adapter, task().shape) == found.string
    again = decoded_update(found.string, task().shape, a=frozen.get("a"), b=frozen.get("b"))
    assert again.tobytes() == found.update.tobytes()
    for features in (task().sample, task().test):
        labels = np.argmax(features @ found.update.T.astype(np.float32), axis=1)
        assert count_errors(again, features, labels) == 0
    n = found.samples
    assert found.errors == count_errors(again, task().sample, task().sample_labels)
    assert found.hoeffding == occam_hoeffding(found.errors / n, n, found.bits, DELTA)
    assert found.kl == occam_kl(found.errors / n, n, found.bits, DELTA)
    assert found.binomial == occam_binomial(found.errors, n, found.bits, DELTA)
    assert found.binomial <= found.kl <= found.hoeffding
    assert found.test_error <= found.binomial


def test_b_only_is_certified_below_every_other_adapter_on_digits() -> None:
    values = {}
    for kind, rank in (("b-only", 8), ("a-only", 8), ("lora", 8), ("full", 0)):
        fitted = fit(task(), kind, rank, **_frozen(kind, rank))
        values[kind] = certify(task(), fitted, DELTA, steps=(0.15, 0.3, 0.5), dead_zones=(0.5, 0.67)).binomial
    assert values["b-only"] < 0.6
    assert values["b-only"] < min(values[kind] for kind in ("a-only", "lora", "full"))


@pytest.mark.parametrize("backbone", ["relu", "network"])
def test_nothing_frozen_depends_on_the_sample(backbone: str) -> None:
    """Other sample inputs and labels: backbone, centring, head and frozen factors stay bit for bit."""
    data = digits()
    other = replace(
        data,
        x_train=np.concatenate([data.x_train[:300], 1.0 - data.x_train[300:]]),
        y_train=np.concatenate([data.y_train[:300], 9 - data.y_train[300:]]),
    )
    first, second = (
        public_head(make_task(d, public=300, width=32, seed=1, backbone=backbone), 100)  # type: ignore[arg-type]
        for d in (data, other)
    )
    for name in ("public", "test", "head"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert not np.array_equal(first.sample, second.sample)
    for kind in ("public", "random"):
        np.testing.assert_array_equal(frozen_a(first, 5, kind, 0), frozen_a(second, 5, kind, 0))
    np.testing.assert_array_equal(frozen_b(first, 5, 0), frozen_b(second, 5, 0))
    # what is computed of an example depends on it and on the public part alone
    np.testing.assert_array_equal(first.test_error(0 * first.head), second.test_error(0 * second.head))


def test_columns_of_tables_are_standardised_by_the_public_part() -> None:
    data = load("wine")
    task = make_task(data, public=60, width=16, seed=0)
    shifted = replace(data, x_train=3.0 * data.x_train + 1.0, x_test=3.0 * data.x_test + 1.0)
    close(make_task(shifted, public=60, width=16, seed=0).sample, task.sample, 100 * FLOAT32_KERNEL)


def test_a_column_that_is_constant_in_the_public_part_is_left_out() -> None:
    """Its scale could only come from the sample."""
    data = load("wine")
    x = data.x_train.copy()
    x[:60, 3] = 0.1 + 0.2  # no power of two: its mean is rounded
    plain, scaled = (x * np.where(np.arange(x.shape[1]) == 3, factor, 1.0) for factor in (1.0, 7.0))
    first, second = (make_task(replace(data, x_train=x), public=60, width=16, seed=0) for x in (plain, scaled))
    for name in ("public", "sample"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert float(np.abs(first.sample).max()) < 100.0


def test_a_pretrained_head_starts_better_and_is_certified_better() -> None:
    pretrained = public_head(task(), 200)
    assert pretrained.test_error(0 * pretrained.head) < 0.5 < task().test_error(0 * task().head)
    a = frozen_a(task(), 4, "public", 0)
    plain, better = (certify(t, fit(t, "b-only", 4, a=a), DELTA, steps=(0.3,)).kl for t in (task(), pretrained))
    assert better < plain


def test_public_a_has_uncorrelated_rows_of_unit_variance() -> None:
    a = frozen_a(task(), 7, "public", 0)
    public = task().public.astype(np.float64)
    close(a @ (public.T @ public / len(public)) @ a.T, np.eye(7), IDENTITY["float64"])
    random = frozen_a(task(), 7, "random", 0)
    close(random @ random.T, np.eye(7))
    close(frozen_b(task(), 4, 0).T @ frozen_b(task(), 4, 0), np.eye(4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_task(digits(), public=900, width=8, seed=0), "public part of 900: expected 2 to 899"),
        (lambda: make_task(load("diabetes"), public=20, width=8, seed=0), "diabetes has no classes"),
        (lambda: public_head(task(), 301), "301 public labels: expected 1 to 300"),
        (lambda: frozen_a(task(), 49, "public", 0), "rank 49: expected 1 to 48"),
        (
            lambda: frozen_a(task(), 4, "sample", 0),
            "'sample': expected one of random, public; one made from the sample is",
        ),
        (lambda: frozen_b(task(), 11, 0), "11 orthonormal rows of length 10"),
        (lambda: fit(task(), "b-only", 3), "b-only needs its frozen factor A: make it with frozen_a"),
        (lambda: least_squares(task(), "a-only", 3), "a-only needs its frozen factor B: make it with frozen_b"),
        (lambda: least_squares(task(), "both", 3), "adapter 'both': expected full, lora, b-only or a-only"),
    ],
)
def test_bad_input_is_named(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(BadInput, match=message):
        call()
