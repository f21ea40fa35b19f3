"""Claims about certificates: verdicts and controls at several seeds, the experiment's record, data that do not fit."""

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from proofs_check.execute import run_claim
from proofs_check.experiments.certificates import certificates
from sims.errors import BadInput
from tests.checks import close
from theory.bounds.code_length import occam_binomial, occam_hoeffding, occam_kl

CLAIMS = (
    "BND-OCCAM-HOEFFDING",
    "BND-OCCAM-KL",
    "BND-OCCAM-BINOMIAL",
    "BND-CATONI",
    "BND-PACBAYES",
    "BND-SUBLORA",
    "BND-TOKENS",
    "BND-CERTIFICATE",
)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ident", CLAIMS)
def test_p26_certificates_cover_and_controls_do_not(ident: str, seed: int) -> None:
    row = run_claim(ident, "smoke", seed, "digits")
    assert not row["error"]
    assert row["verdict"] == row["expected"] == "holds"
    assert row["negative_control"]["verdict"] == row["negative_control"]["expected"] == "fails"


@pytest.mark.parametrize("data", ["iris", "diabetes", "breast-cancer"])
def test_the_certificate_on_other_data(data: str) -> None:
    row = run_claim("BND-CERTIFICATE", "smoke", 0, data)
    assert not row["error"]
    assert row["verdict"] == "holds"


@cache
def experiment() -> dict[str, Any]:
    return certificates("smoke", 0, "digits")


def test_rows_hold_what_their_counts_give() -> None:
    (panel,) = experiment()["panels"]
    n = panel["samples"]
    for row in panel["rows"]:
        arguments = (n, row["bits"], experiment()["delta"])
        close(row["train_error"], row["errors"] / n)
        close(row["hoeffding"], occam_hoeffding(row["train_error"], *arguments))
        close(row["kl"], occam_kl(row["train_error"], *arguments))
        close(row["binomial"], occam_binomial(row["errors"], *arguments))
        assert row["test_error"] <= row["binomial"] <= row["kl"] <= row["hoeffding"]
    assert {row["adapter"] for row in panel["rows"]} == {"full", "lora", "b-only", "a-only"}


def test_the_best_row_pays_for_being_chosen() -> None:
    (panel,) = experiment()["panels"]
    best, kls = panel["best_of"], [row["kl"] for row in panel["rows"]]
    assert best["row"] == int(np.argmin(kls))
    assert 2 ** (best["extra_bits"] - 1) < len(kls) <= 2 ** best["extra_bits"]
    assert best["kl"] > min(kls)
    assert panel["rows"][best["row"]]["adapter"] == "b-only"


def test_images_that_are_not_here_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sims.data.status", lambda name: "not on this machine")
    module = import_module("proofs_check.experiments.certificates")  # its name in the package is the function's
    monkeypatch.setattr(module, "_panel", lambda *args: {"rows": [], "data": args[3]})
    found = certificates("quick", 0, "digits")
    assert [panel["data"] for panel in found["panels"]] == ["digits"]
    assert found["not_on_this_machine"] == ["fashion-mnist"]


def test_data_without_classes_are_refused() -> None:
    with pytest.raises(BadInput, match="diabetes has no classes"):
        certificates("smoke", 0, "diabetes")
