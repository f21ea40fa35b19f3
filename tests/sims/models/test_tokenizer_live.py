"""The same token numbers as transformers, on the same folders. Skipped only where transformers is not installed."""

import json
import shutil
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import event, given

from sims.errors import BadInput
from sims.models.tokenizer import SentenceTokenizer
from sims.models.tokenizer_files import load_tokenizer
from tests.sims.models.test_checkpoint import FOLDER

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, not ours

ABSENT = object()
LETTERS = "abcdeéèñüßøABÉÜ中文日本語ñiİ"
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "film",
    "Film",
    "mochte",
    "möchte",
    "Möchte",
    "中文",
    "##文",
    "##!",
]
WORDS += [
    "resume",
    "résumé",
    "Résumé",
    "RÉSUMÉ",
    "the",
    "The",
    ".",
    ",",
    "!",
    "[",
    "]",
    "##film",
    "mask",
    "cafe",
    "##\u0301",
]
WORDS += list(dict.fromkeys(LETTERS)) + [f"##{letter}" for letter in dict.fromkeys(LETTERS)]
SIZE = len(dict.fromkeys(WORDS))
PIECES = [
    *WORDS,
    *(w.removeprefix("##") for w in WORDS),
    *"\t\n\r\0\u200b\xa0\u2028\u3000\ufffd",
    "[mask]",
    "<new>",
    "<New>",
    " <new> ",
]
PIECES += [
    "cafe\u0301",
    "E\u0301",
    "😀",
    "ﬁ",
    "x" * 101,
    "a" * 100,
    "don't",
    "3.5",
    "[UNK]film",
    "[ MASK ]",
    "<mask>",
    " <mask>",
]


def texts() -> list[str]:
    rng = np.random.default_rng(0)
    rows = [rng.choice(PIECES, rng.integers(0, 9)) for _ in range(300)]
    joined = [rng.choice(["", " ", "  "]).join(row) for row in rows]
    return ["", " ", *PIECES, *joined]


TEXTS = texts()


def write(folder: Path, settings: Mapping[str, Any], files: Mapping[str, Any] | None = None) -> None:
    said = {key: value for key, value in settings.items() if value is not ABSENT}
    for name, value in {"tokenizer_config.json": said, **(files or {})}.items():
        (folder / name).write_text(json.dumps(value), encoding="utf8")


def compare(folder: Path, *, family: str) -> SentenceTokenizer:
    reference = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    found = load_tokenizer(folder, family, 512, len(reference))
    expected = [reference(text)["input_ids"] for text in TEXTS]
    ours = [found.tokenizer.encode(text).ids for text in TEXTS]
    wrong = [(text, a, b) for text, a, b in zip(TEXTS, ours, expected, strict=True) if a != b]
    assert not wrong, wrong[:3]
    # theirs has none where no file names one
    assert reference.pad_token_id in (None, found.padding)
    return found


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return vocabulary(tmp_path)


def vocabulary(folder: Path) -> Path:
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(WORDS)) + "\n", encoding="utf8")
    return folder


def as_whole(folder: Path) -> None:
    """Replace the vocabulary file by a tokenizer.json that transformers writes with default settings."""
    transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True).save_pretrained(folder)
    for name in ("vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)


SWITCHES = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")


@pytest.mark.parametrize("whole", [False, True])
def test_every_combination_of_settings(bert: Path, whole: bool) -> None:
    if whole:
        as_whole(bert)
    seen = set()
    for values in product((ABSENT, True, False), (ABSENT, None, True, False), (ABSENT, True, False)):
        write(bert, dict(zip(SWITCHES, values, strict=True)))
        found = compare(bert, family="bert")
        seen.add(str([found.tokenizer.encode(text).ids for text in TEXTS]))
    # lower case, accents (null follows lower case) and Chinese characters each change some text: 2 x 2 x 2 tokenizers
    assert len(seen) == 8


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("settings", "files"),
    [
        ({"split_special_tokens": True}, {}),
        ({"mask_token": "film", "bos_token": "the"}, {}),
        ({"tokenizer_class": "BertTokenizerFast", "extra_special_tokens": ["<new>", "Film"]}, {}),
        ({"additional_special_tokens": ["<new>"]}, {}),
        ({"model_max_length": 512, "do_basic_tokenize": True, "never_split": None, "name_or_path": "somewhere"}, {}),
        ({}, {"special_tokens_map.json": {"mask_token": {"content": "[MASK]", "lstrip": True}, "cls_token": "[SEP]"}}),
    ],
)
def test_special_tokens_stay_whole(bert: Path, whole: bool, settings: dict, files: dict) -> None:
    if whole:
        as_whole(bert)
        # their version takes marks from the file, which has the names of all special tokens too
        if files:
            return
    write(bert, settings, files)
    compare(bert, family="bert")


