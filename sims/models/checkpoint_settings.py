"""The settings in config.json: followed, known to change no output, refused by name, or named in a warning."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sims.errors import BadInput
from sims.models.json_files import listed, read_object, shown, whole_number
from sims.models.transformer_block import ACTIVATIONS

FAMILIES = ("bert", "roberta")
_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
# settings with values that this reader follows: another one would be another network
_ONLY: Mapping[str, tuple[Any, ...]] = {
    "position_embedding_type": ("absolute",),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
    "is_encoder_decoder": (False, None),
    "quantization_config": (None,),
    "pruned_heads": ({}, None),
}
_FOLLOWED = frozenset(
    (*_SIZES, *_ONLY, "model_type", "max_position_embeddings", "hidden_act", "layer_norm_eps", "pad_token_id")
) | {"architectures", "id2label", "num_labels"}
# training, generation of text, what is returned, number formats, and names
_HARMLESS = """
    _attn_implementation _attn_implementation_autoset _commit_hash _name_or_path attention_probs_dropout_prob
    attn_implementation bad_words_ids begin_suppress_tokens bos_token_id chunk_size_feed_forward classifier_dropout
    cls_token_id cross_attention_hidden_size decoder_start_token_id directionality diversity_penalty do_sample dtype
    early_stopping encoder_no_repeat_ngram_size eos_token_id exponential_decay_length_penalty finetuning_task
    forced_bos_token_id forced_eos_token_id gradient_checkpointing hidden_dropout_prob initializer_range label2id
    language length_penalty mask_token_id max_length min_length name no_repeat_ngram_size num_beam_groups num_beams
    num_return_sequences output_attentions output_hidden_states output_past output_scores pooler_fc_size
    pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head pooler_type prefix problem_type
    remove_invalid_values repetition_penalty return_dict return_dict_in_generate sep_token_id suppress_tokens
    task_specific_params temperature tf_legacy_loss tie_encoder_decoder tie_word_embeddings tokenizer_class top_k top_p
    torch_dtype torchscript transformers_version type_vocab_size typical_p unk_token_id use_bfloat16 use_cache
"""


@dataclass(frozen=True)
class NetworkSettings:
    """What config.json says of the network. ``offset`` is the position of the first token."""

    family: str
    width: int
    depth: int
    heads: int
    hidden: int
    vocabulary: int
    positions: int
    activation: str
    epsilon: float
    offset: int
    architectures: tuple[str, ...]
    labels: int | None


def read_network_settings(folder: Path) -> NetworkSettings:
    """Return the settings in a folder's config.json.

    Raises `BadInput` for a file that cannot be read, an architecture other than those of ``FAMILIES``, a size, epsilon
    or padding number out of range, and settings that make another network. Warns of keys that are not known.
    """
    path = folder / "config.json"
    config = read_object(path)
    family = config.get("model_type")
    if family not in FAMILIES:
        raise BadInput(f"architecture {shown(family)} in {folder} is unknown: expected one of {', '.join(FAMILIES)}")
    for name in (*_SIZES, "max_position_embeddings"):
        if not whole_number(config.get(name), least=1):
            raise BadInput(f"{name} in {path} is {shown(config.get(name))}: expected a whole number of at least 1")
    if config["hidden_size"] % config["num_attention_heads"]:
        raise BadInput(f"{config['num_attention_heads']} heads do not divide hidden_size {config['hidden_size']}")
    activation = config.get("hidden_act", "gelu")
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise BadInput(f"hidden_act {shown(activation)} in {path} is unknown: expected {' or '.join(ACTIVATIONS)}")
    for name, values in _ONLY.items():
        if name in config and not any(type(config[name]) is type(v) and config[name] == v for v in values):
            raise BadInput(f"{name} {shown(config[name])} in {path} is not supported: expected {values[0]!r}")
    unknown = [name for name in config if name not in _FOLLOWED | set(_HARMLESS.split())]
    if unknown:
        warnings.warn(f"{path}: not known, and not followed: {listed(unknown)}", stacklevel=3)
    return NetworkSettings(
        family=family,
        width=config["hidden_size"],
        depth=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        hidden=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        positions=config["max_position_embeddings"],
        activation=activation,
        epsilon=_epsilon(config, path),
        offset=_offset(config, path),
        architectures=_architectures(config.get("architectures"), path),
        labels=_labels(config, path),
    )


def _epsilon(config: dict[str, Any], path: Path) -> float:
    value = config.get("layer_norm_eps", 1e-12)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # without it a constant vector would be divided by 0
    if not number or not math.isfinite(value) or not 0 < value <= 1:
        raise BadInput(f"layer_norm_eps in {path} is {shown(value)}: expected a number above 0, up to 1")
    return float(value)


def _offset(config: dict[str, Any], path: Path) -> int:
    """Return the position of the first token: RoBERTa's positions begin after that of the padding token."""
    roberta = config["model_type"] == "roberta"
    number = config.get("pad_token_id", int(roberta))
    last = config["vocab_size"] - 1
    if (number is None and not roberta) or (whole_number(number) and number <= last):
        offset = number + 1 if roberta else 0
        if offset + 3 <= config["max_position_embeddings"]:
            return int(offset)
        raise BadInput(
            f"max_position_embeddings in {path} is {config['max_position_embeddings']}: positions begin at {offset}, "
            "and a word with start and end token needs three"
        )
    raise BadInput(f"pad_token_id in {path} is {shown(number)}: expected a token number, 0 to {last}")


def _architectures(value: Any, path: Path) -> tuple[str, ...]:
    names = [] if value is None else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadInput(f"architectures in {path} is {shown(value)}: expected a list of names")
    return tuple(names)


def _labels(config: dict[str, Any], path: Path) -> int | None:
    """Return the number of labels, if the file says one."""
    names, number = config.get("id2label"), config.get("num_labels")
    if names is not None and not isinstance(names, dict):
        raise BadInput(f"id2label in {path} is {shown(names)}: expected numbers with names")
    if number is not None and not whole_number(number, least=1):
        raise BadInput(f"num_labels in {path} is {shown(number)}: expected a whole number of at least 1")
    return len(names) if names else number
