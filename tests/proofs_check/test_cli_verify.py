"""Verify: which claims are run, what is kept and taken from records, and the table of verdicts over seeds."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from proofs_check.evidence import Evidence, Measurement
from tests.proofs_check import fake_claims
from tests.proofs_check.test_cli import driver, refused


def hanging_on_the_seed(level, seed, data):
    return Evidence((Measurement("gap", 1.0 + (seed % 3 == 2) * 1e-6, 1.0, "<="),), 1)


def ids(result):
    return [row["id"] for row in json.loads(result[1])]


def test_a_table_over_seeds_tells_which_seeds_differ_and_how(run, claims, tmp_path):
    claims(fake_claims.make("NTK-A"), fake_claims.make("NTK-S", hanging_on_the_seed))
    arguments = ("verify", "--level", "smoke", "--seeds", "0:6", "--records", tmp_path)
    code, out, err = run(*arguments)
    assert (code, err) == (1, "")
    assert "6 of 6" in out
    assert "4 of 6" in out
    assert "2: fails (gap: 1.000001 violates <= 1" in out
    assert "2 claims, 12 verdicts, 10 as registered; NOT on every seed: NTK-S" in out
    good, bad = json.loads(run(*arguments, "--json", "-")[1])
    assert (good["verdicts"], good["as_expected"], good["differ"]) == ({"holds": 6}, 6, [])
    assert bad["verdicts"] == {"holds": 4, "fails": 2}
    assert [d["seed"] for d in bad["differ"]] == [2, 5]
    assert (good["from_records"], bad["seeds"]) == (6, list(range(6)))


def test_a_table_over_seeds_is_kept_and_continued(run, claims, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run("verify", "--level", "smoke", "--seeds", "0:2")[0] == 0
    assert len(list((tmp_path / "runs/seeds").glob("*.json"))) == 6
    claims(*(fake_claims.make(claim.id, claim.check, claim.control_check) for claim in fake_claims.as_expected()[:2]))
    out = run("verify", "--level", "smoke", "--seeds", "0:3")[1]
    assert "4 of 6 from records" in out


@pytest.mark.parametrize("seeds", ["3:3", "x", "0:2,1", "-1:2", "0:99999999"])
def test_seeds_that_are_none_are_refused(run, claims, seeds):
    refused(run("verify", "--seeds", seeds), "--seeds.*expected")


def test_records_are_continued_and_fresh_computes_again(run, claims, tmp_path):
    arguments = ("verify", "--level", "smoke", "--records", tmp_path)
    run(*arguments, "NTK-A")
    rows = json.loads(run(*arguments, "--json", "-")[1])
    assert [row["from_record"] for row in rows] == [True, False, False]
    assert "3 of 3 from records" in run(*arguments)[1]
    assert "from records" not in run(*arguments, "--fresh")[1]
    assert "from records" not in run(*arguments, "--seed", "1")[1]


def test_a_row_that_lost_a_key_is_computed_again(run, claims, tmp_path):
    arguments = ("verify", "NTK-A", "--level", "smoke", "--records", tmp_path, "--json", "-")
    run(*arguments)
    (path,) = tmp_path.iterdir()
    record = json.loads(path.read_text())
    record["result"] = {"id": "NTK-A"}
    del record["environment"]["digest"]
    path.write_text(json.dumps(record))
    assert json.loads(run(*arguments)[1])[0]["from_record"] is False
    assert json.loads(run(*arguments)[1])[0]["from_record"] is True


def test_words_choose_among_ids_statements_and_sources(run, claims):
    claims(
        fake_claims.make("NTK-A", statement="Every local minimum is global", source="Jang, Theorem 3.1"),
        fake_claims.make("NTK-B", statement="a spurious minimum exists", source="Kim"),
        fake_claims.make("BND-C", statement="a bound", paper="asymmetry"),
    )
    command = ("verify", "--level", "smoke", "--json", "-", "-k")
    assert ids(run(*command, "minimum")) == ["NTK-A", "NTK-B"]
    assert ids(run(*command, "MINIMUM jang")) == ["NTK-A"]
    assert ids(run(*command, "bnd-")) == ids(run(*command, "asymmetry")) == ["BND-C"]
    refused(run("verify", "-k", "minimum nowhere"), "-k 'minimum nowhere': no claim has all these words")


def test_those_that_differed_the_last_time_are_run_again(run, claims):
    claims(fake_claims.make("NTK-A"), fake_claims.make("NTK-V", fake_claims.violated), fake_claims.make("NTK-W"))
    command = ("verify", "--level", "smoke", "--json", "-")
    _, out, err = run(*command, "--lf")
    assert len(json.loads(out)) == 3
    assert err == "lora-theory: --lf: none of these claims differed the last time, so all of them are run\n"
    assert ids(run(*command, "--lf")) == ["NTK-V"]
    run(*command, "NTK-A")  # says nothing about the others
    claims(fake_claims.make("NTK-A"), fake_claims.make("NTK-V"), fake_claims.make("NTK-W"))
    assert ids(run(*command, "--lf")) == ["NTK-V"]
    assert len(ids(run(*command, "--lf"))) == 3


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
@pytest.mark.parametrize("workers", [1, 2])
def test_verify_with_records_loses_nothing_to_sigkill(tmp_path, workers):
    arguments = ("verify", "--level", "smoke", "--records", tmp_path, "--workers", workers)
    script = (
        "import sys, functools; from proofs_check import executors; from tests.proofs_check import fake_claims;"
        "from proofs_check.__main__ import main; fake_claims.install_sleeping();"
        "executors.process_pool = functools.partial(executors.process_pool, initializer=fake_claims.install_sleeping);"
        "main(sys.argv[1:])"
    )
    wanted = 1 if workers == 1 else 2  # NTK-S sleeps between the two others
    with subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 120
        while len(list(tmp_path.glob("*.json"))) < wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    kept = {json.loads(path.read_text())["result"]["id"] for path in tmp_path.glob("*.json")}
    assert kept == ({"NTK-A"} if workers == 1 else {"NTK-A", "NTK-Z"})
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".json" and not path.name.startswith(".")]


def test_an_interrupt_with_records_says_where_they_are(tmp_path):
    with driver("install_sleeping", "verify", "--level", "smoke", "--records", tmp_path) as process:
        assert process.stderr.readline() == "asleep\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == f"lora-theory: interrupted; 1 of 3 claims finished, kept in {tmp_path}; the same command continues\n"
    assert "NTK-A" in out


def test_workers_beyond_the_tasks_are_not_started(run, claims, monkeypatch):
    monkeypatch.setattr("proofs_check.executors.available", lambda: 1)  # byte
    assert run("verify", "NTK-A", "--level", "smoke", "--workers", "1024")[0] == 0  # one claim, no process
    refused(run("verify", "--workers", "1024", "--level", "smoke"), "--workers 3 needs about .*; free some memory")


@pytest.mark.parametrize("address", ["not an address", "", "::", "host:port", "tcp://", "1.2.3.4:99999"])
def test_a_scheduler_address_that_is_none_is_refused_in_one_line(run, claims, address):
    refused(run("verify", "--scheduler", address), "--scheduler|no dask scheduler answers at")


def test_no_client_is_made_for_an_address_that_cannot_be_read(run, claims, monkeypatch):
    monkeypatch.setattr("distributed.Client", None)  # one that fails early tells of it when it is thrown away
    for address in ("not an address", "host:port", "x://a:1"):
        refused(run("verify", "--scheduler", address), "no dask scheduler answers at")


def test_nothing_but_a_scheduler_imports_distributed():
    script = (
        "import sys; sys.modules['distributed'] = sys.modules['dask'] = None;"
        "from tests.proofs_check import fake_claims; from proofs_check.__main__ import main; fake_claims.install();"
        "sys.exit(main(['verify', '--level', 'smoke']) or main(['verify', '--scheduler', 'x:1']) != 2)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith("lora-theory: --scheduler 'x:1' needs the package distributed")
