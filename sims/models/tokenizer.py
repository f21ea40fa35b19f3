"""Sentences to token numbers with the tokenizer that lies beside a checkpoint."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sims.errors import BadInput
from sims.models.bert import TokenBatch
from sims.models.json_files import shown


@dataclass(frozen=True)
class SentenceTokenizer:
    """A tokenizer with the number of the padding token and the longest sequence its checkpoint takes.

    ``rows`` are those of the embedding: a token with a larger number has no vector.
    """

    tokenizer: Any
    padding: int
    longest: int
    rows: int

    def __call__(self, sentences: Iterable[Any], *, truncate: bool = False) -> TokenBatch:
        """Return the sentences with start and end tokens, padded to the longest of them; a bare string is one sentence.

        Raises `BadInput` for no sentences, something that is not text, a token that the embedding lacks, or, unless
        ``truncate``, a sentence with too many tokens.
        """
        rows = self._rows([sentences] if isinstance(sentences, str) else list(sentences))
        for number, row in enumerate(rows):
            if len(row) > self.longest and not truncate:
                raise BadInput(
                    f"sentence {number} has {len(row)} tokens, more than the {self.longest} of this checkpoint: "
                    "shorten it, or truncate"
                )
        return self._padded([_cut(row, self.longest) for row in rows])

    def pairs(self, pairs: Iterable[Any]) -> tuple[TokenBatch, TokenBatch]:
        """Return first and second sentences, each with start and end tokens, cut to ``longest`` tokens a pair together.

        Each sentence may use half of them, and what the other leaves. Raises `BadInput` for no pairs, or something that
        is not two sentences.
        """
        pairs = list(pairs)
        for number, pair in enumerate(pairs):
            if isinstance(pair, str) or len(pair) != 2:
                raise BadInput(f"pair {number} is {shown(pair)}: expected two sentences")
        first, second = (self._rows([pair[which] for pair in pairs]) for which in (0, 1))
        half = self.longest // 2
        kept = [_cut(b, max(half, self.longest - len(a))) for a, b in zip(first, second, strict=True)]
        rest = [_cut(a, self.longest - len(b)) for a, b in zip(first, kept, strict=True)]
        return self._padded(rest), self._padded(kept)

    def _rows(self, sentences: list[Any]) -> list[list[int]]:
        if not sentences:
            raise BadInput("0 sentences: expected at least one")
        for number, sentence in enumerate(sentences):
            # a lone surrogate is no character, and has no encoding
            if not isinstance(sentence, str) or any("\ud800" <= letter <= "\udfff" for letter in sentence):
                raise BadInput(f"sentence {number} is {shown(sentence)}: expected text")
        rows = [encoding.ids for encoding in self.tokenizer.encode_batch(sentences)]
        for number, row in enumerate(rows):
            if not row:
                raise BadInput(
                    f"sentence {number} has no tokens, and this tokenizer adds none: {shown(sentences[number])}"
                )
            if max(row) >= self.rows:
                token = self.tokenizer.id_to_token(max(row))
                raise BadInput(
                    f"sentence {number} has the token {token!r}, number {max(row)}: the embedding has {self.rows} rows"
                )
        return rows

    def _padded(self, rows: list[list[int]]) -> TokenBatch:
        lengths = np.array([len(row) for row in rows])
        mask = np.arange(lengths.max())[None] < lengths[:, None]
        ids = np.full(mask.shape, self.padding)
        ids[mask] = np.concatenate(rows)
        return TokenBatch(ids, mask)


def _cut(row: list[int], longest: int) -> list[int]:
    """Return the first tokens; the end token stays at the end."""
    return row if len(row) <= longest else [*row[: longest - 1], row[-1]]
