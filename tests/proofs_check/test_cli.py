"""The command line: what it prints, its exit codes, and every way of saying no in one line."""

import json
import os
import re
import signal
import subprocess
import sys
from functools import partial

import pytest

from proofs_check import executors
from proofs_check.commands import _options, _output
from proofs_check.execute import run_claim
from tests.proofs_check import fake_claims

COMMANDS = ("report", "verify", "claims", "solve", "certify", "bound", "train", "figures", "data", "info")
ONE_LINE = re.compile(r"lora-theory: [^\n]+\n")


def refused(result, pattern):
    """Assert exit code 2, nothing on stdout, and one line on stderr that matches."""
    code, out, err = result
    assert (code, out) == (2, "")
    assert ONE_LINE.fullmatch(err)
    assert re.search(pattern, err), err


def driver(claims, *arguments, **options):
    """Start the command line in a process of its own with fake claims."""
    script = (  # a shell's background job ignores Ctrl-C, and so would the command in it
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from tests.proofs_check import fake_claims; from proofs_check.__main__ import main;"
        f"fake_claims.{claims}(); sys.exit(main())"
    )
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], **(pipes | options))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example(run, command):
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert f"Example: lora-theory {command}" in " ".join(out.split())


def test_help_lists_the_commands_and_imports_nothing_heavy():
    script = (
        "import sys; from proofs_check.__main__ import main; code = main(['--help']);"
        "sys.exit(code or any(m in sys.modules for m in ('jax', 'numpy', 'matplotlib', 'distributed')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["no-such"], "no-such.*verify"),
        (["verify", "--no-such"], r"verify: unknown option: --no-such; see lora-theory verify --help"),
        (["verify", "--sead", "3"], "--sead. Did you mean --seed"),
        (["verify", "--seed", "1.5"], "--seed: '1.5', expected a whole number from 0 to"),
        (["verify", "--seed", "-1"], "--seed: '-1', expected a whole number from 0 to"),
        (["verify", "--seed", "abc"], "--seed: 'abc', expected a whole number"),
        (["verify", "--seed"], "--seed is missing its value; see lora-theory verify --help"),
        (["verify", "--level", "huge"], '"huge" for --level. Choose from: "smoke", "quick", "full"'),
        (["verify", "--paper", "other"], '"other" for --paper. Choose from: "ntk"'),
        (["verify", "--paper", "gelora"], "paper 'gelora' has no claims yet; papers with claims: ntk"),
        (["verify", "NTK-AA"], "unknown claim 'NTK-AA', did you mean NTK-A.*lora-theory claims"),
        (["verify", "--workers", "0"], "--workers: '0', expected a whole number from 1"),
        (["verify", "--workers", "2", "--scheduler", "localhost:1"], "--workers and --scheduler exclude each other"),
        (["verify", "--data", "digit"], "data set 'digit' is unknown: expected one of digits"),
        (["verify", "--json", "/nowhere/at/all.json"], "no folder /nowhere/at"),
        (["verify", "--json", "/"], "is a folder, expected the name of a file"),
        (["verify", "--json", "--level", "smoke"], "--json.*(path|missing|unexpected)"),
        (["claims", "NTK-A"], "claims: unexpected argument 'NTK-A'"),
        (["solve"], "solve: PROBLEM is missing its value; see lora-theory solve --help"),
        (["solve", "p.npz"], "solve: --lam is missing its value"),
        (["solve", "/nowhere.npz", "--lam", "0.1"], "/nowhere.npz"),
        (["solve", "p.npz", "--lam", "-1"], "--lam: '-1', expected a number >= 0"),
        (["solve", "p.npz", "--lam", "-1/9"], "--lam: '-1/9', expected a number >= 0"),
        (["solve", "p.npz", "--lam", "nan"], "--lam: 'nan', expected a number >= 0"),
        (["solve", "p.npz", "--lam", "inf"], "--lam: 'inf', expected a number >= 0"),
        (["solve", "p.npz", "--lam", "abc"], "--lam: 'abc', expected a number >= 0: a decimal such as 0.02"),
        (["solve", "p.npz", "--lam", "1/0"], "--lam: '1/0', expected a number >= 0"),
        (["solve", "p.npz", "--lam", "1e999"], "--lam: '1e999' is out of the range"),
        (["solve", "p.npz", "--lam", "1", "--tol", "0"], "--tol: '0', expected a number between 0 and 1"),
        (["solve", "p.npz", "--lam", "1", "--tol", "x"], "--tol: 'x', expected a number between 0 and 1"),
        (["solve", "p.npz", "--lam", "1", "--max-rank", "-2"], "--max-rank: '-2', expected a whole number from 0"),
        (["certify", "p.npz", "--lam", "1"], "certify: SOLUTION is missing its value"),
        (["figures", "spektrum"], "unknown figure 'spektrum', did you mean spectrum; see lora-theory figures --list"),
        (["data", "get"], "data get needs the names of data sets; expected some of digits"),
        (["data", "get", "nothing"], "data set 'nothing' is unknown"),
        (["report", "--out", "/dev/null/report"], "--out /dev/null/report cannot be written"),
    ],
)
def test_bad_usage_is_refused_in_one_line(run, claims, gallery, arguments, pattern):
    refused(run(*arguments), pattern)


