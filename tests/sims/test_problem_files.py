"""Problem and solution files: a round trip, and one clear line for every unusable file."""

import io
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sims import memory
from sims.errors import BadInput
from sims.problem_files import load_problem, load_solution, save_solution
from sims.solve import solve
from tests.checks import close

G = np.random.default_rng(0).standard_normal((4, 3, 2))
Y = np.random.default_rng(1).standard_normal(4)


def written(folder: Path, **arrays: Any) -> Path:
    """Return an .npz file with these arrays."""
    np.savez(folder / "file.npz", **arrays)
    return folder / "file.npz"


def zipped(folder: Path, **members: bytes) -> Path:
    """Return a zip file with these members, named like the keywords with _ for the dot."""
    with zipfile.ZipFile(folder / "file.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return folder / "file.npz"


def raw(folder: Path, content: bytes) -> Path:
    """Return a file with this content."""
    (folder / "file.npz").write_bytes(content)
    return folder / "file.npz"


def damaged(folder: Path, *, compressed: bool) -> Path:
    """Return an archive with flipped bytes in its first member."""
    save = np.savez_compressed if compressed else np.savez
    save(folder / "file.npz", G=np.random.default_rng(0).standard_normal((40, 30, 20)), y=Y)
    content = bytearray((folder / "file.npz").read_bytes())
    for i in (60, 61, 62, 63, 500, 1000):
        content[i] ^= 0xFF
    return raw(folder, bytes(content))


def huge(folder: Path) -> Path:
    """Return an archive whose header promises more numbers than any memory holds."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**14, 1, 1)})
    return zipped(folder, G_npy=header.getvalue(), y_npy=header.getvalue())


def lone_array(folder: Path) -> Path:
    """Return a file of numpy.save instead of numpy.savez."""
    np.save(folder / "file.npy", G)
    return folder / "file.npy"


UNREADABLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda f: f / "none.npz", "none.npz does not exist: expected an .npz file, check the path"),
    "folder": (lambda f: f, "is a folder: expected an .npz file"),
    "empty": (lambda f: raw(f, b""), "cannot be read"),
    "text": (lambda f: raw(f, b"G = [1, 2, 3]\n"), "cannot be read"),
    "bare pickle": (lambda f: raw(f, pickle.dumps({"G": G})), "expected"),
    "pickled entries": (lambda f: written(f, G=np.array([{}, 1], dtype=object), y=Y), "holds pickled objects"),
    "truncated": (lambda f: raw(f, written(f, G=G, y=Y).read_bytes()[:300]), "cannot be read"),
    "damaged": (lambda f: damaged(f, compressed=False), "cannot be read"),
    "damaged and compressed": (lambda f: damaged(f, compressed=True), "cannot be read"),
    "a lone array": (lone_array, "expected an .npz archive with named arrays"),
    "members that are no arrays": (lambda f: zipped(f, G=b"abc", y=b"abc"), "file.npz"),
    "broken members": (lambda f: zipped(f, G_npy=b"abc", y_npy=b"abc"), "file.npz"),
    "more numbers than memory": (huge, "file.npz"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_unreadable_file_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    make, line = UNREADABLE[case]
    with pytest.raises(BadInput, match=re.escape(line)) as caught:
        load_problem(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_text_file_is_not_reported_as_a_pickle(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^(?!.*pickle).*cannot be read"):
        load_problem(raw(tmp_path, b"G = [1, 2, 3]\n"))


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "exploded",))

    for path in (written(tmp_path, G=np.array([Bomb()], dtype=object), y=Y), raw(tmp_path, pickle.dumps(Bomb()))):
        with pytest.raises(BadInput, match=r"file\.npz"):
            load_problem(path)
    assert not (tmp_path / "exploded").exists()


SIGNAL, ACTIVATION = np.ones((4, 1, 2, 3)), np.ones((4, 2, 2))
UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "no targets": ({"G": G}, "expected targets 'y'"),
    "no features": ({"y": Y, "f0": Y}, "expected 'G', or 'signal' and 'activation'"),
    "half the factors": ({"y": Y, "signal": SIGNAL}, "expected 'G', or 'signal' and 'activation'"),
    "G flat": ({"G": G[0], "y": Y}, "G in"),
    "G words": ({"G": np.array([[["a"]]]), "y": Y}, "expected real numbers"),
    "G complex": ({"G": G * 1j, "y": Y}, "G in"),
    "y complex": ({"G": G, "y": Y * 1j}, "y"),
    "NaN": (
        {"G": np.where(np.arange(24).reshape(4, 3, 2) == 7, np.nan, G), "y": Y},
        "features holds 1 NaN or infinite",
    ),
    "misspelt": ({"G": G, "y": Y, "F0": Y}, "holds an array 'F0' that is not read, did you mean f0; expected only G"),
    "unknown": ({"G": G, "y": Y, "weights": Y}, "holds an array 'weights' that is not read; expected only G"),
    "positional": ({"arr_0": G, "arr_1": Y}, "holds an array 'arr_0' that is not read"),
    "lam": ({"G": G, "y": Y, "lam": 0.1}, "'lam' that is not read (lambda is no part of a file: give it as --lam)"),
    "G and factors": (
        {"G": G, "y": Y, "signal": SIGNAL, "activation": ACTIVATION},
        "holds G and activation and",
    ),
    "G and half the factors": ({"G": G, "y": Y, "signal": SIGNAL}, "holds G and signal: expected either"),
    "longdouble": (
        {"G": G.astype(np.longdouble), "y": Y},
        f"dtype {np.dtype(np.longdouble)}, which 64-bit",
    ),
    "complex longdouble": ({"G": G.astype(np.clongdouble), "y": Y}, "expected real numbers"),
    "truth values": ({"G": G > 0, "y": Y}, "G in"),
    "dates": ({"G": G, "y": np.array(["2026-01-01"] * 4, "datetime64[D]")}, "y in"),
    "time spans": ({"G": G, "y": np.arange(4).astype("timedelta64[s]")}, "y in"),
    "records": ({"G": G, "y": np.zeros(4, [("a", float)])}, "y in"),
    "rounded integers": ({"G": G, "y": np.array([1, 2, 3, 2**53 + 1])}, "y in"),
    "rounded unsigned integers": ({"G": G, "y": np.array([2**64 - 1] * 4, np.uint64)}, "holds 18446744073709551615"),
    "rounded negative integers": ({"G": G, "y": np.array([-(2**63) + 1] * 4)}, "holds -9223372036854775807, which"),
    "a long loss": ({"G": G, "y": Y, "loss": "squared" * 1000}, "expected one word"),
    "a number for a loss": ({"G": G, "y": Y, "loss": 1.0}, "expected one word"),
    "infinite f0": ({"G": G, "y": Y, "f0": np.full(4, np.inf)}, "f0 holds 4 NaN or infinite"),
    "f0 length": ({"G": G, "y": Y, "f0": np.zeros(3)}, "f0 has shape (3, 1), expected (4, 1)"),
    "y length": ({"G": G, "y": Y[:3]}, "y has shape (3,), expected (4, 1)"),
    "no samples": ({"G": G[:0], "y": Y[:0]}, "n = 0 samples"),
    "loss": ({"G": G, "y": Y, "loss": "hinge"}, "loss 'hinge' in"),
    "two losses": ({"G": G, "y": Y, "loss": ["squared", "logistic"]}, "shape (2,): expected one word"),
    "labels": ({"G": np.ones((4, 2, 3, 2)), "y": np.arange(4), "loss": "cross_entropy"}, "label 2.0 is out of range"),
    "signs": ({"G": G, "y": np.arange(4), "loss": "logistic"}, "label 0 is out of range"),
    "positions": ({"signal": SIGNAL, "activation": ACTIVATION[:, :1], "y": Y}, "disagree"),
    "samples": ({"signal": SIGNAL, "activation": ACTIVATION[:1], "y": Y}, "disagree"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_contents_are_refused_in_one_line(case: str, tmp_path: Path) -> None:
    arrays, line = UNUSABLE[case]
    with pytest.raises(BadInput, match=re.escape(line)) as caught:
        load_problem(written(tmp_path, **arrays))
    assert "\n" not in str(caught.value)


@given(
    kind=st.sampled_from(["<i8", ">i8", "<u8", "i4", "u2", "i1", "f2", "<f4", ">f8"]),
    raw=st.binary(min_size=8, max_size=8),
    shift=st.integers(0, 63),
)
def test_every_number_is_loaded_as_it_is_or_refused(kind: str, raw: bytes, shift: int, tmp_path_factory) -> None:
    """A float is compared with the number in the file as exact rationals."""
    size = np.dtype(kind).itemsize
    (number,) = np.frombuffer(raw[:size], kind)
    if np.dtype(kind).kind in "iu" and size == 8:
        number = number >> shift << shift  # many trailing zeros: large and yet a 64-bit float
    path = written(tmp_path_factory.mktemp("numbers"), G=np.ones((1, 1, 1)), y=np.array([number], kind))
    exact = None if np.dtype(kind).kind == "f" and not np.isfinite(number) else Fraction(number.item())
    fits = exact is not None and Fraction(float(exact)) == exact
    if not fits:
        with pytest.raises(BadInput, match=r"which 64-bit floats cannot hold|NaN or infinite"):
            load_problem(path)
        return
    loaded = load_problem(path).y
    assert loaded.dtype == np.float64
    assert Fraction(float(loaded[0, 0])) == exact


@given(place=st.integers(0, 10**6), flipped=st.binary(min_size=1, max_size=4), compressed=st.booleans())
def test_damage_anywhere_is_refused_in_one_line_or_harmless(
    place: int, flipped: bytes, compressed: bool, tmp_path_factory
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    (np.savez_compressed if compressed else np.savez)(folder / "file.npz", G=G, y=Y)
    content = bytearray((folder / "file.npz").read_bytes())
    for i, byte in enumerate(flipped):
        content[(place + i) % len(content)] ^= byte
    told = ""
    try:
        problem = load_problem(raw(folder, bytes(content)))
    except BadInput as error:
        told = str(error)
    else:  # the damage is in what a zip archive holds besides the arrays, such as times
        np.testing.assert_array_equal(problem.layers[0].dense()[:, 0], G)
        np.testing.assert_array_equal(problem.y[:, 0], Y)
    assert "\n" not in told


def test_memory_is_asked_for_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file of many zeros: 80 MB of float32 and as much twice again as float64."""
    path = tmp_path / "zeros.npz"
    np.savez_compressed(path, G=np.zeros((100, 1, 400, 500), np.float32), y=np.zeros(100))
    assert path.stat().st_size < 200_000
    monkeypatch.setattr(memory, "available", lambda: 200_000_000)
    monkeypatch.setattr(np.lib.format, "read_array", None)  # nothing is loaded
    with pytest.raises(BadInput, match=r"G \(100, 1, 400, 500\).* needs about 240 MB .* 200 MB are free"):
        load_problem(path)


def test_no_regular_file_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to(os.devnull)
    for name, kind in (("pipe", "a pipe"), ("device", "a device")):
        with pytest.raises(BadInput, match=f"{name} is {kind}: expected an .npz file"):
            load_problem(tmp_path / name)


def test_an_array_given_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, G=G, y=Y)
    with zipfile.ZipFile(path) as archive:
        content = archive.read("y.npy")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("y.npy", content)
    with pytest.raises(BadInput, match="holds 'y' twice"):
        load_problem(path)


