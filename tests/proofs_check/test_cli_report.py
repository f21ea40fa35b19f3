"""The commands that leave files: report and figures."""

import json

import pytest

from proofs_check import execute
from proofs_check.commands import _gallery
from sims import standing as standing_module
from sims.data import load
from sims.records import environment, machine
from sims.used import note_looked_for
from tests.proofs_check import fake_claims


def ids_from_records(folder):
    rows = json.loads((folder / "ledger.json").read_text())
    return [row["id"] for row in rows if row["from_record"]]


def test_report_writes_page_ledger_and_figures(run, claims, gallery, tmp_path):
    out = tmp_path / "report"
    code, text, err = run("report", "--level", "smoke", "--out", out)
    assert (code, err) == (0, "noise on stdout\n")
    assert f"report: {out / 'index.html'}" in text
    page = (out / "index.html").read_text()
    assert all(ident in page for ident in ("NTK-A", "NTK-B", "NTK-C"))
    assert len(json.loads((out / "ledger.json").read_text())) == 3
    for name in gallery.specs:
        assert (out / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (out / f"figures/{name}.pdf").read_bytes().startswith(b"%PDF")
    record = json.loads((out / "records/waves.json").read_text())
    assert record["result"] == {"numbers": [0, 1.0, 2.0]}
    assert record["config"]["level"] == "smoke"


def test_a_second_report_takes_everything_from_records(run, claims, gallery, tmp_path):
    out = tmp_path / "report"
    run("report", "--level", "smoke", "--out", out)
    assert ids_from_records(out) == []
    assert "3 of 3 from records" in run("report", "--level", "smoke", "--out", out)[1]
    assert ids_from_records(out) == ["NTK-A", "NTK-B", "NTK-C"]
    assert gallery.runs == {"waves": 1, "tides": 1}
    run("report", "--level", "smoke", "--out", out, "--seed", "1")
    assert ids_from_records(out) == []
    assert gallery.runs == {"waves": 2, "tides": 2}


def test_a_fresh_report_computes_again(run, claims, gallery, tmp_path):
    out = tmp_path / "report"
    run("report", "--level", "smoke", "--out", out)
    run("report", "--level", "smoke", "--out", out, "--fresh")
    assert ids_from_records(out) == []
    assert gallery.runs == {"waves": 2, "tides": 2}


def test_an_interrupted_report_is_continued(run, claims, gallery, tmp_path):
    out = tmp_path / "report"
    claims(fake_claims.make("NTK-A"), fake_claims.make("NTK-B", fake_claims.interrupted))
    code, _, err = run("report", "--level", "smoke", "--out", out)
    assert code == 130
    assert "interrupted; 1 of 2 claims and 0 of 2 experiments finished and kept in" in err
    claims(fake_claims.make("NTK-A"), fake_claims.make("NTK-B"))
    assert run("report", "--level", "smoke", "--out", out)[0] == 0
    assert ids_from_records(out) == ["NTK-A"]


def test_a_check_that_stopped_is_tried_again(run, claims, gallery, tmp_path):
    out = tmp_path / "report"
    claims(fake_claims.make("NTK-A"), fake_claims.make("NTK-B", fake_claims.raising))
    assert run("report", "--level", "smoke", "--out", out)[0] == 1
    run("report", "--level", "smoke", "--out", out)
    assert ids_from_records(out) == ["NTK-A"]


def test_an_experiment_that_stops_costs_its_figures_and_the_exit_code(run, claims, gallery, tmp_path):
    def broken(level, seed, data):
        raise ValueError("no waves\ntoday")

    gallery.experiments["waves"] = broken
    code, text, err = run("report", "--level", "smoke", "--out", tmp_path)
    assert code == 1
    assert err.splitlines()[-1] == "lora-theory: experiment waves: ValueError: no waves today"
    assert "1 figures" in text
    assert (tmp_path / "index.html").exists()
    assert not (tmp_path / "figures/spectrum.png").exists()


@pytest.mark.parametrize("content", ["not json", '{"experiment": "waves"}'])
def test_a_damaged_record_is_made_again(run, claims, gallery, tmp_path, content):
    run("report", "--level", "smoke", "--out", tmp_path)
    (tmp_path / "records/waves.json").write_text(content)
    assert run("report", "--level", "smoke", "--out", tmp_path)[0] == 0
    assert gallery.runs == {"waves": 2, "tides": 1}


def test_records_of_other_code_or_of_less_data_are_made_again_and_said(run, claims, gallery, tmp_path, monkeypatch):
    run("report", "--level", "smoke", "--out", tmp_path)
    with monkeypatch.context() as changed:
        changed.setattr(standing_module, "fingerprint", lambda *modules: "other")
        _, _, err = run("report", "--level", "smoke", "--out", tmp_path)
    assert "lora-theory: 5 records not taken, run again: made by other code\n" in err
    assert ids_from_records(tmp_path) == []
    assert gallery.runs == {"waves": 2, "tides": 2}

    def looks_for_more(level, seed, data):
        gallery.runs["waves"] += 1
        note_looked_for("a-package-that-is-not-here", gallery.runs["waves"] > 3)
        return {"numbers": [1.0]}

    gallery.experiments["waves"] = looks_for_more
    run("report", "--level", "smoke", "--out", tmp_path, "--fresh")
    assert gallery.runs["waves"] == 3
    record = json.loads((tmp_path / "records/waves.json").read_text())
    assert record["environment"]["looked_for"] == {"a-package-that-is-not-here": False}
    run("report", "--level", "smoke", "--out", tmp_path)
    assert gallery.runs["waves"] == 3
    monkeypatch.setattr("sims.data.present", lambda name: True)
    _, _, err = run("report", "--level", "smoke", "--out", tmp_path)
    assert gallery.runs["waves"] == 4
    assert "1 record not taken, run again: made without data or packages that are here now" in err


def test_the_page_has_the_time_and_the_data_of_the_numbers(run, claims, gallery, tmp_path, monkeypatch):
    def on_data(level, seed, data):
        load("wine")
        return fake_claims.within(level, seed, data)

    def elsewhere(level, seed, data):
        load("digits")
        return fake_claims.violated(level, seed, data)

    claims(fake_claims.make("NTK-A", on_data, elsewhere), fake_claims.make("NTK-B"))
    times = iter(["2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"])
    here = machine()
    monkeypatch.setattr(execute, "machine", lambda: here | {"time": next(times)})
    monkeypatch.setattr(gallery.specs["phase"], "experiment", "waves")
    monkeypatch.setattr("sims.records.machine", lambda: here | {"time": "2026-01-03T00:00:00+00:00"})
    for _ in range(2):  # the second time from records, on another day
        run("report", "--level", "smoke", "--out", tmp_path)
        rows = {row["id"]: row for row in json.loads((tmp_path / "ledger.json").read_text())}
        assert (rows["NTK-A"]["data"], rows["NTK-A"]["negative_control"]["data"]) == ("wine", "digits")
        assert (rows["NTK-B"]["data"], rows["NTK-B"]["data_asked"]) == ("none", "digits")
        page = (tmp_path / "index.html").read_text()
        assert "<dt>When</dt><dd>1 January 2026, 00:00 UTC to 3 January 2026, 00:00 UTC</dd>" in page
        assert "<dt>Data</dt><dd>wine</dd>" in page
        monkeypatch.setattr("sims.records.machine", lambda: here | {"time": "2030-01-01T00:00:00+00:00"})
    assert ids_from_records(tmp_path) == ["NTK-A", "NTK-B"]


def test_a_figure_of_a_stale_record_is_marked_and_said(run, recorded, tmp_path):
    clean = environment()
    for name in ("waves", "tides"):
        path = recorded.records / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"environment": clean}))
    code, _, err = run("figures", "--out", tmp_path / "clean")
    assert (code, err) == (0, "")
    path = recorded.records / "tides.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"environment": clean | {"code": "0" * 16}}))
    code, out, err = run("figures", "--out", tmp_path / "stale", "--json", "-")
    assert code == 0
    assert err == ("lora-theory: records of phase: made by other code; lora-theory report makes its own again\n")
    pictures = {
        name: [(tmp_path / at / f"{name}.png").read_bytes() for at in ("clean", "stale")]
        for name in ("phase", "spectrum")
    }
    assert pictures["spectrum"][0] == pictures["spectrum"][1]
    assert pictures["phase"][0] != pictures["phase"][1]
    captions = {row["name"]: row["caption"] for row in json.loads(out)}
    assert captions["phase"].endswith("This record was made by other code.")
    assert "made by" not in captions["spectrum"]


