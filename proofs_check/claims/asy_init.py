"""ASY-INIT: the law of the frozen factor's directions does not matter for the fit, its scale does."""

from collections.abc import Mapping

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.factor_arms import Arm, compare
from proofs_check.factor_descent import descend, excess
from proofs_check.factor_setting import classification, turned_setting
from proofs_check.instances import by_level
from proofs_check.registry import claim
from sims.haar import captured_b_only, frozen_rows
from sims.training.optimisers import Options
from theory.step_size import kaiming_norm, matched_learning_rate

ERRORS = 5.0  # standard errors that a difference of means over draws may be off
STARTS = ("orthonormal", "gaussian", "rand", "kaiming")
_OUT, _IN, _RANK = 24, 32, 4


def _agree(name: str, found: Mapping[str, np.ndarray], instance: str) -> list[Measurement]:
    """Compare means with that of the first law: apart by no more than its standard deviation over the seeds."""
    (reference, x), *others = found.items()
    # from the reference alone: runs that diverge have any spread, and must not excuse themselves by it
    spread = float(x.std(ddof=1))
    return [
        Measurement(
            name,
            abs(x.mean() - y.mean()),
            spread,
            "<=",
            ERRORS * spread * (1 / x.size + 1 / y.size) ** 0.5,
            f"{instance}: {other}, {reference}",
        )
        for other, y in others
    ]


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


def _networks(level: Level, seed: int, data: str, family: str, *, matched: bool) -> list[Measurement]:
    """Compare training losses of one family between starts, all at the step size of the orthonormal one."""
    name = classification(data)
    setting = turned_setting(name, seed, widths=(256,), samples=4000, source_steps=150)
    options = Options(by_level(level, 1, 100, 400), 64, optimiser="sgd", evaluations=1)
    seeds = range(seed + 1, seed + 1 + by_level(level, 2, 8, 24))
    d_out, d_in = setting.shapes[0]
    rank = min(_RANK, d_in)
    norm = kaiming_norm(d_out, rank) if family == "a-only" else kaiming_norm(d_in, d_in)
    rate, found = 10.0, {}
    for start in STARTS:
        own = matched_learning_rate(rate, norm, "sgd") if matched and start == "kaiming" else rate
        outcome = compare(setting, Arm(family, rank, start), options, seeds=seeds, rates=(own,))
        found[start] = outcome.train_loss[0]
    return _agree(f"training loss, {family}: difference of means, spread over seeds", found, f"{name}, rank {rank}")


def _control(level: Level, seed: int, data: str) -> Evidence:
    """A-only with a frozen Kaiming B beside an orthonormal one, at one step size."""
    rng, draws = np.random.default_rng(seed), by_level(level, 100, 200, 1000)
    delta, variances = _problem(rng)
    zero, found = np.zeros((draws, _RANK, _IN)), {}
    for name, b in (
        ("orthonormal", frozen_rows(rng, draws, _RANK, _OUT, "haar").swapaxes(1, 2)),
        ("kaiming", rng.uniform(-(_RANK**-0.5), _RANK**-0.5, (draws, _OUT, _RANK))),
    ):
        a, _ = descend(zero, b, delta, variances, rate=1.5, steps=60, train_b=False)
        found[name] = excess(a, b, delta, variances)
    measured = _agree("loss after training, A-only: difference of means, spread over seeds", found, "linear model")
    if level != "smoke":
        measured += _networks(level, seed, data, "a-only", matched=False)
    return Evidence(tuple(measured), 1 if level == "smoke" else 2, seeds=(seed,))


@claim(
    id="ASY-INIT",
    paper="asymmetry",
    statement="B-only training fits equally well whether the frozen A is orthonormal, Gaussian, Kaiming-uniform or the "
    "official code's rand: means differ by no more than the spread over seeds, at step sizes matched to the norm of A.",
    source="arXiv 2402.16842, section 5 and tables 1, 2 and 7; at matched step sizes: this project",
    kind="empirical",
    assumptions=("B starts at zero", "step size divided by the squared norm of the rows of A"),
    control="A-only with a frozen Kaiming B at the step size of the orthonormal one",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Compare exact captured fits in the linear model, and from quick on training losses of networks."""
    rng, draws = np.random.default_rng(seed), by_level(level, 200, 1000, 4000)
    delta, variances = _problem(rng)
    fits = {name: captured_b_only(delta, np.diag(variances), q) for name, q in _rows(rng, draws).items()}
    instance = f"linear model {_OUT}x{_IN}, r = {_RANK}, {draws} draws"
    measured = _agree("captured fit, B-only: difference of means, spread over seeds", fits, instance)
    if level != "smoke":
        measured += _networks(level, seed, data, "b-only", matched=True)
    return Evidence(tuple(measured), 1 if level == "smoke" else 2, seeds=(seed,))
