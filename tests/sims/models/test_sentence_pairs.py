"""Pairs through the last blocks: equal to both sentences encoded alone, and cut so that the shorter part survives."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sims.benchmarks.text import cached_below
from sims.data.dataset import PAIR
from sims.errors import BadInput
from sims.models.bert import HiddenBatch
from sims.models.checkpoint import Checkpoint, load_checkpoint
from sims.models.network import outputs_after, tangent_features
from sims.models.sentence_pairs import side_by_side
from tests.tolerances import DERIVATIVE, IDENTITY

FIRST = ("the cat", "on", "the mat")
SECOND = ("cat", "the mat", "sat on")
LONG = ("the cat sat on the mat", "on", "the mat sat on the cat")


@cache
def checkpoint() -> Checkpoint:
    return load_checkpoint(Path(__file__).with_name("checkpoints") / "bert")


def joined(first: tuple[str, ...] = FIRST, second: tuple[str, ...] = SECOND) -> list[str]:
    return [f"{a}{PAIR}{b}" for a, b in zip(first, second, strict=True)]


@pytest.mark.parametrize("blocks", [1, 2])
def test_features_of_pairs_compare_the_two_sentences_encoded_alone(blocks: int) -> None:
    found = checkpoint()
    network, inputs = cached_below(found, joined(), blocks=blocks, tokens=20)
    u, v = (np.asarray(found.network.pooled(found.tokenizer(part))) for part in (FIRST, SECOND))
    d = u.shape[1]
    u, v = (np.sqrt(d) * side / np.linalg.norm(side, axis=1, keepdims=True) for side in (u, v))
    expected = np.concatenate([np.abs(u - v), u * v], axis=1)
    tolerance = IDENTITY[np.float64]
    np.testing.assert_allclose(network(inputs), expected, rtol=tolerance, atol=tolerance)
    assert network.names == found.network.names[-6 * blocks :]


def test_the_order_within_a_pair_does_not_matter_and_the_partner_does() -> None:
    network, inputs = cached_below(checkpoint(), joined(), blocks=1, tokens=20)
    _, swapped = cached_below(checkpoint(), joined(SECOND, FIRST), blocks=1, tokens=20)
    features = np.asarray(network(inputs))
    np.testing.assert_allclose(network(swapped), features, rtol=IDENTITY[np.float64], atol=IDENTITY[np.float64])
    _, other = cached_below(checkpoint(), joined(FIRST, SECOND[::-1]), blocks=1, tokens=20)
    assert np.abs(np.asarray(network(other)) - features)[[0, 2]].max(axis=1).min() > 0.1


def test_features_of_pairs_have_the_jacobians_of_their_map() -> None:
    network, inputs = cached_below(checkpoint(), joined(), blocks=1, tokens=20)
    name = network.names[0]
    (features,) = tangent_features(network, inputs, maps=[name])
    direction = jax.random.normal(jax.random.key(0), network.matrices[name].shape)
    _, expected = jax.jvp(
        lambda step: outputs_after(network, inputs, {name: step * direction}), (jnp.zeros(()),), (jnp.ones(()),)
    )
    scale = float(jnp.abs(expected).max())
    np.testing.assert_allclose(features.apply(direction), expected, atol=DERIVATIVE[np.float64] * scale)


def test_side_by_side_keeps_every_token_once_and_pads_at_the_end() -> None:
    rng = np.random.default_rng(0)
    masks = [np.arange(4)[None] < np.array([[4], [1], [2]]), np.arange(3)[None] < np.array([[1], [3], [2]])]
    first, second = (
        HiddenBatch(jnp.asarray(rng.standard_normal((*mask.shape, 5))), jnp.asarray(mask)) for mask in masks
    )
    found = side_by_side(first, second)
    assert found.sentence.tolist() == [[1, 1, 1, 1, 2], [1, 2, 2, 2, 0], [1, 1, 2, 2, 0]]
    for which, batch, mask in ((1, first, masks[0]), (2, second, masks[1])):
        np.testing.assert_array_equal(
            np.asarray(found.hidden)[np.asarray(found.sentence) == which], np.asarray(batch.hidden)[mask]
        )


@pytest.mark.parametrize("longest", [6, 7, 12, 20])
def test_a_pair_is_cut_to_its_tokens_and_the_second_sentence_is_cut_last(longest: int) -> None:
    from dataclasses import replace

    whole = checkpoint().tokenizer
    first, second = replace(whole, longest=longest).pairs([*zip(LONG, LONG[::-1], strict=True)])
    for row, pair in enumerate(zip(LONG, LONG[::-1], strict=True)):
        full = [whole([sentence]) for sentence in pair]
        lengths = [int(batch.mask.sum()) for batch in full]
        kept = [int(batch.mask[row].sum()) for batch in (first, second)]
        assert kept[1] == min(lengths[1], longest // 2)
        assert kept[0] == min(lengths[0], longest - kept[1])
        for batch, complete, count in zip((first, second), full, kept, strict=True):
            tokens = [*complete.ids[0][: count - 1], complete.ids[0][-1]]
            assert batch.ids[row][:count].tolist() == tokens
            assert not batch.mask[row][count:].any()


def test_no_pairs_are_refused() -> None:
    with pytest.raises(BadInput, match="0 sentences: expected at least one"):
        checkpoint().tokenizer.pairs([])
