"""Fixtures of the tests of registry, ledger and command line."""

import sys
from types import SimpleNamespace

import pytest

from proofs_check import registry
from proofs_check.__main__ import main
from proofs_check.commands import _gallery, _selection
from tests.proofs_check import fake_claims


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Run claims in this process unless a test asks for workers: fakes do not exist elsewhere."""
    monkeypatch.setenv("LORA_THEORY_WORKERS", "1")


@pytest.fixture(autouse=True)
def remembers_nothing(monkeypatch, tmp_path_factory):
    """Keep what differed the last time out of the user's own folder."""
    monkeypatch.setattr(_selection, "_memory", lambda: tmp_path_factory.getbasetemp() / "last_differed.json")


@pytest.fixture
def claims(monkeypatch):
    """Return a function that puts fake claims in place of the registered ones; it has put in three good ones."""

    def install(*chosen):
        monkeypatch.setattr(registry, "all_claims", lambda: chosen)

    install(*fake_claims.as_expected())
    return install


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs the command line in this process: exit code, stdout, stderr."""
    monkeypatch.delenv("COLUMNS", raising=False)  # the width of whoever started the tests

    def run(*arguments):
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def gallery(monkeypatch, tmp_path):
    """Put two figures and their experiments in place; return the counts of runs by experiment."""
    specs = {
        "spectrum": fake_claims.figure_spec("spectrum", "waves"),
        "phase": fake_claims.figure_spec("phase", "tides"),
    }
    runs = {"waves": 0, "tides": 0}

    def experiment(name):
        def run(level, seed, data):
            runs[name] += 1
            return {"numbers": [seed, 1.0, 2.0]}

        return run

    monkeypatch.setattr(_gallery, "installed", lambda: _gallery.Gallery(specs, tmp_path / "committed"))
    experiments = {name: experiment(name) for name in runs}
    monkeypatch.setitem(sys.modules, "proofs_check.experiments", SimpleNamespace(EXPERIMENTS=experiments))
    return SimpleNamespace(specs=specs, runs=runs, experiments=experiments, records=tmp_path / "committed")