def test_an_unreachable_scheduler_is_refused_in_one_line(run, claims, monkeypatch):
    monkeypatch.setattr(executors, "cluster", partial(executors.cluster, timeout=1.0))
    refused(run("verify", "--scheduler", "127.0.0.1:1"), "no dask scheduler answers at '127.0.0.1:1'")
    refused(run("verify", "--scheduler", "not an address"), "no dask scheduler answers at 'not an address'")


def test_verify_prints_the_ledger(run, claims):
    code, out, err = run("verify", "--level", "smoke")
    assert (code, err) == (0, "noise on stdout\n")
    assert [line.split()[0] for line in out.splitlines()[2:5]] == ["NTK-A", "NTK-B", "NTK-C"]
    assert "3 claims, 3 as expected" in out


def test_verify_runs_the_chosen_claims_once_each(run, claims):
    code, out, _ = run("verify", "ntk-c", "NTK-A", "NTK-C", "--paper", "ntk", "--level", "smoke", "--json", "-")
    assert code == 0
    assert [row["id"] for row in json.loads(out)] == ["NTK-C", "NTK-A"]


def test_a_claim_of_another_paper_is_refused(run, claims):
    claims(fake_claims.make("NTK-A"), fake_claims.make("LOT-A", paper="lotta"))
    refused(run("verify", "LOT-A", "--paper", "ntk"), "claim LOT-A is of paper 'lotta', not 'ntk'")


def test_json_on_stdout_is_all_there_is_on_stdout(run, claims):
    code, out, err = run("verify", "NTK-B", "--level", "smoke", "--json", "-")
    assert code == 0
    assert json.loads(out)[0]["id"] == "NTK-B"
    assert "noise on stdout" in err


def test_json_to_a_file_comes_with_the_table(run, claims, tmp_path):
    path = tmp_path / "ledger.json"
    code, out, _ = run("verify", "--level", "smoke", "--json", path)
    assert code == 0
    assert "3 as expected" in out
    assert [row["verdict"] for row in json.loads(path.read_text())] == ["holds", "holds", "fails"]
    assert [p.name for p in tmp_path.iterdir()] == ["ledger.json"]


def test_json_to_a_device_is_written_to_it_and_never_replaces_it(run, claims):
    assert run("claims", "--json", "/dev/null")[0] == 0
    assert not os.path.isfile("/dev/null")


@pytest.mark.parametrize(
    "claim",
    [
        fake_claims.make("NTK-X", fake_claims.violated),
        fake_claims.make("NTK-X", control=fake_claims.within),
        fake_claims.make("NTK-X", fake_claims.raising),
        fake_claims.make("NTK-X", **fake_claims.FALSE_AS_PRINTED),
    ],
    ids=["verdict differs", "control differs", "check stops", "false as printed, yet holds"],
)
def test_exit_code_1_when_something_differs(run, claims, claim):
    claims(claim)
    code, out, _ = run("verify", "--level", "smoke")
    assert code == 1
    assert "NOT as expected: NTK-X" in out


def test_workers_print_the_ledger_of_this_process(run, claims, monkeypatch):
    pool = partial(executors.process_pool, initializer=fake_claims.install)
    monkeypatch.setattr(executors, "process_pool", pool)
    results = [
        json.loads(run("verify", "--level", "smoke", "--json", "-", *more)[1]) for more in ([], ["--workers", "2"])
    ]
    for rows in results:
        for row in rows:
            row["seconds"] = 0.0
    assert results[0] == results[1]


