"""Rows of TSV files as people have them: gzipped or not, with any line ends, quoted or not.

Every fault is one `BadInput` with the number of the line.
"""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from sims.errors import BadInput

# no data set here is larger; a file of zeros unpacks to a thousand times its size
LARGEST = 1 << 28
_GZIP = b"\x1f\x8b"


class Row(NamedTuple):
    """The fields of one line."""

    line: int
    fields: tuple[str, ...]


def rows(content: bytes, name: str) -> list[Row]:
    """Return the rows of a TSV file, gzipped or not, in UTF-8; blank lines at the end are left out.

    A field is what stands between tabs, quotation marks included. Only a file that csv writers made is unquoted: there
    every field with a mark stands in marks, with doubled marks inside, or all names of the header stand in marks.

    Raises:
        BadInput: a gzip stream that is cut off or damaged, bytes that are not UTF-8, or more than 256 MiB of text.
    """
    lines = _text(_unpacked(content, name), name).split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    found = [Row(i, tuple(line.removesuffix("\r").split("\t"))) for i, line in enumerate(lines, start=1)]
    marked = [field for row in found for field in row.fields if '"' in field]
    doubled = bool(marked) and all(_is_quoted(field) and '""' in field[1:-1] for field in marked)
    if doubled or (found and all(_is_quoted(field) for field in found[0].fields)):
        return [Row(row.line, tuple(map(_unquoted, row.fields))) for row in found]
    return found


def columns(found: Sequence[Row], wanted: Sequence[str], name: str) -> list[int]:
    """Return where the wanted columns are, by the header; numbers of rows may stand beside them.

    Raises:
        BadInput: a column that is missing, twice there, or unknown.
    """
    header = [field.strip() for field in found[0].fields] if found else []
    known = {*wanted, "idx", "index", "", "Unnamed: 0"}
    if not set(wanted) <= set(header) <= known or len(set(header)) < len(header):
        first = shortened(found[0].fields) if found else "nothing"
        raise BadInput(f"{name} begins with {first}: expected the header '{'<TAB>'.join(wanted)}'")
    return [header.index(column) for column in wanted]


def shortened(fields: Sequence[str]) -> str:
    """Return a row for a message, long fields cut."""
    text = repr([field if len(field) <= 60 else f"{field[:57]}..." for field in fields[:8]])
    return text if len(fields) <= 8 else f"{text[:-1]}, ...]"


def _is_quoted(field: str) -> bool:
    return len(field) >= 2 and field[0] == field[-1] == '"' and '"' not in field[1:-1].replace('""', "")


def _unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if _is_quoted(field) else field


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # a byte-order mark is cut off before its error counts bytes
        at = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        line = content.count(b"\n", 0, at) + 1
        raise BadInput(f"line {line} of {name} is not UTF-8 ({error.reason}): save the file in UTF-8") from error


def _unpacked(content: bytes, name: str) -> bytes:
    """Return the text of a gzip stream, which may have several members; other content as it is."""
    if not content.startswith(_GZIP):
        return content
    found, rest = b"", content
    while rest:
        stream = zlib.decompressobj(wbits=31)
        try:
            found += stream.decompress(rest, LARGEST + 1 - len(found))
        except zlib.error as error:
            line = found.count(b"\n") + 1
            raise BadInput(f"{name} is damaged at line {line} or after it ({error}): get it again") from error
        if len(found) > LARGEST:
            raise BadInput(f"{name} unpacks to more than {LARGEST >> 20} MiB: expected a text data set")
        if not stream.eof:
            line = found.count(b"\n") + 1
            raise BadInput(f"{name} ends within line {line}: its gzip stream is cut off; get it again")
        # files are sometimes padded with zeros
        rest = stream.unused_data.lstrip(b"\0")
    return found
