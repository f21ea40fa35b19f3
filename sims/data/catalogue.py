"""The registry of data sets, and the things one does with a name: load, load_text, status, verify, get, find."""

from importlib.util import find_spec
from pathlib import Path

from sims.data.dataset import Data, DataSet, RawText, TextData
from sims.data.embedded import EMBEDDED
from sims.data.fetched import FETCHED
from sims.data.files import FileState, contents, file_state, locate
from sims.data.samples import prepare
from sims.data.text import TEXT, prepare_text
from sims.errors import BadInput, CannotServe
from sims.used import note_loaded, note_looked_for

CATALOGUE: dict[str, DataSet] = {data_set.name: data_set for data_set in (*EMBEDDED, *TEXT, *FETCHED)}


def find(name: str) -> DataSet:
    """Return the registered data set of this name.

    Raises:
        BadInput: no such name; the message lists the known ones.
    """
    if name not in CATALOGUE:
        raise BadInput(f"data set {name!r} is unknown: expected one of {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def load(name: str, *, seed: int = 0, samples: int | None = None, split: float = 0.2) -> Data:
    """Return the data set's training and test part; see `prepare` for the shuffle, the split and the scales.

    Raises:
        BadInput: unknown name, sentences instead of vectors, a file that is missing or has another sha256, or an option
            out of range.
    """
    data_set = find(name)
    if data_set.kind == "text":
        raise CannotServe(
            f"{name} holds sentences, not vectors, and few things read them (NTK-FEWSHOT, text-classifier benchmarks): "
            "use the embedded 'digits'"
        )
    raw = data_set.loader(contents(data_set))
    assert not isinstance(raw, RawText)
    note_loaded(name)
    return prepare(data_set, raw, seed=seed, samples=samples, split=split)


def load_text(name: str, *, seed: int = 0) -> TextData:
    """Return the sentences and labels of a text data set, the training part shuffled by the seed.

    Raises:
        BadInput: unknown name, vectors instead of sentences, a file that is missing or has another sha256.
    """
    data_set = find(name)
    if data_set.kind != "text":
        texts = ", ".join(s.name for s in CATALOGUE.values() if s.kind == "text")
        raise CannotServe(f"{name} holds vectors, not sentences: expected one of {texts}")
    raw = data_set.loader(contents(data_set))
    assert isinstance(raw, RawText)
    note_loaded(name)
    return prepare_text(data_set, raw, seed=seed)


def status(name: str) -> str:
    """Return 'embedded', 'found in PATH' or 'not on this machine'. Contents are not read: `verify` does that."""
    data_set = find(name)
    if data_set.embedded:
        return "embedded"
    paths = [path for file in data_set.files if (path := locate(data_set, file)) is not None]
    if not note_looked_for(name, len(paths) == len(data_set.files)):
        return "not on this machine"
    return f"found in {' and '.join(dict.fromkeys(str(path.parent) for path in paths))}"


def present(name: str) -> bool:
    """Return whether a data set of the catalogue, or else an installed package, of this name is on this machine."""
    return status(name) != "not on this machine" if name in CATALOGUE else find_spec(name) is not None


def verify(name: str) -> list[tuple[str, FileState]]:
    """Return every file of the set with 'ok', 'missing' or 'sha256 differs'; empty for an embedded set."""
    data_set = find(name)
    return [(file.filename, file_state(data_set, file)) for file in data_set.files]


def get(name: str) -> list[Path]:
    """Return the paths of the set's files, all present and checked, after fetching what is missing; [] if embedded.

    Raises:
        BadInput: unknown name, or a file that cannot be fetched or has another sha256.
    """
    data_set = find(name)
    contents(data_set)
    return [path for file in data_set.files if (path := locate(data_set, file)) is not None]
