"""Arrays in .npz files: names, types and sizes are read from the headers and judged before any number is loaded."""

import lzma
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sims import memory
from sims.errors import BadInput
from sims.files import irregular
from sims.names import did_you_mean

_WRITTEN_BY = "expected an .npz file written by numpy.savez"
_DAMAGED = (
    ValueError,
    OSError,
    EOFError,
    MemoryError,
    RuntimeError,  # an encrypted member
    NotImplementedError,  # an unknown compression
    IndexError,
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
_EXACT = 2**53  # whole numbers up to here are 64-bit floats


@dataclass(frozen=True)
class Header:
    """What a member of the archive says of itself: shape and type; ``bytes`` is its size in memory."""

    member: str
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """Size of the array as it is stored."""
        return math.prod(self.shape) * self.dtype.itemsize


class Archive:
    """An .npz file of which only the headers have been read."""

    def __init__(
        self, path: str | os.PathLike[str], known: Sequence[str], elsewhere: Mapping[str, str] | None = None
    ) -> None:
        """Read the headers of the ``known`` arrays; ``elsewhere`` says how names that no file holds are given.

        Raises:
            BadInput: no regular file, no .npz file, an array that is not known (with the nearest name) or pickled.
        """
        self.path = Path(path)
        kind = irregular(self.path)
        if kind is not None:
            raise BadInput(f"{self.path} is {kind}: expected an .npz file")
        if not self.path.exists():
            raise BadInput(f"{self.path} does not exist: expected an .npz file, check the path")
        if not os.access(self.path, os.R_OK):
            raise BadInput(f"{self.path} is not readable: check its permissions")
        if not zipfile.is_zipfile(self.path):
            raise BadInput(
                f"{self.path} cannot be read (not a zip archive): expected an .npz archive with named arrays"
            )
        self.known, self.elsewhere = tuple(known), elsewhere or {}
        self.headers: dict[str, Header] = {}
        with self._reading(), zipfile.ZipFile(self.path) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                self._check_name(name, member.filename)
                with archive.open(member) as file:
                    self.headers[name] = _header(file, member.filename)
        for name, header in self.headers.items():
            if header.dtype.hasobject:
                raise BadInput(
                    f"{name} in {self.path} holds pickled objects: expected plain numeric arrays, nothing was loaded"
                )

    def _check_name(self, name: str, filename: str) -> None:
        if name not in self.known:
            hint = f" ({self.elsewhere[name]})" if name in self.elsewhere else did_you_mean(name, self.known)
            raise BadInput(
                f"{self.path} holds an array {name!r} that is not read{hint}; expected only {', '.join(self.known)}"
            )
        if filename == name:
            raise BadInput(f"{name} in {self.path} is no array: {_WRITTEN_BY}")
        if name in self.headers:
            raise BadInput(f"{self.path} holds {name!r} twice: expected each array once")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except BadInput:
            raise
        except _DAMAGED as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise BadInput(f"{self.path} cannot be read ({reason}): {_WRITTEN_BY}") from None

    def __contains__(self, name: str) -> bool:
        return name in self.headers

    def require_memory(self) -> None:
        """Raise BadInput if the arrays, with their copies as 64-bit floats, do not fit into the free memory."""
        need = 0
        for header in self.headers.values():
            copied = header.dtype != np.float64
            need += header.bytes + copied * 8 * math.prod(header.shape)
        memory.require(need, f"loading {self.path} ({self.shapes()})")

    def shapes(self) -> str:
        """Return names and shapes in words."""
        return ", ".join(f"{name} {header.shape}" for name, header in self.headers.items()) or "no arrays"

    def numbers(self, name: str, dimensions: tuple[int, ...]) -> np.ndarray:
        """Return an array as 64-bit floats, every one of them equal to the number in the file.

        Raises:
            BadInput: another number of dimensions, no real numbers, or numbers that 64-bit floats cannot hold.
        """
        header = self.headers[name]
        kind, place = header.dtype.kind, f"{name} in {self.path}"
        if kind not in "fiu":
            raise BadInput(f"{place} has dtype {header.dtype}: expected real numbers")
        if kind == "f" and header.dtype.itemsize > 8:
            raise BadInput(
                f"{place} has dtype {header.dtype}, which 64-bit floats cannot hold: expected float64, say by "
                f"{name}.astype('float64')"
            )
        if len(header.shape) not in dimensions:
            wanted = " or ".join(str(d) for d in dimensions)
            raise BadInput(f"{place} has shape {header.shape}: expected {wanted} dimensions")
        array = self._load(name)
        if kind in "iu" and header.dtype.itemsize == 8:
            _refuse_rounding(array, place)
        return array.astype(np.float64, order="C", copy=False)

    def word(self, name: str) -> str:
        """Return an array that holds one short word.

        Raises:
            BadInput: it holds anything else.
        """
        header = self.headers[name]
        if header.shape != () or header.dtype.kind not in "US" or header.dtype.itemsize > 1024:
            raise BadInput(
                f"{name} in {self.path} has dtype {header.dtype} and shape {header.shape}: expected one word"
            )
        word = self._load(name).item()
        return word if isinstance(word, str) else word.decode(errors="replace")

    def _load(self, name: str) -> np.ndarray:
        header = self.headers[name]
        with self._reading(), zipfile.ZipFile(self.path) as archive, archive.open(header.member) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):  # also reads to the end, where the checksum is compared
                raise ValueError(f"{name} holds more numbers than its header says")
        return array


def _header(file: Any, member: str) -> Header:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"array format {version} of {member}, expected (1, 0) or (2, 0)")
    if any(side < 0 for side in shape):
        raise ValueError(f"shape {shape} of {member}")
    return Header(member, shape, dtype)


def _refuse_rounding(array: np.ndarray, place: str) -> None:
    """Raise BadInput unless every 64-bit whole number is a 64-bit float: its odd part must be below 2^53."""
    large = array[(array > _EXACT) | (array < -_EXACT)]
    magnitude = large.astype(np.uint64) if large.dtype.kind == "u" else _magnitude(large)
    odd = magnitude // (magnitude & (~magnitude + np.uint64(1)))
    bad = large[odd >= np.uint64(_EXACT)]
    if bad.size:
        raise BadInput(
            f"{place} holds {int(bad.flat[0])}, which 64-bit floats cannot hold: expected whole numbers up to 2^53"
        )


def _magnitude(array: np.ndarray) -> np.ndarray:
    """Return |x| of 64-bit signed numbers as unsigned ones, -2^63 included."""
    unsigned = array.astype(np.uint64)
    return np.where(array < 0, ~unsigned + np.uint64(1), unsigned)
