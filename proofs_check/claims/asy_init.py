"""ASY-INIT: the law of the frozen factor's directions hardly matters for the fit, its scale does."""

from collections.abc import Mapping

import numpy as np
from scipy.stats import t as student

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.factor_arms import Arm, compare
from proofs_check.factor_descent import descend, excess
from proofs_check.factor_setting import classification, turned_setting
from proofs_check.instances import by_level
from proofs_check.linear_instances import EXACT, mean_equals
from proofs_check.registry import claim
from sims.haar import captured_b_only, frozen_rows
from sims.training.optimisers import Options
from theory.step_size import kaiming_norm, matched_learning_rate

STARTS = ("orthonormal", "gaussian", "rand", "kaiming")
SHARE = 0.1  # of what training gains: the largest difference that counts as none
CONFIDENCE = 1 - 1e-3  # of each one-sided limit of a difference of means
_OUT, _IN, _RANK = 24, 32, 4


def _equivalent(name: str, differences: Mapping[str, np.ndarray], margin: float, instance: str) -> list[Measurement]:
    """Return that each mean difference is within the margin, by its upper confidence limit.

    Noise and divergence never pass for equality; where the lower limit is within and the upper one is not, the draws
    are too few to tell, and the number is not trusted.
    """
    found = []
    for other, x in differences.items():
        high = _limits(x)[1] if np.isfinite(x).all() else np.inf
        # a run that leaves all bounds counts as one unit for the lower limit, or its size would hide that it differs
        low = _limits(np.clip(np.nan_to_num(x, nan=1.0), -1.0, 1.0))[0]
        told = high <= margin or low > margin
        shown = f"{name}, confidence limit"
        found.append(Measurement(shown, high, margin, "<=", 0, f"{instance}: {other}", trusted=told))
    return found


def _limits(x: np.ndarray) -> tuple[float, float]:
    """Return lower and upper confidence limit of the modulus of the mean."""
    half = float(student.ppf(CONFIDENCE, x.size - 1) * x.std(ddof=1) / x.size**0.5)
    return abs(float(x.mean())) - half, abs(float(x.mean())) + half


