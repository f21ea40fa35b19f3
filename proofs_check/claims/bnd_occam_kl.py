"""BND-OCCAM-KL: a certificate from the length of a description, by relative entropy."""

from functools import partial

from proofs_check.coverage import CodedClass, code_length_claim, judged, order
from proofs_check.evidence import Measurement
from theory.bounds.code_length import occam_hoeffding, occam_kl


def _compare(world: CodedClass, share: float) -> list[Measurement]:
    chance = partial(world.failure, occam_kl)
    found = judged(chance, world.delta, world.name, share, sharp=world.steps == 1)
    if share == 1.0:
        bound, larger = (f(world.risks, world.n, world.bits, world.delta) for f in (occam_kl, occam_hoeffding))
        found.append(order("kl certificate minus Hoeffding's", bound, larger, world.name))
    return found


code_length_claim(
    ident="BND-OCCAM-KL",
    statement="kl(L̂(h)‖L(h)) ≤ (b(h)·ln 2 + ln(1/δ))/n for L(h) > L̂(h); never weaker than Occam–Hoeffding.",
    source="Chernoff 1952; Langford 2005",
    compare=_compare,
)
