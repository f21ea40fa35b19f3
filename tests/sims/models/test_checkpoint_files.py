"""Folders that people bring and that are fine: other layouts, spare rows, more tensors; and what is only warned of."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sims.errors import BadInput
from sims.models.bert import TokenBatch
from sims.models.checkpoint import load_checkpoint
from sims.models.tokenizer import SentenceTokenizer
from tests.sims.models.test_checkpoint import FOLDER, REFERENCE, checkpoint, edit_config
from tests.tolerances import IDENTITY

SENTENCES = REFERENCE["sentences"]


@contextmanager
def copied(family: str = "bert") -> Iterator[Path]:
    with TemporaryDirectory() as place:
        yield Path(shutil.copytree(FOLDER / family, Path(place, "checkpoint")))


@pytest.fixture
def folder() -> Iterator[Path]:
    with copied() as place:
        yield place


def same_numbers(folder: Path, *, head: bool = True) -> None:
    found, expected = load_checkpoint(folder), checkpoint("bert")
    batch = found.tokenizer(SENTENCES)
    np.testing.assert_array_equal(batch.ids, expected.tokenizer(SENTENCES).ids)
    np.testing.assert_array_equal(found.network.pooled(batch), expected.network.pooled(batch))
    assert (found.network.head is not None) == head


def split(folder: Path, parts: int = 3) -> dict[str, Any]:
    """Replace the file of weights by several with an index; return the index."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {name: f"model-{i % parts}.safetensors" for i, name in enumerate(tensors)}
    for file in set(places.values()):
        save_file({name: tensors[name] for name, place in places.items() if place == file}, folder / file)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return index


def test_weights_in_several_files(folder: Path) -> None:
    split(folder)
    same_numbers(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"a": "../elsewhere.safetensors"},
            "says that 'a' is in '../elsewhere.safetensors': expected a file of the fold",
        ),
        ({"a": 3}, "says that 'a' is in 3"),
        ({"a": "model-9.safetensors"}, "has no model-9.safetensors, which model.safetensors.index.json names"),
        ({"a": "model-0.safetensors"}, "model-0.safetensors has no tensor 'a', which .* says is there"),
        (None, "has no weight_map"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(folder: Path, change: dict | None, message: str) -> None:
    index = split(folder)
    index["weight_map"] = None if change is None else index["weight_map"] | change
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BadInput, match=message):
        load_checkpoint(folder)


def test_other_formats_of_numbers(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    for kind in (np.float64, np.float16, jnp.bfloat16):
        save_file({name: value.astype(kind) for name, value in tensors.items()}, folder / "model.safetensors")
        found = np.asarray(load_checkpoint(folder).network.words)
        expected = tensors["bert.embeddings.word_embeddings.weight"].astype(kind).astype(np.float64)
        np.testing.assert_array_equal(found, expected)
    tensors["classifier.bias"] = np.full(3, 1e300)
    save_file(tensors, folder / "model.safetensors")
    load_checkpoint(folder)
    with pytest.raises(BadInput, match=r"'classifier.bias' .* holds NaN or infinite entries"):
        load_checkpoint(folder, dtype=jnp.float32)


def test_settings_that_change_nothing(folder: Path) -> None:
    edit_config(is_decoder=None, quantization_config=None, pruned_heads={}, torch_dtype="bfloat16", pad_token_id=None)(
        folder
    )
    (folder / "config.json").write_bytes(b"\xef\xbb\xbf" + (folder / "config.json").read_bytes())
    same_numbers(folder)


def test_unknown_settings_and_tensors_are_named_in_a_warning(folder: Path) -> None:
    edit_config(embedding_norm="rms", rope_theta=1e4)(folder)
    with pytest.warns(UserWarning, match="config.json: not known, and not followed: embedding_norm, rope_theta"):
        same_numbers(folder)
    shutil.copy(FOLDER / "bert" / "config.json", folder)
    (folder / "tokenizer_config.json").write_text('{"split_hyphens": true}')
    with pytest.warns(UserWarning, match="tokenizer_config.json: not known, and not followed: split_hyphens"):
        same_numbers(folder)
    shutil.copy(FOLDER / "bert" / "tokenizer_config.json", folder)
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"adapters.0.weight": np.ones(2, np.float32)}, folder / "model.safetensors")
    with pytest.warns(UserWarning, match="tensors that are not known, and not read: adapters.0.weight"):
        same_numbers(folder)
    save_file(tensors, folder / "model.safetensors")
    edit_config(num_hidden_layers=1)(folder)
    with pytest.warns(UserWarning, match="more blocks than the 1 of config.json"):
        assert len(load_checkpoint(folder).network.blocks) == 1


