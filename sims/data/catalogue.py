"""The registry of data sets, and the things one does with a name: load, load_text, status, verify, get, find."""

from importlib.util import find_spec
from pathlib import Path

from sims.data.dataset import Data, DataSet, TextData
from sims.data.embedded import EMBEDDED
from sims.data.fetched import FETCHED
from sims.data.files import FileState, contents, file_state, locate
from sims.data.samples import prepare
from sims.data.text import prepare_text
from sims.data.text_files import located, part_states, read_text
from sims.data.text_sets import TEXT
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
    if data_set.loader is None:
        raise CannotServe(
            f"{name} holds sentences, not vectors, and few things read them (NTK-FEWSHOT, text-classifier benchmarks): "
            "use the embedded 'digits'"
        )
    raw = data_set.loader(contents(data_set))
    note_loaded(name)
    return prepare(data_set, raw, seed=seed, samples=samples, split=split)


def load_text(name: str, *, seed: int = 0) -> TextData:
    """Return the sentences and labels of a text data set, the training part shuffled by the seed.

    Raises:
        BadInput: unknown name, vectors instead of sentences, a file that is missing or has other rows.
    """
    data_set = find(name)
    if data_set.kind != "text":
        texts = ", ".join(s.name for s in CATALOGUE.values() if s.kind == "text")
        raise CannotServe(f"{name} holds vectors, not sentences: expected one of {texts}")
    raw = read_text(data_set)
    note_loaded(name)
    return prepare_text(data_set, raw, seed=seed)


def status(name: str) -> str:
    """Return 'embedded', 'found in PATH' or 'not on this machine'. Contents are not read: `verify` does that."""
    data_set = find(name)
    if data_set.embedded:
        return "embedded"
    paths = _present(data_set)
    if not note_looked_for(name, bool(paths)):
        return "not on this machine"
    return f"found in {' and '.join(dict.fromkeys(str(path.parent) for path in paths))}"


def present(name: str) -> bool:
    """Return whether a data set of the catalogue, or else an installed package, of this name is on this machine."""
    return status(name) != "not on this machine" if name in CATALOGUE else find_spec(name) is not None


def verify(name: str) -> list[tuple[str, FileState]]:
    """Return every file of the set with 'ok', 'missing', 'sha256 differs' or 'rows differ'; [] for an embedded set."""
    data_set = find(name)
    if data_set.parts:
        return part_states(data_set)
    return [(file.filename, file_state(data_set, file)) for file in data_set.files]


def get(name: str) -> list[Path]:
    """Return the paths of the set's files, all present and checked, after fetching what is missing; [] if embedded.

    Raises:
        BadInput: unknown name, or a file that cannot be fetched, or has another sha256 or other rows.
    """
    data_set = find(name)
    if data_set.parts:
        read_text(data_set)
    else:
        contents(data_set)
    return _present(data_set)


def _present(data_set: DataSet) -> list[Path]:
    """Return the paths of the set's files if all of them are on this machine, else []."""
    if data_set.parts:
        return [path for paths in (located(data_set) or {}).values() for path in paths]
    paths = [path for file in data_set.files if (path := locate(data_set, file)) is not None]
    return paths if len(paths) == len(data_set.files) else []
