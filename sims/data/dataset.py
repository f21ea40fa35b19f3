"""What a data set is: its description, its raw arrays, and the arrays an experiment gets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num


class DataFile(NamedTuple):
    """One file of a fetched data set."""

    filename: str
    sha256: str
    bytes: int


# what stands between the two sentences of a pair: no sentence of a TSV file holds a line break
PAIR = "\n"
Labelled = tuple[tuple[str, ...], Int[np.ndarray, " n"]]


@dataclass(frozen=True)
class TextPart:
    """The training or development part of a text data set: its rows, whatever the file.

    ``sha256`` is that of the rows (`sims.data.text.ordered`); ``layouts`` are the names of the files it may be in;
    ``reader`` turns the content of a file and its name into texts and labels.
    """

    name: str
    rows: int
    sha256: str
    layouts: tuple[tuple[str, ...], ...]
    reader: Callable[[bytes, str], Labelled]


@dataclass(frozen=True)
class Raw:
    """Arrays as stored: inputs flattened to (n, d) in their own dtype; targets are labels (n,) or real values (n,).

    The test part is None where the source has no official one. ``maximum`` is the largest possible input of images, by
    which inputs are divided; None for tables, whose columns are standardised instead.
    """

    x: Num[np.ndarray, "n d"]
    y: Num[np.ndarray, " n"]
    x_test: Num[np.ndarray, "m d"] | None = None
    y_test: Num[np.ndarray, " m"] | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class RawText:
    """Sentences as stored, with integer labels from 0; a pair is two sentences joined by `PAIR`."""

    sentences: tuple[str, ...]
    y: Int[np.ndarray, " n"]
    sentences_test: tuple[str, ...]
    y_test: Int[np.ndarray, " m"]


@dataclass(frozen=True)
class DataSet:
    """Description of one data set; ``loader`` turns the contents of its files (by file name) into raw arrays.

    ``source`` is the official page, ``mirrors`` are the folders (URLs) that files come from, tried in order. What makes
    a file the right one is its sha256, not where it comes from. A text data set has ``parts`` instead, which are looked
    for in its ``folders``; ``where`` says where people get them.
    """

    name: str
    title: str
    kind: Literal["classification", "regression", "text"]
    licence: str
    source: str
    loader: Callable[[Mapping[str, bytes]], Raw] | None = None
    files: tuple[DataFile, ...] = ()
    mirrors: tuple[str, ...] = ()
    parts: tuple[TextPart, ...] = ()
    folders: tuple[str, ...] = ()
    where: str = ""

    @property
    def embedded(self) -> bool:
        """Return whether the data come with an installed library, so that nothing is ever fetched."""
        return not self.files and not self.parts

    @property
    def folder(self) -> str:
        """Return the name of its folder under LORA_THEORY_DATA and in the cache."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class Data:
    """Training and test part, float64. Labels are 0..classes-1; for regression targets are (n, 1) and classes is 0."""

    name: str
    x_train: Float[np.ndarray, "n d"]
    y_train: Int[np.ndarray, " n"] | Float[np.ndarray, "n 1"]
    x_test: Float[np.ndarray, "m d"]
    y_test: Int[np.ndarray, " m"] | Float[np.ndarray, "m 1"]
    classes: int


@dataclass(frozen=True)
class TextData:
    """Training and test sentences (or pairs, as in `RawText`); labels are 0..classes-1."""

    name: str
    train: tuple[str, ...]
    y_train: Int[np.ndarray, " n"]
    test: tuple[str, ...]
    y_test: Int[np.ndarray, " m"]
    classes: int
