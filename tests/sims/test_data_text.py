"""Labelled sentences: found, checked, read as they are, and refused where vectors are wanted."""

import gzip
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sims import data as data_sets
from sims.data import CATALOGUE, DataFile, few_shot_text, load, load_text
from sims.data import catalogue as catalogue_module
from sims.data import files as files_module
from sims.data.text import PAIR, pairs_and_labels, sentences_and_labels
from sims.errors import BadInput

CHOSEN_FOLDER = os.environ.get("LORA_THEORY_DATA")
# Collected, not skipped: a machine without the files has no such test.
FOUND = CHOSEN_FOLDER is not None and Path(CHOSEN_FOLDER, CATALOGUE["glue-sst2"].folder).is_dir()


FOUND_PAIRS = CHOSEN_FOLDER is not None and Path(CHOSEN_FOLDER, CATALOGUE["glue-rte"].folder).is_dir()


def pairs_tsv(rows: list[tuple[str, str, str]], *, header: bool) -> bytes:
    lines = [f"{i}\t{a}\t{b}\t{label}\n" for i, (a, b, label) in enumerate(rows)]
    return gzip.compress(("index\tsentence1\tsentence2\tlabel\n" * header + "".join(lines)).encode())


def tsv(rows: list[tuple[str, int]]) -> bytes:
    return gzip.compress(("sentence\tlabel\n" + "".join(f"{s}\t{y}\n" for s, y in rows)).encode())


@pytest.fixture
def small_sst2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Register small files under the name glue-sst2, with their true sha256, in a chosen folder; return it."""
    contents = {
        "train_part1.tsv.gz": tsv([(f'a "quoted word {i} ', i % 2) for i in range(12)]),
        "train_part2.tsv.gz": tsv([(f"short{i}", i % 2) for i in range(8)]),
        "dev.tsv.gz": tsv([("naïve café", 1), ("dull", 0)]),
    }
    files = tuple(DataFile(name, hashlib.sha256(c).hexdigest(), len(c)) for name, c in contents.items())
    monkeypatch.setitem(catalogue_module.CATALOGUE, "glue-sst2", replace(CATALOGUE["glue-sst2"], files=files))
    folder = tmp_path / "glue_sst2"
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv("LORA_THEORY_DATA", str(tmp_path))
    return folder


def test_sentences_keep_their_marks_and_the_shuffle_depends_on_the_seed_alone(small_sst2: Path) -> None:
    data = load_text("glue-sst2", seed=3)
    assert data.test == ("naïve café", "dull")
    assert data.y_test.tolist() == [1, 0]
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
    files = tuple(DataFile(name, hashlib.sha256(c).hexdigest(), len(c)) for name, c in contents.items())
    monkeypatch.setitem(catalogue_module.CATALOGUE, "glue-rte", replace(CATALOGUE["glue-rte"], files=files))
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
        ([("a", "b", "entailment")], False, "expected the header 'index<TAB>sentence1<TAB>sentence2<TAB>label'"),
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


def test_without_the_files_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LORA_THEORY_DATA", raising=False)
    monkeypatch.setattr(files_module, "cache_folder", lambda: tmp_path)
    message = (
        r"^glue-sst2 is not on this machine and is not fetched by this program \(source: https://gluebenchmark\S+\): "
        r"set LORA_THEORY_DATA to a folder that holds glue_sst2/train_part1.tsv.gz, or use the embedded 'digits'$"
    )
    for ask in (load_text, data_sets.get):
        with pytest.raises(BadInput, match=message):
            ask("glue-sst2")
    assert data_sets.status("glue-sst2") == "not on this machine"


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
