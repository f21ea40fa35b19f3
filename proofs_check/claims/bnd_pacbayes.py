"""BND-PACBAYES: a certificate of the adapter whose tuned factor is drawn anew from a Gaussian for every prediction."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import log

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr
from scipy.stats import binom

from proofs_check.coverage import DELTA, POWER, any_of, counted, failing, judged, power
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import claim
from theory.bounds.pac_bayes import gaussian_kl, pac_bayes_kl

# posterior mean over posterior deviation: here the errors saved per nat of divergence are the most
_RATIO = 1.45
_FAILS_BELOW = 0.5  # the risk of every predictor where labels are fair coins


def _bound(
    train: np.ndarray, n: int, divergence: np.ndarray | float, delta: float, priors: int, share: float
) -> np.ndarray:
    """Return the certificate that charges this share of KL + ln K + ln(2√n/δ): of the first two, before the third."""
    if share == 1.0:
        return np.asarray(pac_bayes_kl(train, n, divergence, delta, priors=priors))
    confidence = log(2.0 * n**0.5 / delta)
    nats = share * (divergence + log(priors) + confidence)
    # what is left of the third is a larger δ
    larger = 2.0 * n**0.5 * np.exp(-np.minimum(nats, confidence))
    return np.asarray(pac_bayes_kl(train, n, np.maximum(nats - confidence, 0.0), larger))


@dataclass(frozen=True)
class Listed:
    """K listed priors, each of whose predictors errs as one fair coin; the posterior is the one that errs least."""

    n: int
    priors: int
    delta: float = DELTA

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"the best of {self.priors:.3g} listed priors, n = {self.n}, δ = {self.delta:g}"

    def failure(self, share: float) -> float:
        """Return how often the certificate fails that charges this share of its budget."""
        errors = np.arange(self.n // 2)
        law = binom.pmf(errors, self.n, 0.5)
        fails = _bound(errors / self.n, self.n, 0.0, self.delta, self.priors, share) < _FAILS_BELOW
        return any_of(np.array([law @ fails]), np.array([float(self.priors)]))


@dataclass(frozen=True)
class Memory:
    """One tuned scalar for each of ``inputs`` inputs, labels that are fair coins, and a posterior that learns by heart.

    The sign of w_j predicts the label of input j. Where j was seen, w_j ~ N(±_RATIO s, s²) leans to the labels seen;
    elsewhere it has its prior N(0, 1). s makes the divergence smallest.
    """

    n: int
    inputs: int
    runs: int
    seed: int
    prior_is_posterior: bool = False

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.inputs} tuned scalars that learn n = {self.n} coins by heart, δ = {DELTA:g}"

    @cached_property
    def drawn(self) -> tuple[Float[np.ndarray, " runs"], Float[np.ndarray, " runs"]]:
        """Training error of the posterior, an exact mean over its draws, and its divergence, a sample a row."""
        rng = np.random.default_rng([self.seed, 5, self.n])
        std = (1.0 + _RATIO**2) ** -0.5
        each = 0.0 if self.prior_is_posterior else gaussian_kl(np.array([_RATIO * std]), std, 1.0)
        errors, divergences = np.empty(self.runs), np.empty(self.runs)
        for run in range(self.runs):
            rows, labels = rng.integers(0, self.inputs, self.n), rng.choice([-1.0, 1.0], self.n)
            seen, place = np.unique(rows, return_inverse=True)
            # the sign of the sum of the labels of an input, + in a tie
            leaning = np.where(np.bincount(place, labels) >= 0.0, 1.0, -1.0)
            errors[run] = ndtr(-labels * leaning[place] * _RATIO).mean()
            divergences[run] = len(seen) * each
        return errors, divergences

    def fails(self, share: float) -> np.ndarray:
        """Return on which samples the certificate fails that charges this share of its budget; (runs,)."""
        errors, divergences = self.drawn
        return _bound(errors, self.n, divergences, DELTA, 1, share) < _FAILS_BELOW

    def failure(self, share: float) -> float:
        """Return the share of the samples drawn on which it fails."""
        return float(self.fails(share).mean())


LISTED = (Listed(200, 2**40), Listed(100, 1, delta=1e-18))


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Seven tenths of the budget charged; and a prior made from the sample, the posterior itself."""
    found = [m for world in LISTED for m in judged(world.failure, world.delta, world.name, POWER)]
    memory = _memory(level, seed)
    found.append(failing(memory.failure, DELTA, memory.name, POWER))
    posterior = replace(memory, prior_is_posterior=True)
    found.append(failing(posterior.failure, DELTA, f"{memory.name}, the prior made from the sample"))
    return Evidence(tuple(found), len(found), seeds=(seed,))


def _memory(level: Level, seed: int) -> Memory:
    return Memory(400, 20_000, by_level(level, 200, 1000, 5000), seed)


def _measure(level: Level, seed: int) -> list[Measurement]:
    found = [m for world in LISTED for m in judged(world.failure, world.delta, world.name, 1.0)]
    memory = _memory(level, seed)
    return [*found, counted(memory.fails(1.0), DELTA, memory.name), power(memory.failure, DELTA, memory.name)]


@claim(
    id="BND-PACBAYES",
    paper="asymmetry",
    statement="Prior π = N(0, s₀²I) on the tuned factor, fixed before the sample (one of K: ln K more); with "
    "probability at least 1 − δ, for all Gaussian posteriors ρ at once: "
    "kl(E_ρ L̂ ‖ E_ρ L) ≤ (KL(ρ‖π) + ln(2√n/δ))/n, n ≥ 8.",
    source="Seeger 2002; Maurer 2004, Theorem 5",
    kind="upper",
    assumptions=("i.i.d. samples", "loss in [0, 1]", "prior, frozen factor and backbone do not depend on the sample"),
    control="seven tenths of KL + ln K + ln(2√n/δ) charged; and a prior made from the sample",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Compute how often the certificate fails where every predictor guesses; posteriors integrated exactly."""
    measurements = tuple(_measure(level, seed))
    sizes = {"samples drawn": _memory(level, seed).runs, "delta": DELTA}
    return Evidence(measurements, len(LISTED) + 1, sizes=sizes, seeds=(seed,))
