"""The arrow theory <- sims <- proofs_check <- paper_figs holds, and the tool that says so would notice a breach."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("theory", "sims", "proofs_check", "paper_figs")
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    # A fresh interpreter with `folder` first on the path: this one has already imported the packages from elsewhere.
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def copied_tree(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_layers_are_kept() -> None:
    run = lint_imports(ROOT)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 broken" in run.stdout


@pytest.mark.parametrize(
    ("module", "line", "reported"),
    [
        ("theory/planted.py", "import sims", "theory is not allowed to import sims"),
        ("theory/planted.py", "import equinox", "theory is not allowed to import equinox"),
        ("sims/planted.py", "import proofs_check", "sims is not allowed to import proofs_check"),
        ("proofs_check/planted.py", "import paper_figs", "proofs_check is not allowed to import paper_figs"),
    ],
)
def test_a_planted_violation_is_reported(copied_tree: Path, module: str, line: str, reported: str) -> None:
    (copied_tree / module).write_text(f"{line}\n")
    run = lint_imports(copied_tree)
    assert run.returncode == 1, run.stdout + run.stderr
    assert reported in run.stdout
    assert f"{Path(module).parent.name}.planted" in run.stdout
