"""The training engine against loops written out, one run at a time, and against itself in other groupings."""

from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from scipy.stats import kstest, uniform

from sims.adapters.protocol import Adapter, Factors
from sims.adapters.registry import FAMILIES, make_adapter
from sims.errors import BadInput
from sims.models.mlp import HiddenLayers, random_hidden_layers
from sims.training.batches import batch_rows
from sims.training.engine import Fitted, Pool, fit, run_outputs, scores
from sims.training.model import Head, Runs, outputs, random_head, start, total_scalars, trained_scalars
from sims.training.optimisers import Options, schedule
from tests.strategies import seeds
from tests.tolerances import CURVATURE, IDENTITY, KOLMOGOROV_SMIRNOV, ROUNDING

WIDTHS = (6, 7, 5)
CLASSES = 3
TOLERANCE = IDENTITY[np.float64]


def pool(n: int = 24, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    return Pool(jnp.asarray(rng.standard_normal((n, WIDTHS[0]))), jnp.asarray(rng.integers(0, CLASSES, n), jnp.int32))


def fresh(adapter: Adapter, chosen: Sequence[int], *, shared: bool = False, train_head: bool = True) -> Runs:
    """Return runs whose start depends on their own seed alone (and on seed 0 for a shared network)."""
    keys = jax.vmap(jax.random.key)(jnp.asarray(chosen, jnp.uint32))
    network: HiddenLayers = jax.vmap(lambda key: random_hidden_layers(key, WIDTHS, dtype=jnp.float64))(keys)
    if shared:
        network = random_hidden_layers(jax.random.key(0), WIDTHS, dtype=jnp.float64)
    head: Head = jax.vmap(lambda key: random_head(key, CLASSES, WIDTHS[-1], jnp.float64))(keys)
    return start(adapter, network, ("hidden1", "hidden2"), head, keys, shared_network=shared, train_head=train_head)


def small(name: str) -> Adapter:
    return make_adapter(name, 2 if FAMILIES[name].ranked else 0)


def trained(
    adapter: Adapter, chosen: Sequence[int], options: Options | None = None, **other: Any
) -> tuple[Runs, Fitted]:
    runs = fresh(adapter, chosen, shared=other.pop("shared", False), train_head=other.pop("train_head", True))
    rows = {"train_rows": np.arange(16), "test_rows": np.arange(16, 24), "learning_rates": 0.05, "seeds": chosen}
    return runs, fit(runs, adapter, options or Options(6, 4, evaluations=2), pool(), **(rows | other))


def assert_same(found: Any, expected: Any) -> None:
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE)


@given(seeds, st.integers(1, 30), st.integers(1, 40), st.integers(1, 25))
def test_every_epoch_sees_every_row_at_most_once_and_full_batches_see_all(
    seed: int, n: int, steps: int, batch: int
) -> None:
    rows = np.random.default_rng(seed).permutation(100)[:n]
    order = batch_rows(rows, seed, steps=steps, batch_size=batch)
    size, an_epoch = min(batch, n), n // min(batch, n)
    assert order.shape == (steps, size)
    for first in range(0, steps, an_epoch):
        seen = order[first : first + an_epoch].ravel()
        assert len(set(seen.tolist())) == len(seen)
        assert set(seen.tolist()) <= set(rows.tolist())
    longer = batch_rows(rows, seed, steps=steps + 3, batch_size=batch)
    np.testing.assert_array_equal(longer[:steps], order)


