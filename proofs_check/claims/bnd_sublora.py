"""BND-SUBLORA: a certificate of a compressed adapter whose training risk is measured on a part of the sample."""

import numpy as np

from proofs_check.coverage import DELTA, CodedClass, coverage, failures, fresh_samples
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.compression import smoothed_range, subsampled_bound, whole_sample_bound

ALPHAS = (0.5, 0.1)
VOCABULARY = 64
# one length of description, all of whose predictors are equally good; m far above n makes the first term count
CASES = ((CodedClass(50, 0.5, ((14, 2**14),)), 5000), (CodedClass(200, 0.2, ((10, 2**10),)), 400))


def _measure(world: CodedClass, subsample: int, level: Level, seed: int, *, charged: bool) -> list[Measurement]:
    rng = np.random.default_rng([seed, 6, world.n])
    runs = fresh_samples(level)
    risks = world.smallest_risks(rng, runs)
    bits = float(world.bits[0, 0]) if charged else 0.0
    slack, below = np.full(risks.shape, np.inf), -np.inf
    for alpha in ALPHAS:
        loss_range = smoothed_range(alpha, VOCABULARY)
        # the subsample of this alpha; the best of all alphas is reported
        measured = loss_range * rng.binomial(subsample, risks) / subsample
        bound = subsampled_bound(
            measured, subsample, world.n, bits, DELTA, loss_range, alphas=len(ALPHAS) if charged else 1
        )
        slack = np.minimum(slack, bound - loss_range * world.risk)
        same = float(subsampled_bound(0.0, subsample, world.n, bits, DELTA, loss_range))
        below = max(below, whole_sample_bound(0.0, world.n, bits, DELTA, loss_range) - same)
    name = f"{world.name}, {subsample} draws of the sample, best of {len(ALPHAS)} alphas"
    found = [coverage(failures(slack, 0.0), DELTA, name)]
    found.append(Measurement("certificate of the whole sample minus this one, equal risks", below, 0.0, "<=", 0, name))
    return found


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The bits of the predictor chosen with the sample not charged, nor the choice of alpha."""
    return Evidence(tuple(_measure(*CASES[0], level, seed, charged=False)), 1)


@claim(
    id="BND-SUBLORA",
    paper="asymmetry",
    statement="Compressed adapter of b bits, loss of range Δ, risk on m draws of the n samples, s = m/(m + n), best of "
    "K smoothings: with probability at least 1 − δ, "
    "L ≤ L̂_m + Δ·[√((b·ln 2 + ln(1/(sδ)))/(2n)) + √(ln(K/((1 − s)δ))/(2m))]; never below Occam–Hoeffding at "
    "equal risk.",
    source="Lotfi et al. 2024 (arXiv 2312.17173), Theorem 1, with the union over K in the second term; formula "
    "confirmed in public code",
    kind="upper",
    assumptions=(
        "n independent units (documents)",
        "loss of range Δ: predictions mixed with the uniform one",
        "subspace, code and grid of smoothings fixed before the sample",
        "draws of the n samples independent of the adapter",
    ),
    control="the bits of the adapter not charged",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count failures over fresh samples and subsamples for the predictor that does best on the whole sample."""
    measurements = tuple(m for case in CASES for m in _measure(*case, level, seed, charged=True))
    sizes = {"samples drawn": fresh_samples(level), "delta": DELTA}
    return Evidence(measurements, len(CASES), sizes=sizes, seeds=(seed,))
