"""Where the files of a text data set lie, in which layout, and whether their rows are the right ones.

What makes a file the right one is its rows: GLUE's own files, those that Hugging Face's `datasets` writes, gzipped or
not, or parts of them, in any order. They are returned in one order, so that a seed draws the same sentences from all.
"""

import os
from itertools import chain
from pathlib import Path

import numpy as np

from sims.data.dataset import DataSet, Labelled, RawText, TextPart
from sims.data.files import VARIABLE, FileState, read, search_folders
from sims.data.text import ordered
from sims.data.tsv import LARGEST
from sims.errors import BadInput


def located(data_set: DataSet) -> dict[str, tuple[Path, ...]] | None:
    """Return the files of every part, from the first folder that holds all parts, or None."""
    for folder in _folders(data_set):
        found = {part.name: _layout(folder, part) for part in data_set.parts}
        if all(found.values()):
            return {name: paths for name, paths in found.items() if paths}
    return None


def _folders(data_set: DataSet) -> list[Path]:
    return [folder.with_name(name) for folder in search_folders(data_set) for name in data_set.folders]


def _layout(folder: Path, part: TextPart) -> tuple[Path, ...] | None:
    """Return the files of the first layout of this part that is whole."""
    for layout in part.layouts:
        paths = tuple(folder / name for name in layout)
        if all(map(os.path.isfile, paths)):
            return paths
    return None


def found_or_refused(data_set: DataSet) -> dict[str, tuple[Path, ...]]:
    """Return the files of every part.

    Raises:
        BadInput: they are not on this machine; the message says where to get them, and what is missing if some are.
    """
    found = located(data_set)
    if found is not None:
        return found
    for folder in _folders(data_set):
        missing = [part.layouts[0][0] for part in data_set.parts if _layout(folder, part) is None]
        if len(missing) < len(data_set.parts):
            raise BadInput(f"{folder} has no {' and no '.join(missing)}: {data_set.where}")
    raise BadInput(
        f"{data_set.name} is not on this machine and is not fetched by this program: {data_set.where}; then set "
        f"{VARIABLE} to the folder that holds {data_set.folders[-1]}, or use the embedded 'digits'"
    )


def read_text(data_set: DataSet) -> RawText:
    """Return the sentences and labels of a text data set found on this machine.

    Raises:
        BadInput: it is not here, a file cannot be read, or the rows are not those that were registered.
    """
    found = found_or_refused(data_set)
    parts = {part.name: _read_part(part, found[part.name]) for part in data_set.parts}
    (train, y_train), (test, y_test) = parts["train"], parts["dev"]
    return RawText(sentences=train, y=y_train, sentences_test=test, y_test=y_test)


def part_states(data_set: DataSet) -> list[tuple[str, FileState]]:
    """Return the files of every part with 'ok' or 'rows differ'; GLUE's name of the file with 'missing'."""
    found = located(data_set)
    if found is None:
        return [(part.layouts[0][0], "missing") for part in data_set.parts]
    return [(" and ".join(p.name for p in found[part.name]), _state(part, found[part.name])) for part in data_set.parts]


def _state(part: TextPart, paths: tuple[Path, ...]) -> FileState:
    try:
        _read_part(part, paths)
    except BadInput:
        return "rows differ"
    return "ok"


def _read_part(part: TextPart, paths: tuple[Path, ...]) -> Labelled:
    pieces = [part.reader(read(path, largest=LARGEST), str(path)) for path in paths]
    texts = tuple(chain.from_iterable(piece[0] for piece in pieces))
    labels = np.concatenate([piece[1] for piece in pieces])
    place = " and ".join(map(str, paths))
    if len(texts) != part.rows:
        raise BadInput(f"{place} has {len(texts)} rows, expected the {part.rows} of GLUE: it is cut or another file")
    found, digest = ordered(texts, labels)
    if digest != part.sha256:
        raise BadInput(f"{place} has other sentences or labels than GLUE's: get the file again")
    return found