@pytest.mark.parametrize("name", FAMILIES)
def test_p32_frozen_parts_are_bit_identical_after_training_and_trained_ones_moved(name: str) -> None:
    before, after = trained(small(name), [3, 4])
    for a, b in zip(jax.tree.leaves(before.frozen), jax.tree.leaves(after.runs.frozen), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    for a, b in zip(jax.tree.leaves(before.network), jax.tree.leaves(after.runs.network), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    for a, b in zip(jax.tree.leaves(before.trained), jax.tree.leaves(after.runs.trained), strict=True):
        assert np.all(np.any(np.asarray(a != b).reshape(2, -1), axis=1))


@pytest.mark.parametrize("name", FAMILIES)
def test_p32_before_training_the_outputs_are_those_of_the_backbone(name: str) -> None:
    adapter = small(name)
    network, tuned, frozen = fresh(adapter, [5]).run(0)
    head = tuned.head | frozen.head
    x = pool().inputs
    expected = network(x) @ head["weight"].T + head["bias"][None]
    np.testing.assert_array_equal(outputs(adapter, network, tuned, frozen, x), expected)


@pytest.mark.parametrize("name", FAMILIES)
def test_p32_after_training_merged_weights_reproduce_the_outputs(name: str) -> None:
    adapter = small(name)
    _, after = trained(adapter, [5])
    network, tuned, frozen = after.runs.run(0)
    assert isinstance(network, HiddenLayers)
    merged = [adapter.merge(Factors(tuned.adapters[m], frozen.adapters[m]), network.matrices[m]) for m in network.names]
    head = tuned.head | frozen.head
    plain = HiddenLayers(tuple(merged), network.activation)(pool().inputs) @ head["weight"].T + head["bias"][None]
    found = run_outputs(after.runs, adapter, pool(), np.arange(24))[0]
    np.testing.assert_allclose(found, plain, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("optimiser", ["sgd", "adam", "adamw"])
def test_the_head_alone_follows_the_optimiser_written_out(optimiser: str) -> None:
    """Softmax regression on fixed features: gradient (p - y) h^T, and textbook update rules."""
    decay, momentum, rate, steps = 0.1, 0.7 if optimiser == "sgd" else 0.0, 0.05, 7
    options = Options(
        steps, 5, optimiser=optimiser, weight_decay=decay, momentum=momentum, schedule="linear", evaluations=1
    )
    adapter = make_adapter("rank0")
    before, after = trained(adapter, [2], options, learning_rates=rate)
    network, tuned, _ = before.run(0)
    h, y = np.asarray(network(pool().inputs)), np.asarray(pool().targets)
    theta = np.column_stack([tuned.head["weight"], tuned.head["bias"]])
    first, second = np.zeros_like(theta), np.zeros_like(theta)
    order = batch_rows(np.arange(16), 2, steps=steps, batch_size=5)
    for step, batch in enumerate(order):
        features = np.column_stack([h[batch], np.ones(len(batch))])
        z = features @ theta.T
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        gradient = (p - np.eye(CLASSES)[y[batch]]).T @ features / len(batch)
        now = rate * (1 - step / steps)
        if optimiser != "adamw":
            gradient = gradient + decay * theta
        if optimiser == "sgd":
            first = momentum * first + gradient
            theta = theta - now * first
            continue
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        change = first / (1 - 0.9 ** (step + 1)) / (np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8)
        theta = theta - now * (change + (decay * theta if optimiser == "adamw" else 0.0))
    found = np.column_stack([after.runs.trained.head["weight"][0], after.runs.trained.head["bias"][0]])
    np.testing.assert_allclose(found, theta, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", ["lora", "b-only"])
def test_seeds_together_equal_seeds_one_by_one(name: str, shared: bool) -> None:
    adapter, chosen = small(name), [7, 1, 9]
    _, together = trained(adapter, chosen, shared=shared)
    _, in_turn = trained(adapter, chosen, shared=shared, batching="map")
    assert_same((in_turn.runs.trained, in_turn.curves), (together.runs.trained, together.curves))
    for i, seed in enumerate(chosen):
        _, alone = trained(adapter, [seed], shared=shared)
        assert_same(
            (alone.runs.trained, alone.curves[1:]),
            jax.tree.map(lambda leaf, at=i: leaf[at : at + 1], (together.runs.trained, together.curves[1:])),
        )


@pytest.mark.parametrize(("name", "hidden"), [("b-only", "hidden2"), ("a-only", "hidden1")])
def test_p4_one_factor_at_its_largest_rank_trains_as_the_whole_matrix_does(name: str, hidden: str) -> None:
    """An orthogonal frozen factor only turns the gradient: gradient descent at step size / s^2 takes the same path."""
    network = random_hidden_layers(jax.random.key(0), WIDTHS, dtype=jnp.float64)
    head = jax.tree.map(lambda leaf: leaf[None], random_head(jax.random.key(1), CLASSES, WIDTHS[-1], jnp.float64))
    options = Options(8, 4, optimiser="sgd", momentum=0.5, evaluations=4)

    def path(adapter: Adapter, rate: float) -> tuple[Fitted, np.ndarray]:
        keys = jax.random.split(jax.random.key(2), 1)
        runs = start(adapter, network, (hidden,), head, keys, shared_network=True, train_head=False)
        rows = {"train_rows": np.arange(16), "test_rows": np.arange(16, 24)}
        after = fit(runs, adapter, options, pool(), seeds=[3], learning_rates=rate, **rows)
        _, tuned, frozen = after.runs.run(0)
        factors = Factors(tuned.adapters[hidden], frozen.adapters[hidden])
        return after, np.asarray(adapter.delta(factors, network.matrices[hidden]))

    d_out, d_in = network.matrices[hidden].shape
    largest = d_in if name == "b-only" else d_out
    assert largest > min(d_out, d_in)
    full, expected = path(make_adapter("full"), 0.3)
    one, found = path(make_adapter(name, largest, alpha=2.0 * largest), 0.3 / 2.0**2)
    assert trained_scalars(one.runs) == trained_scalars(full.runs) == d_out * d_in
    assert_same((found, one.curves), (expected, full.curves))
    _, narrower = path(make_adapter(name, largest - 1, alpha=2.0 * (largest - 1)), 0.3 / 2.0**2)
    assert np.abs(narrower - expected).max() > CURVATURE * np.abs(expected).max()


def test_a_grid_of_step_sizes_is_a_batch_of_runs() -> None:
    adapter, rates = small("b-only"), [0.01, 0.1]
    _, grid = trained(adapter, [4, 4], learning_rates=rates)
    for i, rate in enumerate(rates):
        _, alone = trained(adapter, [4], learning_rates=rate)
        assert_same(alone.runs.trained, jax.tree.map(lambda leaf, at=i: leaf[at : at + 1], grid.runs.trained))


def test_the_number_of_evaluations_does_not_change_the_training() -> None:
    adapter = small("lora")
    _, often = trained(adapter, [4], Options(7, 4, evaluations=3))
    _, once = trained(adapter, [4], Options(7, 4, evaluations=1))
    assert_same(often.runs.trained, once.runs.trained)
    assert often.curves.step.tolist() == [2, 4, 7]
    lengths = np.diff([0, *often.curves.step])
    np.testing.assert_allclose(
        (often.curves.train_loss * lengths).sum() / 7, once.curves.train_loss[0, 0], rtol=TOLERANCE
    )


def test_each_run_may_have_rows_of_its_own() -> None:
    adapter, rows = small("b-only"), np.array([np.arange(0, 12), np.arange(12, 24)])
    _, both = trained(adapter, [3, 3], train_rows=rows)
    for i in range(2):
        _, alone = trained(adapter, [3], train_rows=rows[i])
        assert_same(alone.runs.trained, jax.tree.map(lambda leaf, at=i: leaf[at : at + 1], both.runs.trained))


@pytest.mark.parametrize("loss", ["cross-entropy", "squared"])
def test_scores_are_means_over_the_rows_whatever_the_size_of_a_pass(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = small("full")
    runs, rows = fresh(adapter, [1, 2]), np.arange(3, 24)
    z, y = run_outputs(runs, adapter, pool(), rows), np.asarray(pool().targets)[rows]
    if loss == "squared":
        expected = 0.5 * ((z - np.eye(CLASSES)[y]) ** 2).sum(axis=-1).mean(axis=1)
    else:
        expected = (np.log(np.exp(z).sum(axis=-1)) - z[:, np.arange(len(y)), y]).mean(axis=1)
    for size in (1024, 8):
        monkeypatch.setattr("sims.training.engine._EVALUATED", size)
        found = scores(runs, adapter, pool(), rows, loss=loss)
        np.testing.assert_allclose(found[0], expected, rtol=TOLERANCE)
        np.testing.assert_allclose(found[1], (z.argmax(axis=-1) == y).mean(axis=1), rtol=ROUNDING[np.float64])


def test_a_run_that_diverged_answers_nothing_right_and_its_neighbour_is_untouched() -> None:
    adapter, options = small("full"), Options(6, 4, optimiser="sgd", schedule="constant", evaluations=1)
    _, pair = trained(adapter, [1, 1], options, learning_rates=[1e200, 0.05])
    assert not np.isfinite(pair.curves.test_loss[0, -1])
    assert pair.curves.test_accuracy[0, -1] == 0.0
    _, alone = trained(adapter, [1], options, learning_rates=0.05)
    assert_same(alone.runs.trained, jax.tree.map(lambda leaf: leaf[1:], pair.runs.trained))


def test_training_lowers_the_loss_and_a_frozen_head_stays() -> None:
    options = Options(60, 8, evaluations=3, schedule="constant")
    runs, after = trained(small("b-only"), [0, 1], options, train_head=False)
    assert np.all(after.curves.train_loss[:, -1] < after.curves.train_loss[:, 0])
    assert not after.runs.trained.head
    assert trained_scalars(runs) == 2 * (7 + 5)
    assert total_scalars(runs) == 7 * 6 + 5 * 7 + 3 * 5 + 3


def test_float32_stays_float32() -> None:
    adapter = small("lora")
    runs = fresh(adapter, [0])
    single = Runs(*jax.tree.map(lambda leaf: leaf.astype(jnp.float32), runs[:3]), shared_network=False)
    data = Pool(pool().inputs.astype(jnp.float32), pool().targets)
    after = fit(single, adapter, Options(3, 4), data, train_rows=np.arange(16), seeds=[0], learning_rates=0.1)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(after.runs.trained)} == {"float32"}
    assert np.isnan(after.curves.test_loss).all()


@given(st.sampled_from(("constant", "cosine", "linear")), st.integers(1, 50), st.sampled_from((0.0, 0.1, 0.5)))
@settings(max_examples=20)
def test_schedules_rise_then_fall_within_0_and_1(kind: Any, steps: int, warmup: float) -> None:
    factor = schedule(Options(steps, 1, schedule=kind, warmup=warmup), np.float64)
    rise = round(warmup * steps)
    assert factor.shape == (steps,)
    assert np.all((factor > 0) & (factor <= 1))
    assert np.all(np.diff(factor[: rise + 1]) >= 0)
    assert np.all(np.diff(factor[rise:]) <= 0)
    assert factor[rise - 1 if rise == steps else rise] == 1.0


@pytest.mark.parametrize(
    ("kind", "oracle"),
    [
        ("cosine", optax.cosine_decay_schedule),
        ("linear", lambda start, steps: optax.linear_schedule(start, 0.0, steps)),
    ],
)
def test_schedules_after_the_rise_are_those_of_optax(kind: Any, oracle: Any) -> None:
    factor = schedule(Options(20, 1, schedule=kind, warmup=0.25), np.float64)
    np.testing.assert_allclose(factor[:5], np.arange(1, 6) / 5, rtol=ROUNDING[np.float64])
    with jax.numpy_dtype_promotion("standard"):
        expected = [float(oracle(1.0, 15)(step)) for step in range(15)]
    np.testing.assert_allclose(factor[5:], expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_a_head_starts_uniform_within_one_over_the_root_of_its_features() -> None:
    head: Head = jax.vmap(lambda key: random_head(key, CLASSES, 25, jnp.float64))(
        jax.random.split(jax.random.key(0), 400)
    )
    for entries in (np.ravel(head.weight), np.ravel(head.bias)):
        assert kstest(entries, uniform(-0.2, 0.4).cdf).pvalue > KOLMOGOROV_SMIRNOV
    assert not np.any(np.isin(head.bias, head.weight))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps 0 is out of range: expected at least 1"),
        ({"batch_size": 0}, "batch_size 0 is out of range"),
        ({"optimiser": "lion"}, "optimiser 'lion' is unknown: expected one of adamw, adam, sgd"),
        ({"loss": "hinge"}, "loss 'hinge' is unknown"),
        ({"weight_decay": -1.0}, "weight_decay -1.0 is out of range: expected a finite number >= 0"),
        ({"momentum": 1.0}, "momentum 1.0 is out of range"),
    ],
)
def test_options_out_of_range_are_refused(change: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Options(**({"steps": 1, "batch_size": 1} | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rates": -0.1}, "learning rate -0.1 is out of range"),
        ({"learning_rates": [0.1] * 3}, "step sizes for 2 runs"),
        ({"seeds": [1]}, "1 seeds for 2 runs"),
        ({"train_rows": np.zeros((3, 4), int)}, "train_rows has shape"),
        ({"train_rows": np.arange(0)}, "train_rows has shape"),
        ({"seeds": [1, -1]}, "seed -1 is negative"),
    ],
)
def test_arguments_that_do_not_fit_the_runs_are_refused(change: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        trained(small("lora"), [1, 2], **change)


def test_maps_that_are_not_there_and_nothing_to_train_are_refused() -> None:
    network = random_hidden_layers(jax.random.key(0), WIDTHS, dtype=jnp.float64)
    head = jax.tree.map(lambda leaf: leaf[None], random_head(jax.random.key(1), CLASSES, WIDTHS[-1], jnp.float64))
    keys = jax.random.split(jax.random.key(0), 1)
    with pytest.raises(BadInput, match=r"expected distinct names among hidden1, hidden2"):
        start(small("lora"), network, ("hidden3",), head, keys, shared_network=True)
    with pytest.raises(BadInput, match="nothing is trained"):
        start(small("rank0"), network, ("hidden1",), head, keys, shared_network=True, train_head=False)
    with pytest.raises(BadInput, match="0 runs"):
        start(small("lora"), network, ("hidden1",), head, keys[:0], shared_network=True)
