"""BND-PACBAYES: a certificate of the adapter whose tuned factor is drawn anew from a Gaussian for every prediction."""

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from proofs_check.coverage import DELTA, coverage, failures, fresh_samples
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.pac_bayes import gaussian_kl, pac_bayes_kl

POPULATION = 200  # inputs; the sample is drawn from them with replacement, so that the true risk is a mean over them
PRIOR_STDS = (1.0, 2.0)  # listed before the sample; each posterior takes the closest
CASES = ((24, 40, 0.5), (8, 100, 0.2))  # tuned scalars, samples, share of flipped labels


def _gibbs_errors(mean: Float[np.ndarray, "runs p"], x: np.ndarray, y: np.ndarray, std: float) -> np.ndarray:
    """Return P(sign<w, x> != y) for w ~ N(mean, std^2 I), exact; (runs, inputs)."""
    return ndtr(-y * (mean @ x.T) / (std * np.linalg.norm(x, axis=1)))


def _measure(
    case: tuple[int, int, float], level: Level, seed: int, *, prior_from_sample: bool = False
) -> list[Measurement]:
    p, n, flipped = case
    rng = np.random.default_rng([seed, 5, p])
    runs = fresh_samples(level)
    x = rng.standard_normal((POPULATION, p))
    y = np.where(rng.random(POPULATION) < flipped, -1.0, 1.0) * np.sign(x[:, 0])
    counts = rng.multinomial(n, np.full(POPULATION, 1.0 / POPULATION), size=runs)
    # the trained factor: correlation with the labels of the sample, of norm sqrt p
    mean = (counts * y) @ x
    mean *= p**0.5 / np.linalg.norm(mean, axis=1, keepdims=True)
    found = []
    for std in (0.5, 1.0):
        errors = _gibbs_errors(mean, x, y, std)
        train, risk = (counts * errors).sum(axis=1) / n, errors.mean(axis=1)
        # the norm is the same for every sample, and nothing else enters
        shift, priors = (0.0 * mean[0], (std,)) if prior_from_sample else (mean[0], PRIOR_STDS)
        divergence = min(gaussian_kl(shift, std, prior) for prior in priors)
        bound = pac_bayes_kl(train, n, divergence, DELTA, priors=len(priors))
        name = f"{p} tuned scalars, n = {n}, {flipped:.0%} of the labels flipped, posterior deviation {std:g}"
        found.append(coverage(failures(bound[:, None], risk[:, None]), DELTA, name))
    return found


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The prior made from the sample: it is the posterior, and their divergence is 0."""
    return Evidence(tuple(_measure(CASES[0], level, seed, prior_from_sample=True)), 1)


@claim(
    id="BND-PACBAYES",
    paper="asymmetry",
    statement="Prior π = N(0, s₀²I) on the tuned factor, fixed before the sample (one of K: ln K more); with "
    "probability at least 1 − δ, for all Gaussian posteriors ρ at once: "
    "kl(E_ρ L̂ ‖ E_ρ L) ≤ (KL(ρ‖π) + ln(2√n/δ))/n, n ≥ 8.",
    source="Seeger 2002; Maurer 2004, Theorem 5",
    kind="upper",
    assumptions=("i.i.d. samples", "loss in [0, 1]", "prior, frozen factor and backbone do not depend on the sample"),
    control="a prior made from the sample, around the trained factor",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count failures over fresh samples of a finite population, all expectations over the posterior exact."""
    measurements = tuple(m for case in CASES for m in _measure(case, level, seed))
    sizes = {"samples drawn": fresh_samples(level), "delta": DELTA}
    return Evidence(measurements, len(measurements), sizes=sizes, seeds=(seed,))
