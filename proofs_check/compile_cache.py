"""Compiled programs kept between runs: most of the time of small checks is compilation. A damaged one is made again."""

import os
import re
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

_DAMAGED = re.compile(r"Error reading persistent compilation cache entry for '([^']+)'")  # JAX's words


@cache
def enable() -> Path | None:
    """Return the folder of JAX's persistent compilation cache after switching it on, None where it cannot be written.

    A folder chosen by the user (JAX_COMPILATION_CACHE_DIR) is used instead.
    """
    import jax
    import pooch

    chosen = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    folder = Path(chosen) if chosen else Path(pooch.os_cache("lora-theory")) / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # small programs too: a claim has dozens of them, 20 ms each, and reading one back takes 2
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    _repair_when_warned(folder)
    return folder


def _repair_when_warned(folder: Path) -> None:
    """Remove damaged programs when JAX warns of them: it makes them again, but never replaces a file that is there.

    A process that is killed while it writes leaves half a program, and JAX would warn of it in every run from then on.
    """
    told = False
    before = warnings.showwarning

    def show(message: Warning | str, *where: Any, **more: Any) -> None:
        nonlocal told
        found = _DAMAGED.match(str(message))
        if found is None or not remove(folder, found[1]):
            before(message, *where, **more)
        elif not told:
            told = True
            sys.stderr.write(f"lora-theory: damaged compiled programs in {folder} are made again\n")

    warnings.showwarning = show


def remove(folder: Path, program: str) -> bool:
    """Remove what is kept of a program; return whether something was there and could be removed."""
    kept = [path for path in folder.iterdir() if path.name.startswith(f"{program}-") and path.name.endswith("-cache")]
    try:
        for path in kept:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return bool(kept)
