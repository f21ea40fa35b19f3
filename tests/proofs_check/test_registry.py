"""The registry: declarations, order, look-up."""

import re
import sys
from typing import get_args

import pytest

from proofs_check import registry
from proofs_check.evidence import Paper
from sims.errors import BadInput
from tests.proofs_check import fake_claims


@pytest.fixture
def empty(monkeypatch):
    """Let declarations of a test go into a registry of their own."""
    registry.all_claims()  # first, so that the real declarations are not made into the empty one
    monkeypatch.setattr(registry, "_CLAIMS", {})


def declare(ident="NTK-X", **changes):
    fields = {
        "id": ident,
        "paper": "ntk",
        "statement": "a statement",
        "source": "arXiv 0000.00000",
        "kind": "upper",
        "control": "without the hypothesis",
        "control_check": fake_claims.violated,
    }
    return registry.claim(**(fields | changes))


def test_a_declared_claim_is_found_in_any_case_of_letters(empty):
    declare("NTK-T3.1")(fake_claims.within)
    found = registry.find("ntk-t3.1")
    assert found.id == "NTK-T3.1"
    assert found.check is fake_claims.within
    assert (found.expected, found.control_expected) == ("holds", "fails")


def test_the_decorator_leaves_the_check_usable(empty):
    assert declare()(fake_claims.within) is fake_claims.within


def test_claims_are_ordered_by_paper_and_then_naturally(empty):
    for ident, paper in (("ASY-1", "asymmetry"), ("NTK-T3.10", "ntk"), ("NTK-T3.9", "ntk"), ("NTK-L2.2", "ntk")):
        declare(ident, paper=paper)(fake_claims.within)
    assert [c.id for c in registry.all_claims()] == ["NTK-L2.2", "NTK-T3.9", "NTK-T3.10", "ASY-1"]


def test_an_unknown_id_is_refused_with_close_matches(claims):
    claims(fake_claims.make("NTK-T3.1"), fake_claims.make("NTK-WIDTH"))
    with pytest.raises(BadInput, match=r"unknown claim 'NTK-T31', did you mean NTK-T3\.1.*lora-theory claims"):
        registry.find("NTK-T31")
    with pytest.raises(BadInput, match="unknown claim '~'; see lora-theory claims"):
        registry.find("~")


def test_an_unknown_paper_is_refused_with_the_known_ones(claims):
    with pytest.raises(BadInput, match="unknown paper 'nkt', did you mean ntk"):
        registry.claims_of("nkt")


def test_an_id_is_declared_once(empty):
    declare()(fake_claims.within)
    declare()(fake_claims.within)  # a module that is loaded again
    with pytest.raises(ValueError, match=r"claim NTK-X is declared twice: .*within and .*printing"):
        declare()(fake_claims.printing)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expected": "fails"}, "needs an expected_reason"),
        ({"control": ""}, "negative control needs a sentence"),
    ],
)
def test_an_incomplete_declaration_is_refused(empty, changes, message):
    with pytest.raises(ValueError, match=message):
        declare(**changes)(fake_claims.within)


@pytest.mark.parametrize(
    "ident", ["", "NTK/X", "../X", "NTK\\X", "NTK X", ".X", "X.", "NTK:X", "NTK-\n", "-X", "A..B/", "é"]
)
def test_an_id_with_path_characters_is_refused(ident):
    with pytest.raises(ValueError, match="an id has letters, digits and"):
        fake_claims.make(ident)


def test_ids_that_differ_in_case_only_are_refused(empty):
    declare("NTK-W")(fake_claims.within)
    with pytest.raises(ValueError, match=r"claim NTK-W \(or ntk-w\) is declared twice: .*within and .*printing"):
        declare("ntk-w")(fake_claims.printing)


GOOD = """
from proofs_check.registry import claim
from tests.proofs_check.fake_claims import violated, within

@claim(id="NTK-PLANTED{n}", paper="ntk", statement="s", source="s", kind="upper", control="c", control_check=violated)
def check(level, seed, data):
    return within(level, seed, data)
"""


@pytest.fixture
def planted(empty, monkeypatch, tmp_path):
    """Return a function that puts files of claims into a package in place of proofs_check.claims."""
    names = []

    def plant(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
            names.append(f"proofs_check.claims.{name}")
        monkeypatch.setattr("proofs_check.claims.__path__", [str(tmp_path)])

    monkeypatch.setattr(registry, "_BROKEN", {})
    yield plant
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def check(:", "line 1: SyntaxError"),
        ("raise RuntimeError('no\\nway')", "RuntimeError: no way"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("import os; os._exit(0)", r"SystemExit: os\._exit\(0\)"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        (GOOD.format(n="/3"), "ValueError: claim 'NTK-PLANTED/3'"),
        (GOOD.format(n=1).lower().replace("ntk-planted1", "ntk-Planted1"), "ValueError: claim NTK-PLANTED1 .or ntk"),
        (GOOD.format(n=4) + "1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_broken_file_names_itself_and_costs_its_own_claims_alone(planted, run, text, reason):
    planted(aa_good=GOOD.format(n=1), bad=text, good=GOOD.format(n=2))
    assert [c.id for c in registry.all_claims()] == ["NTK-PLANTED1", "NTK-PLANTED2"]
    (line,) = registry.broken()
    assert re.search(rf"^proofs_check/claims/bad\.py cannot be used \({reason}.*its claims are left out", line)
    assert registry.broken() == (line,)  # it is not tried again
    with pytest.raises(BadInput, match=r"unknown claim 'NTK-PLANTED4'.*claims/bad\.py cannot be used"):
        registry.find("NTK-PLANTED4")
    code, out, err = run("verify", "--level", "smoke")
    assert (code, err.count("bad.py cannot be used")) == (1, 1)  # what is left out is not verified
    assert "2 claims, 2 as expected" in out
    assert run("verify", "NTK-PLANTED1", "--level", "smoke")[0] == 0


def test_papers_and_kinds_outside_the_contract_are_refused():
    with pytest.raises(ValueError, match="paper 'other', expected one of ntk"):
        fake_claims.make("NTK-X", paper="other")
    with pytest.raises(ValueError, match="kind 'guess', expected one of equality"):
        fake_claims.make("NTK-X", kind="guess")
    assert get_args(Paper) == registry.PAPERS


def test_every_paper_that_is_offered_has_claims():
    assert {claim.paper for claim in registry.all_claims()} == set(registry.PAPERS)


def test_every_registered_claim_tells_what_the_ledger_needs():
    for claim in registry.all_claims():
        told = claim.description()
        assert told["statement"]
        assert told["source"]
        assert told["assumptions"]
        assert told["negative_control"]["statement"]
