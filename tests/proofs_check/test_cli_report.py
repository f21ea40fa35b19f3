"""The commands that leave files: report and figures."""

import json

import pytest

from proofs_check.commands import _gallery
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
    assert "3 from records" in run("report", "--level", "smoke", "--out", out)[1]
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
    assert "interrupted; 1 of 2 claims finished and kept in" in err
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
    assert (code, err) == (0, "")
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
    assert "is no JSON" in run("figures", "phase", "--out", tmp_path / "out")[2]
    assert not (tmp_path / "out").exists()


def test_no_gallery_at_all_is_told(run, monkeypatch):
    monkeypatch.setattr(_gallery, "entry_points", lambda group: [])
    code, _, err = run("figures")
    assert code == 2
    assert "no figures are installed (package paper_figs)" in err
