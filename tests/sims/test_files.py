"""Writing files: whole or not at all, through links, and only onto regular files."""

import errno
import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sims import files
from sims.errors import BadInput
from sims.files import irregular, write_atomic


def test_a_crash_before_the_rename_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.json"
    write_atomic(path, "old")

    def crash(source: object, target: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", crash)
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["ledger.json"]


def test_a_reader_sees_one_of_the_writers_and_never_a_mixture(tmp_path: Path) -> None:
    path = tmp_path / "shared.txt"
    contents = [str(i) * (50_000 * (i + 1)) for i in range(4)]
    write_atomic(path, contents[0])
    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write_atomic, path, content) for content in contents * 10]
        while not all(writer.done() for writer in writers):
            assert path.read_text() in contents
    assert [writer.result() for writer in writers] == [None] * 40
    assert os.listdir(tmp_path) == ["shared.txt"]


def test_bytes_text_and_new_folders(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "b" / "c.bin", b"\x00\xff")
    assert (tmp_path / "a" / "b" / "c.bin").read_bytes() == b"\x00\xff"
    write_atomic(tmp_path / "λ.txt", "‖δ‖")
    assert (tmp_path / "λ.txt").read_text(encoding="utf-8") == "‖δ‖"


def test_the_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    write_atomic(tmp_path / "atomic", "")
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_unwritable_folder_is_named_in_one_line(tmp_path: Path) -> None:
    # a file in the folder's place: root, who may write anywhere, is stopped by it too
    (tmp_path / "taken").write_text("")
    with pytest.raises(BadInput, match=r"^folder \S*taken cannot be written \(.*\): choose another folder[^\n]*$"):
        write_atomic(tmp_path / "taken" / "x", "")


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link, link_to_link = tmp_path / "elsewhere" / "file", tmp_path / "link", tmp_path / "second"
    link.symlink_to(target)
    link_to_link.symlink_to(link)
    for path, content in ((link, "through a link that leads nowhere yet"), (link_to_link, "through two links")):
        write_atomic(path, content)
        assert target.read_text() == content
    assert link.is_symlink()
    assert link_to_link.is_symlink()
    assert os.listdir(tmp_path / "elsewhere") == ["file"]


def test_a_private_file_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "private"
    path.write_text("old")
    path.chmod(0o600)
    write_atomic(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def no_regular_file(folder: Path, kind: str) -> Path:
    """Return a path in the folder at which this kind of thing lies."""
    path = folder / "thing"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    else:
        path.symlink_to(os.devnull)
    return path


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a socket", "a device"])
@pytest.mark.parametrize("linked", [False, True])
def test_nothing_but_a_regular_file_is_written(tmp_path: Path, kind: str, linked: bool) -> None:
    path = no_regular_file(tmp_path, kind)
    if linked:
        link = tmp_path / "link"
        link.symlink_to(path)
        path = link
    before = path.lstat(), sorted(os.listdir(tmp_path))
    with pytest.raises(BadInput, match=rf"^{path} is {kind}: expected the name of a regular file to write$"):
        write_atomic(path, "content")
    assert before[1] == sorted(os.listdir(tmp_path))
    assert path.lstat().st_ino == before[0].st_ino
    assert irregular(path) == kind


def test_a_loop_of_links_and_an_empty_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(BadInput, match=r"cannot be used \(Too many levels of symbolic links\)"):
        write_atomic(tmp_path / "a", "")
    with pytest.raises(BadInput, match="'' is no file name"):
        write_atomic("", "")
    assert (tmp_path / "a").is_symlink()


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(BadInput, match=r"cannot be written \(No space left on device\): .*free some space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_name_as_long_as_names_may_be_can_be_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("n" * 255), "content")
    assert os.listdir(tmp_path) == ["n" * 255]
