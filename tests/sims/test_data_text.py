"""Labelled sentences: found in any layout, checked by their rows, and refused where vectors are wanted."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sims import data as data_sets
from sims.data import CATALOGUE, few_shot_text, load, load_text
from sims.data import catalogue as catalogue_module
from sims.data import files as files_module
from sims.data.dataset import PAIR
from sims.data.text import ordered, pairs_and_labels, sentences_and_labels
from sims.data.text_files import located
from sims.errors import BadInput

# Collected, not skipped: a machine without the files has no such test.
FOUND, FOUND_PAIRS = (located(CATALOGUE[name]) is not None for name in ("glue-sst2", "glue-rte"))


def pairs_tsv(rows: list[tuple[str, str, str]], *, header: bool) -> bytes:
    lines = [f"{i}\t{a}\t{b}\t{label}\n" for i, (a, b, label) in enumerate(rows)]
    return gzip.compress(("index\tsentence1\tsentence2\tlabel\n" * header + "".join(lines)).encode())


def tsv(rows: list[tuple[str, int]]) -> bytes:
    return gzip.compress(("sentence\tlabel\n" + "".join(f"{s}\t{y}\n" for s, y in rows)).encode())


def register(monkeypatch: pytest.MonkeyPatch, name: str, **parts: tuple[list[str], list[int]]) -> None:
    """Register these rows as those of the data set."""
    known = [
        replace(
            part, rows=len(parts[part.name][0]), sha256=ordered(parts[part.name][0], np.array(parts[part.name][1]))[1]
        )
        for part in CATALOGUE[name].parts
    ]
    monkeypatch.setitem(catalogue_module.CATALOGUE, name, replace(CATALOGUE[name], parts=tuple(known)))


TRAIN = [(f'a "quoted word {i} ', i % 2) for i in range(12)] + [(f"short{i}", i % 2) for i in range(8)]
DEV = [("naïve café", 1), ("dull", 0)]


@pytest.fixture
def small_sst2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Register a few rows under the name glue-sst2 and put them into a chosen folder; return it."""
    parts = {name: ([s for s, _ in rows], [y for _, y in rows]) for name, rows in (("train", TRAIN), ("dev", DEV))}
    register(monkeypatch, "glue-sst2", **parts)
    folder = tmp_path / "glue_sst2"
    folder.mkdir()
    for name, rows in (("train_part1", TRAIN[:12]), ("train_part2", TRAIN[12:]), ("dev", DEV)):
        (folder / f"{name}.tsv.gz").write_bytes(tsv(rows))
    monkeypatch.setenv("LORA_THEORY_DATA", str(tmp_path))
    monkeypatch.setattr(files_module, "cache_folder", lambda: tmp_path / "cache")
    return folder


def test_sentences_keep_their_marks_and_the_shuffle_depends_on_the_seed_alone(small_sst2: Path) -> None:
    data = load_text("glue-sst2", seed=3)
    assert dict(zip(data.test, data.y_test.tolist())) == {"naïve café": 1, "dull": 0}
    assert (len(data.train), data.classes) == (20, 2)
    assert all(int(s.split()[-1].removeprefix("short")) % 2 == y for s, y in zip(data.train, data.y_train))
    assert any('"' in sentence for sentence in data.train)
    assert data.train == load_text("glue-sst2", seed=3).train
    assert data.train != load_text("glue-sst2", seed=4).train


