"""Data sets of labelled sentences, or pairs of them, in TSV files. They are found on this machine, never fetched."""

import csv
import gzip
import io
from collections.abc import Mapping

import numpy as np

from sims.data.dataset import DataFile, DataSet, RawText, TextData
from sims.errors import BadInput, CannotServe

# what stands between the two sentences of a pair: no sentence of a TSV file holds a line break
PAIR = "\n"
# the files of every data set here: training sentences in two parts, and those to test on
_PARTS = ("train_part1.tsv.gz", "train_part2.tsv.gz", "dev.tsv.gz")
_RTE_HEADER = ["index", "sentence1", "sentence2", "label"]
_RTE_LABELS = ("not_entailment", "entailment")


def sentences_and_labels(compressed: bytes) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the sentences and the integer labels of a gzipped TSV file with the header ``sentence label``.

    Raises:
        BadInput: another header, or a row that is not a sentence and a label.
    """
    text = gzip.decompress(compressed).decode("utf8")
    # sentences hold quotation marks that quote nothing
    rows = list(csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or rows[0] != ["sentence", "label"]:
        raise BadInput(f"a TSV file begins with {rows[:1]}: expected the header 'sentence<TAB>label'")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 2 or not row[1].isdigit():
            raise BadInput(f"line {number} of a TSV file is {row}: expected a sentence and a label")
    return tuple(row[0].strip() for row in rows[1:]), np.array([int(row[1]) for row in rows[1:]], dtype=np.int64)


def pairs_and_labels(compressed: bytes, *, header: bool) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the pairs, each as two sentences joined by `PAIR`, and 1 for entailment, 0 for not, of a gzipped TSV file.

    Columns: index, sentence1 (the premise), sentence2 (the hypothesis), label in words; ``header`` says whether the
    first line names them.

    Raises:
        BadInput: another header, or a row that is not a pair and one of the two labels.
    """
    text = gzip.decompress(compressed).decode("utf8")
    rows = list(csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    if header and rows[:1] != [_RTE_HEADER]:
        raise BadInput(f"a TSV file begins with {rows[:1]}: expected the header {'<TAB>'.join(_RTE_HEADER)!r}")
    for number, row in enumerate(rows[header:], start=1 + header):
        if len(row) != len(_RTE_HEADER) or row[3] not in _RTE_LABELS:
            raise BadInput(
                f"line {number} of a TSV file is {row}: expected a number, two sentences and {' or '.join(_RTE_LABELS)}"
            )
    labels = np.array([_RTE_LABELS.index(row[3]) for row in rows[header:]], dtype=np.int64)
    return tuple(f"{row[1].strip()}{PAIR}{row[2].strip()}" for row in rows[header:]), labels


def _rte(contents: Mapping[str, bytes]) -> RawText:
    # as they are handed round: the second part has no header
    return _joined(*(pairs_and_labels(contents[name], header=name != _PARTS[1]) for name in _PARTS))


def _sst2(contents: Mapping[str, bytes]) -> RawText:
    return _joined(*(sentences_and_labels(contents[name]) for name in _PARTS))


def _joined(*parts: tuple[tuple[str, ...], np.ndarray]) -> RawText:
    """Return the texts and labels of the files, which come in the order of _PARTS."""
    (first, y_first), (second, y_second), (test, y_test) = parts
    y = np.concatenate([y_first, y_second])
    return RawText(sentences=first + second, y=y, sentences_test=test, y_test=y_test)


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


TEXT = (
    DataSet(
        name="glue-sst2",
        title="SST-2 film reviews of GLUE, 67349 + 872 sentences, 2 classes (the 872 are GLUE's development part)",
        kind="text",
        licence="none stated (Socher and others 2013; free for research)",
        source="https://gluebenchmark.com/tasks",
        # GLUE hands out one zip archive; these are its rows as gzipped TSV files: there is nothing to fetch from.
        files=(
            DataFile(_PARTS[0], "6ca4e5263d501878f4d62f077157b7bb7d9963542c55bc6800442efc42ffa92e", 1296278),
            DataFile(_PARTS[1], "154c711e8e71f1bb16d35f7cf2d0fe802da59a499d45cb421626abbc621e394c", 147268),
            DataFile(_PARTS[2], "19553efc6f7bac0b7fdd37d4e29dc37c15e9e779767249a16f857fbfcedb23fa", 38131),
        ),
        loader=_sst2,
    ),
    DataSet(
        name="glue-rte",
        title="RTE sentence pairs of GLUE, 2490 + 277 pairs, entailed or not (the 277 are GLUE's development part)",
        kind="text",
        licence="none stated (PASCAL RTE challenges, Dagan and others 2006; research use)",
        source="https://gluebenchmark.com/tasks",
        files=(
            DataFile(_PARTS[0], "93af7a1ecd40ce2c7769561cb0b1b945610008f8a74179a720b69aff35b0bb95", 288266),
            DataFile(_PARTS[1], "5ea9cf81621a5c9b72fcbaae23e9d571ac32f8062803844569fefab621deca90", 48654),
            DataFile(_PARTS[2], "af9453b2f54ef5ed3770360833e9a2365682d71e4a7a98dbeaffc636d603ee58", 37431),
        ),
        loader=_rte,
    ),
)
