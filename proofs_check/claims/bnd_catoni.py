"""BND-CATONI: a certificate from the length of a description, with a free constant."""

from functools import partial

import numpy as np

from proofs_check.coverage import Certificate, CodedClass, code_length_claim, judged
from proofs_check.evidence import Measurement
from theory.bounds.code_length import catoni, occam_kl

CONSTANTS = (0.5, 1.0, 2.0, 4.0)
_ROUNDING = 1e-9


def _with_constant(constant: np.ndarray | float) -> Certificate:
    return lambda risks, n, bits, delta: np.asarray(catoni(risks, n, bits, delta, constant))


def _log_odds(p: np.ndarray | float, q: np.ndarray | float) -> np.ndarray:
    """Return the constant at which the certificate from training risk p is q = Occam-kl's."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(q) + np.log1p(-np.asarray(p)) - np.log(p) - np.log1p(-np.asarray(q)))


def _best(risks: np.ndarray, n: int, bits: np.ndarray, delta: float) -> np.ndarray:
    """Return the certificate at the constant that is best for each training risk; at the limits of C it is kl's."""
    kl = np.asarray(occam_kl(risks, n, bits, delta))
    constant = _log_odds(risks, kl)
    inside = np.isfinite(constant) & (constant > 0.0)
    return np.where(inside, catoni(risks, n, bits, delta, np.where(inside, constant, 1.0)), kl)


def _fixed(world: CodedClass) -> float:
    """Return the constant that suits this world, from its size alone: best where the certificate just fails."""
    failing = world.risks[(occam_kl(world.risks, world.n, world.bits, world.delta) < world.risk).any(axis=1)]
    # where it fails only without an error, no constant is the best; one error is as good
    return float(_log_odds(max(float(failing.max(initial=0.0)), 1.0 / world.n), world.risk))


def _compare(world: CodedClass, share: float) -> list[Measurement]:
    binary, constant = world.steps == 1, _fixed(world)
    found = []
    for label, certificate, sharp in (
        *((f"C = {c:g}", _with_constant(c), False) for c in CONSTANTS),
        (f"C = {constant:.3g}", _with_constant(constant), binary and len(world.code) == 1),
        ("best C of each sample", _best, binary),
    ):
        chance = partial(world.failure, certificate)
        found += judged(chance, world.delta, f"{world.name}, {label}", share, sharp=sharp)
    if share == 1.0:
        kl, best = (f(world.risks, world.n, world.bits, world.delta) for f in (occam_kl, _best))
        apart = float(np.abs(best - kl).max())
        name = "smallest certificate over C minus kl's, absolute"
        found.append(Measurement(name, apart, 0.0, "==", _ROUNDING, world.name))
    return found


code_length_claim(
    ident="BND-CATONI",
    statement="L(h) ≤ [1 − exp(−C·L̂(h) − (b(h)·ln 2 + ln(1/δ))/n)]/(1 − e^(−C)) for every C > 0, whose infimum over C "
    "is Occam–kl.",
    source="Catoni 2007, Theorem 1.2.1",
    compare=_compare,
)
