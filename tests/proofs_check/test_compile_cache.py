"""Compiled programs that are damaged: told in one line, and made again, so that the next run reads them."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
from proofs_check import compile_cache
compile_cache.enable()
import jax, jax.numpy as jnp
print(float(jax.jit(lambda x: jnp.sin(x) @ x.T)(jnp.ones((4, 4)))[0, 0]))
"""


def compiled(folder):
    """Run a program with this folder of compiled ones; return what it prints on stdout and stderr."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: content[: len(content) // 2], lambda content: os.urandom(len(content))],
    ids=["emptied", "cut off", "overwritten"],
)
def test_a_damaged_cache_is_told_once_and_repaired(tmp_path, damage):
    right, _ = compiled(tmp_path)
    programs = sorted(tmp_path.glob("*-cache"))
    assert programs
    for path in programs:
        path.write_bytes(damage(path.read_bytes()))
    assert compiled(tmp_path) == (right, f"lora-theory: damaged compiled programs in {tmp_path} are made again\n")
    assert sorted(tmp_path.glob("*-cache")) == programs
    assert compiled(tmp_path) == (right, "")
