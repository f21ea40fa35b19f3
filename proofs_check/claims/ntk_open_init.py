"""NTK-OPEN-INIT: how long LoRA's start near the strict saddle 0 takes to leave it, over the scale of the start."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level, gaussian, network, planted
from proofs_check.registry import claim
from sims.landscape.first_order import train

_RANK, _RUNS = 2, 8
_STEPS = 1_600  # fixed, so that a run that does not leave costs what the others do
_FACTORS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)  # of the paper's standard deviation 1/(sqrt(r) n)
_RELATIVE = 0.05  # of the slope: the steps are counted in whole numbers, and small starts are not infinitely small


def lora_starts(instance: Instance, factor: float, seed: int) -> np.ndarray:
    """Return starts (runs, d, r) with u = 0 and v Gaussian of standard deviation factor / (sqrt(r) n), n = d_in."""
    m, d = instance.landscape.d_out, instance.landscape.size
    q = np.zeros((_RUNS, d, _RANK))
    draws = np.random.default_rng(seed).standard_normal((_RUNS, d - m, _RANK))
    q[:, m:] = factor / (_RANK**0.5 * (d - m)) * draws
    return q


def escape_steps(instance: Instance, factors: tuple[float, ...], step: float, seed: int) -> tuple[np.ndarray, float]:
    """Return the median steps until a run has left 0, for every factor, and the share of runs that leave.

    The same draws are scaled. Leaving means that the objective falls by 1 % of its value at 0.
    """
    problem = instance.problem
    at_zero = float(problem.loss.value(problem.f0, problem.y).mean())
    starts = np.concatenate([lora_starts(instance, factor, seed) for factor in factors])
    values = train(instance.landscape, starts, rule="gradient", step=step, steps=_STEPS).objective
    below = values <= 0.99 * at_zero
    left = below.any(axis=1)
    steps = np.where(left, np.argmax(below, axis=1), np.nan).reshape(len(factors), _RUNS)
    return np.median(steps, axis=1), float(left.mean())


def _cases(level: Level, seed: int, data: str) -> list[Instance]:
    count = by_level(level, 1, 3, 10)
    cases = [gaussian(seed + s, 6, 1, 8, 10) for s in range(count)]
    cases += [network(data, seed + s, samples=3, classes=3, m=8, p=10) for s in range(count)]
    return cases if level == "smoke" else [*cases, planted("A'", 2, 6, 8, noise=0.02, seed=seed)]


def _step(instance: Instance) -> float:
    return 0.02 / instance.problem.lambda_max()


def _control(level: Level, seed: int, data: str) -> Evidence:
    """λ = 2 λ_max: 0 is a minimum, not a strict saddle, and no run leaves it."""
    measurements = []
    for instance in _cases(level, seed, data):
        landscape = instance.landscape
        heavy = type(landscape)(
            landscape.gradients, landscape.f0, landscape.y, landscape.loss, 2.0 * instance.problem.lambda_max()
        )
        _, share = escape_steps(Instance(instance.name, heavy), _FACTORS, _step(instance), seed)
        measurements.append(Measurement("share of runs that leave", share, 1.0, ">=", 0.0, f"{instance.name}, 2 λ_max"))
    return Evidence(tuple(measurements), len(measurements), seeds=(seed,))


@claim(
    id="NTK-OPEN-INIT",
    paper="ntk",
    statement="Gradient descent with step η from LoRA's start u = 0, v of standard deviation c/(√r n) (c = 1 is the "
    "paper's code), λ < λ_max: every run leaves the strict saddle 0, and the number of steps grows like "
    "log(1/c) / log(1 + η(λ_max − λ)).",
    source="this project (open in arXiv 2402.11867: no rate is given for a start near a strict saddle)",
    kind="empirical",
    assumptions=("linearised model", "gradient descent, small step", "c from 1e-2 to 1e-6", "λ < λ_max"),
    control="λ = 2 λ_max: 0 is no strict saddle",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Fit steps against log(1/c) and compare with the growth rate of the linearised flow at 0."""
    measurements, notes = [], []
    for instance in _cases(level, seed, data):
        step = _step(instance)
        steps, share = escape_steps(instance, _FACTORS, step, seed)
        slope = float(np.polyfit(-np.log(_FACTORS), steps, 1)[0]) if np.isfinite(steps).all() else float("nan")
        predicted = 1.0 / np.log1p(step * (instance.problem.lambda_max() - instance.lam))
        measurements += [
            Measurement("share of runs that leave", share, 1.0, ">=", 0.0, instance.name),
            Measurement(
                "slope of steps over log(1/c), by prediction", slope / predicted, 1, "==", _RELATIVE, instance.name
            ),
        ]
        counted = ", ".join(f"{c:g}: {s:g}" for c, s in zip(_FACTORS, steps, strict=True))
        notes.append(f"{instance.name}: median steps by c: {counted}; slope {slope:.2f}, predicted {predicted:.2f}")
    return Evidence(tuple(measurements), len(notes), seeds=(seed,), notes=tuple(notes))
