"""BND-RADEMACHER: the uniform gap of one-factor adapters by norms, sqrt(r / n), with its coverage."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.linear_uniform_gap import LIPSCHITZ, LinearPopulation, haar, population, sign_patterns
from proofs_check.registry import claim
from theory.bounds.rademacher import (
    a_only_rademacher,
    a_only_rademacher_mean,
    b_only_rademacher,
    b_only_rademacher_mean,
    projection_spread,
    uniform_gap,
    uniform_gap_mean,
)

Array = np.ndarray
BETA, DELTA, STANDARD_ERRORS, ROUNDING = 1.0, 0.05, 7, 1e-10
MEAN = "mean uniform gap over 2Lβ√(r·TrΣ/(d_in·n))"
A_MEAN = "mean uniform gap of A alone over 2Lβ‖c‖√(r·TrΣ/(d_out·n))"


def _enumerated(seed: int, trials: int) -> list[Measurement]:
    """The empirical complexity of both adapters, exactly, against the norms that bound it."""
    rng, measurements = np.random.default_rng([seed, 1]), []
    for trial in range(trials):
        n, d, r, d_out = 4 + trial % 6, 6, 1 + trial % 4, 5
        inputs, readout = rng.standard_normal((n, d)), rng.standard_normal(d_out)
        q, u = haar(1, d, r, rng)[0], haar(1, d_out, r, rng)[0]
        signs, name = sign_patterns(n), f"n = {n}, d_in = {d}, r = {r}"
        b_exact = BETA / n * np.linalg.norm(signs @ inputs @ q, axis=1).mean()
        a_exact = BETA / n * np.linalg.norm(u.T @ readout) * np.linalg.norm(signs @ inputs, axis=1).mean()
        b_bound, a_bound = b_only_rademacher(inputs @ q, BETA), a_only_rademacher(inputs, u, readout, BETA)
        measurements += [
            Measurement("complexity of B alone over its bound", b_exact / b_bound, 1, "<=", ROUNDING, name),
            Measurement("complexity of A alone over its bound", a_exact / a_bound, 1, "<=", ROUNDING, name),
        ]
    return measurements


def _coverage(points: LinearPopulation, n: int, rank: int, redraws: int, seed: int) -> list[Measurement]:
    """The supremum of L - Lhat over all b at once, exactly, for fresh samples and frozen factors."""
    rng = np.random.default_rng([seed, n, rank])
    size, d = points.inputs.shape
    frozen = haar(redraws, d, rank, rng)
    signed = np.einsum("pd,tdr->tpr", points.labels[:, None] * points.inputs, frozen)
    rows = rng.integers(0, size, (redraws, n))
    drawn = np.take_along_axis(signed, rows[:, :, None], axis=1)
    gaps = 0.5 * BETA * np.linalg.norm(drawn.mean(axis=1) - signed.mean(axis=1), axis=1)
    bounds = [uniform_gap(b_only_rademacher(sample, BETA), LIPSCHITZ, n, DELTA) for sample in drawn]
    name = f"n = {n}, d_in = {d}, r = {rank}, {redraws} samples"
    mean_bound = uniform_gap_mean(b_only_rademacher_mean(points.inputs, rank, BETA) * np.sqrt(size / n), LIPSCHITZ)
    squared = ((points.inputs[0] @ frozen) ** 2).sum(axis=1)
    # standard error of a relative standard deviation, from the fourth moment
    spread, relative = projection_spread(rank, d), squared / squared.mean()
    error = float(np.std((relative - 1) ** 2, ddof=1)) / np.sqrt(redraws)
    deviation = abs(float(relative.var()) - spread**2) / error
    label = "variance of ‖Qx‖² over its mean squared, minus 2(d − r)/(r(d + 2)), in standard errors"
    return [
        *_judged(gaps, bounds, MEAN, mean_bound, name),
        Measurement(label, deviation, STANDARD_ERRORS, "<=", 0, name),
    ]


def _coverage_a_only(points: LinearPopulation, n: int, rank: int, redraws: int, seed: int) -> list[Measurement]:
    """The same for A alone behind frozen columns U and a readout of norm one."""
    rng, d_out = np.random.default_rng([seed, n, rank, 3]), 8
    readout = rng.standard_normal(d_out)
    readout /= np.linalg.norm(readout)
    frozen = haar(redraws, d_out, rank, rng)
    signed, size = points.labels[:, None] * points.inputs, len(points.inputs)
    rows = rng.integers(0, size, (redraws, n))
    deviations = np.linalg.norm(signed[rows].mean(axis=1) - signed.mean(axis=0), axis=1)
    gaps = 0.5 * BETA * np.linalg.norm(readout @ frozen, axis=1) * deviations
    bounds = [
        uniform_gap(a_only_rademacher(points.inputs[drawn], u, readout, BETA), LIPSCHITZ, n, DELTA)
        for drawn, u in zip(rows, frozen)
    ]
    mean = a_only_rademacher_mean(points.inputs, rank, readout, BETA) * np.sqrt(size / n)
    mean_bound = uniform_gap_mean(mean, LIPSCHITZ)
    return _judged(gaps, bounds, A_MEAN, mean_bound, f"A alone, n = {n}, d_out = {d_out}, r = {rank}")


def _judged(gaps: Array, bounds: list[float], label: str, mean_bound: float, name: str) -> list[Measurement]:
    """Return how often the gap exceeds its certificate, and its mean over the bound of the mean."""
    violated = float(np.mean(gaps > np.array(bounds)))
    slack = STANDARD_ERRORS * float(gaps.std(ddof=1)) / np.sqrt(len(gaps)) / mean_bound
    return [
        Measurement("fraction of samples above the certificate", violated, DELTA, "<=", 0, name),
        Measurement(label, float(gaps.mean()) / mean_bound, 1, "<=", slack, name),
    ]


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Q chosen with the sample: its first row is the direction in which sample and population differ most."""
    n, d = 30, 100
    points, rng = population(400, d, 0.0, seed), np.random.default_rng([seed, 2])
    signed = points.labels[:, None] * points.inputs
    drawn = signed[rng.integers(0, 400, (500, n))]
    gaps = 0.5 * BETA * np.linalg.norm(drawn.mean(axis=1) - signed.mean(axis=0), axis=1)
    mean_bound = uniform_gap_mean(b_only_rademacher_mean(points.inputs, 1, BETA) * np.sqrt(400 / n), LIPSCHITZ)
    return Evidence(
        (Measurement(MEAN, float(gaps.mean()) / mean_bound, 1, "<=", 0, f"n = {n}, d_in = {d}, r = 1"),), 500
    )


