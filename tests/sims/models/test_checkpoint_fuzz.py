"""Any value in any setting, and any damage to a file: a network with finite outputs, or one line."""

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sims.errors import BadInput
from sims.models.checkpoint import load_checkpoint
from tests.sims.models.test_checkpoint import FOLDER, edit_config
from tests.sims.models.test_checkpoint_files import copied, write_whole

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(
        [10**30, 1e308, float("nan"), float("inf"), 0.5, "gelu", "", "[UNK]", [], {}, [1], {"0": 1}, "x" * 500]
    ),
)
CONFIG_KEYS = sorted(json.loads((FOLDER / "bert" / "config.json").read_text()))
TOKENIZER_KEYS = """
    do_lower_case strip_accents tokenize_chinese_chars unk_token sep_token pad_token cls_token mask_token
    bos_token added_tokens_decoder additional_special_tokens extra_special_tokens model_max_length tokenizer_class
    split_special_tokens never_split do_basic_tokenize padding_side add_prefix_space other other_token
"""


def loads_or_refuses(folder: Path) -> None:
    message = ""
    try:
        found = load_checkpoint(folder)
        hidden = np.asarray(found.network.hidden(found.tokenizer("a good [MASK] film", truncate=True)))
        assert np.isfinite(hidden).all()
    except BadInput as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 500 + len(str(folder))


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(changes=st.dictionaries(st.sampled_from(CONFIG_KEYS), VALUES, min_size=1, max_size=2))
@settings(max_examples=60)
def test_any_value_in_the_configuration(changes: dict[str, Any]) -> None:
    with copied() as folder:
        edit_config(**changes)(folder)
        loads_or_refuses(folder)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(changes=st.dictionaries(st.sampled_from(TOKENIZER_KEYS.split()), VALUES, min_size=1, max_size=2))
@settings(max_examples=60)
def test_any_value_in_the_settings_of_the_tokenizer(changes: dict[str, Any]) -> None:
    with copied() as folder:
        (folder / "tokenizer_config.json").write_text(json.dumps(changes))
        loads_or_refuses(folder)


WHOLE = {
    "model": ["type", "vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "merges", "other"],
    "normalizer": ["type", "lowercase", "strip_accents", "handle_chinese_chars", "clean_text"],
    "pre_tokenizer": ["type"],
    "post_processor": ["type", "single", "cls", "special_tokens"],
    "padding": ["pad_token"],
}
CLASSES = st.sampled_from(["BertTokenizer", "PreTrainedTokenizerFast", "RobertaTokenizer", None])


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(
    changes=st.dictionaries(st.sampled_from([*WHOLE, "added_tokens", "version"]), VALUES, max_size=1),
    part=st.sampled_from([(part, key) for part, keys in WHOLE.items() for key in keys]),
    value=VALUES,
    name=CLASSES,
)
@settings(max_examples=60)
def test_any_value_in_a_whole_tokenizer(changes: dict, part: tuple[str, str], value: Any, name: str | None) -> None:
    with copied() as folder:
        written = write_whole(folder)
        if isinstance(written.get(part[0]), dict):
            written[part[0]][part[1]] = value
        (folder / "tokenizer.json").write_text(json.dumps(written | changes))
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
        loads_or_refuses(folder)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(
    name=st.sampled_from(["config.json", "tokenizer_config.json", "vocab.txt", "model.safetensors"]),
    place=st.floats(0, 1),
    patch=st.binary(min_size=1, max_size=4),
)
@settings(max_examples=60)
def test_any_damage(name: str, place: float, patch: bytes) -> None:
    with copied() as folder:
        content = bytearray((folder / name).read_bytes())
        # the numbers at the end of the weights may be any
        start = int(place * min(len(content) - 1, 2000))
        content[start : start + len(patch)] = patch
        (folder / name).write_bytes(bytes(content))
        loads_or_refuses(folder)
