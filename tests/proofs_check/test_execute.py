"""Running claims: the row, exceptions, workers, a cluster."""

import json
import math
import os
import subprocess
import sys

import pytest
from distributed import LocalCluster

from proofs_check import executors
from proofs_check.evidence import Evidence, Measurement
from proofs_check.execute import MOST_MEASUREMENTS, run_claim
from proofs_check.ledger import as_expected, exit_code, json_ready, table, to_json
from proofs_check.registry import find
from proofs_check.work import claim_task, row_of
from sims.data import load
from sims.errors import BadInput, CannotServe
from sims.queue import finished
from sims.records import RecordStore
from tests.proofs_check import fake_claims

STABLE = {
    *("id", "paper", "statement", "source", "kind", "expected", "expected_reason", "verdict", "measured", "predicted"),
    *("slack", "instances", "negative_control", "certificate", "level", "seed", "data", "seconds", "evidence"),
}
IDS = ["NTK-C", "NTK-A", "NTK-B"]


def run_many(idents, level, seed, data, place=None, on_row=lambda row: None):
    """Return the rows in the order of the ids; ``on_row`` sees each as soon as it is finished."""
    rows = {}
    tasks = [claim_task(find(ident), level, seed, data, kept=False) for ident in idents]
    for outcome in finished(tasks, None, place):
        rows[outcome.task.name] = row_of(outcome)
        on_row(rows[outcome.task.name])
    return [rows[ident] for ident in idents]


def without_seconds(rows):
    return [row | {"seconds": 0.0, "made": row["made"] | {"time": "then"}} for row in rows]


def test_a_row_has_the_stable_keys_and_the_numbers_of_the_worst_instance(claims):
    row = run_claim("NTK-A", "smoke", 3, "digits")
    assert set(row) >= STABLE
    assert row["measured"] == {"gap": 3.25, "rank": 3.0}
    assert row["predicted"] == {"gap": 13.0, "rank": 3.0}
    assert (row["verdict"], row["slack"], row["instances"], row["certificate"]) == ("holds", 0.0, 2, "exact")
    control = {"statement": "without the hypothesis", "expected": "fails", "verdict": "fails", "data": "none"}
    assert row["negative_control"] == control
    assert (row["control_measured"], row["control_predicted"]) == ({"gap": 2.0}, {"gap": 1.0})
    assert (row["level"], row["seed"], row["data"], row["seeds"]) == ("smoke", 3, "none", [3])
    assert as_expected(row)


def test_an_exception_inside_a_check_is_inconclusive_and_told(claims):
    claims(fake_claims.make("NTK-R", fake_claims.raising), fake_claims.make("NTK-K", control=fake_claims.raising))
    row, control = run_many(["NTK-R", "NTK-K"], "smoke", 0, "digits")
    assert row["verdict"] == "inconclusive"
    assert "check stopped: RuntimeError: the check broke" in row["notes"]
    assert control["verdict"] == "holds"
    assert control["negative_control"]["verdict"] == "inconclusive"
    assert not as_expected(row)
    assert not as_expected(control)


@pytest.mark.parametrize("code", [0, 3, None])
def test_a_check_that_calls_sys_exit_is_inconclusive_and_stops_nothing_else(claims, code):
    def leaving(level, seed, data):
        sys.exit(code)

    claims(fake_claims.make("NTK-E", leaving), fake_claims.make("NTK-K", control=leaving), fake_claims.make("NTK-Z"))
    row, control, other = run_many(["NTK-E", "NTK-K", "NTK-Z"], "smoke", 0, "digits")
    assert row["verdict"] == control["negative_control"]["verdict"] == "inconclusive"
    assert row["error"] == f"SystemExit: {code}".removesuffix(": None")
    assert exit_code([row]) == exit_code([control]) == 1
    assert as_expected(other)


class Cancelled(BaseException):
    """As of libraries whose exceptions are no Exception."""


class Wordless(Exception):
    """Its message cannot be told."""

    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("leave", "told"),
    [
        (lambda: (_ for _ in ()).throw(Wordless), "Wordless"),
        (lambda: os._exit(0), "SystemExit: os._exit(0)"),
        (lambda: (_ for _ in ()).throw(Cancelled("away")), "Cancelled: away"),
        (lambda: (_ for _ in ()).throw(GeneratorExit), "GeneratorExit"),
    ],
)
def test_a_check_that_ends_the_process_or_raises_anything_stops_itself_alone(claims, leave, told):
    def leaving(level, seed, data):
        leave()
        return fake_claims.within(level, seed, data)

    before = os._exit
    claims(fake_claims.make("NTK-E", leaving), fake_claims.make("NTK-K", control=leaving), fake_claims.make("NTK-Z"))
    row, control, other = run_many(["NTK-E", "NTK-K", "NTK-Z"], "smoke", 0, "digits")
    assert row["error"] == control["error"] == told
    assert exit_code([row]) == exit_code([control]) == 1
    assert as_expected(other)
    assert os._exit is before


