"""Sentences to token numbers with the tokenizer that lies beside a checkpoint."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sims.errors import BadInput
from sims.models.bert import TokenBatch

# token names of the two families: start, end, padding, unknown
_SPECIAL = {"bert": ("[CLS]", "[SEP]", "[PAD]", "[UNK]"), "roberta": ("<s>", "</s>", "<pad>", "<unk>")}
_FILES = {"bert": ("vocab.txt",), "roberta": ("vocab.json", "merges.txt")}


@dataclass(frozen=True)
class SentenceTokenizer:
    """A tokenizer with the longest sequence its checkpoint takes."""

    tokenizer: Any
    padding: int
    longest: int

    @property
    def vocabulary(self) -> int:
        """Largest token number plus one."""
        return max(self.tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    def __call__(self, sentences: Sequence[str], *, truncate: bool = False) -> TokenBatch:
        """Return the sentences with start and end tokens, padded to the longest of them.

        Raises `BadInput` for no sentences, or, unless ``truncate``, for one with too many tokens.
        """
        rows = self._rows(sentences)
        for number, row in enumerate(rows):
            if len(row) > self.longest and not truncate:
                raise BadInput(
                    f"sentence {number} has {len(row)} tokens, more than the {self.longest} of this checkpoint: "
                    "shorten it, or truncate"
                )
        return self._padded([_cut(row, self.longest) for row in rows])

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> tuple[TokenBatch, TokenBatch]:
        """Return first and second sentences, each with start and end tokens, cut to ``longest`` tokens a pair together.

        The second sentence keeps half of them at least, the first one what the second leaves. Raises `BadInput` for no
        pairs.
        """
        first, second = ([*part] for part in zip(*pairs, strict=True)) if pairs else ([], [])
        shorter = [_cut(row, self.longest // 2) for row in self._rows(second)]
        rest = [_cut(row, self.longest - len(other)) for row, other in zip(self._rows(first), shorter, strict=True)]
        return self._padded(rest), self._padded(shorter)

    def _rows(self, sentences: Sequence[str]) -> list[list[int]]:
        if not sentences:
            raise BadInput("0 sentences: expected at least one")
        return [encoding.ids for encoding in self.tokenizer.encode_batch(list(sentences))]

    def _padded(self, rows: list[list[int]]) -> TokenBatch:
        lengths = np.array([len(row) for row in rows])
        mask = np.arange(lengths.max())[None] < lengths[:, None]
        ids = np.full(mask.shape, self.padding)
        ids[mask] = np.concatenate(rows)
        return TokenBatch(ids, mask)


def _cut(row: list[int], longest: int) -> list[int]:
    """Return the first tokens; the end token stays at the end."""
    return row if len(row) <= longest else [*row[: longest - 1], row[-1]]


def load_tokenizer(folder: Path, family: str, longest: int) -> SentenceTokenizer:
    """Return the tokenizer of ``tokenizer.json``, or made from the vocabulary files of the family.

    Raises `BadInput` when the files are missing or cannot be read, or there is no padding token.
    """
    missing = [name for name in _FILES[family] if not (folder / name).is_file()]
    whole = folder / "tokenizer.json"
    if not whole.is_file() and missing:
        raise BadInput(f"{folder} has no tokenizer: expected tokenizer.json or {' and '.join(_FILES[family])}")
    try:
        tokenizer = _from_json(whole) if whole.is_file() else _from_vocabulary(folder, family)
    except Exception as error:  # the library raises bare Exception
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadInput(f"the tokenizer files in {folder} cannot be read: {first}") from error
    padding = tokenizer.token_to_id(_SPECIAL[family][2])
    if padding is None:
        raise BadInput(f"the tokenizer in {folder} has no token {_SPECIAL[family][2]!r}: it is not one of {family}")
    return SentenceTokenizer(tokenizer, int(padding), longest)


def _from_json(path: Path) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _from_vocabulary(folder: Path, family: str) -> Any:
    from tokenizers import Tokenizer as Empty
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

    start, end, _, unknown = _SPECIAL[family]
    options = folder / "tokenizer_config.json"
    settings = json.loads(options.read_text(encoding="utf8")) if options.is_file() else {}
    if family == "bert":
        tokenizer = Empty(models.WordPiece.from_file(str(folder / "vocab.txt"), unk_token=unknown))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=settings.get("do_lower_case", True))
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
    else:
        tokenizer = Empty(models.BPE.from_file(*(str(folder / name) for name in _FILES["roberta"])))
        prefix = settings.get("add_prefix_space", False)
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
        tokenizer.decoder = decoders.ByteLevel()
    numbers = {token: tokenizer.token_to_id(token) for token in (start, end)}
    absent = [token for token, number in numbers.items() if number is None]
    if absent:
        raise BadInput(f"the vocabulary has no token {absent[0]!r}")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=list(numbers.items())
    )
    return tokenizer
