"""What the files beside a tokenizer say about it: which kind it is, its settings, and the tokens that stay whole.

Every key is honoured, known to change no token number, refused by name, or named in a warning.
"""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sims.errors import BadInput
from sims.models.json_files import listed, read_object, shown, whole_number

CONFIG = "tokenizer_config.json"
# classes that build a tokenizer of one kind; the last ones take tokenizer.json as it is
KINDS = {"BertTokenizer": "wordpiece", "RobertaTokenizer": "bpe"} | dict.fromkeys(
    ("PreTrainedTokenizer", "TokenizersBackend"), "file"
)
FAMILY_KINDS = {"bert": "wordpiece", "roberta": "bpe"}
# the order in which they get numbers if the vocabulary lacks them
ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
_NAMES = {
    "wordpiece": {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"},
    "bpe": {
        "bos": "<s>",
        "eos": "</s>",
        "unk": "<unk>",
        "sep": "</s>",
        "pad": "<pad>",
        "cls": "<s>",
        "mask": "<mask>",
    },
}
_SWITCHES = {
    "do_lower_case": True,
    "tokenize_chinese_chars": True,
    "add_prefix_space": False,
    "split_special_tokens": False,
}
# settings with one value that this reader follows: another one would give other numbers
_ONLY: Mapping[str, tuple[Any, ...]] = {
    "do_basic_tokenize": (True, None),
    "never_split": (None, []),
    "wordpieces_prefix": ("##",),
    "padding_side": ("right", None),
    "truncation_side": ("right", None),
}
# what decodes, pads, cuts, or names files
_HARMLESS = """
    add_bos_token add_eos_token backend chat_template clean_up_tokenization_spaces errors full_tokenizer_file
    init_inputs is_local local_files_only max_length merges_file model_input_names name_or_path pad_to_multiple_of
    pad_token_type_id padding processor_class special_tokens_map_file stride tokenizer_class tokenizer_file
    transformers_version trim_offsets truncation truncation_strategy use_fast vocab_file
"""
_LISTS = ("additional_special_tokens", "extra_special_tokens")


@dataclass(frozen=True)
class Token:
    """A token that is found whole in a text, as the tokenizers library describes it."""

    content: str
    special: bool = True
    normalized: bool = False
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False


@dataclass(frozen=True)
class TokenizerSettings:
    """Settings of a tokenizer; ``said`` are the switches that the file names itself, the others have their defaults.

    ``numbered`` are added tokens with their numbers, ``roles`` the special tokens by role, ``others`` more of them.
    """

    kind: str
    switches: Mapping[str, bool]
    strip_accents: bool | None
    said: frozenset[str]
    numbered: Mapping[int, Token]
    roles: Mapping[str, Token]
    others: tuple[Token, ...]
    longest: int | None


def read_settings(folder: Path, family: str) -> TokenizerSettings:
    """Return what tokenizer_config.json, special_tokens_map.json and added_tokens.json say.

    Raises `BadInput` for a file that cannot be read, a value of another type, or a setting that would give other token
    numbers and is not followed here. Warns of keys that are not known.
    """
    path = folder / CONFIG
    found = read_object(path) if os.path.isfile(path) else {}
    kind = _kind(found.get("tokenizer_class"), family, path)
    numbered: dict[int, Token] = {}
    _check_lists(folder, found)
    if "added_tokens_decoder" in found:
        numbered = _numbered(found.pop("added_tokens_decoder"), path)
    else:
        mapped = folder / "special_tokens_map.json"
        more = read_object(mapped) if os.path.isfile(mapped) else {}
        _check_lists(folder, found, more)
        found |= more
    flags = {}
    for name, default in _SWITCHES.items():
        flags[name] = found.get(name, default)
        if not isinstance(flags[name], bool):
            raise BadInput(f"{name} in {path} is {shown(flags[name])}: expected true or false")
    accents = found.get("strip_accents")
    if accents is not None and not isinstance(accents, bool):
        raise BadInput(f"strip_accents in {path} is {shown(accents)}: expected true, false or null")
    for name, values in _ONLY.items():
        if name in found and not any(type(found[name]) is type(v) and found[name] == v for v in values):
            raise BadInput(f"{name} {shown(found[name])} in {path} is not supported: expected {values[0]!r}")
    named = {f"{role}_token": role for role in ROLES}
    roles = {role: Token(name) for role, name in _NAMES.get(kind, {}).items()}
    others: list[Token] = []
    listed_tokens: list[Token] = []
    unknown = []
    for key, value in found.items():
        if key in named:
            roles |= {named[key]: _token(value, path, key)} if value is not None else {}
            if value is None:
                roles.pop(named[key], None)
        elif key in _LISTS:
            # some files map names to tokens
            entries = list(value.values()) if isinstance(value, dict) else value if value is not None else []
            if not isinstance(entries, list):
                raise BadInput(f"{key} in {path} is {shown(value)}: expected a list of tokens")
            listed_tokens += [_token(entry, path, key) for entry in entries]
        elif key.endswith("_token") and isinstance(value, str | dict):
            others.append(_token(value, path, key))
        elif key not in {*_SWITCHES, *_ONLY, *_HARMLESS.split(), "strip_accents", "model_max_length"}:
            unknown.append(key)
    if unknown:
        warnings.warn(f"{path}: not known, and not followed: {listed(unknown)}", stacklevel=2)
    added = folder / "added_tokens.json"
    if not numbered and os.path.isfile(added):
        special = {token.content for token in (*roles.values(), *others, *listed_tokens)}
        for content, number in read_object(added).items():
            entry = {"content": content, "special": content in special, "normalized": content not in special}
            numbered |= _numbered({str(number) if whole_number(number) else shown(number): entry}, added)
    return TokenizerSettings(
        kind=kind,
        switches=flags,
        strip_accents=accents,
        said=frozenset(found) & {*_SWITCHES, "strip_accents"},
        numbered=numbered,
        roles=roles,
        others=(*others, *listed_tokens),
        longest=_longest(found.get("model_max_length"), path),
    )


def added_tokens(settings: TokenizerSettings, written: Mapping[int, Token]) -> tuple[list[Token], dict[str, int]]:
    """Return all tokens that stay whole, in the order in which they get numbers, and the numbers that are known.

    ``written`` are those of tokenizer.json; the other files say more. A special token keeps the marks given with its
    number. Raises `BadInput` when two numbers are given to one token.
    """
    numbers: dict[str, int] = {}
    tokens: dict[str, Token] = {}
    for number, token in sorted((dict(written) | dict(settings.numbered)).items()):
        if numbers.setdefault(token.content, number) != number:
            raise BadInput(f"the token {token.content!r} has two numbers, {numbers[token.content]} and {number}")
        tokens[token.content] = token
    ordered = [settings.roles[role] for role in ROLES if role in settings.roles]
    named = {token.content for token in ordered}
    for token in (*ordered, *settings.others):
        tokens.setdefault(token.content, token)
    return [
        Token(**(vars(token) | {"special": token.special or token.content in named})) for token in tokens.values()
    ], numbers


def _kind(name: Any, family: str, path: Path) -> str:
    if name is None:
        return FAMILY_KINDS[family]
    kind = KINDS.get(name.removesuffix("Fast")) if isinstance(name, str) else None
    if kind is None:
        raise BadInput(f"tokenizer_class {shown(name)} in {path} is unknown: expected one of {', '.join(KINDS)}")
    return kind


def _check_lists(folder: Path, *files: Mapping[str, Any]) -> None:
    """Refuse two lists of further special tokens: which of them counts depends on the version of transformers."""
    given = [file[name] for file in files for name in _LISTS if file.get(name)]
    if any(value != given[0] for value in given):
        raise BadInput(f"{folder} has two lists of special tokens, {shown(given[0])} and {shown(given[-1])}: keep one")


def _longest(value: Any, path: Path) -> int | None:
    # files without a limit write 1e30
    if value is None or (isinstance(value, float) and value >= 1e9):
        return None
    if not whole_number(value, least=4):
        raise BadInput(f"model_max_length in {path} is {shown(value)}: expected a whole number of at least 4")
    return int(value)


def _numbered(value: Any, path: Path) -> dict[int, Token]:
    if not isinstance(value, dict):
        raise BadInput(f"the added tokens in {path} are {shown(value)}: expected numbers with tokens")
    found = {}
    for key, entry in value.items():
        if not (key.isascii() and key.isdigit() and len(key) < 10):
            raise BadInput(f"an added token in {path} has the number {shown(key)}: expected a whole number")
        found[int(key)] = _token(entry, path, "an added token", special=False)
    return found


def _token(value: Any, path: Path, what: str, *, special: bool = True) -> Token:
    """Return the token written as a string or as an object with its marks."""
    entry = {"content": value} if isinstance(value, str) else value
    if isinstance(entry, dict):
        entry = {key: item for key, item in entry.items() if key not in ("__type", "id")}
        given = {"special": special} | entry
        # as the library does: what is not special is found in the normalised text
        marks: dict[str, Any] = {"normalized": not given["special"]} | given
        content = marks.get("content")
        right = isinstance(content, str) and content and set(marks) <= set(Token.__dataclass_fields__)
        if right and all(isinstance(item, bool) for key, item in marks.items() if key != "content"):
            return Token(**marks)
    raise BadInput(f"{what} in {path} is {shown(value)}: expected a token")


def written_tokens(entries: Any, path: Path) -> dict[int, Token]:
    """Return the added tokens of tokenizer.json by number; raise `BadInput` if they are not tokens with numbers."""
    if not isinstance(entries, list) or not all(isinstance(e, dict) and whole_number(e.get("id")) for e in entries):
        raise BadInput(f"the added tokens in {path} are {shown(entries)}: expected a list of tokens with numbers")
    return {entry["id"]: _token(entry, path, "an added token", special=False) for entry in entries}
