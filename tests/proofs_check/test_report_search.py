"""The report's search finds what people type: names of symbols, authors, words; never the page's own commands."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.bibliography import ARXIV, PAPERS, cited, with_authors
from proofs_check.registry import all_claims
from proofs_check.search import RULES, matches, normalised, searched
from tests.proofs_check.test_report import Page, measurement, render, row

# What a reader types, and a text of the ledger in which it must be found.
FOUND = [
    ("lambda", "‖δ‖_* with λ > 0"),
    ("Lambda", "2λ‖δ‖_*"),
    ("lamb", "λ"),
    ("λ", "for every λ"),
    ("λ", "lambda_max"),
    ("sqrt", "at most √n"),
    ("sqrt(n)", "at most √n"),
    ("√n", "at most √(n)"),
    ("<=", "rank ≤ r"),
    ("r<=3", "r ≤ 3"),
    ("≤", "rank <= r"),
    (">=", "Σ ⪰ 0"),
    ("!=", "B ≠ 0"),
    ("r(r+1)/2 <= KN", "a minimiser of rank r with r(r+1)/2 ≤ KN"),
    ("||delta||", "λ‖δ‖_*"),
    ("r^2", "r² points"),
    ("W_0", "W₀ known"),
    ("Q Sigma Q^T", "QΣQᵀ invertible"),
    ("-1", "−1"),
    ("L", "L̂(W)"),
    ("Hellstrom", "Hellström, Durisi (2022)"),
    ("Lojasiewicz", "Polyak–Łojasiewicz"),
    ("perturb GLOBAL", "a random perturbation: every point is global"),
]
NOT_FOUND = [
    ("eta", "β and θ and ζ"),  # the end of beta, theta and zeta
    ("pi", "Pinsker"),
    ("mu", "mutual information"),
    ("in", "Lipschitz minimum"),
    ("<=", "r < 3 = s"),
    ("lambda sigma", "only λ"),
]


@pytest.mark.parametrize(("query", "text"), FOUND)
def test_what_is_typed_is_found(query, text):
    assert matches(query, normalised(text))


@pytest.mark.parametrize(("query", "text"), NOT_FOUND)
def test_what_is_not_there_is_not_found(query, text):
    assert not matches(query, normalised(text))


def test_an_empty_query_finds_everything():
    assert matches("  ", normalised("anything"))
    assert matches("", "")


@given(st.text(alphabet="ab λΣ√≤≠^_()‖ᵀ₀²-Īé12", max_size=12))
def test_a_text_finds_itself_and_is_normal_once_normalised(text):
    assert normalised(normalised(text)) == normalised(text)
    assert matches(text, normalised(text))


def test_symbols_of_the_rules_are_in_the_form_that_they_are_looked_for_in():
    # Without this the symbol would never be met: NFKD and lower case come first.
    for symbol in RULES["symbols"]:
        assert unicodedata.normalize("NFKD", symbol).lower() == symbol


def test_every_symbol_of_the_ledger_can_be_typed():
    texts = "".join(t for c in all_claims() for t in (c.statement, c.source, *c.assumptions, c.control))
    left = {c: unicodedata.name(c, "") for c in normalised(texts) if ord(c) > 127}
    assert [c for c, name in left.items() if "GREEK" in name or "THAN" in name or "EQUAL" in name] == []
    assert not set("√∞‖−×²₀ᵀ̂") & set(left)


def test_every_paper_that_the_ledger_cites_is_found_by_each_of_its_authors():
    cites = {number: claim for claim in all_claims() for number in ARXIV.findall(claim.source)}
    assert sorted(set(cites) - set(PAPERS)) == []
    for number, claim in cites.items():
        text = searched(row(claim.id, source=claim.source))
        for author in PAPERS[number].authors:
            assert matches(author, text), (author, claim.id)
    assert matches("jang", searched(row(source="arXiv 2402.11867, Theorem 3.1")))
    assert matches("Zhu", searched(row(source="this project (corrects arXiv 2402.16842, Theorem 4.3)")))
    assert not matches("zhu", searched(row(source="arXiv 2402.11867, Theorem 3.1")))  # control: another paper


def test_authors_stand_before_the_number_unless_the_text_names_them():
    assert with_authors("arXiv 2402.11867, Theorem 3.1") == "Jang, Lee, Ryu (2024), arXiv 2402.11867, Theorem 3.1"
    assert with_authors("Lemma 4.5 of 2402.16842") == "Lemma 4.5 of Zhu et al. (2024), 2402.16842"
    named = "Steinke, Zakynthinou (2020), arXiv 2001.09122"
    assert with_authors(named) == named
    assert with_authors("arXiv 9999.99999") == "arXiv 9999.99999"
    assert [paper.year for paper in cited("2402.11867, again 2402.11867, and 2605.03724")] == [2024, 2026]


def found_texts(page: Page) -> list[str]:
    """The text by which the page finds each claim."""
    return [a["data-text"] for tag, a in page.tags if tag == "li" and "data-text" in a]


def test_the_page_finds_what_a_row_says_and_not_the_words_around_it(tmp_path):
    one = row(
        source="arXiv 2402.11867, Theorem 3.1",
        measurements=[measurement(12480.0, 3.2e-12, name="dual gap", instance="family Q")],
        control_measurements=[measurement(7.25, 2.0, name="beyond")],
        proof=[{"id": "W1", "statement": "σ is simple", "verdict": "holds", "instances": 3, "error": ""}],
    )
    html = render(tmp_path, [one])
    (text,) = found_texts(Page(html))
    for query in ("NTK-T3.1", "ntk", "jang", "lambda", "<=", "one rank less", "a note", "digits", "dual gap", "12480"):
        assert matches(query, text), query
    for query in ("3.2x10-12", "family Q", "7.25", "beyond", "W1 sigma simple", "2402.11867", "Theorem 3.1"):
        assert matches(query, text), query
    # The page's own words: the command that runs a claim alone, headings, captions, explanations.
    page_text = normalised(html)
    for query in (
        "lora-theory",
        "verify",
        "--level",
        "--seed",
        "slack",
        "assumptions",
        "link",
        "expected",
        "proof for",
    ):
        assert matches(query, page_text), query  # control: they do stand on the page
        assert not matches(query, text), query


def test_each_registered_claim_is_found_by_its_own_statement_and_id(tmp_path):
    rows = [row(c.id, statement=c.statement, source=c.source, assumptions=list(c.assumptions)) for c in all_claims()]
    page = Page(render(tmp_path, rows))
    texts = found_texts(page)
    assert len(texts) == len(rows)
    for claim in all_claims():
        assert any(matches(f"{claim.id} {claim.statement}", text) for text in texts), claim.id
    # The name of a letter finds just the claims that write the letter (or its name).
    for letter, name in (("λ", "lambda"), ("η", "eta")):
        by_name = {text for text in texts if matches(name, text)}
        assert by_name == {text for text in texts if matches(letter, text)}
        assert 0 < len(by_name) < len(rows)