def test_factors_without_columns_are_the_zero_update(tmp_path: Path) -> None:
    problem = load_problem(written(tmp_path, G=G, y=Y))
    candidate = load_solution(written(tmp_path, u=np.zeros((3, 0)), v=np.zeros((2, 0))), problem)
    assert candidate.u is not None
    assert (candidate.u.shape, candidate.delta.shape) == ((3, 0), (3, 2))
    assert not candidate.delta.any()


def test_dense_and_factored_files_of_one_problem_load_to_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    signal, activation = rng.standard_normal((4, 2, 3, 3)), rng.standard_normal((4, 3, 2))
    dense = np.einsum("nkti,ntj->nkij", signal, activation)
    y, f0 = np.array([0, 1, 1, 0]), rng.standard_normal((4, 2))
    one = load_problem(written(tmp_path, signal=signal, activation=activation, y=y, f0=f0, loss="cross_entropy"))
    two = load_problem(written(tmp_path, G=dense, y=y, f0=f0, loss="cross_entropy"))
    assert one.loss is two.loss
    close(one.layers[0].dense(), two.layers[0].dense())
    close(one.f0, two.f0)
    np.testing.assert_array_equal(one.y, y)


def test_defaults_are_zero_offsets_the_squared_loss_and_one_output(tmp_path: Path) -> None:
    problem = load_problem(written(tmp_path, G=G, y=Y))
    assert (problem.loss.name, problem.n, problem.k, problem.shapes) == ("squared", 4, 1, ((3, 2),))
    assert not problem.f0.any()


