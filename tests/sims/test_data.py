"""Data sets: embedded ones need nothing, fetched ones are found, checked, refused by name, or asked for in one line."""

import gzip
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sims import data as data_sets
from sims.data import CATALOGUE, DataFile, few_shot, load
from sims.data import catalogue as catalogue_module
from sims.data import files as files_module
from sims.data.fetched import idx_array
from sims.errors import BadInput
from tests.strategies import seeds
from tests.tolerances import IDENTITY

EMBEDDED = [name for name, data_set in CATALOGUE.items() if data_set.embedded]
FETCHED = [name for name, data_set in CATALOGUE.items() if data_set.mirrors]
# Collected, not skipped: a machine without the files has no such tests.
CHOSEN_FOLDER = os.environ.get("LORA_THEORY_DATA")
FOUND = [name for name in FETCHED if CHOSEN_FOLDER and Path(CHOSEN_FOLDER, CATALOGUE[name].folder).is_dir()]

SIZES = {
    "digits": (1438, 359, 64, 10),
    "iris": (120, 30, 4, 3),
    "wine": (142, 36, 13, 3),
    "breast-cancer": (455, 114, 30, 2),
    "diabetes": (354, 88, 10, 0),
}


def idx_file(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return gzip.compress(head + array.tobytes())


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with an empty cache, no LORA_THEORY_DATA and no network; return the cache folder."""

    def no_network(url: str, file: DataFile, folder: Path) -> None:
        try:
            raise OSError("Name or service not known")
        except OSError as cause:
            raise ConnectionError(f"HTTPSConnectionPool({url}):\nMax retries exceeded") from cause

    monkeypatch.delenv("LORA_THEORY_DATA", raising=False)
    monkeypatch.setattr(files_module, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(files_module, "download", no_network)
    return tmp_path / "cache"


@pytest.fixture
def small_mnist(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Register small files under the name mnist, with their true sha256; return their contents."""
    rng = np.random.default_rng(0)
    images, test_images = (rng.integers(0, 256, size=(n, 3, 3)).astype(np.uint8) for n in (20, 10))
    contents = {
        "train-images-idx3-ubyte.gz": idx_file(images),
        "train-labels-idx1-ubyte.gz": idx_file(np.arange(20, dtype=np.uint8) % 10),
        "t10k-images-idx3-ubyte.gz": idx_file(test_images),
        "t10k-labels-idx1-ubyte.gz": idx_file(np.arange(10, dtype=np.uint8)),
    }
    files = tuple(DataFile(name, hashlib.sha256(c).hexdigest(), len(c)) for name, c in contents.items())
    monkeypatch.setitem(catalogue_module.CATALOGUE, "mnist", replace(CATALOGUE["mnist"], files=files))
    return contents


def place(contents: dict[str, bytes], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


# Embedded sets


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_sets_load_without_network_or_folder(offline: Path, name: str) -> None:
    data = load(name)
    assert (len(data.x_train), len(data.x_test), data.x_train.shape[1], data.classes) == SIZES[name]
    assert data.x_train.dtype == data.x_test.dtype == np.float64
    assert np.isfinite(data.x_train).all()
    assert np.isfinite(data.x_test).all()
    assert data_sets.status(name) == "embedded"
    assert data_sets.verify(name) == []
    assert data_sets.get(name) == []
    assert not offline.exists()


def test_images_are_scaled_by_their_largest_possible_value() -> None:
    data = load("digits")
    assert data.x_train.min() == 0.0
    assert data.x_train.max() == 1.0
    np.testing.assert_array_equal(data.x_train * 16, np.rint(data.x_train * 16))


@pytest.mark.parametrize("name", ["iris", "wine", "breast-cancer", "diabetes"])
def test_tables_are_standardised_on_the_training_part_alone(name: str) -> None:
    data = load(name)
    tolerance = IDENTITY[np.float64]
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0.0, atol=tolerance)
    np.testing.assert_allclose(data.x_train.std(axis=0), 1.0, atol=tolerance)
    # the test part's own mean is not zero, or its statistics have leaked
    assert abs(data.x_test.mean(axis=0)).max() > tolerance


def test_regression_targets_are_one_standardised_column() -> None:
    data = load("diabetes")
    assert data.y_train.shape == (354, 1)
    assert data.y_train.dtype == np.float64
    np.testing.assert_allclose([data.y_train.mean(), data.y_train.std()], [0.0, 1.0], atol=IDENTITY[np.float64])


@given(seed=seeds)
def test_the_shuffle_depends_on_the_seed_alone(seed: int) -> None:
    first, second = load("iris", seed=seed), load("iris", seed=seed)
    np.testing.assert_array_equal(first.x_train, second.x_train)
    np.testing.assert_array_equal(first.y_test, second.y_test)
    # every sample lands in exactly one part
    assert np.bincount(np.concatenate([first.y_train, first.y_test])).tolist() == [50, 50, 50]


def test_two_seeds_give_two_orders() -> None:
    assert not np.array_equal(load("iris", seed=0).y_train, load("iris", seed=1).y_train)


@given(seed=seeds, samples=st.integers(1, 120))
def test_fewer_samples_are_a_prefix_of_more(seed: int, samples: int) -> None:
    whole, few = load("iris", seed=seed), load("iris", seed=seed, samples=samples)
    np.testing.assert_array_equal(few.x_train, whole.x_train[:samples])
    np.testing.assert_array_equal(few.y_train, whole.y_train[:samples])
    np.testing.assert_array_equal(few.x_test, whole.x_test)


@given(split=st.floats(0.0, 1.0, exclude_min=True, exclude_max=True))
def test_both_parts_are_never_empty(split: float) -> None:
    data = load("iris", split=split)
    assert len(data.x_train) >= 1
    assert len(data.x_test) >= 1
    assert len(data.x_train) + len(data.x_test) == 150


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, r"samples 0 is out of range: the training part of iris has 120; choose 1 to 120"),
        ({"samples": 121}, r"samples 121 is out of range"),
        ({"split": 0.0}, r"split 0\.0 is out of range"),
        ({"split": 1.0}, r"split 1\.0 is out of range"),
        ({"split": float("nan")}, r"split nan is out of range"),
        ({"seed": -1}, r"seed -1 is negative"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load("iris", **options)


@pytest.mark.parametrize("ask", [load, data_sets.status, data_sets.verify, data_sets.get, data_sets.find])
def test_an_unknown_name_lists_the_known_ones(ask: Callable[[str], object]) -> None:
    with pytest.raises(BadInput, match=r"data set 'mnsit' is unknown: expected one of digits, .*fashion-mnist$"):
        ask("mnsit")


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_set_states_source_licence_and_checksums(name: str) -> None:
    data_set = CATALOGUE[name]
    assert data_set.source.startswith("http")
    assert data_set.licence
    assert data_set.embedded == (not data_set.files and not data_set.parts)
    assert bool(data_set.parts) == (data_set.kind == "text") == bool(data_set.where)
    assert all(len(part.sha256) == 64 and part.rows > 0 for part in data_set.parts)
    assert data_set.embedded <= (not data_set.mirrors)
    assert all(len(file.sha256) == 64 and file.bytes > 0 for file in data_set.files)


# Small balanced samples


@given(seed=seeds, samples=st.integers(1, 60))
def test_few_shot_is_balanced_and_drawn_from_the_training_part(seed: int, samples: int) -> None:
    data = load("iris", split=0.3)
    few = few_shot(data, samples=samples, seed=seed)
    counts = np.bincount(few.y_train, minlength=3)
    assert counts.sum() == samples
    assert counts.max() - counts.min() <= 1
    rows = {(*x, y) for x, y in zip(data.x_train.tolist(), data.y_train.tolist())}
    assert {(*x, y) for x, y in zip(few.x_train.tolist(), few.y_train.tolist())} <= rows
    np.testing.assert_array_equal(few.x_train, few_shot(data, samples=samples, seed=seed).x_train)


def test_few_shot_restricts_and_renumbers_classes() -> None:
    data = load("digits")
    few = few_shot(data, per_class=5, classes=(7, 3), seed=2)
    assert few.classes == 2
    assert np.bincount(few.y_train).tolist() == [5, 5]
    np.testing.assert_array_equal(few.x_test[few.y_test == 0], data.x_test[data.y_test == 7])
    np.testing.assert_array_equal(few.x_test[few.y_test == 1], data.x_test[data.y_test == 3])
    assert np.isin(few.y_test, (0, 1)).all()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("iris", {}, r"exactly one of per_class and samples"),
        ("iris", {"per_class": 1, "samples": 3}, r"exactly one of per_class and samples"),
        ("iris", {"per_class": 0}, r"per_class 0 is out of range"),
        ("iris", {"samples": 0}, r"samples 0 is out of range"),
        ("iris", {"per_class": 1000}, r"1000 samples of class 0 were asked for: the training part of iris has"),
        ("iris", {"per_class": 1, "classes": (0, 3)}, r"classes \[0, 3\] are not labels of iris"),
        ("iris", {"per_class": 1, "classes": (1, 1)}, r"classes \[1, 1\] are not labels of iris"),
        ("iris", {"per_class": 1, "classes": ()}, r"classes \[\] are not labels of iris"),
        ("iris", {"per_class": 1, "seed": -1}, r"seed -1 is negative"),
        ("diabetes", {"samples": 3}, r"diabetes has no classes"),
    ],
)
def test_few_shot_refuses_what_it_cannot_do(name: str, options: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        few_shot(load(name), **options)


# Fetched sets


@given(seed=seeds, shape=st.sampled_from(((1,), (7,), (2, 3), (3, 4, 5))))
def test_an_idx_file_gives_back_its_array(seed: int, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(seed).integers(0, 256, size=shape).astype(np.uint8)
    np.testing.assert_array_equal(idx_array(idx_file(array)), array)


@pytest.mark.parametrize("name", FETCHED)
def test_without_a_network_one_line_says_what_to_do(offline: Path, name: str) -> None:
    folder = CATALOGUE[name].folder
    message = (
        rf"^{name} is not on this machine and could not be fetched from http\S+ or http\S+: "
        rf"Name or service not known; set LORA_THEORY_DATA to a folder that holds {folder}/\S+, "
        r"or use the embedded 'digits'$"
    )
    for ask in (load, data_sets.get):
        with pytest.raises(BadInput, match=message) as caught:
            ask(name)
        assert "\n" not in str(caught.value)
    assert data_sets.status(name) == "not on this machine"
    assert {state for _, state in data_sets.verify(name)} == {"missing"}


def test_an_unwritable_cache_is_named(offline: Path) -> None:
    offline.write_text("a file where the folder should be")
    with pytest.raises(BadInput, match=r"cache folder \S*mnist cannot be made \(.*\): make it writable"):
        load("mnist")


def test_the_chosen_folder_comes_before_the_cache(
    offline: Path, small_mnist: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place(small_mnist, offline / "mnist")
    assert data_sets.status("mnist") == f"found in {offline / 'mnist'}"
    place(small_mnist, tmp_path / "chosen" / "mnist")
    monkeypatch.setenv("LORA_THEORY_DATA", str(tmp_path / "chosen"))
    assert data_sets.status("mnist") == f"found in {tmp_path / 'chosen' / 'mnist'}"
    assert {path.parent for path in data_sets.get("mnist")} == {tmp_path / "chosen" / "mnist"}
    data = load("mnist", samples=5)
    assert (data.x_train.shape, data.x_test.shape, data.classes) == ((5, 9), (10, 9), 10)
    np.testing.assert_array_equal(data.x_train * 255, np.rint(data.x_train * 255))
    # the official test part keeps its order
    assert data.y_test.tolist() == list(range(10))


def test_a_file_with_a_wrong_sha256_is_refused_by_name(
    offline: Path, small_mnist: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place(small_mnist, tmp_path / "mnist")
    monkeypatch.setenv("LORA_THEORY_DATA", str(tmp_path))
    wrong = tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    wrong.write_bytes(wrong.read_bytes() + b"\0")
    for ask in (load, data_sets.get):
        with pytest.raises(BadInput, match=r"mnist/t10k-labels-idx1-ubyte\.gz has sha256 \w+\.\.\., expected \w+"):
            ask("mnist")
    assert dict(data_sets.verify("mnist")) == {
        "train-images-idx3-ubyte.gz": "ok",
        "train-labels-idx1-ubyte.gz": "ok",
        "t10k-images-idx3-ubyte.gz": "ok",
        "t10k-labels-idx1-ubyte.gz": "sha256 differs",
    }


def test_missing_files_are_fetched_from_the_next_mirror_that_answers(
    offline: Path, small_mnist: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def second_mirror_answers(url: str, file: DataFile, folder: Path) -> None:
        asked.append(url)
        if not url.startswith(CATALOGUE["mnist"].mirrors[1]):
            raise ConnectionError("first mirror is down")
        (folder / file.filename).write_bytes(small_mnist[file.filename])

    monkeypatch.setattr(files_module, "download", second_mirror_answers)
    assert load("mnist").x_train.shape == (20, 9)
    assert len(asked) == 8
    assert len(data_sets.get("mnist")) == 4
    # everything lies in the cache now
    assert len(asked) == 8


def test_without_pooch_the_chosen_folder_is_read_and_nothing_else(
    small_mnist: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.setenv("LORA_THEORY_DATA", str(tmp_path))
    message = r"^mnist is not on this machine and pooch, which fetches it, is not installed: set LORA_THEORY_DATA to"
    with pytest.raises(BadInput, match=message):
        load("mnist")
    (tmp_path / "mnist").mkdir()
    for name, content in small_mnist.items():
        (tmp_path / "mnist" / name).write_bytes(content)
    assert load("mnist").x_train.shape == (20, 9)


def test_pooch_refuses_a_download_with_a_wrong_sha256(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch

    def serve(self: object, url: str, output_file: str, pooch: object = None, check_only: bool = False) -> None:
        Path(output_file).write_bytes(b"not what was promised")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", serve)
    with pytest.raises(ValueError, match=r"(?i)hash .*does not match"):
        files_module.download("https://example.invalid/a.gz", DataFile("a.gz", "0" * 64, 1), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "inputs", "tested"), [("digits", 64, 359), *((name, 784, 10000) for name in FOUND)])
def test_images_and_labels_belong_together(name: str, inputs: int, tested: int) -> None:
    assert {state for _, state in data_sets.verify(name)} <= {"ok"}
    data = load(name, samples=500)
    assert (data.x_train.shape, data.x_test.shape, data.classes) == ((500, inputs), (tested, inputs), 10)
    assert data.x_test.min() == 0.0
    assert data.x_test.max() == 1.0
    # a least-squares classifier reads the labels far above chance (0.1)
    targets = np.eye(10)[data.y_train]
    ridge = data.x_train.T @ np.linalg.solve(data.x_train @ data.x_train.T + 10 * np.eye(500), targets)
    assert np.mean((data.x_test @ ridge).argmax(axis=1) == data.y_test) > 0.7
