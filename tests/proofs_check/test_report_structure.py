"""The report's page can be read with a keyboard, a screen reader, a narrow window and on paper."""

import itertools
import re
import struct
import zlib
from collections import Counter

import pytest

from proofs_check.pictures import design_width
from proofs_check.report import OUTCOMES
from tests.proofs_check.test_report import ENVIRONMENT, PIXEL, Page, render, row


def png(width: int, height: int, dots_per_inch: float | None) -> bytes:
    """A grey picture of this size, with its resolution when there is one."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    metre = round(dots_per_inch / 0.0254) if dots_per_inch else 0
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + (chunk(b"pHYs", struct.pack(">IIB", metre, metre, 1)) if metre else b"")
        + chunk(b"IDAT", zlib.compress(b"\x00" * (width + 1) * height))
        + chunk(b"IEND", b"")
    )


@pytest.fixture
def page(tmp_path):
    """A page with everything on it: a surprise, a finding, a proof, figures, an environment."""
    proof = [
        {"id": "W1", "statement": "simple", "verdict": "holds", "instances": 3, "error": ""},
        {"id": "W2", "statement": "sharp", "verdict": "fails", "instances": 3, "error": ""},
    ]
    rows = [
        row(),
        row("NTK-X", "fails"),
        row("NTK-P", "fails", "fails", expected_reason="false"),
        row("NTK-Q", proof=proof),
    ]
    (tmp_path / "figures").mkdir()
    names = ("phase", "tall one")
    for name, size in zip(names, ((650, 400), (650, 2400)), strict=True):
        (tmp_path / "figures" / f"{name}.png").write_bytes(png(*size, 200))
    figures = [{"name": name, "title": f"Figure {name}", "caption": "What it shows."} for name in names]
    return render(tmp_path, rows, figures, ENVIRONMENT)


def headings(html: str) -> list[int]:
    return [int(tag[1]) for tag, _ in Page(html).tags if re.fullmatch("h[1-6]", tag)]


def test_headings_never_skip_a_level(page, tmp_path):
    for html in (page, render(tmp_path, [], [], {})):
        levels = headings(html)
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_check_of_headings_can_fail(page):
    levels = headings(re.sub("(</?)h3", r"\1h5", page))
    assert any(after > before + 1 for before, after in itertools.pairwise(levels))


def test_every_reference_inside_the_page_has_its_target(page):
    tags = Page(page).tags
    count = Counter(a["id"] for _, a in tags if "id" in a)
    assert max(count.values()) == 1
    targets = [a["href"].removeprefix("#") for tag, a in tags if tag == "a" and a.get("href", "").startswith("#")]
    targets += [a[key] for _, a in tags for key in ("aria-labelledby", "aria-describedby") if a.get(key)]
    assert {"main", "claims", "figures", "figure-phase", "figure-tall%20one", "NTK-X"} <= set(targets)
    for target in targets:
        assert target.replace("%20", " ") in count, target


def test_the_first_thing_that_takes_the_focus_skips_to_the_verdicts(page):
    tags = [tag for tag, _ in Page(page).tags]
    links = [a for tag, a in Page(page).tags if tag in ("a", "button", "input")]
    assert links[0].get("class") == "skip"
    assert links[0]["href"] == "#main"
    assert [a["id"] for tag, a in Page(page).tags if tag == "main"] == ["main"]
    assert tags.index("main") < tags.index("form")


def test_what_filters_is_a_button_that_the_keyboard_presses(page):
    tiles = [(tag, a) for tag, a in Page(page).tags if "tile" in (a.get("class") or "").split()]
    assert [tag for tag, _ in tiles] == ["button"] * len(OUTCOMES)
    # Nothing plays a button: Space and Enter press what is one.
    assert not [a for _, a in Page(page).tags if a.get("role") == "button"]


def test_regions_that_scroll_take_the_focus_and_have_a_name(page):
    tags = Page(page).tags
    scrolling = [a for tag, a in tags if tag == "pre" or "sheet" in (a.get("class") or "").split()]
    assert len(scrolling) == 3
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in scrolling)
    # A picture scrolls with the button that it is in.
    assert page.count('<div class="picture"><button type="button" class="enlarge"') == 2


def test_figures_are_never_smaller_than_designed_and_have_an_address(page):
    images = [a for tag, a in Page(page).tags if tag == "img"]
    assert [a["style"] for a in images] == ["min-width: 312px"] * 2  # 650 pixels at 200 dots an inch are 3.25 inches
    assert "max-height" not in re.sub(r"\.viewer \{[^}]*\}", "", page[: page.index("</style>")])
    assert [a["id"] for tag, a in Page(page).tags if tag == "figure"] == ["figure-phase", "figure-tall one"]


@pytest.mark.parametrize(
    ("width", "resolution", "expected"), [(650, 200, 312), (960, 96, 960), (960, 192, 480), (70, None, 70)]
)
def test_the_design_width_is_that_of_the_file(width, resolution, expected):
    assert design_width(png(width, 5, resolution)) == expected


def test_a_picture_without_a_resolution_is_as_wide_as_its_pixels():
    assert design_width(PIXEL) == 1


def test_a_step_of_a_proof_that_does_not_hold_is_named_as_what_differs(page):
    words = Page(page).words()
    assert words.count("not every step of the proof holds: W2") == 2  # at the top, and in the row
    assert "NTK-Q: the claim and its negative control as registered" in words


def test_every_field_has_a_label_and_a_name_in_the_address(page):
    fields = [a for tag, a in Page(page).tags if tag in ("input", "select")]
    assert [a["name"] for a in fields] == ["text", "paper", "outcome", "standing", "surprise"]
    inside = re.findall(r"<label[^>]*>(?:(?!</label>).)*?<(?:input|select)", page, re.DOTALL)
    assert len(inside) == len(fields)
    # What a filter compares with is on each claim under the filter's name; the search has the text.
    claims = [a for tag, a in Page(page).tags if tag == "li" and "data-paper" in a]
    assert all({"data-text", "data-paper", "data-outcome", "data-standing"} <= set(a) for a in claims)
    assert sum("data-surprise" in a for a in claims) == 2


def test_the_table_alone_or_everything_can_be_printed(page):
    values = [a["value"] for tag, a in Page(page).tags if tag == "button" and a.get("class") == "print"]
    assert values == ["table", "all"]
    style = page[page.index("@media print") : page.index("</style>")]
    for part in ("#figures", "#environment", "#reproduce", ".callout"):
        assert part in style
    # Phones get one block a quantity; paper is as narrow, but keeps its tables.
    assert "@media screen and (max-width" in page
    assert "@media (max-width" not in page
