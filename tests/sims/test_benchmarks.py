"""Benchmarks: what they hand to the engine, which seed decides what, and the settings that they refuse."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from sims.adapters.registry import make_adapter
from sims.benchmarks import mlp, text
from sims.benchmarks.benchmark import Prepared, factor_keys
from sims.benchmarks.registry import BENCHMARKS, find_benchmark
from sims.data import Data, TextData
from sims.data.text import PAIR
from sims.errors import BadInput
from sims.training.config import resolve
from sims.training.groups import prepare as prepared_of
from sims.training.groups import train_group
from sims.training.model import start, total_scalars, trained_scalars
from tests.tolerances import REFERENCE_OUTPUTS

CHECKPOINT = Path(__file__).parent / "models" / "checkpoints" / "bert"


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    """Nothing prepared by one test serves another."""
    caches = (mlp._samples, mlp._pretrained, text._encoded)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put 120 random images of 28 x 28 in the place of every data set of images but digits."""
    real = mlp.load

    def load(name: str, *, seed: int) -> Data:
        if name == "digits":
            return real(name, seed=seed)
        rng = np.random.default_rng(seed)
        x, y = rng.random((120, 784)), rng.integers(0, 10, 120)
        return Data(name=name, x_train=x[:96], y_train=y[:96], x_test=x[96:], y_test=y[96:], classes=10)

    monkeypatch.setattr(mlp, "load", load)


