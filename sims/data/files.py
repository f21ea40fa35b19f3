"""Where the files of a data set lie, whether they are the right ones, and how missing ones are fetched."""

import hashlib
import os
import sys
from pathlib import Path
from typing import Literal

from sims.data.dataset import DataFile, DataSet
from sims.errors import BadInput

VARIABLE = "LORA_THEORY_DATA"

FileState = Literal["ok", "missing", "sha256 differs", "rows differ"]


def cache_folder() -> Path:
    """Return the platform's cache folder for this program, where fetched files are kept."""
    import pooch

    return Path(pooch.os_cache("lora-theory"))


def search_folders(data_set: DataSet) -> tuple[Path, ...]:
    """Return the folders searched for the files of this set, in order: $LORA_THEORY_DATA (if set), the cache."""
    chosen = os.environ.get(VARIABLE)
    roots = ([Path(chosen).expanduser()] if chosen else []) + _caches()
    return tuple(root / data_set.folder for root in roots)


def _caches() -> list[Path]:
    try:
        return [cache_folder()]
    except ModuleNotFoundError:  # a machine without pooch and without a network reads from the chosen folder alone
        return []


def locate(data_set: DataSet, file: DataFile) -> Path | None:
    """Return the first path that holds this file, or None. The content is not looked at."""
    candidates = (folder / file.filename for folder in search_folders(data_set))
    return next((path for path in candidates if os.path.isfile(path)), None)


def read(path: Path, *, largest: int | None = None) -> bytes:
    """Return the content of a file; raise `BadInput` if it cannot be read, or is larger than ``largest`` bytes."""
    try:
        if largest is not None and path.stat().st_size > largest:
            raise BadInput(f"{path} is larger than {largest >> 20} MiB: expected a text data set")
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}): check its permissions") from error


def file_state(data_set: DataSet, file: DataFile) -> FileState:
    """Return 'ok', 'missing' or 'sha256 differs' for one file.

    Raises:
        BadInput: the file is there and cannot be read.
    """
    path = locate(data_set, file)
    if path is None:
        return "missing"
    return "ok" if hashlib.sha256(read(path)).hexdigest() == file.sha256 else "sha256 differs"


def download(url: str, file: DataFile, folder: Path) -> None:
    """Fetch one file into the folder. It appears there complete and with the right sha256, or not at all.

    Raises:
        OSError: no network, no such address, or the folder cannot be written.
        ValueError: what came back has another sha256.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    pooch.retrieve(
        url,
        known_hash=f"sha256:{file.sha256}",
        fname=file.filename,
        path=folder,
        downloader=pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=20),
    )


def _one_line(error: BaseException) -> str:
    # The innermost cause is the short one ("Name or service not known"); requests wraps it in two hundred characters.
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:157]}..."


def fetch(data_set: DataSet, file: DataFile) -> Path:
    """Return the path of a file in the cache after fetching it from the first mirror that answers.

    Raises:
        BadInput: no mirror answers, or the cache cannot be written.
    """
    caches = _caches()
    if not caches:
        raise BadInput(
            f"{data_set.name} is not on this machine and pooch, which fetches it, is not installed: "
            f"set {VARIABLE} to a folder that holds {data_set.folder}/{file.filename}"
        )
    folder = caches[0] / data_set.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"cache folder {folder} cannot be made ({error.strerror}): "
            f"make it writable, or set {VARIABLE} to a folder that holds {data_set.folder}/{file.filename}"
        ) from error
    reason = ""
    for mirror in data_set.mirrors:
        try:
            download(mirror + file.filename, file, folder)
        except (OSError, ValueError) as error:
            reason = _one_line(error)
        else:
            return folder / file.filename
    chosen = os.environ.get(VARIABLE)
    hint = f" (it is {chosen!r} now)" if chosen else ""
    raise BadInput(
        f"{data_set.name} is not on this machine and could not be fetched from {' or '.join(data_set.mirrors)}: "
        f"{reason}; "
        f"set {VARIABLE} to a folder that holds {data_set.folder}/{file.filename}{hint}, or use the embedded 'digits'"
    )


def contents(data_set: DataSet) -> dict[str, bytes]:
    """Return the content of every file by name, found or fetched, each with the registered sha256.

    Raises:
        BadInput: a file is missing and cannot be fetched, cannot be read, or has another sha256.
    """
    result = {}
    for file in data_set.files:
        path = locate(data_set, file) or fetch(data_set, file)
        content = read(path)
        # The bytes that are used are the bytes that were checked.
        digest = hashlib.sha256(content).hexdigest()
        if digest != file.sha256:
            raise BadInput(
                f"{path} has sha256 {digest[:16]}..., expected {file.sha256[:16]}...: it is damaged or another file; "
                f"delete it and run `lora-theory data get {data_set.name}`"
            )
        result[file.filename] = content
    return result
