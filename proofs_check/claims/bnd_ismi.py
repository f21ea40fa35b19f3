"""BND-ISMI: the gap against what the weights know of single samples."""

from proofs_check.claims.bnd_xr import random_toys
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.finite_learners import LEARNERS, enumerate_learner, share
from proofs_check.instances import by_level
from proofs_check.registry import claim
from theory.bounds.information import gaussian_mean_bound, gaussian_mean_gap, individual_sample, xu_raginsky

ROUNDING = 1e-12
CHAIN = "squared: individual-sample bound minus whole-sample bound"


def _squared_excess(single: float, information: float, samples: int) -> float:
    """Return how much the individual-sample bound exceeds the whole-sample one, squared: rounding stays rounding."""
    return single**2 - xu_raginsky(information, samples) ** 2


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Independence dropped: the sample is one point repeated n times, so I(W; Z_i) = I(W; S)."""
    measurements = []
    toys = random_toys("smoke", seed)
    for toy in toys:
        once = enumerate_learner(toy, "largest gap").information
        excess = _squared_excess(individual_sample([once] * toy.samples), once, toy.samples)
        measurements.append(Measurement(CHAIN, excess, 0, "<=", ROUNDING, toy.name))
    return Evidence(tuple(measurements), len(toys), seeds=(seed,))


@claim(
    id="BND-ISMI",
    paper="asymmetry",
    statement="|E[L − L̂]| ≤ (1/n)Σ√(2σ²I(W; Z_i)) ≤ √(2σ²I(W; S)/n); for the mean of n Gaussian numbers the first is "
    "finite (I(W; Z_i) = ½ln(n/(n − 1))) although I(W; S) = ∞, and bounds the gap 2v/n of variance v.",
    source="Bu, Zou and Veeravalli 2020",
    kind="upper",
    assumptions=("i.i.d. samples", "σ-sub-Gaussian loss for every output (the Gaussian mean has its own transform)"),
    control="one point repeated n times in place of independent samples",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Enumerate learners on finite sample spaces; evaluate the Gaussian mean in closed form."""
    toys, measurements = random_toys(level, seed), []
    for toy in toys:
        for learner in LEARNERS:
            run, n, name = enumerate_learner(toy, learner), toy.samples, f"{learner}: {toy.name}"
            single = individual_sample([run.sample_information] * n)
            excess = _squared_excess(single, run.information, n)
            measurements += [
                *share("|E[L − L̂]| of the individual-sample bound", abs(run.gap), single, name),
                Measurement(CHAIN, excess, 0, "<=", ROUNDING, name),
            ]
    sizes = by_level(level, (1, 2, 10, 100), (1, 2, 3, 10, 100, 10**4), tuple(range(1, 10**4, 7)))
    for n in sizes:
        ratio = gaussian_mean_gap(n) / gaussian_mean_bound(n)
        measurements.append(Measurement("Gaussian mean: gap over bound", ratio, 1, "<=", ROUNDING, f"n = {n}"))
    return Evidence(tuple(measurements), len(toys) + len(sizes), seeds=(seed,))
