"""Is a number still that of this code? A fingerprint of a module with everything it imports inside the four packages.

Sources are read, never run. Comments, layout and docstrings do not count; code does, wherever in a module it stands.
Of a package, its ``__init__`` counts where something is imported from it, and the topmost one always (it switches JAX
to 64 bits). What is imported under a name that is only known at run time is not seen: name that module as well.
"""

import ast
import hashlib
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from sims.errors import BadInput

PACKAGES = ("theory", "sims", "proofs_check", "paper_figs")
_COMPANIONS = {"jax": ("jaxlib",)}  # compiles what the other describes
_LENGTH = 16


def fingerprint(*modules: str) -> str:
    """Return 16 hexadecimal digits of the code of these modules and of all they import inside the four packages.

    Equal on every Python version and machine. A module outside the packages (a plug-in) counts with its own source.

    Raises:
        BadInput: a module without a source file.
    """
    digest = hashlib.sha256()
    for name in dependencies(*modules):
        digest.update(f"{name}\0{_read(name).code}\n".encode())
    return digest.hexdigest()[:_LENGTH]


def every_module() -> tuple[str, ...]:
    """Return the names of all modules of the four packages that are installed, sorted."""
    found = []
    for package in PACKAGES:
        folder = _folder(package)
        if folder is None:
            continue
        for path in sorted(folder.rglob("*.py")):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return tuple(sorted(found))


def of_everything() -> str:
    """Return the fingerprint of all modules of the four packages that are installed."""
    return fingerprint(*every_module())


def dependencies(*modules: str) -> tuple[str, ...]:
    """Return the names of these modules and of all they import inside the four packages, sorted.

    Raises:
        BadInput: a module without a source file.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [*_read(name).inside, name.partition(".")[0]] if _ours(name) else _read(name).inside
    return tuple(sorted(found))


def libraries(*modules: str) -> dict[str, str]:
    """Return the installed versions, by distribution, of the libraries that these modules use, directly or not.

    Raises:
        BadInput: a module without a source file.
    """
    outside = {top for name in dependencies(*modules) for top in _read(name).outside}
    used = {each for top in outside for each in _distributions().get(top, ())}
    used |= {other for name in used for other in _COMPANIONS.get(name, ())}
    return versions(*sorted(used))


def versions(*distributions: str) -> dict[str, str]:
    """Return the installed versions of these distributions; what is not installed is left out."""
    found = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class _Source:
    """A parsed module: a digest of its code, and what it imports inside and outside the four packages."""

    def __init__(self, name: str, path: Path) -> None:
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError) as error:
            raise BadInput(f"module {name} at {path} cannot be read ({error}): its fingerprint is unknown") from error
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.inside: set[str] = set()
        outside: set[str] = set()
        for imported in _imports(tree, package):
            if not _ours(imported):
                outside.add(imported.partition(".")[0])
            elif (module := _module_of(imported)) is not None:
                self.inside.add(module)
        self.outside = outside - {"", *sys.stdlib_module_names}
        self.code = hashlib.sha256("".join(_canonical(tree)).encode()).hexdigest()


@cache
def _read(name: str) -> _Source:
    path = _path(name) if _ours(name) else _path_outside(name)
    if path is None:
        raise BadInput(f"module {name} has no source file: its fingerprint is unknown; give the name of a module")
    return _Source(name, path)


def _ours(name: str) -> bool:
    return name.partition(".")[0] in PACKAGES


@cache
def _folder(package: str) -> Path | None:
    spec = find_spec(package)  # of a top-level package, so nothing of it is run
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def _path(name: str) -> Path | None:
    top, *rest = name.split(".")
    folder = _folder(top)
    if folder is None:
        return None
    place = folder.joinpath(*rest)
    found = [path for path in (place / "__init__.py", place.with_suffix(".py") if rest else place) if path.is_file()]
    return found[0] if found else None


def _path_outside(name: str) -> Path | None:
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None:
        try:
            spec = find_spec(name)
        except (ImportError, ValueError):
            return None
        file = spec.origin if spec else None
    return Path(file) if file and Path(file).suffix == ".py" else None


def _module_of(imported: str) -> str | None:
    """Return the module in which an imported name lies: itself, or its package."""
    for name in (imported, imported.rpartition(".")[0]):
        if name and _path(name) is not None:
            return name
    return None


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield dotted names of what is imported anywhere in the module: modules, or names inside modules."""
    constants = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (base if alias.name == "*" else f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            named = constants.get(getattr(node.args[0], "id", ""), node.args[0])
            if called == "import_module" and isinstance(named, ast.Constant) and isinstance(named.value, str):
                yield named.value


def _canonical(node: object) -> Iterator[str]:
    """Yield the tree as text: unlike ast.dump, without empty fields, which differ between versions of Python."""
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for field, value in ast.iter_fields(node):
            if field in ("ctx", "kind", "type_comment", "type_ignores") or value is None or value == []:
                continue
            if field == "body" and isinstance(value, list) and _documented(node):
                value = value[1:]
            yield f" {field}="
            yield from _canonical(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _canonical(item)
            yield ","
        yield "]"
    else:
        yield f"{type(node).__name__}:{node!r}"


def _documented(node: ast.AST) -> bool:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()