def test_a_process_that_a_check_forks_and_another_thread_may_still_end():
    program = (
        "import os, threading, time\n"
        "from proofs_check.exits import exits_are_raised\n"
        "with exits_are_raised():\n"
        "    child = os.fork()\n"
        "    if child == 0: os._exit(7)\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7\n"
        "    threading.Thread(target=os._exit, args=(8,)).start()\n"
        "    time.sleep(60)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 8


def test_what_utf8_cannot_hold_is_escaped_in_rows_and_records(claims, tmp_path):
    name = os.fsdecode(b"\xff.npz")  # a file name that is no text

    def check(level, seed, data):
        return Evidence((Measurement(name, 0, 0, "=="),), 1, notes=(name,))

    claims(fake_claims.make("NTK-U", check))
    store = RecordStore(tmp_path)
    for recorded in (False, True):
        (outcome,) = finished([claim_task(find("NTK-U"), "smoke", 0, "digits")], store)
        assert outcome.recorded is recorded
        assert outcome.result["notes"] == ["\\udcff.npz"]
    assert json.loads(to_json(outcome.result))["measured"] == {"\\udcff.npz": 0.0}


def test_data_that_cannot_serve_are_replaced_openly(claims):
    def reads(level, seed, data):
        if load(data).classes < 3:
            raise CannotServe(f"{data} has no three classes")
        return fake_claims.within(level, seed, data)

    claims(fake_claims.make("NTK-R", reads), fake_claims.make("NTK-N"))
    row = run_claim("NTK-R", "smoke", 0, "breast-cancer")
    assert (row["verdict"], row["data"], row["data_asked"]) == ("holds", "digits", "breast-cancer")
    assert row["notes"][0] == "ran on digits instead of breast-cancer: breast-cancer has no three classes"
    assert run_claim("NTK-R", "smoke", 0, "wine")["data"] == "wine"
    assert run_claim("NTK-N", "smoke", 0, "wine")["data"] == "none"  # it reads none


def test_data_that_a_check_replaces_by_itself_are_named(claims):
    def reads(level, seed, data):
        load("digits")
        return fake_claims.within(level, seed, "digits")

    claims(fake_claims.make("NTK-R", reads))
    row = run_claim("NTK-R", "smoke", 0, "wine")
    assert (row["data"], row["notes"][0]) == ("digits", "wine was asked for, digits is what ran")


def test_a_check_that_returns_no_evidence_is_inconclusive(claims):
    claims(fake_claims.make("NTK-N", lambda level, seed, data: True))
    assert "TypeError: the check returned bool, expected Evidence" in run_claim("NTK-N", "smoke", 0, "x")["error"]


def test_a_row_keeps_the_worst_of_each_name_the_tightest_first(claims):
    found = tuple(Measurement(f"m{i}", i, 100.0, "<=") for i in range(60))
    claims(fake_claims.make("NTK-M", lambda level, seed, data: Evidence(found, 60)))
    row = run_claim("NTK-M", "smoke", 0, "digits")
    assert [m["name"] for m in row["measurements"]] == [f"m{i}" for i in range(59, 59 - MOST_MEASUREMENTS, -1)]
    assert len(row["measured"]) == 60


def test_rows_come_in_the_order_asked_for_and_are_told_one_by_one(claims):
    told = []
    rows = run_many(IDS, "smoke", 0, "digits", on_row=lambda row: told.append(row["id"]))
    assert [row["id"] for row in rows] == told == IDS


def test_an_interrupt_passes_through_after_the_finished_rows(claims):
    claims(fake_claims.make("NTK-A"), fake_claims.make("NTK-I", fake_claims.interrupted), fake_claims.make("NTK-Z"))
    told = []
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        run_many(["NTK-A", "NTK-I", "NTK-Z"], "smoke", 0, "digits", on_row=told.append)
    assert [row["id"] for row in told] == ["NTK-A"]


def test_worker_processes_give_the_rows_of_this_process(claims):
    with executors.process_pool(2, fake_claims.install) as pool:
        rows = run_many(IDS, "quick", 1, "digits", pool)
    assert without_seconds(rows) == without_seconds(run_many(IDS, "quick", 1, "digits"))


def test_a_worker_that_dies_costs_its_own_claim_alone(claims):
    claims(*fake_claims.with_a_dying_one())
    idents = ["NTK-A", "NTK-D", "NTK-X", "NTK-Y", "NTK-Z"]
    with executors.process_pool(2, fake_claims.install_dying) as pool:
        first, lost, *others = run_many(idents, "smoke", 0, "digits", pool)
    assert {row["verdict"] for row in (first, *others)} == {"holds"}
    assert lost["verdict"] == "inconclusive"
    assert lost["notes"][0].startswith("worker lost: BrokenProcessPool")


def test_a_cluster_gives_the_rows_of_this_process(claims):
    local = LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp", host="127.0.0.1"
    )
    with local, executors.cluster(local.scheduler_address) as pool:
        rows = run_many(IDS, "smoke", 0, "digits", pool)
    assert without_seconds(rows) == without_seconds(run_many(IDS, "smoke", 0, "digits"))