def test_an_unwritable_folder_is_refused_before_any_work(run, claims, gallery, tmp_path):
    (tmp_path / "report").write_text("a file")
    claims(fake_claims.make("NTK-I", fake_claims.interrupted))
    code, out, err = run("report", "--out", tmp_path / "report")
    assert (code, out) == (2, "")
    assert "cannot be written (File exists); name a folder that you can write" in err


@pytest.fixture
def recorded(gallery):
    """Put the committed records of the two figures in place."""
    gallery.records.mkdir()
    for name in ("waves", "tides"):
        record = {"experiment": name, "config": {}, "result": {"numbers": [1, 2]}, "environment": {}}
        (gallery.records / f"{name}.json").write_text(json.dumps(record))
    return gallery


def test_figures_draws_from_the_committed_records(run, recorded, tmp_path):
    out = tmp_path / "figures"
    code, text, err = run("figures", "--out", out)
    assert code == 0
    told = "lora-theory: records of spectrum, phase: made by code unknown; lora-theory report makes its own again\n"
    assert err == told
    assert sorted(p.name for p in out.iterdir()) == ["phase.pdf", "phase.png", "spectrum.pdf", "spectrum.png"]
    assert str(out / "phase.pdf") in text
    assert recorded.runs == {"waves": 0, "tides": 0}


def test_the_same_record_draws_the_same_files(run, recorded, tmp_path):
    for folder in ("one", "two"):
        run("figures", "phase", "--out", tmp_path / folder)
    for name in ("phase.png", "phase.pdf"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_figures_lists_without_drawing(run, gallery, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("figures", "--list", "--json", "-")
    assert code == 0
    assert [f["name"] for f in json.loads(out)] == ["spectrum", "phase"]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_foreign_record_is_refused(run, recorded, tmp_path):
    code, _, err = run("figures", "phase", "--records", tmp_path / "none", "--out", tmp_path / "out")
    assert code == 2
    assert "lora-theory: figure phase: no record" in err
    (recorded.records / "tides.json").write_text((recorded.records / "waves.json").read_text())
    assert "is no record of 'tides'" in run("figures", "phase", "--out", tmp_path / "out")[2]
    (recorded.records / "tides.json").write_text("{")
    assert "is not JSON" in run("figures", "phase", "--out", tmp_path / "out")[2]
    assert not (tmp_path / "out").exists()


def test_no_gallery_at_all_is_told(run, monkeypatch):
    monkeypatch.setattr(_gallery, "entry_points", lambda group: [])
    code, _, err = run("figures")
    assert code == 2
    assert "no figures are installed (package paper_figs)" in err
