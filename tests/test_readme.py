"""What the README prints works as it is printed: its commands, its new claim, its Python."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from proofs_check.__main__ import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = ("theory", "sims", "proofs_check", "paper_figs")
TOOL = "    .venv/bin/lora-theory "


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Return the words of every printed call of the command."""
    lines = [line.removeprefix(TOOL) for line in README.splitlines() if line.startswith(TOOL)]
    return [shlex.split(line, comments=True) for line in lines]


CLAIM = next(block for block in blocks("python") if "@claim(" in block)


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the packages of a folder."""
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project with the new claim in it."""
    folder = tmp_path_factory.mktemp("tree")
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", ".gitignore", "README.md", "Makefile"):
        shutil.copy(ROOT / name, folder)
    (folder / "proofs_check/claims/zero_update.py").write_text(CLAIM, encoding="utf-8")
    return folder


@pytest.mark.parametrize("check", [["check"], ["format", "--check"]])
def test_the_new_claim_passes_the_linter(tree: Path, check: list[str]) -> None:
    done = python(tree, "-m", "ruff", *check, "--no-cache", "proofs_check/claims")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_new_claim_passes_the_type_checker(tmp_path: Path) -> None:
    """With the cache of the project: a copy of the whole would be checked from nothing."""
    (tmp_path / "zero_update.py").write_text(CLAIM, encoding="utf-8")
    done = python(ROOT, "-m", "mypy", "--follow-imports=silent", str(tmp_path / "zero_update.py"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_new_claim_is_found_and_comes_out_as_registered(tree: Path) -> None:
    done = python(tree, "-m", "proofs_check", "verify", "NTK-ZERO", "--level", "smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 claim, 1 as expected" in done.stdout


def test_the_tests_of_the_registry_pass_with_the_new_claim(tree: Path) -> None:
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = python(tree, "-m", "pytest", *options, "tests/proofs_check/test_registry.py")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_the_python_that_is_printed_runs() -> None:
    (other,) = [block for block in blocks("python") if block != CLAIM]
    done = python(ROOT, "-c", other)
    assert done.returncode == 0, done.stderr
    assert "'status': 'optimal'" in done.stdout


def test_the_printed_problem_is_made_solved_and_certified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in commands():
        if line[0] in ("example", "solve", "certify"):
            assert main(line) == 0, line
    assert "global_minimum" in capsys.readouterr().out


def test_the_printed_bound_says_something(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = [line for line in commands() if line[0] == "bound"]
    assert main(line) == 0
    assert re.search(r"vacuous +no", capsys.readouterr().out)


def test_every_printed_command_and_make_target_exists() -> None:
    from proofs_check.__main__ import application

    assert {line[0] for line in commands()} <= set(application())
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"(?:`|^    )make ([a-z]+)", README, flags=re.MULTILINE))
    assert {"report", "test", "check"} <= named <= targets
