"""The report is one page that works from disk, tells what differs, and shows every text as text."""

import base64
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from proofs_check import readable
from proofs_check.report import OUTCOMES, control_differs, lines_of, outcome_of, write_report
from proofs_check.standing import STANDINGS
from sims.errors import BadInput

# One white pixel: the smallest picture that a browser shows.
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsVgJ2wAAAABJRU5ErkJggg==")
ENVIRONMENT = {
    "code": "0123456789ab",
    "device": "cpu: cpu",
    "dtype": "float64",
    "versions": {"jax": "0.10.2"},
    "time": "2026-11-21T01:41:00+00:00",
}


def measurement(measured=1.0, predicted=2.0, **fields):
    return {"name": "rank", "measured": measured, "predicted": predicted, "relation": "<="} | fields


def row(ident="NTK-T3.1", verdict="holds", expected="holds", control="fails", **fields):
    return {
        "id": ident,
        "paper": "ntk",
        "statement": "A solution of rank r with r(r+1)/2 ≤ KN exists.",
        "source": "arXiv 2402.11867, Theorem 3.1",
        "kind": "upper",
        "assumptions": ["λ > 0"],
        "expected": expected,
        "expected_reason": "",
        "verdict": verdict,
        "measured": {"rank": 1.0},
        "predicted": {"rank": 2.0},
        "slack": 1.0,
        "measurements": [measurement()],
        "instances": 4,
        "negative_control": {"statement": "One rank less.", "expected": "fails", "verdict": control},
        "control_measured": {"rank": 3.0},
        "control_predicted": {"rank": 2.0},
        "certificate": "exact",
        "evidence": "proof",
        "level": "quick",
        "seed": 0,
        "data": "digits",
        "data_asked": "digits",
        "seconds": 1.2,
        "sizes": {"m": 8},
        "seeds": [0, 1, 2],
        "notes": ["a note"],
    } | fields


def render(folder: Path, rows, figures=(), environment=ENVIRONMENT) -> str:
    page = write_report(folder, rows, figures, environment, level="quick", seed=0)
    assert page == folder / "index.html"
    return page.read_text(encoding="utf-8")