@pytest.mark.parametrize(
    ("architectures", "dropped", "head"),
    [
        (["BertForSequenceClassification"], (), True),
        (None, (), True),
        (None, ("bert.pooler.dense.weight", "bert.pooler.dense.bias"), False),
        (["BertForTokenClassification"], ("bert.pooler.dense.weight", "bert.pooler.dense.bias"), False),
        (["BertForTokenClassification"], (), False),
        (["BertForMaskedLM"], (), False),
        (["BertForSequenceClassification"], ("classifier.weight", "classifier.bias"), False),
    ],
)
def test_only_a_head_for_whole_sentences_is_read(
    folder: Path, architectures: list[str] | None, dropped: tuple[str, ...], head: bool
) -> None:
    edit_config(architectures=architectures)(folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["cls.predictions.bias"] = np.zeros(65, np.float32)
    tensors["bert.embeddings.position_ids"] = np.arange(20)[None]
    save_file({name: value for name, value in tensors.items() if name not in dropped}, folder / "model.safetensors")
    same_numbers(folder, head=head)


# Vocabularies


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n", "\n\n \n"])
def test_blank_last_lines_of_a_vocabulary_are_no_tokens(folder: Path, end: str) -> None:
    text = (folder / "vocab.txt").read_text().rstrip("\n")
    lines = "\r\n" if "\r" in end else "\n"
    (folder / "vocab.txt").write_bytes(("\ufeff" + text.replace("\n", lines) + end).encode())
    same_numbers(folder)


def test_spare_rows_are_allowed_and_said(folder: Path) -> None:
    text = (folder / "vocab.txt").read_text().splitlines()
    (folder / "vocab.txt").write_text("\n".join(text[:-3]))
    with pytest.warns(UserWarning, match="has 62 tokens, the embedding 65 rows, of which some are never used"):
        found = load_checkpoint(folder)
    assert found.tokenizer("good film").ids.max() < 62


def test_blank_and_repeated_lines_keep_the_numbers_of_the_others(folder: Path) -> None:
    lines = (folder / "vocab.txt").read_text().splitlines()
    lines[10], lines[11] = "", lines[12]
    (folder / "vocab.txt").write_text("\n".join(lines[:-1]))
    (folder / "added_tokens.json").write_text('{"<new>": 64}')
    found = load_checkpoint(folder).tokenizer("good <new> film")
    assert found.ids.tolist() == [[2, 57, 64, 58, 3]]


def test_a_token_without_a_row_is_refused_when_it_is_used(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text('{"extra_special_tokens": ["<new>"]}')
    tokenizer = load_checkpoint(folder).tokenizer
    assert tokenizer(["good"]).ids.shape == (1, 3)
    with pytest.raises(BadInput, match="sentence 1 has the token '<new>', number 65: the embedding has 65 rows"):
        tokenizer(["good", "a <new> film"])


# Sentences


def test_a_bare_string_is_one_sentence() -> None:
    tokenizer = checkpoint("bert").tokenizer
    np.testing.assert_array_equal(tokenizer("good film").ids, tokenizer(["good film"]).ids)
    np.testing.assert_array_equal(tokenizer(np.array(["good film"])).ids, tokenizer(["good film"]).ids)


@pytest.mark.parametrize("sentence", [None, 3, b"good", ("good", "film"), ["good"], "\ud800", float("nan")])
def test_what_is_no_text_is_refused(sentence: Any) -> None:
    tokenizer = checkpoint("bert").tokenizer
    with pytest.raises(BadInput, match=r"sentence 1 is .*: expected text"):
        tokenizer(["good", sentence])
    with pytest.raises(BadInput, match=r"sentence 0 is .*: expected text"):
        tokenizer.pairs([("good", sentence)])


def test_pairs_must_be_pairs() -> None:
    tokenizer = checkpoint("bert").tokenizer
    for wrong in ("ab", ("a",), ("a", "b", "c")):
        with pytest.raises(BadInput, match=r"pair 0 is .*: expected two sentences"):
            tokenizer.pairs([wrong])
    with pytest.raises(BadInput, match="0 sentences"):
        tokenizer.pairs([])


def test_a_sequence_too_long_is_refused_or_cut() -> None:
    found = checkpoint("bert")
    sentences = ["good", "a film " * 20]
    with pytest.raises(BadInput, match="sentence 1 has 42 tokens, more than the 20 of this checkpoint"):
        found.tokenizer(sentences)
    batch = found.tokenizer(sentences, truncate=True)
    assert batch.ids.shape == (2, 20)
    assert batch.ids[1, -1] == batch.ids[0, 2]  # both end with [SEP]
    wide = eqx.tree_at(lambda b: (b.ids, b.mask), batch, (np.ones((1, 21), int), np.ones((1, 21), bool)))
    with pytest.raises(BadInput, match="a sequence of 21 tokens is too long: this checkpoint takes up to 20"):
        found.network.hidden(wide)
    with pytest.raises(BadInput, match="0 sentences"):
        found.tokenizer([])


def test_the_limit_of_the_tokenizer_counts_too(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 8}')
    assert load_checkpoint(folder).tokenizer(["a film " * 20], truncate=True).ids.shape == (1, 8)


@pytest.mark.parametrize(("a", "b"), [*product(range(0, 40, 6), repeat=2), (2, 14), (14, 2), (8, 8), (9, 8)])
def test_each_sentence_of_a_pair_may_use_what_the_other_leaves(a: int, b: int) -> None:
    tokenizer = checkpoint("bert").tokenizer
    first, second = (batch.ids.shape[1] for batch in tokenizer.pairs([("a " * a, "film " * b)]))
    whole = (a + 2, b + 2)
    if sum(whole) <= tokenizer.longest:
        assert (first, second) == whole
    else:
        # nothing is left unused, and nobody is cut below half while the other has more
        assert first + second == tokenizer.longest
        assert first >= min(whole[0], tokenizer.longest // 2)
        assert second >= min(whole[1], tokenizer.longest // 2)


def test_padding_inside_a_text_has_no_position_for_roberta() -> None:
    """RoBERTa's positions count the tokens that are not padding; 1 is its padding token here, at position 1."""
    network = checkpoint("roberta").network
    ids = jnp.asarray([[0, 20, 1, 30, 2]])
    batch = TokenBatch(ids, jnp.ones((1, 5), bool))
    sequential, right = (
        replace(network, positions=network.positions[jnp.asarray(rows)], offset=0)
        for rows in ([2, 3, 4, 5, 6], [2, 3, 1, 4, 5])
    )
    tolerance = IDENTITY[np.float64]
    np.testing.assert_allclose(network.hidden(batch), right.hidden(batch), rtol=tolerance, atol=tolerance)
    assert float(jnp.abs(network.hidden(batch) - sequential.hidden(batch)).max()) > tolerance


def test_a_tokenizer_without_end_tokens_has_no_empty_sentence() -> None:
    from tokenizers import Tokenizer, models

    bare = SentenceTokenizer(Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]")), 0, 8, 1)
    with pytest.raises(BadInput, match="sentence 1 has no tokens, and this tokenizer adds none"):
        bare(["good", ""])


# tokenizer.json


def write_whole(folder: Path) -> dict[str, Any]:
    """Write the tokenizer of the folder as tokenizer.json, and return what it says."""
    tokenizer = load_checkpoint(folder).tokenizer.tokenizer
    tokenizer.save(str(folder / "tokenizer.json"))
    return json.loads((folder / "tokenizer.json").read_text())


def test_a_whole_tokenizer_is_read_for_each_class(folder: Path) -> None:
    write_whole(folder)
    (folder / "vocab.txt").unlink()
    for name in ("BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast", None):
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
        same_numbers(folder)


@pytest.mark.parametrize(
    ("part", "change", "settings", "message"),
    [
        ("model", {"continuing_subword_prefix": "@@"}, {}, "continuing_subword_prefix '@@': expected '##'"),
        ("model", {"max_input_chars_per_word": 5}, {}, "max_input_chars_per_word 5: expected 100"),
        ("model", {"unk_token": "[MASK]"}, {}, r"has the unknown token '\[MASK\]', the settings '\[UNK\]'"),
        ("normalizer", {"type": "NFC"}, {}, "type 'NFC': expected 'BertNormalizer'"),
        ("pre_tokenizer", {"type": "Whitespace"}, {}, "type 'Whitespace': expected 'BertPreTokenizer'"),
        ("post_processor", {"cls": ["[SEP]", 3]}, {}, r"puts \('\[SEP\]', '\[SEP\]'\) around a sentence"),
        ("post_processor", {"type": "ByteLevel"}, {}, "puts .* around a sentence"),
        (
            "normalizer",
            {"lowercase": False},
            {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True},
            "do_lower_case True contradicts .*, which says False",
        ),
    ],
)
def test_parts_that_the_class_would_not_build_are_refused(
    folder: Path, part: str, change: dict, settings: dict, message: str
) -> None:
    written = write_whole(folder)
    written[part] |= change
    (folder / "tokenizer.json").write_text(json.dumps(written))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(BadInput, match=message):
        load_checkpoint(folder)


def test_a_default_that_overrides_the_file_is_said(folder: Path) -> None:
    """Without do_lower_case its default holds beside tokenizer.json too, as in transformers."""
    written = write_whole(folder)
    written["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(written))
    (folder / "tokenizer_config.json").unlink()
    with pytest.warns(
        UserWarning, match="lowercase False, tokenizer_config.json does not say do_lower_case: True is used"
    ):
        same_numbers(folder)
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert 1 in load_checkpoint(folder).tokenizer("Good").ids
