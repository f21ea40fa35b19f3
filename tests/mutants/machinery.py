"""What a planted mutant is, how it is put in place, and how the named test is run on it.

A mutant is the source of one function with one expression replaced. Its code takes the place of the function's own
code, so that whoever holds the function (an import by name, a table of rules, a wrapper that checks types) runs it.
"""

import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SEEDS = (0, 1, 2)
_PASSED: set[tuple[str, object, str]] = set()


@dataclass(frozen=True)
class Mutant:
    """``target`` is module:function or module:Class.method; ``old`` must occur in its source ``times`` times.

    ``caught_by`` is file::test. It is run itself, with ``arguments`` for its parameters (a callable is called for its
    value) and a seed of each of SEEDS where it takes one, unless it is given as a ``check`` shared with it, at sizes of
    its own. ``jitted`` are compiled functions (module:function) that reach the target: they are compiled anew.
    """

    error: str
    target: str
    old: str
    new: str
    caught_by: str
    arguments: dict[str, Any] = field(default_factory=dict, hash=False)
    check: Callable[[int], object] | None = None
    times: int = 1
    jitted: tuple[str, ...] = ()


def named_test(mutant: Mutant) -> Callable[..., object]:
    """Return the function of the named test, without the drawing of its arguments."""
    path, name = mutant.caught_by.split("::")
    assert (ROOT / path).is_file(), f"{path} does not exist"
    function = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
    drawn = getattr(function, "hypothesis", None)
    return drawn.inner_test if drawn else function  # type: ignore[no-any-return]


def run(mutant: Mutant) -> None:
    """Run the named test, or the check that it shares, on the code as it is now."""
    if mutant.check is not None:
        for seed in SEEDS:
            mutant.check(seed)
        return
    function = named_test(mutant)
    takes = inspect.signature(function).parameters
    for seed in SEEDS if "seed" in takes and "seed" not in mutant.arguments else (None,):
        with pytest.MonkeyPatch.context() as patch:
            made = {name: value() if callable(value) else value for name, value in mutant.arguments.items()}
            given = {"seed": seed, "monkeypatch": patch} | made
            function(**{name: given[name] for name in takes})


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Run with the mutant in place; afterwards the function has its own code again."""
    function = _function(mutant.target)
    own = function.__code__
    function.__code__ = _mutated(mutant)
    _compile_anew(mutant)
    try:
        yield
    finally:
        function.__code__ = own
        _compile_anew(mutant)


def check_the_real_code(mutant: Mutant) -> None:
    """Run the test on the real code, once for all mutants that are caught by it with the same arguments."""
    key = (mutant.caught_by, mutant.check, repr(mutant.arguments))
    if key not in _PASSED:
        run(mutant)
        _PASSED.add(key)


def _function(target: str) -> FunctionType:
    """Return the function as written in the source: below every decorator."""
    module_name, path = target.split(":")
    found: Any = importlib.import_module(module_name)
    for part in path.split("."):
        found = getattr(found, part)
    found = inspect.unwrap(found.fget if isinstance(found, property) else found)
    assert isinstance(found, FunctionType), f"{target} is {found!r}"
    return found


def _mutated(mutant: Mutant) -> CodeType:
    """Return the code compiled from the function's source with the expression replaced."""
    function = _function(mutant.target)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(mutant.old) == mutant.times, (
        f"{mutant.old!r} occurs {source.count(mutant.old)} times:\n{source}"
    )
    scope: dict[str, Any] = {}
    changed = source.replace(mutant.old, mutant.new)
    exec(compile(changed, f"<mutant of {mutant.target}>", "exec"), function.__globals__, scope)
    made = scope[function.__name__]
    return inspect.unwrap(made.fget if isinstance(made, property) else made).__code__  # type: ignore[no-any-return]


def _compile_anew(mutant: Mutant) -> None:
    for target in mutant.jitted:
        module_name, name = target.split(":")
        getattr(importlib.import_module(module_name), name).clear_cache()
