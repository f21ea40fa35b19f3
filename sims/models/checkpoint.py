"""BERT-family checkpoints from a folder with ``config.json``, safetensors files and tokenizer files."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from sims.errors import BadInput
from sims.models.bert import Bert, FirstTokenHead, Head
from sims.models.checkpoint_settings import NetworkSettings, read_network_settings
from sims.models.checkpoint_tensors import INDEX, ONE_FILE, Tensors
from sims.models.tokenizer import SentenceTokenizer
from sims.models.tokenizer_files import load_tokenizer
from sims.models.transformer_block import Block

# where a block's parts are in the checkpoint
_PLACES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "up": "intermediate.dense",
    "down": "output.dense",
}


@dataclass(frozen=True)
class Checkpoint:
    """A frozen network and the tokenizer that belongs to it."""

    network: Bert
    tokenizer: SentenceTokenizer


def load_checkpoint(folder: str | Path, *, dtype: Any = jnp.float64) -> Checkpoint:
    """Return the network, weights in ``dtype``, and the tokenizer of a checkpoint folder.

    A head for whole sentences comes along if the checkpoint has one; heads for single tokens, spans or masked words are
    left out. Raises `BadInput` for missing or damaged files, an architecture other than BERT and RoBERTa, settings or
    tensors that make another network (decoders, quantised weights, relative positions), tensors that are missing or
    have another shape, and a tokenizer that has more tokens than the embedding rows. Warns of settings and tensors that
    are not known.
    """
    folder = Path(folder)
    missing = [] if os.path.isfile(folder / "config.json") else ["config.json"]
    missing += [] if any(os.path.isfile(folder / name) for name in (ONE_FILE, INDEX)) else [ONE_FILE]
    if missing:
        hint = ": convert the weights to safetensors" if os.path.isfile(folder / "pytorch_model.bin") else ""
        raise BadInput(f"{folder} is not a checkpoint folder: it has no {' and no '.join(missing)}{hint}")
    settings = read_network_settings(folder)
    tensors = Tensors(folder, settings.family, dtype)
    network = _network(settings, tensors)
    tensors.check_rest(settings.depth)
    return Checkpoint(network, load_tokenizer(folder, settings.family, network.longest, settings.vocabulary))


def _network(settings: NetworkSettings, tensors: Tensors) -> Bert:
    d, hidden, epsilon = settings.width, settings.hidden, settings.epsilon
    shapes = dict.fromkeys(_PLACES, (d, d)) | {"up": (hidden, d), "down": (d, hidden)}
    blocks = []
    for layer in range(settings.depth):
        place = f"encoder.layer.{layer}."
        parts = {kind: tensors.affine(place + where, *shapes[kind]) for kind, where in _PLACES.items()}
        blocks.append(
            Block(
                **parts,
                attention_norm=tensors.norm(f"{place}attention.output.LayerNorm", d, epsilon),
                mlp_norm=tensors.norm(f"{place}output.LayerNorm", d, epsilon),
                heads=settings.heads,
                norm_first=False,
                activation=settings.activation,
            )
        )
    return Bert(
        words=tensors.get("embeddings.word_embeddings.weight", settings.vocabulary, d),
        positions=tensors.get("embeddings.position_embeddings.weight", settings.positions, d),
        token_type=tensors.get("embeddings.token_type_embeddings.weight", None, d)[0],
        norm=tensors.norm("embeddings.LayerNorm", d, epsilon),
        blocks=tuple(blocks),
        head=_head(settings, tensors),
        offset=settings.offset,
    )


def _head(settings: NetworkSettings, tensors: Tensors) -> Head | None:
    """Return the head for whole sentences. Without a name of the architecture, the tensors say whether there is one."""
    d = settings.width
    bert = settings.family == "bert"
    dense, last = ("pooler.dense", "classifier") if bert else ("classifier.dense", "classifier.out_proj")
    if settings.architectures:
        wanted = any(name.endswith("ForSequenceClassification") for name in settings.architectures)
    else:
        wanted = f"{dense}.weight" in tensors
    if not wanted or not any(f"{last}.{part}" in tensors for part in ("weight", "bias")):
        return None
    head = FirstTokenHead(tensors.affine(dense, d, d), tensors.affine(last, None, d))
    outputs = len(head.linear.weight)
    if settings.labels not in (None, outputs):
        raise BadInput(f"config.json has {settings.labels} labels, the head {outputs} outputs: not of one checkpoint")
    return head
