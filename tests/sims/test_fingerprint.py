"""Tests of the fingerprint of a module: what changes it, and what does not."""

import ast
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from sims import fingerprint as module
from sims.errors import BadInput
from sims.fingerprint import dependencies, fingerprint, libraries, versions

SOURCES = {
    "planted/__init__.py": '"""The top."""\n\nimport planted.switch\n',
    "planted/switch.py": "ON = True\n",
    "planted/a.py": '"""Uses b."""\n\nfrom planted.room.b import double\n\n\ndef f(x):\n    return double(x) + 1\n',
    "planted/room/__init__.py": "from planted.unrelated import NOTHING\n",
    "planted/room/b.py": "def double(x):\n    from planted import c\n\n    return c.TWO * x\n",
    "planted/c.py": "import numpy as np\nfrom . import d\n\nTWO = np.float64(d.TWO)\n",
    "planted/d.py": "from importlib import import_module\n\nN = 'scipy.linalg'\nTWO = 2 * bool(import_module(N))\n",
    "planted/unrelated.py": "NOTHING = 0\n",
}


def forget() -> None:
    for cached in (module._read, module._folder):
        cached.cache_clear()
    importlib.invalidate_caches()


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Return a function that writes the planted package with some files replaced, and gives the fingerprint of a."""
    monkeypatch.setattr(module, "PACKAGES", ("planted",))
    monkeypatch.syspath_prepend(tmp_path)

    def write(changed: Mapping[str, str] = {}) -> str:
        for name, text in {**SOURCES, **changed}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        forget()
        return fingerprint("planted.a")

    yield write
    forget()


def test_it_names_the_module_its_imports_and_the_top(plant: Callable[..., str]) -> None:
    plant()
    expected = ("planted", "planted.a", "planted.c", "planted.d", "planted.room.b", "planted.switch")
    assert dependencies("planted.a") == expected
    assert not any(name.startswith("planted") for name in sys.modules)  # read, not run


def test_comments_layout_and_docstrings_change_nothing(plant: Callable[..., str]) -> None:
    before = plant()
    assert plant({"planted/c.py": "# a comment\n" + SOURCES["planted/c.py"].replace("TWO = ", "TWO   =  ")}) == before
    text = 'def double(x):\n    """Return 2 x."""\n    from planted import (\n        c,\n    )\n    return c.TWO * x\n'
    assert plant({"planted/room/b.py": text}) == before
    assert plant({"planted/a.py": SOURCES["planted/a.py"].replace("Uses b.", "Uses more.")}) == before


def test_an_unrelated_module_changes_nothing(plant: Callable[..., str]) -> None:
    before = plant()
    assert plant({"planted/unrelated.py": "NOTHING = 1\n"}) == before
    assert plant({"planted/room/__init__.py": ""}) == before


@pytest.mark.parametrize("name", ["a", "room/b", "c", "d", "switch"])
def test_code_anywhere_below_changes_it(plant: Callable[..., str], name: str) -> None:
    before = plant()
    file = f"planted/{name}.py"
    assert plant({file: SOURCES[file] + "MORE = 1\n"}) != before
    assert plant() == before


def test_a_constant_of_another_type_is_other_code(plant: Callable[..., str]) -> None:
    assert len({plant({"planted/d.py": f"TWO = {value}\n"}) for value in ("2", "2.0", "'2'", "True", "None")}) == 5


def test_the_digest_of_a_tree_names_every_part_that_acts() -> None:
    def code(text: str) -> str:
        return "".join(module._canonical(ast.parse(text)))

    alike = [("x = (1)", "x = 1"), ("def f():\n    'd'\n    return 1", "def f():\n    return 1"), ("x='a'", 'x = "a"')]
    assert all(code(a) == code(b) for a, b in alike)
    other = ["x = 1", "y = 1", "x += 1", "x: int = 1", "f(x)", "f(x=x)", "f(*x)", "a < b", "a <= b", "-a", "a - b"]
    assert len({code(text) for text in other}) == len(other)


def test_libraries_are_those_used_with_their_versions(plant: Callable[..., str]) -> None:
    plant()
    assert libraries("planted.a") == versions("numpy", "scipy")
    assert versions("no-such-distribution") == {}


def test_the_projects_own_modules() -> None:
    found = dependencies("sims.training.engine")
    assert {"sims", "theory", "sims.training.engine", "sims.training.model"} <= set(found)
    assert not any(name.startswith(("proofs_check", "paper_figs")) for name in found)
    assert {"jax", "jaxlib", "optax", "numpy"} <= set(libraries("sims.training.engine"))
    one, other = fingerprint("sims.training.engine"), fingerprint("sims.training.model")
    assert one != other
    assert fingerprint("sims.training.engine", "sims.training.model") == one  # it imports the other


def test_a_module_outside_the_packages_counts_with_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    found = set()
    for text in ("import sims.errors\n", "import sims.errors\nX = 1\n"):
        (tmp_path / "outside_the_packages.py").write_text(text)
        forget()
        found.add(fingerprint("outside_the_packages"))
        assert dependencies("outside_the_packages") == (
            *("outside_the_packages", "sims", "sims.errors", "sims.threads", "theory"),
        )
    forget()
    assert len(found) == 2


@pytest.mark.parametrize("name", ["sims.no_such_module", "no_such_package", "math"])
def test_a_module_without_source_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=f"module {name} has no source file"):
        fingerprint(name)
