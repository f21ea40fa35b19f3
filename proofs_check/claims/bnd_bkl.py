"""BND-BKL: the binary-kl bound and its order against the square root of the same information."""

from proofs_check.conditional_instances import ROOT_ROUNDING, SUPERSAMPLE, below, enumerated, evidence, retrained
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.conditional import averaged_bound, binary_kl_gap_bound, samplewise_bound
from theory.bounds.kl_inverse import binary_kl


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The mean of √(2 I_i) in place of √(2 mean I): Pinsker and Jensen point in opposite directions."""
    rows = []
    for e in enumerated(level, seed):
        x = e.exact
        bound = binary_kl_gap_bound(x.train, x.averaged(x.pairs))
        rows.append(below("binary-kl gap against mean √(2 I_i)", bound, x.disintegrated(x.pairs), e.name))
    return evidence(rows, seed)


@claim(
    id="BND-BKL",
    paper="asymmetry",
    statement="For a loss in [0, 1], kl(L̂ ‖ (L̂ + L)/2) ≤ Ī with Ī the mean over rows of I(ℓ_{i,0}, ℓ_{i,1}; U_i), or "
    "of the same given Z̃. The bound of L − L̂ that this implies is at most √(2Ī), of the same Ī.",
    source="Hellström, Durisi (2022), arXiv 2210.06422 (binary kl); Pinsker's inequality for the order",
    kind="upper",
    assumptions=(*SUPERSAMPLE, "the same averaged information"),
    control="ordered against the mean of √(2 I_i) instead of √(2 mean I_i)",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Lay kl, gap, binary-kl bound and square root beside each other with unconditional and conditional information."""
    rows = []
    for e in enumerated(level, seed):
        x = e.exact
        averages = {
            "unconditional": (float(x.pairs_unconditional.mean()), averaged_bound(x.pairs_unconditional)),
            "given the supersample": (x.averaged(x.pairs), (2.0 * x.averaged(x.pairs)) ** 0.5),
        }
        for kind, (information, root) in averages.items():
            rows += _measure(kind, x.train, x.population, information, root, e.name)
    for r in retrained(level, seed, data):
        information = float(r.rows.pairs.mean())
        rows += _measure(
            "one supersample", r.rows.train, r.rows.population, information, averaged_bound(r.rows.pairs), r.name
        )
        # the mean of the roots is smaller, and it is a bound too: only the order against binary kl is lost
        root = averaged_bound(r.rows.pairs)
        rows.append(below("mean √(2 I_i) against √(2Ī)", samplewise_bound(r.rows.pairs), root, r.name, ROOT_ROUNDING))
    return evidence(rows, seed)


def _measure(
    kind: str, train: float, population: float, information: float, root: float, name: str
) -> list[Measurement]:
    bound = binary_kl_gap_bound(train, information)
    return [
        below(f"kl(L̂ ‖ (L̂ + L)/2), {kind}", float(binary_kl(train, 0.5 * (train + population))), information, name),
        below(f"gap, {kind}", population - train, bound, name, ROOT_ROUNDING),
        below(f"bound against √(2Ī), {kind}", bound, root, name, ROOT_ROUNDING),
    ]
