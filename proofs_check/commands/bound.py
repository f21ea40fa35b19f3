"""`lora-theory bound`: generalisation bounds of an adapter from sizes alone, and certificates from its errors."""

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from proofs_check.commands import _options, _output

_LARGEST = 10**12
_MOST_ERRORS = 10**7  # terms of a sum, some 20 seconds
_LAYER = re.compile(r"([0-9]{1,9})x([0-9]{1,9})(?:\*([0-9]{1,6}))?")
_EXPECTED = "expected D_OUTxD_IN or D_OUTxD_IN*COUNT, comma-separated, such as 768x768*12,3072x768"

Shapes = tuple[tuple[int, int], ...]


def _shapes(text: str) -> Shapes:
    """Return one shape a layer; raises BadInput naming the part that is no layer."""
    from sims.errors import BadInput

    shapes: list[tuple[int, int]] = []
    for part in text.split(","):
        match = _LAYER.fullmatch(part.strip())
        if match is None:
            raise BadInput(f"--layers: {part.strip()[:40]!r}, {_EXPECTED}")
        d_out, d_in, count = int(match[1]), int(match[2]), int(match[3] or 1)
        if min(d_out, d_in, count) < 1:
            raise BadInput(f"--layers: {part.strip()!r}, expected sides and count of at least 1")
        shapes += [(d_out, d_in)] * count
    return tuple(shapes)


def _between(low: float, high: float) -> _options.Converter:
    """Return a converter to numbers strictly inside this range."""

    def convert(_: Any, tokens: Sequence[Any]) -> float:
        text = tokens[0].value
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low < value < high:
            wanted = f"strictly between {low:g} and {high:g}" if math.isfinite(high) else f"above {low:g}"
            raise ValueError(f"{text!r}, expected a number {wanted}")
        return value

    return convert


def _parameter(converter: _options.Converter) -> Parameter:
    return Parameter(converter=converter, allow_leading_hyphen=True)


Adapter = Literal["full", "lora", "b-only", "a-only"]
Layers = Annotated[str, Parameter(allow_leading_hyphen=True)]
Count = Annotated[int, _parameter(_options.whole(1, _LARGEST))]
Head = Annotated[int, _parameter(_options.whole(0, _LARGEST))]
MaybeRank = Annotated[int | None, _parameter(_options.whole(1, 10**9))]
MaybeCount = Annotated[int | None, _parameter(_options.whole(0, _LARGEST))]
Sigma = Annotated[float, _parameter(_between(0.0, math.inf))]
Delta = Annotated[float | None, _parameter(_between(0.0, 1.0))]


def bound(
    *,
    adapter: Adapter,
    layers: Layers,
    bits: Annotated[int, _parameter(_options.whole(1, 1024))],
    samples: Count,
    rank: MaybeRank = None,
    sigma: Sigma = 0.5,
    head: Head = 0,
    errors: MaybeCount = None,
    code_bits: MaybeCount = None,
    delta: Delta = None,
    json: _options.Json = None,
) -> int:
    """Bound the generalisation gap of an adapter from its sizes, and its test error from its training errors.

    The first number bounds |E[L - Lhat]|, a mean over samples and runs: sqrt(2 sigma^2 P q ln 2 / n) for P tuned
    scalars of q bits. With --errors, --code-bits and --delta it also certifies the error of the one trained model.

    Parameters
    ----------
    adapter
        What is tuned: every weight, both factors, or one factor.
    layers
        Adapted matrices as `D_OUTxD_IN*COUNT`, comma-separated, such as `768x768*12,3072x768`.
    bits
        Bits of one tuned scalar.
    samples
        Training samples.
    rank
        Rank of the adapter; not used by full.
    sigma
        Sub-Gaussian constant of the loss: half of its range.
    head
        Other tuned scalars: classifier head, biases, norms.
    errors
        Training errors of the quantised model: how many of the samples, not a rate.
    code_bits
        Length of its description in bits: everything that was chosen with the sample.
    delta
        Probability with which the certificate may fail.
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    from sims.errors import BadInput
    from theory.bounds import parameter_count as count

    answer = _output.Answer(json)
    shapes = _shapes(layers)
    if rank is None and adapter != "full":
        raise BadInput(f"--rank is missing: the adapter {adapter} needs one; add --rank 8, say")
    try:
        parameters = count.tuned_parameters(adapter, shapes, rank or 1, head)
        value = count.mutual_information_bound(parameters, bits, samples, sigma)
    except ValueError as error:
        raise BadInput(str(error)) from None
    report = {
        "parameters": parameters,
        "mutual_information": value,
        "vacuous": value >= 2.0 * sigma,
        "certificate": _certificate(errors, samples, code_bits, delta),
        "adapter": adapter,
        "rank": None if adapter == "full" else rank,
        "bits": bits,
        "samples": samples,
        "sigma": sigma,
        "rank_multiplier": count.rank_multiplier(shapes),
        "assumptions": list(count.ASSUMPTIONS),
    }
    answer.give(report, _table(report))
    return 0


def _certificate(
    errors: int | None, samples: int, code_bits: int | None, delta: float | None
) -> dict[str, float] | None:
    """Return the certificates; None when none is asked for. Raises BadInput when an option is missing or too large."""
    from sims.errors import BadInput

    given = {"--errors": errors, "--code-bits": code_bits, "--delta": delta}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return None
    if errors is None or code_bits is None or delta is None:
        raise BadInput(
            f"{' and '.join(missing)} missing: a certificate needs --errors, --code-bits and --delta together"
        )
    if errors > samples:
        raise BadInput(
            f"--errors {errors} of {samples} samples is a loss above 1: expected at most as many errors as samples"
        )
    if errors > _MOST_ERRORS:
        raise BadInput(f"--errors {errors}: the binomial certificate adds one term an error, at most {_MOST_ERRORS}")
    from theory.bounds.code_length import occam_binomial, occam_hoeffding, occam_kl

    rate = float(Fraction(errors, samples))
    return {
        "hoeffding": float(occam_hoeffding(rate, samples, code_bits, delta)),
        "kl": float(occam_kl(rate, samples, code_bits, delta)),
        "binomial": float(occam_binomial(errors, samples, code_bits, delta)),
    }


def _table(report: dict[str, Any]) -> str:
    shown = {
        "tuned parameters": f"{report['parameters']:,}",
        "bits in all": f"{report['parameters'] * report['bits']:,}",
        "bound on |E[test - train]|": f"{report['mutual_information']:.4f}",
        "vacuous": report["vacuous"],
        "rank of b-only per rank of lora": f"{report['rank_multiplier']:g}",
    }
    for name, value in (report["certificate"] or {}).items():
        shown[f"certificate, {name}"] = f"error <= {value:.4f}" + (" (vacuous)" if round(value, 4) >= 1.0 else "")
    lines = [_output.pairs(shown), "", "The bound is on the mean over samples and runs. It holds under:"]
    lines += [f"  {assumption}" for assumption in report["assumptions"]]
    if report["certificate"]:
        lines += [
            "The certificates hold for this one model with probability 1 - delta, if its code bits hold all that was",
            "chosen with the sample, and the errors are those of the coded model under 0-1 loss.",
        ]
    return "\n".join(lines)
