"""BND-XR: the gap against the information that the weights hold about the sample, exactly, in three versions."""

from dataclasses import replace
from math import ceil, log

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.finite_learners import LEARNERS, Toy, coin_toy, enumerate_learner, random_toy, share
from proofs_check.instances import by_level
from proofs_check.registry import claim
from theory.bounds.information import xu_raginsky, xu_raginsky_absolute, xu_raginsky_samples


def random_toys(level: Level, seed: int) -> list[Toy]:
    """Return coins, and tables of losses in [0, 1] of several sizes."""
    sizes = ((2, 2, 3), (4, 3, 5), (8, 5, 4), (16, 6, 2), (64, 5, 3))
    trials = range(by_level(level, 3, 25, 200))
    return [coin_toy(1), coin_toy(2), *(random_toy(*size, seed=seed + trial) for trial in trials for size in sizes)]


def _measure(toys: list[Toy]) -> list[Measurement]:
    measurements = []
    for toy in toys:
        for learner in LEARNERS:
            run, n, name = enumerate_learner(toy, learner), toy.samples, f"{learner}: {toy.name}"
            mean, absolute = xu_raginsky(run.information, n), xu_raginsky_absolute(run.information, n)
            measurements += share("|E[L − L̂]| of √(2σ²I/n)", abs(run.gap), mean, name)
            measurements += share("E|L − L̂| of √(2σ²(I + ln 2)/n)", run.absolute_gap, absolute, name)
    return measurements


def _probabilities(level: Level, seed: int) -> list[Measurement]:
    """The version with a probability: at the sample size that it asks for, which is large, on few atoms."""
    measurements = []
    settings = by_level(level, ((2, 0.5, 0.5),), ((2, 0.5, 0.5), (4, 0.4, 0.4)), ((2, 0.3, 0.3), (4, 0.4, 0.2)))
    for hypotheses, accuracy, failure in settings:
        n = ceil(xu_raginsky_samples(log(hypotheses), accuracy, failure))  # I(S; W) <= ln of the hypotheses
        toy = random_toy(hypotheses, 3, n, seed)
        for learner in LEARNERS:
            exceeded = enumerate_learner(toy, learner).exceeds(accuracy)
            name = f"{learner}: {toy.name}, a = {accuracy}"
            measurements.append(Measurement("P(|L − L̂| > a)", exceeded, failure, "<=", 0, name))
    return measurements


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The loss reaches 4, but sigma stays that of [0, 1]."""
    toys = [replace(toy, losses=4.0 * np.asarray(toy.losses)) for toy in random_toys("smoke", seed)]
    return Evidence(tuple(_measure(toys)), len(toys), seeds=(seed,))


@claim(
    id="BND-XR",
    paper="asymmetry",
    statement="|E[L − L̂]| ≤ √(2σ²I(S; W)/n), E|L − L̂| ≤ √(2σ²(I(S; W) + ln 2)/n), and P(|L − L̂| > a) ≤ b once "
    "n ≥ (8σ²/a²)(I(S; W)/b + ln(2/b)).",
    source="Xu and Raginsky 2017; constants proved here by Donsker–Varadhan and data processing",
    kind="upper",
    assumptions=("i.i.d. samples", "σ-sub-Gaussian loss for every output: σ is half of the range"),
    control="the loss has four times the range that σ stands for",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Enumerate deterministic, randomised and adversarial learners on finite sample spaces."""
    toys = random_toys(level, seed)
    return Evidence((*_measure(toys), *_probabilities(level, seed)), len(toys), seeds=(seed,))
