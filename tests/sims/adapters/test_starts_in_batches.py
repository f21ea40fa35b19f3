"""Starts of many runs and several matrices in one program: a batched factorisation per matrix would never return."""

import subprocess
import sys

import pytest

SCRIPT = """
import jax
from sims.adapters.initialisations import initialise
def starts(key):
    keys = [jax.random.fold_in(key, i) for i in range(4)]
    return [initialise({name!r}, k, (768, 768), 16, factor="A") for k in keys]
jax.block_until_ready(jax.jit(jax.vmap(starts))(jax.random.split(jax.random.key(0), 24)))
"""


@pytest.mark.parametrize("name", ["orthonormal"])
def test_random_starts_of_several_matrices_and_many_runs_return(name: str) -> None:
    # in a process of its own, which can be ended: with batched QR on two cores this waits for ever
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(name=name)], timeout=120, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-500:]