def test_a_scheduler_without_workers_is_refused():
    local = LocalCluster(n_workers=0, processes=False, dashboard_address=None, protocol="tcp", host="127.0.0.1")
    with (
        local,
        pytest.raises(BadInput, match="has no workers; start some with"),
        executors.cluster(local.scheduler_address),
    ):
        pass


@pytest.mark.parametrize(
    ("measured", "predicted", "tolerance", "shown"),
    [
        (1.000001, 1.0, 1e-7, "1.000001 violates == 1 ± 1e-07"),
        (1.0000010003, 1.0, 1e-6, "1.0000010003 violates == 1 ± 1e-06"),
        (2.0, 1.0, 0.0, "2 violates == 1"),
        (1234567.25, 1234567.0, 0.0, "1234567.25 violates == 1234567"),
    ],
)
def test_a_violated_number_is_shown_with_the_digits_that_violate_it(claims, measured, predicted, tolerance, shown):
    def check(level, seed, data):
        return Evidence((Measurement("x", measured, predicted, "==", tolerance=tolerance),), 1)

    claims(fake_claims.make("NTK-R", check))
    assert f"x: {shown}" in table([run_claim("NTK-R", "smoke", 0, "digits")], 200)


def test_a_cluster_without_its_package_is_refused_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(BadInput, match=r"--scheduler 'x:1' needs the package distributed, .*; install it"),
        executors.cluster("x:1"),
    ):
        pass


def test_more_workers_than_the_memory_holds_are_refused_with_the_estimate(monkeypatch):
    monkeypatch.setattr(executors, "available", lambda: 2 * 10**9)
    with (
        pytest.raises(BadInput, match=r"--workers 1024 needs about 461 GB .*2 GB are free; use --workers 4 or fewer"),
        executors.process_pool(1024),
    ):
        pass
    executors.check_memory(4)


def test_json_is_strict_and_its_words_read_back_as_numbers():
    assert json_ready({"a": math.nan, "b": (math.inf, -math.inf)}) == {"a": "NaN", "b": ["Infinity", "-Infinity"]}
    assert math.isnan(float("NaN"))
    assert json.loads(to_json([1.5, None, True])) == [1.5, None, True]
    assert float(json_ready(-math.inf)) == -math.inf


def test_the_table_fits_the_terminal_and_marks_what_differs(claims):
    claims(fake_claims.make("NTK-A"), fake_claims.make("NTK-V", fake_claims.violated))
    rows = run_many(["NTK-A", "NTK-V"], "smoke", 0, "digits")
    text = table(rows, 120)
    assert max(map(len, text.splitlines()[:4])) <= 120
    assert "! NTK-V" in text
    assert "gap: 2 violates <= 1" in text
    assert "NTK-V: expected holds, found fails" in text
    assert "NOT as expected: NTK-V" in text
    assert exit_code(rows) == 1
    assert exit_code(rows[:1]) == 0


def test_the_table_shows_a_tolerance_where_it_decides(claims):
    def check(level, seed, data):
        return Evidence((Measurement("rate", -0.625, -0.5, "==", tolerance=0.25),), 1)

    claims(fake_claims.make("NTK-R", check))
    assert "rate: -0.625 == -0.5 ± 0.25" in table([run_claim("NTK-R", "smoke", 0, "digits")], 120)


def test_the_data_of_a_row_are_those_that_ran_not_those_asked_for():
    row = run_claim("ASY-GRAD", "smoke", 0, "glue-sst2")  # sentences: it falls back to the embedded digits
    assert (row["data"], row["data_asked"], row["negative_control"]["data"]) == ("digits", "glue-sst2", "digits")
    assert run_claim("ASY-GRAD", "smoke", 0, "wine")["data"] == "wine"
    assert run_claim("BND-OCCAM-KL", "smoke", 0, "digits")["data"] == "none"
