"""The report's page in a browser; skipped where playwright or Chromium is not installed."""

import os
import shutil
from urllib.parse import parse_qs, urlsplit

import pytest

from proofs_check.registry import all_claims
from proofs_check.search import normalised
from tests.proofs_check.test_report import ENVIRONMENT, render, row
from tests.proofs_check.test_report_structure import png

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        # A browser that runs as root in a container has no sandbox of its own.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    rows = [
        row("NTK-W", statement="Generic features and λ > 0: rank ≤ √n suffices.", source="arXiv 2402.11867"),
        row("NTK-T4.1-P0", "fails", "fails", expected_reason="A counterexample."),
        row("ASY-T4.3", "fails", paper="asymmetry", statement="B alone is better.", source="arXiv 2402.16842"),
        *(row(f"NTK-F{k}", statement="Filler.", assumptions=[]) for k in range(30)),
    ]
    (folder / "figures").mkdir()
    (folder / "figures" / "tall.png").write_bytes(png(650, 2400, 200))
    figures = [{"name": "tall", "title": "A tall figure", "caption": "What it shows. " * 20}]
    render(folder, rows, figures, ENVIRONMENT)
    return (folder / "index.html").as_uri()


@pytest.fixture
def visit(browser, address):
    """Return a function that opens the page at an address and fails on any error of its script."""
    pages, errors = [], []

    def visit(tail="", width=1280, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce")
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(address + tail)
        pages.append(page)
        return page

    yield visit
    for page in pages:
        page.close()
    assert errors == []


def shown(page) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('.claim:not([hidden]) > details')].map((d) => d.id)")


def opened(page) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('.claim > details[open]')].map((d) => d.id)")


def query(page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_the_page_writes_texts_as_python_does(visit):
    texts = [t for c in all_claims() for t in (c.id, c.statement, c.source, *c.assumptions, c.control)]
    texts += ["sqrt(n)", "lambda_max", "12\u202f480", "≠", "½", "İΣΑΣ", "r^2 <= \\lambda", " "]
    assert visit().evaluate("(texts) => texts.map(normalised)", texts) == [normalised(text) for text in texts]


@pytest.mark.parametrize("word", ["lambda", "sqrt", "<=", "Jang", "λ"])
def test_search_finds_symbols_and_authors(visit, word):
    page = visit()
    page.locator("input[name=text]").fill(word)
    assert "NTK-W" in shown(page)
    page.locator("input[name=text]").fill("zhu")
    assert shown(page) == ["ASY-T4.3"]


@pytest.mark.parametrize("word", ["lora-theory", "verify", "--seed", "link"])
def test_search_does_not_find_the_pages_own_words(visit, word):
    page = visit()
    page.locator("input[name=text]").fill(word)
    assert shown(page) == []
    assert page.get_by_text("No claim matches").is_visible()


@pytest.mark.parametrize("key", [" ", "Enter"])
def test_space_and_enter_press_a_tile(visit, key):
    page = visit()
    tile = page.locator("button.tile[data-outcome=finding]")
    tile.focus()
    page.keyboard.press(key)
    assert shown(page) == ["NTK-T4.1-P0"]
    assert tile.get_attribute("aria-pressed") == "true"
    page.keyboard.press(key)
    assert len(shown(page)) == 33
    assert tile.get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize("tail", ["#NTK-W", "#ntk-w", "#Ntk%2DW"])
def test_an_address_in_any_case_opens_its_claim(visit, tail):
    page = visit(tail)
    assert opened(page) == ["NTK-W"]
    assert page.evaluate("document.getElementById('NTK-W').getBoundingClientRect().top") < 800


@pytest.mark.parametrize("tail", ["#%", "#%E0%A4%A", "#", "#nothing", "?outcome=nonsense&paper=%&x=1#%"])
def test_an_address_that_names_nothing_leaves_a_page_that_works(visit, tail):
    page = visit(tail)
    assert len(shown(page)) == 33
    page.locator("input[name=text]").fill("zhu")
    assert shown(page) == ["ASY-T4.3"]


def test_a_link_that_is_clicked_again_opens_its_claim_again(visit):
    page = visit()
    link = page.locator(".callout a[href='#NTK-T4.1-P0']")
    for _ in range(2):
        link.click()
        assert opened(page) == ["NTK-T4.1-P0"]
        page.locator("details[open] > summary").click()
        assert opened(page) == []


def test_a_link_to_a_claim_that_the_filters_hide_shows_it(visit):
    page = visit("?text=zhu#ntk-w")
    assert opened(page) == ["NTK-W"]
    assert len(shown(page)) == 33
    assert query(page) == {}


def test_filters_are_kept_in_the_address(visit):
    page = visit()
    page.locator("input[name=text]").fill("b <= λ")
    page.locator("select[name=paper]").select_option("asymmetry")
    page.locator("select[name=outcome]").select_option("differs")
    page.get_by_label("only surprises").check()
    assert query(page) == {"text": ["b <= λ"], "paper": ["asymmetry"], "outcome": ["differs"], "surprise": ["1"]}
    kept = shown(page)
    page.reload()
    assert shown(page) == kept
    assert page.locator("input[name=text]").input_value() == "b <= λ"
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("location.search === ''")
    assert len(shown(page)) == 33


def test_the_first_tab_offers_to_skip_to_the_verdicts(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdicts"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "text"


def test_a_tall_figure_is_readable_and_opens_larger(visit):
    narrow, wide = visit(width=320), visit(width=1280)
    for page in (narrow, wide):
        assert page.locator("figure img").bounding_box()["width"] >= 312
    button = wide.locator("figure .enlarge")
    button.focus()
    wide.keyboard.press("Enter")
    assert wide.locator("dialog img").bounding_box()["width"] >= 650
    wide.keyboard.press("Escape")
    assert not wide.locator("dialog").is_visible()
    button.click()
    wide.get_by_role("button", name="Close").click()
    assert not wide.locator("dialog").is_visible()
    assert wide.evaluate("document.activeElement.className") == "enlarge"


@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_nothing_is_cut_off_and_what_scrolls_takes_the_focus(visit, width):
    page = visit(width=width)
    page.get_by_role("button", name="Open all").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.wait_for_function("document.querySelector('figure img').complete")
    scrolling = page.evaluate("""[...document.querySelectorAll("body *")].filter((item) =>
        item.scrollWidth > item.clientWidth + 1 && ["auto", "scroll"].includes(getComputedStyle(item).overflowX))
        .map((item) => [item.className, item.tabIndex >= 0 || item.querySelector("button, a, [tabindex]") !== null])""")
    assert all(reachable for _, reachable in scrolling), scrolling
    assert bool(scrolling) == (width == 320) or width == 390  # the figure, wider than the window


@pytest.mark.parametrize("what", ["table", "all"])
def test_what_is_printed(visit, what):
    page = visit("?paper=ntk")
    page.evaluate("void (print = () => dispatchEvent(new Event('beforeprint')))")
    page.locator(f"button.print[value={what}]").click()
    page.emulate_media(media="print")
    everything = what == "all"
    for place in ("#figures", "#environment", "#reproduce", ".callout", "details#NTK-W .body"):
        assert page.locator(place).first.is_visible() == everything, place
    assert page.locator("details#NTK-W summary").is_visible()
    assert page.locator("details#NTK-W .brief").is_visible() != everything
    assert not page.locator("details#ASY-T4\\.3").is_visible()
    assert not page.locator("input[name=text]").is_visible()
    assert page.locator("output").is_visible()  # how many of how many
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened(page) == []
    assert page.locator("#figures").is_visible()
