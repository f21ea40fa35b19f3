"""The tokenizer of a checkpoint folder, built as transformers builds it from the same files."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sims.errors import BadInput
from sims.models.json_files import read_object, shown, whole_number
from sims.models.tokenizer import SentenceTokenizer
from sims.models.tokenizer_settings import (
    CONFIG,
    Token,
    TokenizerSettings,
    added_tokens,
    read_settings,
    written_tokens,
)

WHOLE = "tokenizer.json"
_FILES = {"wordpiece": ("vocab.txt",), "bpe": ("vocab.json", "merges.txt"), "file": (WHOLE,)}
# The class of a tokenizer builds these parts anew: a file that has others would be read differently by it.
_PARTS: Mapping[str, Mapping[str, Mapping[str, Any] | None]] = {
    "wordpiece": {
        "model": {"type": "WordPiece", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100},
        "normalizer": {"type": "BertNormalizer", "clean_text": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
    },
    "bpe": {
        "model": {
            "type": "BPE",
            "dropout": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
        },
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "use_regex": True},
    },
}
_STRANGERS = "they are not of one checkpoint"
# the switches that a normaliser or pre-tokeniser of tokenizer.json has too, under its names
_WRITTEN = {
    "do_lower_case": ("normalizer", "lowercase"),
    "tokenize_chinese_chars": ("normalizer", "handle_chinese_chars"),
    "strip_accents": ("normalizer", "strip_accents"),
    "add_prefix_space": ("pre_tokenizer", "add_prefix_space"),
}


def load_tokenizer(folder: Path, family: str, longest: int, rows: int) -> SentenceTokenizer:
    """Return the tokenizer of a folder for a network of ``longest`` positions and ``rows`` embeddings.

    The kind is that of ``tokenizer_class``, else that of the family. BERT's and RoBERTa's are built from the vocabulary
    (of tokenizer.json, or of vocab.txt, or of vocab.json and merges.txt), the settings and the added tokens;
    ``PreTrainedTokenizerFast`` takes tokenizer.json as it is. Special and added tokens in a text stay whole.

    Raises `BadInput` when the files are missing, cannot be read, contradict each other, or say something that is not
    supported. Warns of settings that are not known.
    """
    settings = read_settings(folder, family)
    whole = folder / WHOLE
    if not os.path.isfile(whole) and any(not os.path.isfile(folder / name) for name in _FILES[settings.kind]):
        others = " and ".join(name for name in _FILES[settings.kind] if name != WHOLE)
        raise BadInput(f"{folder} has no tokenizer: expected {WHOLE}{f' or {others}' if others else ''}")
    written = read_object(whole) if os.path.isfile(whole) else None
    try:
        if settings.kind == "file":
            tokenizer = _as_written(whole, written or {}, settings)
        else:
            tokenizer = _built(folder, written, settings)
    except BadInput:
        raise
    except Exception as error:  # the library raises bare Exception
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadInput(f"the tokenizer files in {folder} cannot be read: {first}") from error
    _add_tokens(tokenizer, settings, written_tokens((written or {}).get("added_tokens", []), whole), folder, rows)
    if settings.kind != "file":
        _add_ends(tokenizer, settings)
    tokenizer.encode_special_tokens = settings.switches["split_special_tokens"]
    name = _padding(settings, written or {}, family)
    padding = tokenizer.token_to_id(name)
    if padding is None:
        raise BadInput(f"the tokenizer in {folder} has no token {name!r}: it is not one of {family}")
    return SentenceTokenizer(tokenizer, int(padding), min(longest, settings.longest or longest), rows)


def _padding(settings: TokenizerSettings, written: dict[str, Any], family: str) -> str:
    if "pad" in settings.roles:
        return settings.roles["pad"].content
    padding = written.get("padding")
    name = padding.get("pad_token") if isinstance(padding, dict) else None
    return name if isinstance(name, str) else {"bert": "[PAD]", "roberta": "<pad>"}[family]


def _as_written(path: Path, written: dict[str, Any], settings: TokenizerSettings) -> Any:
    from tokenizers import Tokenizer

    for name in settings.said & set(_WRITTEN):
        part, key = _WRITTEN[name]
        value = settings.strip_accents if name == "strip_accents" else settings.switches[name]
        place = written.get(part)
        if isinstance(place, dict) and key in place and place[key] != value:
            raise BadInput(f"{name} {value!r} contradicts {path}, which says {place[key]!r}: remove one of them")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _built(folder: Path, written: dict[str, Any] | None, settings: TokenizerSettings) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    lacking = [role for role in ("unk", "sep", "pad", "cls") if role not in settings.roles]
    if lacking:
        raise BadInput(f"{lacking[0]}_token in {folder} is null: this tokenizer_class needs one")
    _check_parts(folder, written or {}, settings)
    switches = settings.switches
    if settings.kind == "wordpiece":
        vocabulary = _lines(folder / "vocab.txt") if written is None else _vocabulary(written, folder)
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=settings.roles["unk"].content))
        tokenizer.normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=switches["tokenize_chinese_chars"],
            strip_accents=settings.strip_accents,
            lowercase=switches["do_lower_case"],
        )
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        return tokenizer
    if written is not None:
        vocabulary, merges = _vocabulary(written, folder), written["model"].get("merges", [])
        merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in merges]
    else:
        vocabulary, merges = models.BPE.read_file(*(str(folder / name) for name in _FILES["bpe"]))
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=switches["add_prefix_space"])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _lines(path: Path) -> dict[str, int]:
    """Return the tokens of vocab.txt, numbered by line.

    Lines end with a line feed only: other separators may be tokens. Of repeated lines the last counts. Blank lines at
    the end are none; elsewhere they, and repeated lines, keep their number under a name that no text contains, so that
    added tokens get the next number after the file.
    """
    lines = path.read_bytes().decode("utf-8-sig").rstrip().split("\n")
    numbers = {token: number for number, line in enumerate(lines) if (token := line.rstrip())}
    names = {number: token for token, number in numbers.items()}
    return {names.get(number, f"\0{number}"): number for number in range(len(lines))}


def _vocabulary(written: dict[str, Any], folder: Path) -> dict[str, int]:
    model = written.get("model")
    found = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(found, dict) or not found or not all(whole_number(number) for number in found.values()):
        raise BadInput(f"{folder / WHOLE} has no vocabulary: expected tokens with numbers")
    return found


def _check_parts(folder: Path, written: dict[str, Any], settings: TokenizerSettings) -> None:
    """Refuse a tokenizer.json with parts that its class would not build; warn where a default overrides the file."""
    for part, expected in _PARTS[settings.kind].items():
        found = written.get(part)
        if found is None:
            continue
        if expected is None or not isinstance(found, dict):
            raise BadInput(f"{part} {shown(found)} in {folder / WHOLE} is not supported for this tokenizer_class")
        for key, value in expected.items():
            # null and the empty string are one setting of a BPE model
            if key in found and (found[key] or None) != (value or None):
                raise BadInput(f"{part} in {folder / WHOLE} has {key} {shown(found[key])}: expected {value!r}")
    names = {role: token.content for role, token in settings.roles.items()}
    model = written.get("model")
    unknown = model.get("unk_token") if isinstance(model, dict) else None
    if settings.kind == "wordpiece" and unknown not in (None, names["unk"]):
        raise BadInput(f"{folder / WHOLE} has the unknown token {shown(unknown)}, the settings {names['unk']!r}")
    ends = _ends_written(written.get("post_processor"))
    if ends not in (None, (names["cls"], names["sep"])):
        raise BadInput(
            f"{folder / WHOLE} puts {shown(ends)} around a sentence, the settings {names['cls']!r} and {names['sep']!r}"
        )
    for name, (part, key) in _WRITTEN.items():
        place = written.get(part)
        used = settings.strip_accents if name == "strip_accents" else settings.switches[name]
        if name not in settings.said and isinstance(place, dict) and place.get(key, used) != used:
            warnings.warn(
                f"{folder / WHOLE} has {key} {place[key]!r}, {CONFIG} does not say {name}: {used!r} is used, the "
                "default of this tokenizer_class",
                stacklevel=2,
            )


def _ends_written(processor: Any) -> Any:
    """Return start and end token of a post-processor of tokenizer.json, None if there is none, else what it holds."""
    if not isinstance(processor, dict):
        return processor
    try:
        if processor["type"] in ("BertProcessing", "RobertaProcessing"):
            return processor["cls"][0], processor["sep"][0]
        if processor["type"] == "TemplateProcessing":
            start, sentence, end = processor["single"]
            if sentence["Sequence"]["id"] == "A":
                return start["SpecialToken"]["id"], end["SpecialToken"]["id"]
    except (KeyError, IndexError, TypeError, ValueError):
        pass
    return processor


def _add_tokens(
    tokenizer: Any, settings: TokenizerSettings, written: Mapping[int, Token], folder: Path, rows: int
) -> None:
    from tokenizers import AddedToken

    tokens, numbers = added_tokens(settings, written)
    vocabulary = tokenizer.get_vocab(with_added_tokens=False)
    needed = ("unk", "sep", "cls", "pad") if settings.kind == "wordpiece" else ("sep", "cls", "pad")
    for role in needed if settings.kind != "file" else ():
        name = settings.roles[role].content
        if name not in vocabulary and name not in numbers:
            raise BadInput(f"the vocabulary in {folder} has no token {name!r}")
    for token in tokens:
        # one by one: each gets the next number unless the vocabulary has it
        tokenizer.add_tokens([AddedToken(**vars(token))])
        found = tokenizer.token_to_id(token.content)
        if numbers.get(token.content, found) != found:
            raise BadInput(
                f"the added token {token.content!r} in {folder} has number {numbers[token.content]}, "
                f"expected {found}, the next one after the vocabulary"
            )
    everything = tokenizer.get_vocab(with_added_tokens=True)
    if len(set(everything.values())) < len(everything):
        raise BadInput(f"two tokens in {folder} have one number: the vocabulary has gaps")
    size = max((*vocabulary.values(), *numbers.values())) + 1
    if size > rows:
        raise BadInput(f"the tokenizer in {folder} has {size} tokens, the embedding {rows} rows: {_STRANGERS}")
    # embeddings are sometimes padded to a multiple of 8 for speed
    if size < rows and not (rows % 8 == 0 and rows - size < 128):
        warnings.warn(
            f"the tokenizer in {folder} has {size} tokens, the embedding {rows} rows, of which some are never used: "
            f"if a vocabulary file was cut, {_STRANGERS}",
            stacklevel=2,
        )


def _add_ends(tokenizer: Any, settings: TokenizerSettings) -> None:
    """Put the start token before every sentence and the end token after it."""
    from tokenizers import processors

    names = [settings.roles[role].content for role in ("sep", "cls")]
    tokenizer.post_processor = processors.BertProcessing(*((name, tokenizer.token_to_id(name)) for name in names))
