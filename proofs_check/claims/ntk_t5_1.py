"""NTK-T5.1: the excess risk of regularised LoRA, its constants and every step of its proof."""

import numpy as np

from proofs_check.admissible_points import admissible_points, conclusion_steps, margin, minimiser, true_minimiser
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.generalisation_steps import (
    bound_for,
    deviation_steps,
    failures_allowed,
    share_of_failures,
    sign_enumeration,
)
from proofs_check.instances import Instance, by_level, random_perturbation
from proofs_check.populations import Population, catalogue, teacher
from proofs_check.registry import claim
from proofs_check.second_order_search import survey
from sims.landscape.search import Landscape
from sims.used import remembered
from theory.convex_lora import nuclear_norm
from theory.generalisation import PRINTED_CONSTANTS
from theory.losses import CROSS_ENTROPY, LOGISTIC

FAILURE, SLACK = 0.05, 0.1


def _second_order_points(level: Level, seed: int) -> list[Measurement]:
    """G6: second-order points of the perturbed factored objective are admissible, and obey the bound."""
    population = teacher(LOGISTIC, 1, 3, 4, points=400, strength=4.0, seed=seed)
    rng = np.random.default_rng([seed, 6])
    measurements = []
    for samples in by_level(level, (1500,), (1500,), (1500, 2000, 3000)):
        counts = rng.multinomial(samples, population.weights)
        rows = np.repeat(np.arange(counts.size), counts)
        bound = bound_for(population, samples, failure=0.2, slack=SLACK)
        features, f0, y = population.features[rows], population.f0[rows], population.y[rows]
        landscape = Landscape(features, f0, y, LOGISTIC, bound.weight_decay)
        instance = Instance(f"{population.name}, N = {samples}", landscape)
        optimum = minimiser(population, counts / samples, bound.weight_decay).value
        gap = instance.problem.report([optimum], bound.weight_decay).relative_gap
        norm = nuclear_norm(optimum)
        allowed = bound.perturbation_norm(norm)
        p = random_perturbation(landscape.size, allowed, seed)
        found = survey(instance, min(population.shape), starts=8, seed=seed, perturbation=p)
        name, m = found.name(), landscape.d_out
        price = 2.0 * float(np.linalg.norm(p, 2)) * norm / (bound.slack * bound.weight_decay * bound.true_norm)
        measurements += [
            Measurement("G6 2‖P‖_op‖δ*_λ‖_* over ελ‖δ_true‖_*", price, 1, "<=", 0, name),
            Measurement("G6 duality gap of δ*_λ", gap, 0, "<=", 1e-6, name),
            # a search that reaches none decides nothing
            Measurement("G6 second-order points certified", len(found.points), 1, ">=", 0, name, bool(found.points)),
        ]
        for q in found.factors:
            delta = q[:m] @ q[m:].T
            inside = margin(population, counts / samples, bound, delta) / (bound.weight_decay * bound.true_norm)
            ratio = population.excess(delta) / bound.excess_risk
            measurements += [
                Measurement("G6 margin of admissibility over λ‖δ_true‖", inside, 0, ">=", 0, name),
                Measurement("excess risk over the bound, second-order points", ratio, 1, "<=", 0, name),
            ]
    return measurements


def _printed(population: Population, samples: int, rng: np.random.Generator) -> list[Measurement]:
    """The paper's own form with either constant c, at the minimiser for its own lambda."""
    bound = bound_for(population, samples, failure=FAILURE, slack=SLACK)
    weights = population.sample(rng, samples)
    name = f"{population.name}, N = {samples}"
    result = []
    for label, c in zip(("√2", "2"), PRINTED_CONSTANTS):
        delta = minimiser(population, weights, bound.printed_weight_decay(c)).value
        ratio = population.excess(delta) / bound.printed_excess_risk(c)
        result.append(Measurement(f"excess risk over the paper's form, c = {label}", ratio, 1, "<=", 0, name))
    return result


