"""NTK-OPEN-NOISE: which noise finds the flat exit of a spurious plateau when there is no perturbation P."""

from typing import Any

import numpy as np

from proofs_check.evidence import Evidence, Level
from proofs_check.instances import Instance, by_level, planted
from proofs_check.registry import claim
from proofs_check.trained_runs import Ends, ends_of_training
from sims.landscape.search import find_stationary_points

_LEFT, _STAYED = "share of runs that reach the optimum", "share of runs that stay on the plateau"
# step lengths well below 2 / (largest Hessian eigenvalue); Adam's steps have this length in every entry
_SLOPE, _SAMPLE, _ADAM = 0.05, 0.02, 0.01
_NOISY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("gradient descent, gradient noise 0.4", {"rule": "gradient", "step": _SLOPE, "noise": 0.4}),
    # with noise the length of Adam's steps sets how fast it wanders: twice as long
    ("Adam, steps 0.02, gradient noise 0.1", {"rule": "adam", "step": 2.0 * _ADAM, "noise": 0.1}),
)
_QUIET: tuple[tuple[str, dict[str, Any]], ...] = (
    ("gradient descent", {"rule": "gradient", "step": _SLOPE}),
    ("SGD, one sample a step", {"rule": "sgd", "step": _SAMPLE}),
    ("Adam, steps 0.01", {"rule": "adam", "step": _ADAM}),
)


def on_the_plateau(rank: int, runs: int, seed: int) -> tuple[Instance, np.ndarray]:
    """Return family B (exact features) and points on its plateau of spurious minima, reached from near its centre."""
    instance = planted("B", rank, rank + 2, rank + 3)
    assert instance.planted is not None
    noise = 0.05 * np.random.default_rng([seed, rank]).standard_normal((runs, *instance.planted.shape))
    return instance, find_stationary_points(instance.landscape, instance.planted[None] + noise).q


def _sizes(level: Level) -> tuple[tuple[int, ...], int, int]:
    """Return ranks, runs and steps."""
    return by_level(level, ((2,), 4, 12_000), ((2, 3), 8, 20_000), ((2, 3, 4), 32, 40_000))


def _words(name: str, rank: int, ends: Ends) -> str:
    return f"r = {rank}, {name}: {ends.found_global} of {ends.runs} left, {ends.undecided} undecided"


def _control(level: Level, seed: int, data: str) -> Evidence:
    """No noise: gradient descent started on the plateau stays there."""
    ranks, runs, steps = _sizes(level)
    measurements, notes = [], []
    for rank in ranks:
        instance, starts = on_the_plateau(rank, runs, seed)
        ends = ends_of_training(instance, starts, steps=steps, seed=seed, **_QUIET[0][1])
        measurements.append(ends.share(_LEFT, ends.escaped, ">=", 1.0, f"family B, r = {rank}"))
        notes.append(_words("no noise", rank, ends))
    return Evidence(tuple(measurements), len(ranks), seeds=(seed,), notes=tuple(notes))


@claim(
    id="NTK-OPEN-NOISE",
    paper="ntk",
    statement="Family B (P = 0, a plateau of spurious minima above the paper's threshold): Gaussian noise on the "
    "gradient, or a little static noise on the features, replaces P: every run finds the flat exit and the optimum. "
    "Sampling noise does not: SGD with one sample a step stays, and so does Adam with small steps.",
    source="this project (open in arXiv 2402.11867: noise instead of P)",
    kind="empirical",
    assumptions=("family B, exact features, squared loss", "runs start on the plateau", "the step lengths stated"),
    control="no noise: gradient descent stays on the plateau",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Train from points on the plateau by several rules, polish and certify the ends, count."""
    ranks, runs, steps = _sizes(level)
    measurements, notes = [], []
    for rank in ranks:
        instance, starts = on_the_plateau(rank, runs, seed)
        for name, settings in _NOISY:
            ends = ends_of_training(instance, starts, steps=steps, seed=seed, **settings)
            measurements.append(ends.share(_LEFT, ends.escaped, ">=", 1.0, f"family B, r = {rank}, {name}"))
            notes.append(_words(name, rank, ends))
        noisy = planted("B", rank, rank + 2, rank + 3, noise=0.01, seed=seed)
        ends = ends_of_training(noisy, starts, steps=steps, seed=seed, rule="gradient", step=_SLOPE)
        measurements.append(ends.share(_LEFT, ends.escaped, ">=", 1.0, noisy.name))
        notes.append(_words("gradient descent, feature noise 0.01", rank, ends))
        for name, settings in _QUIET:
            ends = ends_of_training(instance, starts, steps=steps, seed=seed, **settings)
            measurements.append(ends.share(_STAYED, ends.trapped, ">=", 1.0, f"family B, r = {rank}, {name}"))
            notes.append(_words(name, rank, ends))
        if level != "smoke":
            ends = ends_of_training(instance, starts, steps=steps, seed=seed, rule="adam", step=5.0 * _ADAM)
            notes.append(_words("Adam, steps five times as long (does not settle; part of no statement)", rank, ends))
    notes.append(
        "On the plateau the residuals of all samples but one vanish, and that one's gradient moves Q along itself: "
        "sampling noise changes the length of Q, not its place on the plateau."
    )
    return Evidence(tuple(measurements), len(ranks) * 6, seeds=(seed,), notes=tuple(notes))