def _problem(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    delta = rng.standard_normal((_OUT, _IN))
    return delta / np.linalg.norm(delta), 1.0 / (1.0 + np.arange(_IN))


def _rows(rng: np.random.Generator, draws: int) -> dict[str, np.ndarray]:
    """Return frozen A (draws, r, d_in) by the name of its start; ``rand`` is that of the official code."""
    noise = rng.uniform(-0.5, 0.5, (draws, _OUT, _IN))
    return {
        "orthonormal": frozen_rows(rng, draws, _RANK, _IN, "haar"),
        "gaussian": frozen_rows(rng, draws, _RANK, _IN, "gaussian"),
        "rand": np.linalg.svd(noise)[2][:, :, :_RANK].swapaxes(1, 2),
        "kaiming": frozen_rows(rng, draws, _RANK, _IN, "kaiming-uniform"),
    }


def _linear(level: Level, seed: int) -> list[Measurement]:
    """Return exact fits: rows orthonormalised, white inputs, and coloured inputs against the worth of one more rank."""
    rng, draws = np.random.default_rng(seed), by_level(level, 400, 1000, 10_000)
    delta, variances = _problem(rng)
    sigma, total = np.diag(variances), float((delta**2 * variances).sum())
    rows, instance = _rows(rng, draws), f"linear model {_OUT}x{_IN}, r = {_RANK}, {draws} draws"
    found, fits = [], {}
    for name, a in rows.items():
        fits[name] = captured_b_only(delta, sigma, a) / total
        basis = np.linalg.qr(a.swapaxes(1, 2))[0].swapaxes(1, 2)
        apart = np.abs(captured_b_only(delta, sigma, basis) / total - fits[name]).max()
        white = captured_b_only(delta, np.eye(_IN), a) / np.sum(delta**2)
        shown = f"{instance}: {name}"
        found += [
            Measurement("II_A/T: A against its rows made orthonormal", float(apart), 0.0, "==", EXACT, shown),
            mean_equals("E II_A/T, Σ = I", white, _RANK / _IN, shown),
        ]
    more = captured_b_only(delta, sigma, frozen_rows(rng, draws, _RANK + 1, _IN, "haar")) / total
    reference = fits.pop("orthonormal")
    worth = float(more.mean() - reference.mean())
    differences = {name: x - reference for name, x in fits.items()}
    return found + _equivalent("E II_A/T, difference of starts against a rank more", differences, worth, instance)


def _networks(level: Level, seed: int, data: str, family: str, *, matched: bool) -> list[Measurement]:
    """Compare training losses of one family between starts, all at the step size of the orthonormal one."""
    name = classification(data)
    setting = turned_setting(name, seed, widths=(256,), samples=4000, source_steps=150)
    options = Options(by_level(level, 1, 100, 400), 64, optimiser="sgd", evaluations=1)
    seeds = range(seed + 1, seed + 1 + by_level(level, 2, 32, 96))
    d_out, d_in = setting.shapes[0]
    rank = min(_RANK, d_in)
    norm = kaiming_norm(d_out, rank) if family == "a-only" else kaiming_norm(d_in, d_in)
    rate, found = 10.0, {}
    for start in STARTS if matched else ("orthonormal", "kaiming"):
        own = matched_learning_rate(rate, norm, "sgd") if matched and start == "kaiming" else rate
        found[start] = compare(setting, Arm(family, rank, start), options, seeds=seeds, rates=(own,)).train_loss[0]
    # hardly a step: the loss before training
    before = compare(setting, Arm(family, rank, "orthonormal"), options, seeds=seeds, rates=(1e-9,)).train_loss[0]
    reference = found.pop("orthonormal")
    gained = float(before.mean() - reference.mean())
    differences = {start: (x - reference) / gained for start, x in found.items()}  # paired: one seed, one data order
    shown = f"{name}, rank {rank}, {len(seeds)} seeds"
    return _equivalent(f"training loss, {family}: difference of starts over the gain", differences, SHARE, shown)


def _control(level: Level, seed: int, data: str) -> Evidence:
    """A-only with a frozen Kaiming B beside an orthonormal one, at one step size: scales that differ."""
    rng, draws = np.random.default_rng(seed), by_level(level, 100, 200, 1000)
    delta, variances = _problem(rng)
    zero, losses = np.zeros((draws, _RANK, _IN)), []
    for b in (
        frozen_rows(rng, draws, _RANK, _OUT, "haar").swapaxes(1, 2),
        rng.uniform(-(_RANK**-0.5), _RANK**-0.5, (draws, _OUT, _RANK)),
    ):
        a, _ = descend(zero, b, delta, variances, rate=1.5, steps=60, train_b=False)
        losses.append(excess(a, b, delta, variances))
    gained = 1.0 - float(losses[0].mean())
    differences = {"kaiming": (losses[1] - losses[0]) / gained}
    name = "loss, A-only by gradient descent: difference of starts over the gain"
    measured = _equivalent(name, differences, SHARE, "linear model")
    if level != "smoke":
        measured += _networks(level, seed, data, "a-only", matched=False)
    return Evidence(tuple(measured), 1 if level == "smoke" else 2, seeds=(seed,))


@claim(
    id="ASY-INIT",
    paper="asymmetry",
    statement="The start of a frozen A hardly matters to B-only (orthonormal, Gaussian, Kaiming-uniform, the official "
    "code's rand). Linear model: II_A is that of the rows made orthonormal, so Gaussian and orthonormal (Haar) have "
    "one law; for Σ = sI all four have E II_A = (r/d_in) T; for coloured inputs the others differ from Haar by less "
    f"than one more rank is worth. Networks: training losses are within {SHARE:g} of what training gains, at step "
    "sizes matched to the norm of A. Both by the confidence limit of the mean difference "
    f"({CONFIDENCE:g} each side).",
    source="arXiv 2402.16842, section 5 and tables 1, 2 and 7; exact statements and matched step sizes: this project",
    kind="empirical",
    assumptions=(
        "B starts at zero",
        "step size divided by the squared norm of the rows of A",
        "Σ = sI: laws that permutations and signs of the inputs do not change, as those of the four starts",
    ),
    control="A-only with a frozen Kaiming B at the step size of the orthonormal one",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Compare exact captured fits in the linear model, and from quick on training losses of networks."""
    measured = _linear(level, seed)
    if level != "smoke":
        measured += _networks(level, seed, data, "b-only", matched=True)
    return Evidence(tuple(measured), 1 if level == "smoke" else 2, seeds=(seed,))
