"""`lora-theory bound`: the printed numbers, the table, and every input that it must refuse in one line."""

import json
import math

import pytest

SIZES = ("--layers", "8x8", "--rank", "2", "--bits", "4", "--samples", "10")


def told(run, *arguments):
    code, text, error = run("bound", *arguments, "--json", "-")
    assert code == 0, error
    return json.loads(text)


@pytest.mark.parametrize(
    ("adapter", "parameters", "digits"),
    [("full", 7_077_888, "12.7880"), ("lora", 147_456, "1.8458"), ("b-only", 73_728, "1.3052")],
)
def test_printed_numbers(run, adapter, parameters, digits):
    sizes = ("--layers", "768x768*12", "--rank", 8, "--bits", 4, "--samples", 60000)
    report = told(run, "--adapter", adapter, *sizes)
    assert report["parameters"] == parameters
    assert f"{report['mutual_information']:.4f}" == digits
    assert report["vacuous"] is True
    assert report["certificate"] is None
    assert report["rank_multiplier"] == 2.0
    assert report["assumptions"]


def test_layers_are_d_out_by_d_in_and_add_up(run):
    sizes = ("--rank", 8, "--bits", 4, "--samples", 60000)
    up = told(run, "--adapter", "b-only", "--layers", "3072x768*12", *sizes)
    assert (up["parameters"], up["rank_multiplier"]) == (294_912, 1.25)
    both = told(run, "--adapter", "a-only", "--layers", "3072x768*12, 768x3072*11,768x3072", *sizes)
    assert both["parameters"] == 8 * 12 * (768 + 3072)


def test_head_sigma_and_what_vacuous_means(run):
    plain = told(run, "--adapter", "b-only", *SIZES)
    assert told(run, "--adapter", "b-only", *SIZES, "--head", 7)["parameters"] == plain["parameters"] + 7
    wide = told(run, "--adapter", "b-only", *SIZES, "--sigma", "2.5")
    assert wide["mutual_information"] == pytest.approx(5 * plain["mutual_information"])
    # vacuous is relative to the range 2 sigma of the loss, so it does not change with its unit
    assert wide["vacuous"] == plain["vacuous"]
    half = told(run, "--adapter", "b-only", *SIZES[:-1], 50)
    assert half["mutual_information"] == pytest.approx((64 * math.log(2) / 100) ** 0.5)
    assert half["vacuous"] is False  # 0.67 of a range of 1
    assert told(run, "--adapter", "full", "--layers", "8x8", "--bits", 4, "--samples", 10)["rank"] is None


@pytest.mark.parametrize(
    ("bits", "row"),
    [
        (0, "0.1550 0.1536 0.1524"),
        (1000, "0.2262 0.2096 0.2094"),
        (10_000, "0.3904 0.3662 0.3661"),
        (100_000, "0.9100 0.8389 0.8388"),
    ],
)
def test_printed_certificates(run, bits, row):
    sizes = ("--adapter", "b-only", "--layers", "10x64", "--rank", 8, "--bits", 4, "--samples", 60000)
    found = told(run, *sizes, "--errors", 9000, "--code-bits", bits, "--delta", 0.05)["certificate"]
    assert [f"{found[name]:.4f}" for name in ("hoeffding", "kl", "binomial")] == row.split()


def test_table_shows_bound_certificates_and_assumptions(run):
    arguments = ("--adapter", "lora", *SIZES, "--errors", 1, "--code-bits", 5, "--delta", "0.1")
    code, text, _ = run("bound", *arguments)
    assert code == 0
    lines = text.splitlines()
    assert any(line.startswith("tuned parameters") and line.endswith("32") for line in lines)
    assert any(line.startswith("certificate, kl") and "error <= 0." in line for line in lines)
    assert any("do not depend on the sample; a factor that does counts as tuned" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bits", "0"], "--bits: '0', expected a whole number from 1"),
        (["--bits", "2.5"], "--bits: '2.5', expected a whole number"),
        (["--rank", "9"], "rank 9: expected 1 to 8, the shorter side of the layer 8x8"),
        (["--rank", "0"], "--rank: '0', expected a whole number from 1"),
        (["--samples", "0"], "--samples: '0', expected a whole number from 1"),
        (["--samples", "-5"], "--samples: '-5', expected a whole number from 1"),
        (["--layers", "8by8"], "--layers: '8by8', expected D_OUTxD_IN"),
        (["--layers", "8x8,"], "--layers: '', expected D_OUTxD_IN"),
        (["--layers", "0x8"], "--layers: '0x8', expected sides and count of at least 1"),
        (["--layers", "8x8*0"], "--layers: '8x8*0', expected sides and count of at least 1"),
        (["--adapter", "both"], "--adapter"),
        (["--sigma", "0"], "--sigma: '0', expected a number above 0"),
        (["--sigma", "inf"], "--sigma: 'inf', expected a number above 0"),
        (["--sigma", "wide"], "--sigma: 'wide', expected a number above 0"),
        (["--head", "-1"], "--head: '-1', expected a whole number from 0"),
        (["--errors", "1"], "--code-bits and --delta missing"),
        (["--code-bits", "1", "--delta", "0.1"], "--errors missing"),
        (["--errors", "11", "--code-bits", "5", "--delta", "0.1"], "--errors 11 of 10 samples is a loss above 1"),
        (["--errors", "0.3", "--code-bits", "5", "--delta", "0.1"], "--errors: '0.3', expected a whole number from 0"),
        (["--errors", "1", "--code-bits", "5", "--delta", "1"], "--delta: '1', expected a number strictly between 0"),
        (
            ["--errors", "1", "--code-bits", "5", "--delta", "2"],
            "--delta: '2', expected a number strictly between 0 and 1",
        ),
        (
            ["--errors", "1", "--code-bits", "5", "--delta", "0"],
            "--delta: '0', expected a number strictly between 0 and 1",
        ),
        (
            ["--errors", "1", "--code-bits", "5", "--delta", "nan"],
            "--delta: 'nan', expected a number strictly between 0 and 1",
        ),
        (["--errors", "1", "--code-bits", "-5", "--delta", "0.1"], "--code-bits: '-5', expected a whole number from 0"),
    ],
)
def test_bad_input_is_one_line(run, arguments, message):
    given = dict(zip(SIZES[::2], SIZES[1::2])) | {"--adapter": "lora"} | dict(zip(arguments[::2], arguments[1::2]))
    code, text, error = run("bound", *(word for pair in given.items() for word in pair))
    assert code == 2, text
    assert message in error
    assert error.count("\n") == 1
    assert "Traceback" not in error


def test_a_missing_rank_is_named(run):
    code, _, error = run("bound", "--adapter", "lora", "--layers", "8x8", "--bits", 4, "--samples", 10)
    assert code == 2
    assert "--rank is missing: the adapter lora needs one" in error


def test_help_shows_the_form_of_layers_and_an_example(run):
    code, text, _ = run("bound", "--help")
    assert code == 0
    assert "D_OUTxD_IN*COUNT" in text
    assert "Example: lora-theory bound" in " ".join(text.split())


def test_layers_twice_and_too_many_errors_to_add_up_are_refused(run):
    code, _, error = run("bound", "--adapter", "lora", *SIZES, "--layers", "4x4")
    assert (code, "multiple times" in error) == (2, True)
    sizes = ("--adapter", "lora", "--layers", "8x8", "--rank", 2, "--bits", 4, "--samples", 10**9)
    code, _, error = run("bound", *sizes, "--errors", 10**8, "--code-bits", 5, "--delta", 0.1)
    assert (code, "--errors 100000000: the binomial certificate" in error) == (2, True)
