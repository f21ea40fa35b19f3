"""What an installation promises: every import is declared, every package is typed, outputs are ignored."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("theory", "sims", "proofs_check", "paper_figs")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BY_NAME = {"neural-tangents"}  # imported with importlib, inside the bridge


def named(requirements: list[str]) -> set[str]:
    """Return the names of the distributions, normalised."""
    return {re.split(r"[<>=!~\[; ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


def imported() -> dict[str, str]:
    """Return every top-level module that a package imports from outside, with a file that does."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        for source in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(source.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                if isinstance(node, ast.Call) and "import_module" in (
                    getattr(node.func, "attr", ""),
                    getattr(node.func, "id", ""),
                ):
                    names = [a.value for a in node.args[:1] if isinstance(a, ast.Constant)]
                found |= {name.partition(".")[0]: str(source) for name in names}
    return {name: place for name, place in found.items() if name not in (*PACKAGES, *sys.stdlib_module_names)}


def test_every_import_is_declared_and_every_declared_package_is_imported() -> None:
    known = packages_distributions()
    used = {known.get(module, [module])[0].lower().replace("_", "-"): place for module, place in imported().items()}
    extras = PROJECT["optional-dependencies"]
    allowed = named(PROJECT["dependencies"] + extras["oracle"] + extras["torch"])
    assert {name: place for name, place in used.items() if name not in allowed} == {}
    assert named(PROJECT["dependencies"]) - set(used) <= BY_NAME


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_that_it_is_typed(package: str) -> None:
    assert (files(package) / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_what_the_commands_write_by_default_is_ignored() -> None:
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {"/report/", "/runs/", "/figures/"} <= set(ignored)
