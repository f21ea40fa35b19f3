"""Compiled programs kept between runs: most of the time of small checks is compilation."""

import os
from functools import cache
from pathlib import Path


@cache
def enable() -> Path | None:
    """Return the folder of JAX's persistent compilation cache after switching it on, None where it cannot be written.

    A folder chosen by the user (JAX_COMPILATION_CACHE_DIR) is left alone.
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
    return folder
