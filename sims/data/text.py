"""Labelled sentences, or pairs of them, from TSV files: their rows, a digest of them, and small balanced samples."""

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from sims.data.dataset import PAIR, DataSet, Labelled, RawText, TextData
from sims.data.tsv import columns, rows, shortened
from sims.errors import BadInput, CannotServe

# 1 for entailment; as numbers Hugging Face has them the other way round
_RTE_LABELS = {"not_entailment": 0, "entailment": 1, "1": 0, "0": 1}


def sentences_and_labels(content: bytes, name: str = "a TSV file") -> Labelled:
    """Return the sentences and the integer labels of a TSV file with the columns ``sentence`` and ``label``.

    Raises:
        BadInput: a file that cannot be read, another header, or a row that is not a sentence and a label, by its line.
    """
    found = rows(content, name)
    sentence, label = columns(found, ("sentence", "label"), name)
    texts, labels = [], []
    for line, fields in found[1:]:
        number = fields[label].strip() if len(fields) == len(found[0].fields) else ""
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise BadInput(f"line {line} of {name} is {shortened(fields)}: expected a sentence and a label, 0 or 1")
        texts.append(fields[sentence].strip())
        labels.append(int(number))
    return tuple(texts), np.array(labels, dtype=np.int64)


def pairs_and_labels(content: bytes, name: str = "a TSV file", *, header: bool = True) -> Labelled:
    """Return the pairs, each as two sentences joined by `PAIR`, and 1 for entailment, 0 for not, of a TSV file.

    Columns: sentence1 (the premise), sentence2 (the hypothesis) and label: in words, or 0 for entailment and 1 for not.
    Without ``header``: a number, sentence1, sentence2 and label.

    Raises:
        BadInput: a file that cannot be read, another header, or a row that is not a pair and a label, by its line.
    """
    found = rows(content, name)
    places, width = [1, 2, 3], 4
    if header:
        places = columns(found, ("sentence1", "sentence2", "label"), name)
        width, found = len(found[0].fields), found[1:]
    texts, labels = [], []
    for line, fields in found:
        first, second, label = (fields[place].strip() for place in places) if len(fields) == width else ("", "", "")
        if label not in _RTE_LABELS:
            raise BadInput(
                f"line {line} of {name} is {shortened(fields)}: expected two sentences and {' or '.join(_RTE_LABELS)}"
            )
        texts.append(f"{first}{PAIR}{second}")
        labels.append(_RTE_LABELS[label])
    return tuple(texts), np.array(labels, dtype=np.int64)


def ordered(texts: Sequence[str], labels: Int[np.ndarray, " n"]) -> tuple[Labelled, str]:
    """Return the labelled texts in an order that does not depend on the file, and the sha256 of all of them.

    Neither depends on white space inside the texts.
    """
    keys = [_key(text, int(label)) for text, label in zip(texts, labels, strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    digest = hashlib.sha256("".join(keys[i] for i in order).encode("utf8")).hexdigest()
    return (tuple(texts[i] for i in order), labels[order]), digest


def _key(text: str, label: int) -> str:
    return "\t".join(" ".join(part.split()) for part in text.split(PAIR)) + f"\t{label}\n"


def prepare_text(data_set: DataSet, raw: RawText, *, seed: int) -> TextData:
    """Return the sentences with the training part in an order that depends on the seed alone.

    Raises:
        BadInput: negative seed.
    """
    if seed < 0:
        raise BadInput(f"seed {seed} is negative: expected an integer >= 0")
    order = np.random.default_rng(seed).permutation(len(raw.y))
    return TextData(
        name=data_set.name,
        train=tuple(raw.sentences[i] for i in order),
        y_train=raw.y[order],
        test=raw.sentences_test,
        y_test=raw.y_test,
        classes=int(raw.y.max()) + 1,
    )


def few_shot_text(data: TextData, *, per_class: int, words: int = 1, seed: int = 0) -> TextData:
    """Return ``per_class`` training sentences of every class with at least ``words`` words, mixed; the rest unchanged.

    Raises:
        BadInput: a negative seed, ``per_class`` below 1, or too few such sentences of a class.
    """
    if seed < 0:
        raise BadInput(f"seed {seed} is negative: expected an integer >= 0")
    if per_class < 1:
        raise BadInput(f"per_class {per_class} is out of range: expected at least 1")
    rng = np.random.default_rng(seed)
    long_enough = np.array([len(sentence.split()) >= words for sentence in data.train])
    chosen = []
    for label in range(data.classes):
        members = np.flatnonzero((data.y_train == label) & long_enough)
        if len(members) < per_class:
            raise CannotServe(
                f"{per_class} sentences of class {label} were asked for: the training part of {data.name} has "
                f"{len(members)} of at least {words} words"
            )
        chosen.append(rng.permutation(members)[:per_class])
    order = rng.permutation(np.concatenate(chosen))
    return TextData(
        name=data.name,
        train=tuple(data.train[i] for i in order),
        y_train=data.y_train[order],
        test=data.test,
        y_test=data.y_test,
        classes=data.classes,
    )