def test_another_unknown_word_and_other_ends(bert: Path) -> None:
    write(bert, {"unk_token": "[MASK]", "cls_token": "[SEP]", "sep_token": "film", "mask_token": None})
    compare(bert, family="bert")


def test_added_tokens_of_either_file(bert: Path) -> None:
    write(bert, {}, {"added_tokens.json": {"<new>": SIZE, "naïve": SIZE + 1}})
    found = compare(bert, family="bert")
    assert found.tokenizer.token_to_id("naïve") == SIZE + 1
    (bert / "added_tokens.json").unlink()
    token = {"content": "<new>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": True}
    write(bert, {"added_tokens_decoder": {str(SIZE): token | {"special": False}}})
    compare(bert, family="bert")


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("prefix", [ABSENT, True, False])
def test_byte_level_tokenizers(tmp_path: Path, whole: bool, prefix: object) -> None:
    folder = tmp_path / "roberta"
    shutil.copytree(FOLDER / "roberta", folder)
    if whole:
        as_whole(folder)
    write(folder, {"add_prefix_space": prefix})
    compare(folder, family="roberta")


def test_a_whole_file_is_taken_as_it_is(bert: Path) -> None:
    write(bert, {"do_lower_case": False, "strip_accents": True})
    reference = transformers.AutoTokenizer.from_pretrained(bert, local_files_only=True)
    reference.save_pretrained(bert)
    (bert / "vocab.txt").unlink()
    write(bert, {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"})
    compare(bert, family="bert")


def marked(content: str) -> st.SearchStrategy[dict[str, Any]]:
    flags = {name: st.booleans() for name in ("lstrip", "rstrip", "normalized", "single_word", "special")}
    return st.fixed_dictionaries({"content": st.just(content), **flags})


SETTINGS = {
    "do_lower_case": st.booleans(),
    "strip_accents": st.sampled_from([None, True, False]),
    "tokenize_chinese_chars": st.booleans(),
    "split_special_tokens": st.booleans(),
    "mask_token": st.one_of(st.just("film"), marked("[MASK]").map(lambda token: token | {"__type": "AddedToken"})),
    "extra_special_tokens": st.sampled_from([["<new>"], ["mask", ".", "<new>"]]),
    "additional_special_tokens": st.just(["<New>"]),
    "tokenizer_class": st.sampled_from(["BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast"]),
    "bos_token": st.just("the"),
    "other_token": st.just("<other>"),
    "added_tokens_decoder": st.fixed_dictionaries({str(SIZE): marked("<new>"), "4": marked("[MASK]")}),
}
FILES = {
    "added_tokens.json": st.just({"<new>": SIZE, "naïve": SIZE + 1}),
    "special_tokens_map.json": st.fixed_dictionaries({"mask_token": marked("[MASK]")}),
}


@given(
    settings=st.fixed_dictionaries({}, optional=SETTINGS),
    files=st.fixed_dictionaries({}, optional=FILES),
    whole=st.booleans(),
)
def test_any_folder_is_read_as_they_read_it_or_refused(settings: dict, files: dict, whole: bool) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        vocabulary(folder)
        if whole:
            as_whole(folder)
        write(folder, settings, files)
        try:
            compare(folder, family="bert")
        except BadInput:
            event("refused")
            # two lists of tokens, no tokenizer.json for a class that needs it, or a switch that contradicts it
            lists = {"extra_special_tokens", "additional_special_tokens"} <= set(settings)
            assert lists or settings.get("tokenizer_class") == "PreTrainedTokenizerFast"
        except ValueError as error:
            # theirs, without tokenizer.json for a class that needs it
            if "instantiate the backend" not in str(error):
                raise
