"""Streams that are full, closed or gone, and outputs that must not be written: as a shell would make them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ONE_LINE = re.compile(r"lora-theory: [^\n]+\n")
needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")


def shell(folder: Path, line: str) -> tuple[int, str, str]:
    """Run a line of sh in a folder, with $LT for the command; return exit code, stdout, stderr."""
    environment = os.environ | {"LT": f"{sys.executable} -m proofs_check", "NO_COLOR": "1"}
    root = str(Path(__file__).parent.parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, check=False, cwd=folder, env=environment, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("$LT example p.npz > /dev/full", "No space left on device", marks=needs_full),
        ("$LT example p.npz >&-", "Bad file descriptor"),
        pytest.param("$LT --help > /dev/full", "No space left on device", marks=needs_full),
    ],
)
def test_a_stdout_that_takes_nothing_is_told_in_one_line(line: str, reason: str, tmp_path: Path) -> None:
    code, _, err = shell(tmp_path, line)
    assert (code, err) == (2, f"lora-theory: stdout cannot be written ({reason}); send the answer to another place\n")
    if "example" in line:  # what was asked for as a file is there all the same
        assert set(np.load(tmp_path / "p.npz").files) == {"G", "f0", "y", "loss"}


def test_a_reader_that_goes_away_keeps_no_file_from_being_written(tmp_path: Path) -> None:
    code, out, err = shell(tmp_path, "{ $LT example p.npz --json p.json; echo $? > code; } | true; cat code")
    assert (code, out, err) == (0, "141\n", "")
    assert sorted(os.listdir(tmp_path)) == ["code", "p.json", "p.npz"]


@pytest.mark.parametrize("stream", ["2>&-", pytest.param("2> /dev/full", marks=needs_full)])
def test_a_stderr_that_takes_nothing_leaves_the_exit_code(stream: str, tmp_path: Path) -> None:
    assert shell(tmp_path, f"$LT nonsense {stream}") == (2, "", "")


def test_closed_streams_give_their_numbers_to_no_file(tmp_path: Path) -> None:
    code, _, _ = shell(tmp_path, "$LT example p.npz --json p.json <&- >&- 2>&-")
    assert code == 2
    assert set(np.load(tmp_path / "p.npz").files) == {"G", "f0", "y", "loss"}
    assert (tmp_path / "p.json").read_text().startswith("{")


def test_a_file_that_takes_stdout_is_no_output(tmp_path: Path) -> None:
    code, _, err = shell(tmp_path, "$LT example p.npz --json out.txt > out.txt")
    assert (code, err) == (2, "lora-theory: --json out.txt is where stdout goes; name another file\n")
    assert os.listdir(tmp_path) == ["out.txt"]


@pytest.fixture
def problem(run, tmp_path: Path) -> Path:
    assert run("example", tmp_path / "problem.npz")[0] == 0
    return tmp_path / "problem.npz"


def solution(problem: Path) -> Path:
    path = problem.with_name("solution.npz")
    np.savez(path, delta=np.zeros((8, 6)))
    return path


def inputs_as_outputs(problem: Path) -> list[list[object]]:
    """Return command lines that name an input as an output: by its name, through a link, by another name of it."""
    soft, hard, judged = problem.with_name("soft"), problem.with_name("hard"), solution(problem)
    soft.symlink_to(problem)
    hard.hardlink_to(problem)
    outputs = [problem, problem.parent / "." / problem.name, soft, hard]
    lines: list[list[object]] = [["solve", problem, "--lam", "0.1", "--out", out] for out in outputs]
    lines += [["solve", problem, "--lam", "0.1", "--json", out] for out in outputs]
    lines += [["certify", problem, judged, "--lam", "0.1", "--json", out] for out in (*outputs, judged)]
    return lines


def test_no_command_writes_over_its_input(run, problem: Path) -> None:
    before = problem.read_bytes()
    for line in inputs_as_outputs(problem):
        code, out, err = run(*line)
        assert (code, out) == (2, ""), line
        assert re.search("is the input .* would be lost; name another file", err), line
        assert ONE_LINE.fullmatch(err)
    assert problem.read_bytes() == before


def test_two_outputs_of_one_name_are_refused(run, problem: Path) -> None:
    out = problem.with_name("out")
    assert "are both" in run("solve", problem, "--lam", "0.1", "--out", out, "--json", out)[2]
    assert not out.exists()


def test_an_output_through_a_link_goes_where_the_link_leads(run, problem: Path) -> None:
    target, link = problem.with_name("target.npz"), problem.with_name("link.npz")
    target.write_bytes(b"old")
    link.symlink_to(target)
    assert run("solve", problem, "--lam", "0.1", "--out", link)[0] == 0
    assert link.is_symlink()
    assert set(np.load(target).files) == {"u", "v"}


def test_outputs_and_inputs_that_are_no_files_are_refused_before_the_work(run, problem: Path, monkeypatch) -> None:
    monkeypatch.setattr("sims.solve.solve", None)
    fifo = problem.with_name("fifo")
    os.mkfifo(fifo)
    for line, told in (
        (["solve", problem, "--lam", "0.1", "--out", fifo], "is a pipe, expected the name of a regular file"),
        (["solve", problem, "--lam", "0.1", "--json", os.devnull], "is a device, expected the name of a regular file"),
        (["solve", fifo, "--lam", "0.1"], "is a pipe: expected an .npz file"),
        (["solve", os.devnull, "--lam", "0.1"], "is a device: expected an .npz file"),
        (["certify", problem, fifo, "--lam", "0.1"], "is a pipe: expected an .npz file"),
    ):
        code, out, err = run(*line)
        assert (code, out) == (2, "")
        assert told in err
    assert fifo.is_fifo()


@pytest.mark.parametrize("flags", [[], ["--factored"], ["--loss", "logistic"], ["--loss", "cross_entropy"]])
def test_the_sample_problem_is_solved_and_certified_as_its_answer_says(run, tmp_path: Path, monkeypatch, flags) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("example", "my problem.npz", *flags)
    assert code == 0
    tries = [line.strip() for line in out.splitlines() if line.strip().startswith("lora-theory")]
    assert len(tries) == 2
    for line in tries:
        words = subprocess.run(["sh", "-c", f'printf "%s\\n" {line}'], capture_output=True, text=True, check=True)
        code, answer, err = run(*words.stdout.splitlines()[1:])
        assert (code, err) == (0, "")
    assert "global_minimum" in answer
    assert "exists already" in run("example", "my problem.npz")[2]