def test_an_interrupt_keeps_the_finished_rows(run, claims, tmp_path):
    path = tmp_path / "ledger.json"
    claims(fake_claims.make("NTK-A"), fake_claims.make("NTK-I", fake_claims.interrupted), fake_claims.make("NTK-Z"))
    code, out, err = run("verify", "--level", "smoke", "--json", path)
    assert code == 130
    assert err == "lora-theory: interrupted; 1 of 3 claims finished, kept above\n"
    assert "NTK-A" in out
    assert [row["id"] for row in json.loads(path.read_text())] == ["NTK-A"]


@pytest.mark.parametrize(
    ("sent", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_signals_stop_a_running_claim_and_keep_the_finished_rows(sent, code, word):
    with driver("install_sleeping", "verify", "--level", "smoke", "--json", "-") as process:
        assert process.stderr.readline() == "asleep\n"
        process.send_signal(sent)
        out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert [row["id"] for row in json.loads(out)] == ["NTK-A"]
    assert err == f"lora-theory: {word}; 1 of 3 claims finished, kept above\n"


def test_a_reader_that_goes_away_is_no_error():
    read, write = os.pipe()
    os.close(read)
    with driver("install", "claims", "--json", "-", stdout=write) as process:
        os.close(write)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


def test_a_bug_is_told_in_one_line(run, claims, monkeypatch):
    def broken(rows, width):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("proofs_check.ledger.table", broken)
    code, out, err = run("verify", "NTK-A", "--level", "smoke")
    assert (code, out) == (70, "")
    told = "lora-theory: RuntimeError: two lines; this is a bug; run with LORA_THEORY_DEBUG=1 for the traceback\n"
    assert err == told
    monkeypatch.setenv("LORA_THEORY_DEBUG", "1")
    assert "Traceback" in run("verify", "NTK-A", "--level", "smoke")[2]


def test_claims_lists_the_registry(run, claims):
    code, out, _ = run("claims", "--json", "-")
    first, *_, last = json.loads(out)
    assert code == 0
    keys = {"id", "paper", "statement", "source", "kind", "expected", "expected_reason", "assumptions"}
    assert set(first) >= keys
    assert (last["expected"], last["expected_reason"]) == ("fails", "a counterexample")
    assert "NTK-C" in run("claims")[1]


def test_info_shows_the_bridge_and_the_precision(run):
    code, out, _ = run("info")
    assert code == 0
    assert "neural tangents.state" in out
    assert "64-bit floats" in out
    told = json.loads(run("info", "--json", "-")[1])
    assert {"code", "python", "versions", "device", "precision", "threads", "data", "neural_tangents"} <= set(told)


def test_data_lists_name_status_licence_and_source(run):
    code, out, _ = run("data")
    assert code == 0
    assert re.search("digits .* embedded .* CC BY 4.0 .* https://", out)
    assert run("data", "list") == run("data")
    sets = json.loads(run("data", "--json", "-")[1])
    assert {"name", "status", "licence", "source", "files"} <= set(sets[0])


def test_data_get_and_verify_know_the_embedded_sets(run):
    assert run("data", "get", "digits") == (0, "digits  embedded: nothing to fetch\n", "")
    assert re.search("digits +embedded", run("data", "verify")[1])


def test_a_damaged_data_file_is_exit_code_1(run, monkeypatch):
    monkeypatch.setattr("sims.data.catalogue.verify", lambda name: [("images.gz", "sha256 differs")])
    assert run("data", "verify")[0] == 1


@pytest.mark.parametrize(
    ("typed", "exact"),
    [("0.02", (1, 50)), ("1e-3", (1, 1000)), ("1/9", (1, 9)), ("0", (0, 1)), (".5", (1, 2)), ("+3.", (3, 1))],
)
def test_lambda_is_the_rational_that_was_typed(typed, exact):
    token = type("Token", (), {"value": typed})()
    assert _options.regularisation(None, [token]).as_integer_ratio() == exact


def test_pairs_are_aligned_and_nested_names_joined():
    text = _output.pairs({"gap": 0.5, "exact": True, "stationarity": {"gauge_zeros": 1}, "none": None})
    assert text.splitlines() == [
        "gap                       0.5",
        "exact                     yes",
        "stationarity.gauge zeros  1",
        "none                      -",
    ]


def test_rows_of_the_command_are_rows_of_run_claim(run, claims):
    row = json.loads(run("verify", "NTK-A", "--level", "smoke", "--json", "-")[1])[0]
    assert row | {"seconds": 0.0} == run_claim("NTK-A", "smoke", 0, "digits") | {"seconds": 0.0}
