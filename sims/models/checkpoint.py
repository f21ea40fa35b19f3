"""BERT-family checkpoints from a folder with ``config.json``, ``model.safetensors`` and tokenizer files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from sims.errors import BadInput
from sims.models.bert import Bert, FirstTokenHead, Head
from sims.models.tokenizer import SentenceTokenizer, load_tokenizer
from sims.models.transformer_block import ACTIVATIONS, Affine, Block, LayerNorm

Array = Any
FAMILIES = ("bert", "roberta")
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

    The classification head of the checkpoint comes along if it has one. Raises `BadInput` for missing or damaged
    files, an architecture other than those of ``FAMILIES``, tensors that are missing or have another shape, and a
    tokenizer whose vocabulary does not fit the embedding.
    """
    folder = Path(folder)
    config = _config(folder)
    tensors = _Tensors(folder / "model.safetensors", config, dtype)
    network = _network(config, tensors)
    tokenizer = load_tokenizer(folder, config["model_type"], network.longest)
    rows, size = len(network.words), tokenizer.vocabulary
    # embeddings are sometimes padded to a multiple of 8 for speed
    if size != rows and not (size < rows < size + 128 and rows % 8 == 0):
        raise BadInput(
            f"the tokenizer in {folder} has {size} tokens, the embedding {rows} rows: they are not of one checkpoint"
        )
    return Checkpoint(network, tokenizer)


def _config(folder: Path) -> dict[str, Any]:
    missing = [name for name in ("config.json", "model.safetensors") if not (folder / name).is_file()]
    if missing:
        raise BadInput(f"{folder} is not a checkpoint folder: it has no {' and no '.join(missing)}")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf8"))
        family = config.get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise BadInput(f"{folder / 'config.json'} cannot be read as a JSON object") from error
    if family not in FAMILIES:
        raise BadInput(f"architecture {family!r} in {folder} is unknown: expected one of {', '.join(FAMILIES)}")
    sizes = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
    for name in (*sizes, "max_position_embeddings"):
        value = config.get(name)
        if not isinstance(value, int) or value < 1:
            raise BadInput(f"{name} in {folder / 'config.json'} is {value!r}: expected a whole number of at least 1")
    if config["hidden_size"] % config["num_attention_heads"]:
        raise BadInput(f"{config['num_attention_heads']} heads do not divide hidden_size {config['hidden_size']}")
    for name, known in (("hidden_act", tuple(ACTIVATIONS)), ("position_embedding_type", ("absolute",))):
        value = config.get(name, known[0])
        if value not in known:
            raise BadInput(f"{name} {value!r} in {folder / 'config.json'} is unknown: expected {' or '.join(known)}")
    return config


class _Tensors:
    """The tensors of a checkpoint, asked for by name and shape."""

    def __init__(self, path: Path, config: dict[str, Any], dtype: Any) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            found = load_file(path)
        except (OSError, SafetensorError, KeyError, TypeError) as error:
            raise BadInput(f"{path} is damaged or of an unknown number format: {error}") from error
        # a model with a head puts the encoder under the family's name; old files call layer norm gamma and beta
        prefix = f"{config['model_type']}."
        self.values = {
            name.removeprefix(prefix)
            .replace("LayerNorm.gamma", "LayerNorm.weight")
            .replace("LayerNorm.beta", "LayerNorm.bias"): value
            for name, value in found.items()
        }
        self.path, self.dtype, self.epsilon = path, dtype, float(config.get("layer_norm_eps", 1e-12))

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str, *shape: int | None) -> Array:
        """Return a tensor of this shape (None: any length); raise `BadInput` if it is not there or has another."""
        if name not in self.values:
            raise BadInput(f"{self.path} has no tensor {name!r}: it is incomplete or of another architecture")
        value = self.values[name]
        if len(value.shape) != len(shape) or any(b not in (None, a) for a, b in zip(value.shape, shape)):
            expected = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
            raise BadInput(f"tensor {name!r} in {self.path} has shape {value.shape}, expected {expected}")
        if not np.isfinite(value).all():
            raise BadInput(f"tensor {name!r} in {self.path} holds NaN or infinite entries")
        return jnp.asarray(value, dtype=self.dtype)

    def affine(self, name: str, d_out: int | None, d_in: int) -> Affine:
        """Return weight and bias."""
        weight = self.get(f"{name}.weight", d_out, d_in)
        return Affine(weight, self.get(f"{name}.bias", weight.shape[0]))

    def norm(self, name: str, d: int) -> LayerNorm:
        """Return a layer norm."""
        return LayerNorm(self.get(f"{name}.weight", d), self.get(f"{name}.bias", d), self.epsilon)


def _network(config: dict[str, Any], tensors: _Tensors) -> Bert:
    d, hidden = config["hidden_size"], config["intermediate_size"]
    shapes = dict.fromkeys(_PLACES, (d, d)) | {"up": (hidden, d), "down": (d, hidden)}
    blocks = []
    for layer in range(config["num_hidden_layers"]):
        place = f"encoder.layer.{layer}."
        parts = {kind: tensors.affine(place + where, *shapes[kind]) for kind, where in _PLACES.items()}
        blocks.append(
            Block(
                **parts,
                attention_norm=tensors.norm(f"{place}attention.output.LayerNorm", d),
                mlp_norm=tensors.norm(f"{place}output.LayerNorm", d),
                heads=config["num_attention_heads"],
                norm_first=False,
                activation=config.get("hidden_act", "gelu"),
            )
        )
    return Bert(
        words=tensors.get("embeddings.word_embeddings.weight", config["vocab_size"], d),
        positions=tensors.get("embeddings.position_embeddings.weight", config["max_position_embeddings"], d),
        token_type=tensors.get("embeddings.token_type_embeddings.weight", None, d)[0],
        norm=tensors.norm("embeddings.LayerNorm", d),
        blocks=tuple(blocks),
        head=_head(config["model_type"], tensors, d),
        # RoBERTa's positions begin after that of the padding token
        offset=0 if config["model_type"] == "bert" else int(config.get("pad_token_id", 1)) + 1,
    )


def _head(family: str, tensors: _Tensors, d: int) -> Head | None:
    dense, last = ("pooler.dense", "classifier") if family == "bert" else ("classifier.dense", "classifier.out_proj")
    if f"{last}.weight" not in tensors:
        return None
    return FirstTokenHead(tensors.affine(dense, d, d), tensors.affine(last, None, d))
