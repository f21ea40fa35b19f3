"""The commands that take problem files: solve and certify, judged on a problem whose answer is known."""

import json

import numpy as np
import pytest

from tests.tolerances import SOLVER_GAP


@pytest.fixture
def problem(tmp_path):
    """One measurement G = E_11 with target 2: delta = (2 - lambda) E_11, objective 2 lambda - lambda^2 / 2."""
    path = tmp_path / "problem.npz"
    g = np.zeros((1, 1, 3, 4))
    g[0, 0, 0, 0] = 1.0
    np.savez(path, G=g, f0=np.zeros((1, 1)), y=np.full((1, 1), 2.0))
    return path


def delta_file(folder, value):
    path = folder / f"delta{value}.npz"
    delta = np.zeros((3, 4))
    delta[0, 0] = value
    np.savez(path, delta=delta)
    return path


def test_solve_reports_the_known_optimum_and_writes_it(run, problem, tmp_path):
    out = tmp_path / "solution.npz"
    code, text, _ = run("solve", problem, "--lam", "1/2", "--out", out, "--json", "-")
    told = json.loads(text)
    assert code == 0
    assert told["status"] == "optimal"
    assert abs(told["primal"] - 0.875) <= SOLVER_GAP
    assert told["relative_gap"] <= SOLVER_GAP
    assert (told["rank"], told["rank_existence"], told["rank_no_spurious"], told["n_measurements"]) == (1, 1, 1, 1)
    assert {"dual", "gap", "spectral_norm_ratio", "seconds"} <= set(told)
    assert run("certify", problem, out, "--lam", "1/2")[0] == 0


def test_solve_prints_an_aligned_table(run, problem):
    code, text, _ = run("solve", problem, "--lam", "0.5")
    assert code == 0
    starts = {line.rindex("  ") for line in text.splitlines()}
    assert len(starts) == 1
    assert "relative gap  " in text


def test_solve_limited_in_rank_is_exit_code_1(run, tmp_path):
    path = tmp_path / "two.npz"
    g = np.zeros((2, 1, 2, 2))
    g[0, 0, 0, 0] = g[1, 0, 1, 1] = 1.0
    np.savez(path, G=g, f0=np.zeros((2, 1)), y=np.ones((2, 1)))
    code, text, _ = run("solve", path, "--lam", "0.1", "--max-rank", "1", "--json", "-")
    assert code == (0 if json.loads(text)["status"] == "optimal" else 1)


@pytest.mark.parametrize("flags", [[], ["--exact"]])
def test_certify_tells_the_optimum_from_anything_else(run, problem, tmp_path, flags):
    good, bad = delta_file(tmp_path, 1.5), delta_file(tmp_path, 1.25)
    code, text, _ = run("certify", problem, good, "--lam", "0.5", "--json", "-", *flags)
    assert (code, json.loads(text)["verdict"]) == (0, "global_minimum")
    code, text, _ = run("certify", problem, bad, "--lam", "0.5", "--json", "-", *flags)
    told = json.loads(text)
    assert (code, told["verdict"], told["exact"]) == (1, "not_optimal", bool(flags))
    assert told["gap"] > 0
    assert told["stationarity"] is None


def test_lambda_reaches_the_certificate_exactly(run, problem, tmp_path):
    third = delta_file(tmp_path, 2 - 1 / 3)
    assert run("certify", problem, third, "--lam", "1/3")[0] == 0
    assert run("certify", problem, third, "--lam", "0.33")[0] == 1


def test_bad_files_are_refused_in_one_line(run, problem, tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    for arguments in (
        ["solve", tmp_path / "text.npz", "--lam", "0.1"],
        ["solve", tmp_path, "--lam", "0.1"],
        ["solve", problem, "--lam", "0.1", "--out", tmp_path / "none" / "s.npz"],
        ["solve", problem, "--lam", "0.1", "--max-rank", "9"],
        ["certify", problem, problem, "--lam", "0.1"],
        ["certify", problem, tmp_path / "missing.npz", "--lam", "0.1"],
    ):
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1), arguments
        assert err.startswith("lora-theory: ")