@pytest.fixture
def small_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a random BERT of two blocks and a few sentences in the place of MiniLM and GLUE."""
    sentences = ("the cat sat", "on", "the mat sat on the cat", "cat", "sat", "the the mat")

    def load_text(name: str, *, seed: int) -> TextData:
        pairs = tuple(f"{s}{PAIR}cat" for s in sentences) if name == "glue-rte" else sentences
        labels = np.arange(6) % 2
        return TextData(name=name, train=pairs[:4], y_train=labels[:4], test=pairs[4:], y_test=labels[4:], classes=2)

    monkeypatch.setattr(text, "load_text", load_text)
    monkeypatch.setattr(text, "encoder_folder", lambda data: str(CHECKPOINT))


def prepare(name: str, seeds: list[int], **overrides: object) -> Prepared:
    return prepared_of(resolve(name, "rank0", overrides=overrides), seeds)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_trains_and_counts_what_it_trains(name: str, small_images: None, small_text: None) -> None:
    fitting = {"blocks": 1, "samples": 3, "tokens": 20} if name.startswith("text") else {"samples": 50}
    settings = resolve(name, "lora", 2, overrides={"max_steps": 2, "batch_size": 2} | fitting)
    group = train_group(settings, [0, 1])
    found = group.records()
    maps = {m: group.prepared.network.matrices[m] for m in group.prepared.maps}
    head = found[0]["head"]
    sides = sum(sum(w.shape[-2:]) for w in maps.values())
    assert [row["seed"] for row in found] == [0, 1]
    assert {row["trainable"] for row in found} == {2 * sides + head}
    assert all(row["trainable"] <= row["total"] and row["steps"] == 2 and not row["diverged"] for row in found)
    assert all(0 <= row["test_metric"] <= 1 for row in found)


@pytest.mark.parametrize(
    ("name", "sides", "total"),
    [("tiny", 1104, 109_386), ("small", 1616, 242_762), ("medium", 2640, 575_050), ("large", 4688, 1_501_770)],
)
def test_sizes_of_the_mnist_networks_are_the_published_ones(
    name: str, sides: int, total: int, small_images: None
) -> None:
    """Published totals count a bias for every hidden unit; ours have none."""
    found = prepare(f"mnist-mlp-{name}", [0])
    keys, shared = factor_keys([0]), found.shared_network
    runs = start(make_adapter("lora", 8), found.network, found.maps, found.head, keys, shared_network=shared)
    hidden = {"tiny": 192, "small": 448, "medium": 960, "large": 1984}[name]
    assert trained_scalars(runs) == 8 * sides + 650
    assert total_scalars(runs) == total - hidden


def test_random_backbones_belong_to_the_seed_and_do_not_depend_on_the_company() -> None:
    together, alone = prepare("digits-mlp", [3, 5]), prepare("digits-mlp", [5])
    for a, b in zip(jax.tree.leaves(together.network), jax.tree.leaves(alone.network), strict=True):
        assert not np.array_equal(a[0], a[1])
        np.testing.assert_array_equal(a[1], b[0])
    np.testing.assert_array_equal(together.head.weight[1], alone.head.weight[0])
    fixed = prepare("digits-mlp", [3, 5], backbone_seed=5)
    assert fixed.shared_network
    np.testing.assert_array_equal(fixed.network.matrices["hidden1"], alone.network.matrices["hidden1"][0])
    assert not np.array_equal(fixed.head.weight[0], fixed.head.weight[1])


def test_the_pretrained_backbone_never_saw_the_samples_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    real = mlp.fit

    def watched(*arguments, **options):
        seen["rows"], seen["inputs"] = options["train_rows"], np.asarray(arguments[3].inputs)
        return real(*arguments, **options)

    monkeypatch.setattr(mlp, "fit", watched)
    monkeypatch.setattr(mlp, "_SOURCE_STEPS", 3)
    found = prepare("digits-mlp", [0, 1], backbone="pretrained")
    assert not set(seen["rows"]) & (set(found.train_rows) | set(found.test_rows))
    turned = np.rot90(np.asarray(found.pool.inputs)[seen["rows"]].reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64)
    np.testing.assert_array_equal(seen["inputs"], turned)
    assert found.shared_network
    np.testing.assert_array_equal(found.head.weight[0], found.head.weight[1])
    random = prepare("digits-mlp", [0], backbone_seed=0)
    assert not np.array_equal(found.network.matrices["hidden1"], random.network.matrices["hidden1"])


def test_samples_are_nested_and_the_test_part_is_not_cut() -> None:
    few, more = prepare("digits-mlp", [0], samples=10), prepare("digits-mlp", [0], samples=30)
    np.testing.assert_array_equal(few.train_rows, more.train_rows[:10])
    np.testing.assert_array_equal(few.test_rows, more.test_rows)
    assert not set(more.train_rows) & set(more.test_rows)
    other = prepare("digits-mlp", [0], data_seed=1)
    assert not np.array_equal(other.pool.inputs, few.pool.inputs)


def test_text_on_cached_hidden_states_equals_the_whole_encoder(small_text: None) -> None:
    import jax.numpy as jnp

    from sims.models.checkpoint import load_checkpoint

    prepared = prepare("text-classifier-sst2", [0], blocks=1, samples=4, tokens=20)
    checkpoint = load_checkpoint(CHECKPOINT, dtype=jnp.float32)
    sentences = ["the cat sat", "on", "the mat sat on the cat", "cat", "sat", "the the mat"]
    whole = checkpoint.network.pooled(checkpoint.tokenizer(sentences))
    np.testing.assert_allclose(prepared.network(prepared.pool.inputs), whole, atol=REFERENCE_OUTPUTS)
    depth = len(checkpoint.network.blocks)
    assert prepared.maps == (f"{depth - 1}.query", f"{depth - 1}.value")


def test_pairs_are_compared_sentence_by_sentence(small_text: None) -> None:
    prepared = prepare("text-classifier-rte", [0], blocks=1, samples=4, tokens=20)
    single = prepare("text-classifier-sst2", [0], blocks=1, samples=4, tokens=20)
    width = single.head.weight.shape[2]
    assert prepared.head.weight.shape == (1, 2, 2 * width)
    features = np.asarray(prepared.network(prepared.pool.inputs))
    # the fourth sentence is compared with itself
    np.testing.assert_allclose(features[3, :width], 0.0, atol=REFERENCE_OUTPUTS)
    np.testing.assert_allclose(features[3, width:].sum(), width, rtol=REFERENCE_OUTPUTS)
    assert np.abs(features[[0, 1, 2, 4, 5], :width]).max(axis=1).min() > REFERENCE_OUTPUTS


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("digits-mlp", {"samples": 2000}, "samples 2000 is out of range: digits-mlp with the random backbone has 1438"),
        ("digits-mlp", {"blocks": 2}, "blocks 2: digits-mlp has none"),
        ("text-classifier-sst2", {"blocks": 9}, "blocks 9 is out of range: this encoder has"),
        ("text-classifier-sst2", {"tokens": 2}, "tokens 2 is out of range: expected 6 to"),
        ("text-classifier-sst2", {"samples": 5}, "samples 5 is out of range: glue-sst2 has 4"),
        ("text-classifier-sst2", {"backbone_seed": 1}, "backbone_seed 1: text-classifier-sst2 has one encoder"),
        ("text-classifier-sst2", {"blocks": None}, "needs blocks and tokens"),
    ],
)
def test_settings_that_a_benchmark_cannot_have_are_refused(
    name: str, overrides: dict, message: str, small_text: None
) -> None:
    fitting = {"samples": 4, "blocks": 1, "tokens": 20} if name.startswith("text") else {}
    with pytest.raises(BadInput, match=message):
        prepare(name, [0], **(fitting | overrides))


def test_without_the_encoder_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"glue-rte needs a pretrained encoder: run make pretrained"):
        prepare("text-classifier-rte", [0])


def test_unknown_names_and_no_seed_are_refused() -> None:
    with pytest.raises(BadInput, match="benchmark 'mnist' is unknown: expected one of digits-mlp, mnist-mlp-tiny"):
        find_benchmark("mnist")
    settings = resolve("digits-mlp", "rank0")
    with pytest.raises(BadInput, match="0 seeds"):
        prepared_of(settings, [])
    with pytest.raises(BadInput, match="backbone 'random': text-classifier-rte has pretrained"):
        prepared_of(replace(settings, benchmark="text-classifier-rte"), [0])
