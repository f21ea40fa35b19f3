"""A platform that is not here is told in one line before the work, by every command that computes."""

import os
import subprocess
import sys

import pytest

from sims.errors import BadInput
from sims.platform import check_platform


def test_no_wish_and_a_platform_that_is_here_pass(monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    check_platform()
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    check_platform()


@pytest.mark.parametrize("error", [RuntimeError("Unable to initialize backend\n'cuda'"), AssertionError()])
def test_a_platform_that_is_not_here_is_refused(monkeypatch, error):
    def devices():
        raise error

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setattr("jax.devices", devices)
    with pytest.raises(BadInput, match=r"JAX_PLATFORMS=cuda: JAX finds no such platform on this machine .*=cpu"):
        check_platform()


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "NTK-L2.2", "--level", "smoke"],
        ["verify", "--seeds", "0:2"],
        ["report", "--level", "smoke", "--workers", "2"],
        ["solve", "p.npz", "--lam", "1"],
        ["certify", "p.npz", "p.npz", "--lam", "1"],
        ["train", "--benchmark", "digits-mlp", "--adapter", "b-only", "--rank", "2"],
        ["info"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_every_command_that_computes_tells_it_before_the_work(tmp_path, arguments):
    done = subprocess.run(
        [sys.executable, "-m", "proofs_check", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env=os.environ | {"JAX_PLATFORMS": "no-such", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lora-theory: JAX_PLATFORMS=no-such: JAX finds no such platform")
    assert done.stderr.count("\n") == 1
