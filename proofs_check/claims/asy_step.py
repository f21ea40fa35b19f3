"""ASY-STEP: the collapse of A-only training with a frozen Kaiming B is its step size."""

import numpy as np
from scipy.stats import t as student

from proofs_check.coverage import FALSE_ALARM
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.factor_arms import Arm, compare
from proofs_check.factor_descent import descend, excess
from proofs_check.factor_setting import classification, turned_setting
from proofs_check.instances import by_level
from proofs_check.registry import claim
from sims.training.optimisers import Options
from theory.step_size import kaiming_norm, step_gain

ERRORS = 5.0  # standard errors that a mean over draws may be off
_OUT, _IN, _RANK, _STEPS = 48, 16, 2, 40


def _problem(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a target of norm 1 and the variances of the inputs, 1 to 1/4."""
    delta = rng.standard_normal((_OUT, _IN))
    return delta / np.linalg.norm(delta), np.linspace(1.0, 0.25, _IN)


def _frozen(rng: np.random.Generator, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return orthonormal (Haar) and Kaiming-uniform B, both (draws, d_out, r)."""
    haar = np.linalg.qr(rng.standard_normal((draws, _OUT, _RANK)))[0]
    return haar, rng.uniform(-(_RANK**-0.5), _RANK**-0.5, (draws, _OUT, _RANK))


def _margin(d_out: int, rank: int) -> float:
    """Return by how much, relative, training is slower where BᵀB of d_out random rows is not quite the identity.

    E tr (BᵀB)² / r is 1 + (r + 1) / d_out for Gaussian B of norm one, and less for uniform entries.
    """
    return (rank + 1) / d_out


def _alike(name: str, one: np.ndarray, other: np.ndarray, instance: str, *, margin: float, error: float) -> Measurement:
    """Compare mean losses saved, from both sides: they differ by the margin and what ``error`` explains at most."""
    tolerance = margin * abs(other.mean()) + error
    return Measurement(name, one.mean(), other.mean(), "==", tolerance, instance)


def _two_samples(one: np.ndarray, other: np.ndarray) -> float:
    """Return ERRORS standard errors of the difference of the means of independent draws.

    From the reference alone: runs that diverge have any spread, and must not excuse themselves by it.
    """
    return float(ERRORS * (1 / one.size + 1 / other.size) ** 0.5 * other.std(ddof=1))


def _pairs(one: np.ndarray, other: np.ndarray) -> float:
    """Return the error of the mean difference of pairs that a chance of FALSE_ALARM leaves; no more than unpaired."""
    spread = min(float((one - other).std(ddof=1)), 2**0.5 * float(other.std(ddof=1)))
    return float(student.isf(FALSE_ALARM / 2, other.size - 1)) * spread / other.size**0.5


def _linear(seed: int, draws: int, *, rescale: bool) -> list[Measurement]:
    rng = np.random.default_rng(seed)
    delta, variances = _problem(rng)
    haar, kaiming = _frozen(rng, draws)
    norm, rate = kaiming_norm(_OUT, _RANK), 1.0  # the largest variance is 1: steps below 2 are stable for orthonormal B
    zero, name = np.zeros((draws, _RANK, _IN)), f"linear model {_OUT}x{_IN}, r = {_RANK}, {draws} draws, seed {seed}"

    def train(b: np.ndarray, rate: float, steps: int = _STEPS) -> np.ndarray:
        return descend(zero, b, delta, variances, rate=rate, steps=steps, train_b=False)[0]

    gains = [np.sum((b.swapaxes(1, 2) @ (delta * variances)) ** 2, axis=(1, 2)) for b in (haar, kaiming)]
    ratio = gains[1].mean() / gains[0].mean()
    errors = [gain.std(ddof=1) / gain.size**0.5 / gain.mean() for gain in gains]
    used = kaiming / norm if rescale else kaiming
    found = [
        Measurement(
            "first step along the gradient, Kaiming over orthonormal",
            ratio,
            step_gain(norm, "sgd"),
            "==",
            ERRORS * ratio * float(np.hypot(*errors)),
            name,
        ),
    ]
    # after one step the length of the steps shows, at the end the subspace alone
    for steps in (1, _STEPS):
        one, other = (1.0 - excess(train(b, rate, steps), b, delta, variances) for b in (used, haar))
        label = f"share of the loss saved by {steps} step{'s' * (steps > 1)}: Kaiming, orthonormal"
        error = _two_samples(one, other)
        found.append(_alike(label, one, other, name, margin=_margin(_OUT, _RANK), error=error))
    if rescale:  # the same path, one written with a smaller factor and one with smaller steps
        smaller, slower = train(used, rate), train(kaiming, rate / step_gain(norm, "sgd"))
        apart = np.abs(kaiming @ slower - used @ smaller).max() / np.abs(used @ smaller).max()
        found.append(Measurement("paths with B / c and with step / c², apart", apart, 0.0, "<=", 1e-10, name))
    return found


def _network(level: Level, seed: int, data: str, *, rescale: bool) -> list[Measurement]:
    """Train one hidden layer of 256 at rank 2, where c = 6.53 as at rank 8 and width 1024."""
    name = classification(data)
    setting = turned_setting(name, seed, widths=(256,), samples=4000, source_steps=150)
    options = Options(by_level(level, 1, 100, 400), 64, optimiser="sgd", evaluations=1)
    seeds, rates = range(seed + 1, seed + 1 + by_level(level, 6, 48, 96)), (3.0, 10.0, 30.0)
    rank = min(2, setting.shapes[0][1])
    norm = kaiming_norm(256, rank)
    # the same starts, orders of the samples and trained factors in both arms: pairs
    other = compare(setting, Arm("a-only", rank), options, seeds=seeds, rates=rates).train_loss
    arm = Arm("a-only", rank, "kaiming", norm if rescale else 1.0)
    one = compare(setting, arm, options, seeds=seeds, rates=rates).train_loss
    instance = f"{name}: hidden layer of 256, rank {rank}, {len(seeds)} starts, step size "
    return [
        _alike(
            "training loss: Kaiming, orthonormal",
            one[i],
            other[i],
            f"{instance}{rate:g}",
            margin=_margin(256, rank),
            error=_pairs(one[i], other[i]),
        )
        for i, rate in enumerate(rates)
    ]


def _evidence(level: Level, seed: int, data: str, *, rescale: bool) -> Evidence:
    found = _linear(seed, by_level(level, 600, 1000, 2000), rescale=rescale)
    if level != "smoke":
        found += _network(level, seed, data, rescale=rescale)
    notes = tuple(
        f"d_out = 1024, r = {r}: c = {kaiming_norm(1024, r):.2f}, step of gradient descent times "
        f"{step_gain(kaiming_norm(1024, r), 'sgd'):.1f}, of Adam times {step_gain(kaiming_norm(1024, r), 'adam'):.2f}"
        for r in (8, 16)
    )
    return Evidence(tuple(found), 1 if level == "smoke" else 2, seeds=(seed,), notes=notes)


def _control(level: Level, seed: int, data: str) -> Evidence:
    return _evidence(level, seed, data, rescale=False)


@claim(
    id="ASY-STEP",
    paper="asymmetry",
    statement="The collapse of A-only training with a Kaiming-uniform frozen B is a matter of scale. Its columns have "
    "norm c = √(d_out/(3r)) instead of 1, so that a step of gradient descent moves BA by c² = d_out/(3r) times that "
    "of an orthonormal B. With B divided by c, or equally the step size by c², training saves as much of the loss as "
    "with the orthonormal B at the same step size, from the first step to the end, up to (r + 1)/d_out of it.",
    source="arXiv 2402.16842, tables 1, 2 and 7 (A-only with B_km; both trained with B_km); scaling law: this project",
    kind="empirical",
    assumptions=("A starts at zero", "gradient descent (Adam: c instead of c²)"),
    control="B as it is, neither divided by c nor trained with smaller steps",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Measure the first step, and the loss after one step and after training at common step sizes, B divided by c."""
    return _evidence(level, seed, data, rescale=True)