def _coverage(
    population: Population, samples: int, redraws: int, seed: int
) -> tuple[list[Measurement], list[bool], str]:
    """Return steps G4, G5 and the bound over independent samples of one size, which samples failed, and a note."""
    rng = np.random.default_rng([seed, samples])
    bound = bound_for(population, samples, failure=FAILURE, slack=SLACK)
    conclusions, largest = [], 0.0
    for _ in range(redraws):
        weights = population.sample(rng, samples)
        found = admissible_points(population, weights, bound, rng)
        conclusions.append(conclusion_steps(population, weights, bound, found, rng))
        largest = max(largest, found.largest_excess)
    measurements = [true_minimiser(population, bound), *(m for c in conclusions for m in c.sure)]
    name = f"{population.name}, N = {samples}, {redraws} samples"
    for step in conclusions[0].likely:
        # the theorem allows every sample to fail with chance eta: that many of the largest say nothing
        allowed = failures_allowed(redraws, FAILURE)
        value = sorted(c.likely[step] for c in conclusions)[-1 - allowed]
        measurements.append(Measurement(f"{step}, all but {allowed} samples", value, 1, "<=", 1e-10, name))
    trivial = population.excess(np.zeros(population.shape))
    kind = "vacuous" if bound.excess_risk >= trivial else "not vacuous"
    note = (
        f"{population.name}, N = {samples:.0e}: largest admissible excess {largest:.2g}, "
        f"bound {bound.excess_risk:.2g}, no fine-tuning {trivial:.2g}: {kind}"
    )
    return measurements, [c.failed for c in conclusions], note


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Independence dropped: the sample is one point repeated N times, everything else as in the theorem."""
    redraws, measurements = by_level(level, 50, 100, 200), []
    populations = [
        teacher(LOGISTIC, 1, 4, 5, points=400, strength=4.0, seed=seed),
        teacher(CROSS_ENTROPY, 3, 4, 5, points=400, strength=3.0, seed=seed),
    ]
    for population in populations:
        rng = np.random.default_rng([seed, 1])
        bound = bound_for(population, 10**6, failure=FAILURE, slack=SLACK)
        ratios = []
        for _ in range(redraws):
            repeated = population.sample(rng, 1)
            solution = minimiser(population, repeated, bound.weight_decay)
            ratios.append(population.excess(solution.value) / bound.excess_risk)
        name = f"{population.name}, one point repeated {bound.samples} times, {redraws} samples"
        label = "fraction of samples with excess risk above the bound"
        measurements.append(share_of_failures(label, np.array(ratios) > 1.0, FAILURE, name))
    return Evidence(tuple(measurements), len(populations) * redraws, seeds=(seed,))


@claim(
    id="NTK-T5.1",
    paper="ntk",
    statement="With κ = √(2K) L R (2 + √log(1/η))/√N and λ = (2+ε)κ, with probability ≥ 1−η every δ with "
    "L̂(δ) + λ‖δ‖_* ≤ L̂(δ_true) + (1+ε)λ‖δ_true‖_*, so every second-order stationary point of the objective with "
    "a small perturbation P, has excess risk at most κ‖δ_true‖_* (2+ε)(3+3ε+ε²)/(1+ε) and "
    "‖δ − δ_true‖_* ≤ (2+ε)²/(1+ε) ‖δ_true‖_*. "
    "The paper's form is c(2+ε)²‖δ_true‖_*√K L R(2 + √log(1/η))/√N with c = √2 or 2. No dependence on the rank.",
    source="arXiv 2402.11867, Theorem 5.1 (wording and constants there unverified); constants: this project",
    kind="upper",
    assumptions=(
        "i.i.d. sample",
        "linearised model",
        "loss convex and L-Lipschitz in the Euclidean norm (logistic, cross-entropy; not squared)",
        "‖G_j(X)‖_F ≤ R almost surely",
        "δ_true minimises the true risk over all matrices",
        "λ and η do not depend on the sample",
    ),
    control="the sample is not independent: one point repeated N times",
    control_check=_control,
)
@remembered(maxsize=1)  # the steps of the proof read the same measurements
def check(level: Level, seed: int, data: str) -> Evidence:
    """Measure every step of the proof and the bound itself on finite populations, where the true risk is exact."""
    populations = catalogue(data, seed, by_level(level, 600, 1797, 1797))
    if level == "smoke":
        populations = populations[1:3]
    sizes = by_level(level, (10**5,), (10**2, 10**5, 10**8), (10**2, 10**3, 10**4, 10**5, 10**6, 10**8))
    redraws, points = by_level(level, (60, 40), (200, 100), (1000, 400))
    measurements, notes, failures = [], [], []
    for index, population in enumerate(populations):
        rng = np.random.default_rng([seed, index])
        few = rng.choice(len(population.weights), 8 // population.outputs, p=population.weights)
        measurements += sign_enumeration(population, few)
        for samples in sizes:
            bound = bound_for(population, samples, failure=FAILURE, slack=SLACK)
            measurements += deviation_steps(population, bound, redraws=redraws, points=points, rng=rng)
            covered, failed, note = _coverage(population, samples, by_level(level, 10, 6, 50), seed)
            measurements += covered
            measurements += _printed(population, samples, rng)
            failures += failed
            notes.append(note)
    measurements += _second_order_points(level, seed)
    name = f"all {len(failures)} samples of all populations and sizes"
    label = "fraction of samples where G4, G5 or the bound fails"
    measurements.append(share_of_failures(label, np.array(failures), FAILURE, name))
    return Evidence(
        tuple(measurements), len(failures), seeds=(seed,), notes=tuple(notes), sizes={"samples": list(sizes)}
    )