def test_a_saved_solution_loads_with_the_same_certificate(tmp_path: Path) -> None:
    problem = load_problem(written(tmp_path, G=G, y=Y))
    solution = solve(problem, 0.1 * problem.lambda_max())
    path = save_solution(tmp_path / "new" / "solution.npz", solution)
    assert path == tmp_path / "new" / "solution.npz"
    candidate = load_solution(path, problem)
    np.testing.assert_array_equal(candidate.u, solution.factors[0][0])
    assert problem.report([candidate.delta], 0.1 * problem.lambda_max()) == solution.certificate
    assert [p.name for p in path.parent.iterdir()] == ["solution.npz"]


def test_an_update_may_be_given_as_one_matrix(tmp_path: Path) -> None:
    problem = load_problem(written(tmp_path, G=G, y=Y))
    candidate = load_solution(written(tmp_path, delta=np.ones((3, 2))), problem)
    assert (candidate.u, candidate.v) == (None, None)
    assert (candidate.delta == 1).all()


BAD_SOLUTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "neither": ({}, "holds no arrays: expected 'delta', or factors 'u' and 'v'"),
    "half the factors": ({"u": np.ones((3, 1))}, "holds u (3, 1): expected 'delta', or factors 'u' and 'v'"),
    "unknown": ({"U": np.ones((3, 1)), "v": np.ones((2, 1))}, "holds an array 'U' that is not read, did you mean u;"),
    "both": (
        {"delta": np.ones((3, 2)), "u": np.ones((3, 1)), "v": np.ones((2, 1))},
        "holds delta and u and v",
    ),
    "delta and half": ({"delta": np.ones((3, 2)), "v": np.ones((2, 1))}, "holds delta and v: expected either"),
    "lam": ({"delta": np.ones((3, 2)), "lam": 0.1}, "not read (lambda is no part of a file: give it as --lam)"),
    "longdouble": ({"delta": np.ones((3, 2), np.longdouble)}, "delta in"),
    "delta shape": ({"delta": np.ones((2, 3))}, "has shape (2, 3): expected (3, 2) as in the problem"),
    "delta flat": ({"delta": np.ones(6)}, "expected 2 dimensions"),
    "swapped factors": ({"u": np.ones((2, 1)), "v": np.ones((3, 1))}, "expected (3, r) and (2, r)"),
    "unequal ranks": ({"u": np.ones((3, 1)), "v": np.ones((2, 2))}, "expected (3, r) and (2, r)"),
    "NaN": ({"delta": np.full((3, 2), np.nan)}, "holds NaN or infinite entries"),
    "NaN factors": ({"u": np.full((3, 1), np.nan), "v": np.ones((2, 1))}, "holds NaN or infinite entries"),
    "infinite factors": ({"u": np.full((3, 1), np.inf), "v": np.zeros((2, 1))}, "holds NaN or infinite entries"),
    "overflow": ({"u": np.full((3, 1), 1e200), "v": np.full((2, 1), 1e200)}, "holds NaN or infinite entries"),
}


@pytest.mark.parametrize("case", BAD_SOLUTIONS)
def test_an_unusable_solution_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    problem = load_problem(written(tmp_path, G=G, y=Y))
    arrays, line = BAD_SOLUTIONS[case]
    with pytest.raises(BadInput, match=re.escape(line)):
        load_solution(written(tmp_path, **arrays), problem)


def test_an_unwritable_place_is_refused_and_nothing_is_left_behind(tmp_path: Path) -> None:
    problem = load_problem(written(tmp_path, G=G, y=Y))
    solution = solve(problem, 0.1 * problem.lambda_max())
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(BadInput, match=r"cannot be written"):
        save_solution(tmp_path / "taken" / "solution.npz", solution)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file.npz", "taken"]
