"""BND-OCCAM-HOEFFDING: a certificate from the length of a description, additive."""

from functools import partial

from proofs_check.coverage import CodedClass, code_length_claim, judged
from proofs_check.evidence import Measurement
from theory.bounds.code_length import occam_hoeffding


def _compare(world: CodedClass, share: float) -> list[Measurement]:
    # the variance that Hoeffding's lemma allows is that of a fair coin
    sharp = world.steps == 1 and world.risk == 0.5
    return judged(partial(world.failure, occam_hoeffding), world.delta, world.name, share, sharp=sharp)


code_length_claim(
    ident="BND-OCCAM-HOEFFDING",
    statement="L(h) ≤ L̂(h) + √((b(h)·ln 2 + ln(1/δ))/(2n)).",
    source="Hoeffding 1963; Blumer et al. 1987",
    compare=_compare,
)
