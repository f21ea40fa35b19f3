"""TSV files as people have them: read right, or one line with the number of the line at fault."""

import gzip
from functools import partial

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sims.data import tsv
from sims.data.text import sentences_and_labels
from sims.errors import BadInput

# without the time, so that every worker collects the same tests
PACK = partial(gzip.compress, mtime=0)
HEADER = "sentence\tlabel\n"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (HEADER + "good\t1\ndull\t0\n", ("good", "dull")),
        (HEADER + "good\t1\ndull\t0", ("good", "dull")),
        (HEADER + "good\t1\ndull\t0\n\n \n", ("good", "dull")),
        ("\ufeff" + HEADER + "good\t1\n", ("good",)),
        (HEADER.replace("\n", "\r\n") + "good\t1\r\ndull\t0\r\n", ("good", "dull")),
        # line ends of several machines in one file
        (HEADER + "good\t1\r\ndull\t0\n", ("good", "dull")),
        (HEADER + "a\rb\t1\n", ("a\rb",)),
        (HEADER + "a\u2028b\x0bc\x1cd\x85e\t1\n", ("a\u2028b\x0bc\x1cd\x85e",)),
        (HEADER + "x" * 140_000 + "\t1\n", ("x" * 140_000,)),
        # marks that quote nothing
        (HEADER + 'a "quoted" word\t1\n"so\t0\n', ('a "quoted" word', '"so')),
        (HEADER + '"whole"\t1\n', ('"whole"',)),
        (HEADER + '"both"\t1\n"a ""quoted"" word"\t1\n', ('"both"', '"a ""quoted"" word"')),
        # marks of a writer
        (HEADER + '"a ""quoted"" word"\t1\nplain\t0\n', ('a "quoted" word', "plain")),
        ('"sentence"\t"label"\n"good"\t"1"\n', ("good",)),
        ("label\tsentence\n1\tgood\n", ("good",)),
        ("\tsentence\tlabel\n0\tgood\t1\n", ("good",)),
        ("idx\tsentence\tlabel\n0\tgood\t1\n", ("good",)),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_files_that_are_fine(text: str, sentences: tuple[str, ...], packed: bool) -> None:
    content = text.encode()
    assert sentences_and_labels(PACK(content) if packed else content)[0] == sentences


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((HEADER + "a\t²\n").encode(), "line 2 of x is .*: expected a sentence and a label"),
        ((HEADER + "a\t١\n").encode(), "line 2 of x"),
        ((HEADER + "a\t-1\n").encode(), "line 2 of x"),
        ((HEADER + "a\t" + "1" * 30 + "\n").encode(), "line 2 of x"),
        ((HEADER + "a\t1\n\nb\t0\n").encode(), r"line 3 of x is \[''\]"),
        ((HEADER + "a\t1\nb\n").encode(), "line 3 of x"),
        ((HEADER + "a\t1\nb\tc\t0\n").encode(), "line 3 of x"),
        ((HEADER + "a\t1\ncaf\xe9\t0\n").encode("latin-1"), "line 3 of x is not UTF-8"),
        (b"\xef\xbb\xbf" + (HEADER + "a\t1\ncaf\xe9\t0\n").encode("latin-1"), "line 3 of x is not UTF-8"),
        ((HEADER + "a\t1\n").encode("utf-16"), "line 1 of x is not UTF-8"),
        ((HEADER + "a\t1\n").encode("utf-16-le"), "expected the header"),
        ((HEADER + "a\t1\n").replace("\n", "\r").encode(), "expected the header"),
        (b"", "x begins with nothing: expected the header 'sentence<TAB>label'"),
        (b"sentence\tlabel\tlabel\n", "expected the header"),
        (b"index\tsentence\n0\ta\n", "expected the header"),
        (PACK((HEADER + "a\t1\n" * 9).encode())[:-9], "x ends within line .*: its gzip stream is cut off"),
        (PACK((HEADER + "a\t1\n" * 9).encode()) + b"more", "x is damaged at line 11 or after it"),
        (PACK(HEADER.encode())[:10] + b"\x07" * 20, "x is damaged at line 1 or after it"),
        (PACK(HEADER.encode())[:3], "x ends within line 1"),
    ],
)
def test_faults_are_one_line_with_the_number_of_the_line(content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        sentences_and_labels(content, "x")
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_long_stream_that_is_cut_says_how_far_it_came() -> None:
    lines = "".join(f"{i * i * i % 7919} word {i}\t{i % 2}\n" for i in range(20_000))
    packed = PACK((HEADER + lines).encode())
    with pytest.raises(BadInput, match=r"ends within line 1[0-9]{4}: its gzip stream is cut off"):
        sentences_and_labels(packed[: int(len(packed) * 0.75)])


def test_two_members_and_padding_are_one_file() -> None:
    packed = PACK((HEADER + "a\t1\n").encode()) + PACK(b"b\t0\n") + b"\0" * 512
    assert sentences_and_labels(packed)[0] == ("a", "b")


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsv, "LARGEST", 1 << 16)
    with pytest.raises(BadInput, match="x unpacks to more than 0 MiB"):
        sentences_and_labels(PACK(b"\0" * (1 << 20)), "x")


SENTENCES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n"), max_size=20).map(str.strip)


@given(found=st.lists(st.tuples(SENTENCES.filter(bool), st.integers(0, 1)), min_size=1, max_size=6), crlf=st.booleans())
def test_what_is_written_is_read(found: list[tuple[str, int]], crlf: bool) -> None:
    """Raw, and as csv writers write it; raw text that looks written needs doubled marks in every field with a mark."""
    end = "\r\n" if crlf else "\n"
    raw = end.join(["sentence\tlabel", *(f"{s}\t{y}" for s, y in found)])
    quoted = end.join(['"sentence"\t"label"', *('"' + s.replace('"', '""') + f'"\t"{y}"' for s, y in found)])
    expected = tuple(s for s, _ in found)
    assert sentences_and_labels(quoted.encode())[0] == expected
    marked = [s for s in expected if '"' in s]
    if not marked or not all(s[0] == s[-1] == '"' and '""' in s[1:-1] for s in marked):
        assert sentences_and_labels(raw.encode())[0] == expected


@given(content=st.binary(max_size=60), packed=st.booleans())
def test_any_bytes_are_read_or_refused(content: bytes, packed: bool) -> None:
    content = HEADER.encode() + content
    message = ""
    try:
        sentences_and_labels(PACK(content) if packed else content)
    except BadInput as error:
        message = str(error)
    assert "\n" not in message


@given(place=st.integers(0, 80), patch=st.binary(max_size=3))
def test_any_damage_to_a_stream_is_read_or_refused(place: int, patch: bytes) -> None:
    content = bytearray(PACK((HEADER + "a\t1\nb\t0\n").encode()))
    content[place : place + 2] = patch
    message = ""
    try:
        assert sentences_and_labels(bytes(content))[0] == ("a", "b")
    except BadInput as error:
        message = str(error)
    assert "\n" not in message
