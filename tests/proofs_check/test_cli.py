"""The command line: what it prints, its exit codes, and every way of saying no in one line."""

import ast
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pytest

import proofs_check
from proofs_check import executors, registry
from proofs_check.__main__ import application
from proofs_check.commands import _options, _output
from proofs_check.execute import run_claim
from tests.proofs_check import fake_claims

COMMANDS = (
    *("report", "verify", "claims", "example", "solve", "certify", "bound"),
    *("train", "figures", "data", "info", "completion"),
)
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
    assert re.search(rf"Example: .*lora-theory {command}", " ".join(out.split()))


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
        (["no-such"], r"unknown command 'no-such'; expected one of [a-z, ]+ [a-z]+; see lora-theory --help$"),
        (["verfy"], "unknown command 'verfy', did you mean verify"),
        (["claims", ""], "an argument is empty: expected a value"),
        (["claims", "--json", ""], "--json is empty: expected a value"),
        (["report", "--out="], "--out is empty: expected a value"),
        (["verify", "--no-such"], r"verify: unknown option: --no-such; see lora-theory verify --help"),
        (["verify", "--sead", "3"], "--sead. Did you mean --seed"),
        (["verify", "--seed", "1.5"], "--seed: '1.5', expected a whole number from 0 to"),
        (["verify", "--seed", "-1"], "--seed: '-1', expected a whole number from 0 to"),
        (["verify", "--seed", "abc"], "--seed: 'abc', expected a whole number"),
        (["verify", "--seed"], "--seed is missing its value; see lora-theory verify --help"),
        (["verify", "--level", "huge"], '"huge" for --level. Choose from: "smoke", "quick", "full"'),
        (["verify", "--paper", "other"], '"other" for --paper. Choose from: "ntk"'),
        (["verify", "NTK-AA"], "unknown claim 'NTK-AA', did you mean NTK-A.*lora-theory claims"),
        (["verify", "--workers", "0"], "--workers: '0', expected a whole number from 1"),
        (["verify", "--workers", "2", "--scheduler", "localhost:1"], "--workers and --scheduler exclude each other"),
        (["verify", "--data", "digit"], "data set 'digit' is unknown: expected one of digits"),
        (["verify", "--json", "/nowhere/at/all.json"], "no folder /nowhere/at"),
        (["verify", "--json", "/"], "is a folder, expected the name of a regular file"),
        (["verify", "--json", "--level", "smoke"], "--json.*(path|missing|unexpected)"),
        (["verify", "--json", os.devnull], "is a device, expected the name of a regular file"),
        (["claims", "NTK-AA"], "unknown claim 'NTK-AA', did you mean NTK-A"),
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
    claims(fake_claims.make("NTK-A"), fake_claims.make("ASY-A", paper="asymmetry"))
    refused(run("verify", "ASY-A", "--paper", "ntk"), "claim ASY-A is of paper 'asymmetry', not 'ntk'")


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
            row["seconds"], row["made"] = 0.0, {}
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


def test_claims_fit_the_columns_that_are_set_and_are_whole_in_a_pipe(run, claims, monkeypatch):
    claims(fake_claims.make("NTK-LONG", statement="words " * 60 + "end"), fake_claims.make("NTK-A"))
    assert "end" in run("claims")[1]
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = run("claims")[1].splitlines()
        assert max(map(len, lines)) == columns
        assert any("NTK-A" in line for line in lines)


def test_claims_with_an_id_tells_one_whole(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run("claims", "ntk-w")
    claim = registry.find("NTK-W")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    words = " ".join(out.split())
    told = (claim.id, claim.source, claim.kind, claim.expected, *claim.assumptions, claim.control)
    steps = [text for step in registry.steps_of("NTK-W") for text in (step.id, step.statement)]
    for text in (*told, claim.statement, *steps, "lora-theory verify NTK-W"):
        assert " ".join(text.split()) in words
    assert [row["id"] for row in json.loads(run("claims", "ntk-w", "--json", "-")[1])] == ["NTK-W"]


def test_both_words_for_the_version(run):
    assert run("--version") == run("-V") == (0, f"{version('lora-theory')}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_every_command_is_in_the_script_of_a_shell(run, shell):
    code, out, _ = run("completion", shell)
    assert code == 0
    assert all(command in out for command in COMMANDS)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_a_command(run, tmp_path):
    (tmp_path / "script").write_text(run("completion", "bash")[1])
    function = "$(complete -p lora-theory | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
    line = f"COMP_WORDS=(lora-theory cert); COMP_CWORD=1; {function}"
    script = f"source {tmp_path / 'script'}; {line}; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["certify"]


def test_messages_name_commands_that_exist():
    """In messages, that is strings inside a call or a raise; in prose one may "make sense"."""
    root = Path(proofs_check.__file__).parent.parent
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), flags=re.MULTILINE))
    for package in ("theory", "sims", "proofs_check", "paper_figs"):
        for source in sorted((root / package).rglob("*.py")):
            for raised in (node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Raise)):
                text = "".join(
                    node.value
                    for node in ast.walk(raised)
                    if isinstance(node, ast.Constant) and isinstance(node.value, str)
                )
                assert set(re.findall(r"lora-theory ([a-z]+)\b", text)) <= {*COMMANDS, "again"}, source
                assert set(re.findall(r"(?:run |\()make ([a-z]+)", text)) <= targets, source
                assert "pip install" not in text, source  # the lock and the Makefile install
                assert "lora-theory[" not in text, source


def test_every_command_that_prints_a_table_has_json():
    app = application()
    commands = [
        *(app[name] for name in COMMANDS if name != "data"),
        *(app["data"][n] for n in ("list", "get", "verify")),
    ]
    without = {c.name[0] for c in commands if "json" not in inspect.signature(c.default_command).parameters}
    assert without == {"completion"}  # a script, no table


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
    unlike = {"seconds": 0.0, "made": {}, "from_record": False}
    assert row | unlike == run_claim("NTK-A", "smoke", 0, "digits") | unlike