@claim(
    id="BND-RADEMACHER",
    paper="asymmetry",
    statement="f(x) = ⟨b, Qx⟩, ‖b‖ ≤ β, Q frozen at random, L-Lipschitz loss in [0, 1]: with probability 1 − δ for all "
    "b: L − L̂ ≤ 2(Lβ/n)√(Σ‖Qx_i‖²) + 3√(ln(2/δ)/(2n)); in the mean over sample and Q the uniform gap is at most "
    "2Lβ√(r·TrΣ/(d_in·n)), of order √(r/n). A alone with readout c: ‖Uᵀc‖ and all of TrΣ instead, in the mean "
    "2Lβ‖c‖√(r·TrΣ/(d_out·n)).",
    source="provable analogue of arXiv 2506.14530 (upper bound); Bartlett and Mendelson 2002",
    kind="upper",
    assumptions=("i.i.d. samples", "Q independent of the sample", "β fixed before the sample", "bounded inputs"),
    control="Q chosen with the sample",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Enumerate signs; redraw samples and frozen factors where the uniform gap is a norm."""
    measurements = _enumerated(seed, by_level(level, 6, 30, 120))
    redraws = by_level(level, 1000, 2000, 10_000)
    settings = by_level(level, ((20, 2),), ((20, 1), (20, 4), (100, 4)), ((20, 1), (20, 4), (100, 4), (400, 16)))
    for decay in (0.0,) if level == "smoke" else (0.0, 0.7):
        for n, rank in settings:
            points = population(60, 20, decay, seed)
            measurements += _coverage(points, n, rank, redraws, seed)
        n, rank = settings[0]
        measurements += _coverage_a_only(population(60, 20, decay, seed), n, rank, redraws, seed)
    return Evidence(tuple(measurements), redraws * len(settings), seeds=(seed,), sizes={"redraws": redraws})