def test_few_sentences_are_balanced_and_long_enough(small_sst2: Path) -> None:
    data = load_text("glue-sst2")
    few = few_shot_text(data, per_class=4, words=3, seed=1)
    assert np.bincount(few.y_train).tolist() == [4, 4]
    assert all(len(sentence.split()) >= 3 for sentence in few.train)
    pairs = set(zip(data.train, data.y_train.tolist()))
    assert set(zip(few.train, few.y_train.tolist())) <= pairs
    assert few.test == data.test


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_class": 0}, "per_class 0 is out of range"),
        ({"per_class": 1, "seed": -1}, "seed -1 is negative"),
        ({"per_class": 7, "words": 3}, "7 sentences of class 0 were asked for: .* has 6 of at least 3 words"),
    ],
)
def test_few_sentences_that_do_not_exist_are_refused(small_sst2: Path, options: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        few_shot_text(load_text("glue-sst2"), **options)


def test_pairs_come_joined_with_1_for_entailment_and_only_some_parts_have_a_header(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    contents = {
        "train_part1.tsv.gz": pairs_tsv([('a "b', "c ", "entailment"), ("d", "e", "not_entailment")], header=True),
        "train_part2.tsv.gz": pairs_tsv([("f", "g", "not_entailment")], header=False),
        "dev.tsv.gz": pairs_tsv([("h", "i", "entailment")], header=True),
    }
    train = [f'a "b{PAIR}c', f"d{PAIR}e", f"f{PAIR}g"]
    register(monkeypatch, "glue-rte", train=(train, [1, 0, 0]), dev=([f"h{PAIR}i"], [1]))
    (tmp_path / "glue_rte").mkdir()
    for name, content in contents.items():
        (tmp_path / "glue_rte" / name).write_bytes(content)
    monkeypatch.setenv("LORA_THEORY_DATA", str(tmp_path))
    data = load_text("glue-rte")
    assert dict(zip(data.train, data.y_train.tolist())) == {
        f'a "b{PAIR}c': 1,
        f"d{PAIR}e": 0,
        f"f{PAIR}g": 0,
    }
    assert (data.test, data.y_test.tolist(), data.classes) == ((f"h{PAIR}i",), [1], 2)


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([("a", "b", "entailment")], False, "expected the header 'sentence1<TAB>sentence2<TAB>label'"),
        ([("a", "b", "entailment"), ("a", "b", "neutral")], True, "line 3 of a TSV file .* not_entailment or entail"),
        ([("a", "b\tc", "entailment")], True, "line 2 of a TSV file"),
    ],
)
def test_other_layouts_of_pairs_are_refused(rows: list, header: bool, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        pairs_and_labels(pairs_tsv(rows, header=header), header=True)


def test_sentences_and_vectors_are_not_confused(small_sst2: Path) -> None:
    with pytest.raises(BadInput, match="glue-sst2 holds sentences, not vectors"):
        load("glue-sst2")
    with pytest.raises(BadInput, match="digits holds vectors, not sentences: expected one of glue-sst2"):
        load_text("digits")
    with pytest.raises(BadInput, match="seed -1 is negative"):
        load_text("glue-sst2", seed=-1)


def test_without_the_files_one_line_says_where_they_are_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LORA_THEORY_DATA", raising=False)
    monkeypatch.setattr(files_module, "cache_folder", lambda: tmp_path)
    message = (
        r"^glue-sst2 is not on this machine and is not fetched by this program: get https://\S+/SST-2.zip and unpack "
        r"it .*; then set LORA_THEORY_DATA to the folder that holds SST-2, or use the embedded 'digits'$"
    )
    for ask in (load_text, data_sets.get):
        with pytest.raises(BadInput, match=message):
            ask("glue-sst2")
    assert data_sets.status("glue-sst2") == "not on this machine"
    assert data_sets.verify("glue-sst2") == [("train.tsv", "missing"), ("dev.tsv", "missing")]


def glue(folder: Path) -> None:
    """GLUE's own layout: rows in another order, spaces before the tab."""
    for name, rows in (("train.tsv", TRAIN[::-1]), ("dev.tsv", DEV)):
        lines = ["sentence\tlabel", *(f"{sentence.strip()} \t{label}" for sentence, label in rows)]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf8")


def hugging_face(folder: Path) -> None:
    """What pandas writes: fields with a mark in marks, the number of the row in a column, any line ends."""
    for name, rows in (("train.tsv", TRAIN[3:] + TRAIN[:3]), ("validation.tsv", DEV)):
        quoted = [('"' + s.replace('"', '""') + '"' if '"' in s else s, y) for s, y in rows]
        lines = ["sentence\tlabel\tidx", *(f"{s}\t{y}\t{i}" for i, (s, y) in enumerate(quoted))]
        (folder / name).write_text("\r\n".join(lines) + "\r\n", encoding="utf-8-sig", newline="")


@pytest.mark.parametrize("layout", [glue, hugging_face])
@pytest.mark.parametrize("name", ["glue_sst2", "SST-2"])
def test_every_layout_gives_the_same_data(small_sst2: Path, name: str, layout) -> None:
    expected = load_text("glue-sst2", seed=1)
    for path in small_sst2.iterdir():
        path.unlink()
    folder = small_sst2.with_name(name)
    folder.mkdir(exist_ok=True)
    layout(folder)
    found = load_text("glue-sst2", seed=1)
    assert (found.train, found.test) == (expected.train, expected.test)
    np.testing.assert_array_equal(found.y_train, expected.y_train)
    np.testing.assert_array_equal(found.y_test, expected.y_test)
    assert data_sets.status("glue-sst2") == f"found in {folder}"
    assert {state for _, state in data_sets.verify("glue-sst2")} == {"ok"}
    assert len(data_sets.get("glue-sst2")) == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (TRAIN[:-1], "has 19 rows, expected the 20 of GLUE"),
        ([*TRAIN[:-1], ("short7", 0)], "has other sentences or labels than GLUE's"),
        ([*TRAIN[:-1], ("short8", 1)], "has other sentences or labels than GLUE's"),
    ],
)
def test_other_rows_are_refused(small_sst2: Path, rows: list, message: str) -> None:
    (small_sst2 / "train.tsv.gz").write_bytes(tsv(rows))
    with pytest.raises(BadInput, match=rf"train\.tsv\.gz {message}"):
        load_text("glue-sst2")
    assert data_sets.verify("glue-sst2") == [("train.tsv.gz", "rows differ"), ("dev.tsv.gz", "ok")]


def test_a_part_that_is_missing_is_named(small_sst2: Path) -> None:
    (small_sst2 / "dev.tsv.gz").unlink()
    with pytest.raises(BadInput, match=r"glue_sst2 has no dev\.tsv: get https"):
        load_text("glue-sst2")


def test_labels_of_pairs_may_be_the_numbers_of_hugging_face() -> None:
    content = b"sentence1\tsentence2\tlabel\tidx\na\tb\t0\t0\nc\td\t1\t1\n"
    texts, labels = pairs_and_labels(content)
    assert texts == (f"a{PAIR}b", f"c{PAIR}d")
    assert labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text\tlabel\nfine\t1\n", "expected the header"),
        ("", "expected the header"),
        ("sentence\tlabel\nfine\t1\nno label\n", r"line 3 of a TSV file is \['no label'\]"),
        ("sentence\tlabel\nfine\tpositive\n", "line 2 of a TSV file"),
    ],
)
def test_other_layouts_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        sentences_and_labels(gzip.compress(text.encode()))


if FOUND:

    def test_the_real_files_have_the_published_counts() -> None:
        data = load_text("glue-sst2")
        assert np.bincount(data.y_train).tolist() == [29780, 37569]
        assert np.bincount(data.y_test).tolist() == [428, 444]


if FOUND_PAIRS:

    def test_the_real_pairs_have_the_published_counts() -> None:
        data = load_text("glue-rte")
        assert np.bincount(data.y_train).tolist() == [1241, 1249]
        assert np.bincount(data.y_test).tolist() == [131, 146]
        assert all(sentence.count(PAIR) == 1 for sentence in (*data.train, *data.test))