class Page(HTMLParser):
    """Every tag with its attributes, the text, and whether tags are closed in order."""

    VOID = frozenset({"meta", "link", "img", "input", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        # An <li> or <p> may be left open in HTML; this page closes everything, which makes it easy to check.
        assert self.open.pop() == tag, f"</{tag}> out of order"

    def handle_data(self, data):
        if "script" not in self.open and "style" not in self.open:
            self.text += data

    def words(self) -> str:
        return " ".join(self.text.split())


@pytest.fixture
def figure(tmp_path):
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "phase 1.png").write_bytes(PIXEL)
    (folder / "phase 1.pdf").write_bytes(b"%PDF-1.4")
    return {"name": "phase 1", "title": "Phase <1>", "caption": "See arXiv 2402.11867."}


def test_the_page_loads_nothing_from_elsewhere(tmp_path, figure):
    html = render(tmp_path, [row()], [figure])
    for tag, attributes in Page(html).tags:
        for name in ("src", "srcset", "href", "data", "poster", "action"):
            target = attributes.get(name)
            if target and not target.startswith(("data:", "#")):
                assert (tag, name) == ("a", "href"), f"<{tag} {name}={target}>"
    assert "default-src 'none'" in html
    assert not re.search(r"url\(|@import|import\(|fetch\(|XMLHttpRequest", html)
    assert html.startswith("<!doctype html>")


def test_figures_are_inside_the_page_with_the_pdf_beside_it(tmp_path, figure):
    page = Page(render(tmp_path, [row()], [figure]))
    (image,) = (attributes for tag, attributes in page.tags if tag == "img")
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == PIXEL
    assert (image["width"], image["height"], image["alt"]) == ("1", "1", "Phase <1>")
    assert "figures/phase%201.pdf" in [attributes.get("href") for tag, attributes in page.tags if tag == "a"]


def test_paths_of_figures_are_those_of_the_working_folder(tmp_path, figure, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    out = Path(tmp_path.name)
    paths = {kind: out / "figures" / f"phase 1.{kind}" for kind in ("png", "pdf")}
    assert "figures/phase%201.pdf" in render(out, [row()], [figure | paths])


def test_every_claim_is_shown_in_natural_order_and_can_be_linked_to(tmp_path):
    idents = ["NTK-T3.10", "NTK-L2.2", "NTK-T3.2", "NTK-T4.1-P0", "NTK-T4.1"]
    page = Page(render(tmp_path, [row(ident) for ident in idents]))
    shown = [attributes["id"] for tag, attributes in page.tags if tag == "details"]
    assert shown == ["NTK-L2.2", "NTK-T3.2", "NTK-T3.10", "NTK-T4.1", "NTK-T4.1-P0"]
    assert all(ident in page.text for ident in idents)
    identities = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert max(identities.values()) == 1


def test_text_is_escaped_wherever_it_comes_from(tmp_path, figure):
    nasty = '<script>alert("x")</script> a < b & ‖δ‖_* ≤ √n'
    fields = ("paper", "statement", "source", "kind", "expected_reason", "data", "certificate")
    nasty_row = row(**dict.fromkeys(fields, nasty), assumptions=[nasty], notes=[nasty], sizes={nasty: nasty})
    nasty_row["negative_control"]["statement"] = nasty
    nasty_row["measurements"] = [measurement(name=nasty, instance=nasty)]
    page = Page(render(tmp_path, [nasty_row], [figure | {"title": nasty, "caption": nasty}], {nasty: {nasty: nasty}}))
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert page.text.count(nasty) > len(fields)


@pytest.mark.parametrize(
    ("verdict", "expected", "control", "key", "surprise"),
    [
        ("holds", "holds", "fails", "holds", False),
        ("fails", "fails", "fails", "finding", False),
        ("fails", "holds", "fails", "differs", True),
        ("holds", "fails", "fails", "differs", True),
        ("holds", "holds", "holds", "differs", True),
        ("holds", "holds", "inconclusive", "differs", True),
        ("inconclusive", "holds", "fails", "inconclusive", True),
        ("inconclusive", "fails", "fails", "inconclusive", True),
    ],
)
def test_outcomes_are_told_apart_and_counted(tmp_path, verdict, expected, control, key, surprise):
    one = row("NTK-X", verdict, expected, control)
    assert outcome_of(one) is OUTCOMES[key]
    page = Page(render(tmp_path, [row(), row("NTK-L2.2"), one]))
    surprising = [a["data-outcome"] for _, a in page.tags if "data-surprise" in a]
    counts = Counter(a["data-outcome"] for tag, a in page.tags if tag == "li" and "data-outcome" in a)
    assert counts == Counter(["holds", "holds", key])
    for outcome in OUTCOMES.values():
        assert f"{outcome.symbol} {counts[outcome.key]} {outcome.label}" in page.words()
    assert surprising == [key] * surprise
    if surprise:
        assert "1 of 3 claims did not come out as registered" in page.words()
        assert ("negative control, registered: fails" in page.words()) == (verdict == expected)
    else:
        assert "All 3 claims came out as registered" in page.words()


def test_proved_measured_and_conjectured_are_told_apart_in_words_and_looks(tmp_path):
    rows = [
        row("NTK-A"),
        row("NTK-B", kind="empirical", evidence="run"),
        row("NTK-C", kind="conjecture", evidence="run"),
    ]
    assert [outcome_of(r).key for r in rows] == ["holds", "holds", "unrefuted"]
    html = render(tmp_path, rows)
    page = Page(html)
    shown = [a["class"] for _, a in page.tags if (a.get("class") or "").startswith("standing ")]
    assert shown == 2 * ["standing proved", "standing measured", "standing conjectured"]  # the legend, then the rows
    assert "conjecture: no counterexample found" in page.words()
    for standing in STANDINGS.values():
        assert f"{standing.symbol} {standing.label}" in page.words()
        assert standing.meaning in page.words()
        assert f".standing.{standing.key}" in html or standing.key == "measured"


def test_a_violated_number_shows_the_digits_that_violate_it(tmp_path):
    line = measurement(1.0000010550060652, 1.0, name="penalty", relation="==", tolerance=1e-6)
    words = Page(render(tmp_path, [row(verdict="fails", measurements=[line])])).words()
    assert "penalty 1.00000106 violates = 1 ± 10⁻⁶" in words


def test_a_claim_that_is_false_as_printed_reads_as_a_finding(tmp_path):
    finding = row("NTK-T4.1-P0", "fails", "fails", expected_reason="Family B is a counterexample.")
    words = Page(render(tmp_path, [finding])).words()
    assert "A finding, not an error." in words
    assert words.count("Family B is a counterexample.") == 2  # at the top, and in the row
    assert "Look at first" not in words


def test_an_opened_row_tells_numbers_certificate_and_control(tmp_path):
    lines = [
        measurement(3.0, 2.0, name="broken", instance="seed 7"),
        measurement("NaN", None, name="lost"),
        measurement(name="loose", trusted=False),
        measurement(name="sound", tolerance=1e-12),
    ]
    one = row(verdict="fails", measurements=lines, control_measurements=[measurement(5.0, 2.0, name="beyond")])
    assert [line.state for line in lines_of(one)] == ["violated", "unknown", "unknown", "satisfied"]
    assert [line.slack for line in lines_of(one, "control_")] == [-3.0]
    words = Page(render(tmp_path, [one])).words()
    for text in ("broken 3 ≤ 2 −1 violated seed 7", "lost NaN", "not certified", "± 10⁻¹²", "beyond 5 ≤ 2 −3 violated"):
        assert text in words
    for text in ("A proof for the instances listed", "One rank less.", "λ > 0", "a note", "m = 8", "instances: 0–2"):
        assert text in words
    assert "lora-theory verify NTK-T3.1 --level quick --seed 0 --data digits" in words


def test_without_single_measurements_the_summary_is_shown():
    one = row(measurements=[])
    assert [(line.name, line.measured, line.slack) for line in lines_of(one)] == [("rank", 1.0, None)]
    assert not control_differs(one)


def test_no_rows_no_figures_no_environment(tmp_path):
    words = Page(render(tmp_path, [], [], {})).words()
    for text in ("No claim was run", "No figure was drawn", "Nothing was recorded", "not recorded"):
        assert text in words


def test_a_row_about_which_nothing_is_known_is_shown(tmp_path):
    empty = row(verdict="inconclusive", control="inconclusive", measurements=[], measured={}, predicted={})
    empty |= {"certificate": "none", "instances": 0, "sizes": {}, "seeds": [], "notes": ["check stopped: ValueError"]}
    words = Page(render(tmp_path, [empty | {"control_measured": {}, "control_predicted": {}, "slack": "NaN"}])).words()
    assert "Nothing was measured." in words
    assert "check stopped: ValueError" in words


def test_a_page_of_many_claims_stays_small(tmp_path):
    html = render(tmp_path, [row(f"NTK-{k}") for k in range(200)])
    assert 20_000 < len(html.encode()) < 2_000_000


def test_a_folder_that_cannot_be_written_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        render(tmp_path / "file", [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (-1.0, "−1"),
        (12480, "12\u202f480"),
        (0.5, "0.5"),
        (0.99999999, "1.0000"),
        (12.34567, "12.35"),
        (3.21e-12, "3.21×10⁻¹²"),
        (1e-9, "10⁻⁹"),
        (2.5e7, "2.5×10⁷"),
        (float("nan"), "NaN"),
        (float("-inf"), "−∞"),
        (None, "–"),
        (True, "yes"),
        ("word", "word"),
    ],
)
def test_numbers_read_well(value, text):
    assert readable.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.96, "10 s"), (59.7, "1 min 00 s"), (185.2, "3 min 05 s"), (None, "–")]
)
def test_durations_read_well(seconds, text):
    assert readable.duration(seconds) == text


def test_settings_and_moments_read_well():
    assert readable.setting([0, 1, 2, 3, 7, 9, 10]) == "0–3, 7, 9, 10"
    assert readable.setting({"n": [4, 8], "x": 0.5}) == "n = 4, 8; x = 0.5"
    assert readable.setting([]) == "none"
    assert readable.moment("2026-11-21T03:41:00+02:00") == "21 November 2026, 01:41 UTC"
    assert readable.moment("long ago") == "long ago"
