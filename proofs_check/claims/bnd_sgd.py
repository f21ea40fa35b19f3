"""BND-SGD: the information that noisy descent leaks, against quadrature, and the gap that it allows."""

import numpy as np
from scipy.special import ndtr
from scipy.stats import binom

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import claim
from theory.bounds.information import xu_raginsky
from theory.bounds.noisy_sgd import pensia_information, pensia_limit, squared_gradient_factor

Array = np.ndarray
QUADRATURE = 1e-9
STANDARD_ERRORS = 7
# samples, P(z = 1), steps, eta, tau: one coin in strong noise (all bounds nearly attained), weak and strong noise
RUNS = (
    (1, 0.5, 1, 0.3, 1.0),
    (3, 0.5, 4, 0.5, 1.0),
    (5, 0.3, 10, 0.2, 0.3),
    (8, 0.5, 20, 0.1, 0.05),
    (4, 0.2, 1, 1.0, 0.5),
)


def _weights(n: int, steps: int, eta: float) -> tuple[Array, Array]:
    """Return the drift of W_T by number of positive draws, and the law of that number given k positives of n.

    z in {-1, 1}, loss -w z, so g = -z with ||g|| = 1 everywhere; every step draws its own sample.
    """
    drawn = np.arange(steps + 1)
    return eta * (2.0 * drawn - steps), binom.pmf(drawn, steps, np.arange(n + 1)[:, None] / n)


def _information(mass: Array, drift: Array, given: Array, deviation: float) -> float:
    """Return I(S; W_T) in nats by the trapezoidal rule: entropy of the mixture minus the mean entropy given k."""
    w = np.linspace(drift.min() - 9 * deviation, drift.max() + 9 * deviation, 4001)
    kernel = np.exp(-0.5 * ((w - drift[:, None]) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
    conditional = given @ kernel
    mixture = mass @ conditional
    floor = np.finfo(float).tiny
    logs = np.log(np.maximum(conditional, floor)) - np.log(np.maximum(mixture, floor))
    return float(np.trapezoid(mass @ (conditional * logs), w))


def _gap(n: int, p: float, mass: Array, positive: Array) -> float:
    """Return E[L - Lhat] of the 0-1 loss 1[sign W_T != z]; ``positive`` is P(W_T > 0 | k)."""
    difference = np.arange(n + 1) / n - p  # of the fraction of positives: L - Lhat = difference if W_T > 0, else minus
    return float(mass @ (difference * (2 * positive - 1)))


def _one_run(n: int, p: float, steps: int, eta: float, tau: float) -> list[Measurement]:
    drift, given = _weights(n, steps, eta)
    deviation = tau * np.sqrt(steps)
    mass = binom.pmf(np.arange(n + 1), n, p)
    exact = _information(mass, drift, given, deviation)
    gap = _gap(n, p, mass, given @ ndtr(drift / deviation))
    run = [eta] * steps, [1.0] * steps, [tau] * steps
    bound, limit = pensia_information(1, *run), pensia_limit(*run)
    name = f"n = {n}, p = {p}, {steps} steps, η = {eta}, τ = {tau}"
    measurements = [
        Measurement("I(S; W_T) over the sum of logarithms", exact / bound, 1, "<=", QUADRATURE, name),
        Measurement("|E[L − L̂]| over √(2σ²I/n), I exact", abs(gap) / xu_raginsky(exact, n), 1, "<=", QUADRATURE, name),
        Measurement("|E[L − L̂]| over the bound", abs(gap) / xu_raginsky(bound, n), 1, "<=", 0, name),
        Measurement("sum of logarithms over its limit", bound / limit, 1, "<=", 0, name),
    ]
    # P independent copies with gradients of norm P^-1/2 each leak P times as much
    for copies in (4, 64):
        small = eta / np.sqrt(copies)
        each = _information(mass, _weights(n, steps, small)[0], given, deviation)
        ratio = copies * each / pensia_information(copies, *run)
        label = f"I(S; W_T) over the sum of logarithms, P = {copies}"
        measurements.append(Measurement(label, ratio, 1, "<=", QUADRATURE, name))
    return measurements


def _gradient_factor(draws: int, seed: int) -> list[Measurement]:
    """Mean squared gradient of one sample at B = 0 (or A = 0) over uniform frozen factors."""
    rng, shape, rank, scale = np.random.default_rng(seed), (12, 20), 3, 2.0
    g, x = rng.standard_normal(shape[0]), rng.standard_normal(shape[1])
    whole = float(g @ g) * float(x @ x)
    measurements = []
    for adapter, vector, other in (("b-only", x, g), ("a-only", g, x)):
        frozen = np.linalg.qr(rng.standard_normal((draws, len(vector), rank)))[0]  # uniform up to signs of columns
        squared = scale**2 * float(other @ other) * ((vector @ frozen) ** 2).sum(axis=1) / whole
        predicted = squared_gradient_factor(adapter, shape, rank, scale)
        error = float(squared.std(ddof=1) / np.sqrt(draws))
        label = f"E‖gradient‖² of {adapter} over full, minus s²r/d, in standard errors"
        deviation = (float(squared.mean()) - predicted) / error
        measurements.append(Measurement(label, abs(deviation), STANDARD_ERRORS, "<=", 0, f"{draws} frozen factors"))
    return measurements


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Noise that follows the sample: it has the sign of the training majority, and the bound by its size is tiny."""
    n, p, steps, eta, tau = 5, 0.5, 10, 0.01, 1.0
    mass = binom.pmf(np.arange(n + 1), n, p)
    majority = (np.arange(n + 1) > n / 2).astype(float)
    gap = _gap(n, p, mass, majority)
    bound = xu_raginsky(pensia_information(1, [eta] * steps, [1.0] * steps, [tau] * steps), n)
    return Evidence((Measurement("|E[L − L̂]| over the bound", gap / bound, 1, "<="),), 1)


@claim(
    id="BND-SGD",
    paper="asymmetry",
    statement="W ← W − η_t g_t + N(0, τ_t²I_P) with E‖g_t‖² ≤ C²: I(S; W_T) ≤ Σ(P/2)ln(1 + η_t²C²/(Pτ_t²)) ≤ "
    "Ση_t²C²/(2τ_t²), hence a bound on |E[L − L̂]| that needs no bits. At the start E‖g‖² of B alone (A alone) is "
    "s²r/d_in (s²r/d_out) times that of full tuning, in the mean over the frozen factor.",
    source="Pensia, Jog and Loh 2018; gradient factor: arXiv 2402.16842, section 4.1.2, made precise by this project",
    kind="upper",
    assumptions=(
        "noise independent of the sample and of the past",
        "the choice of the batch does not depend on past iterates",
        "gradients clipped, or bounded in mean square",
        "the gradient factor holds at initialisation, for clipping at √factor·C",
    ),
    control="the noise is chosen with the sample",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Compute information and gap of a sign learner by quadrature over its Gaussian mixtures."""
    runs = list(RUNS)
    rng = np.random.default_rng(seed)
    for _ in range(by_level(level, 0, 10, 100)):
        n, steps = int(rng.integers(2, 10)), int(rng.integers(1, 20))
        p, tau = round(float(rng.uniform(0.1, 0.9)), 3), round(float(rng.uniform(0.1, 2.0)), 3)
        runs.append((n, p, steps, 0.3, tau))
    measurements = [m for run in runs for m in _one_run(*run)]
    measurements += _gradient_factor(by_level(level, 500, 5000, 50_000), seed)
    return Evidence(tuple(measurements), len(runs), seeds=(seed,))
