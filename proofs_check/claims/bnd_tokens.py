"""BND-TOKENS: a certificate over dependent tokens, of the risk on the contexts that were seen."""

import numpy as np

from proofs_check.coverage import DELTA, coverage, failures, fresh_samples
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.tokens import token_bound

RANGE = 3.0
CASES = ((4, 60), (3, 200))  # bits of every one of the 2^bits predictors, tokens
PERSISTENCE = 0.9  # chance that a token repeats whether the one before was lost, or else a fair coin


def _losses(rng: np.random.Generator, runs: int, bits: int, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean loss and mean conditional risk of each predictor on each text, (runs, 2^bits), both in units of one.

    Every predictor loses 1 or 0 at a token; the chance of 1 is PERSISTENCE after a loss and 1 - PERSISTENCE after none.
    """
    lost = rng.random((runs, 2**bits)) < 0.5
    total, expected = lost.astype(np.float64), np.full(lost.shape, 0.5)
    for _ in range(tokens - 1):
        chance = np.where(lost, PERSISTENCE, 1.0 - PERSISTENCE)
        lost = rng.random(lost.shape) < chance
        expected += chance
        total += lost
    return total / tokens, expected / tokens


def _measure(case: tuple[int, int], level: Level, seed: int, *, on_new_texts: bool) -> list[Measurement]:
    bits, tokens = case
    rng = np.random.default_rng([seed, 7, tokens])
    mean, conditional = _losses(rng, fresh_samples(level), bits, tokens)
    bound = token_bound(RANGE * mean, tokens, bits, DELTA, RANGE)
    # by symmetry, the risk on new texts is one half
    risk = np.full(mean.shape, 0.5 * RANGE) if on_new_texts else RANGE * conditional
    name = f"{2**bits} coded predictors, {tokens} tokens, losses that persist with probability {PERSISTENCE:g}"
    return [coverage(failures(bound, risk), DELTA, name)]


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The tokens taken for independent: the bound read as one of the risk on new texts."""
    return Evidence(tuple(_measure(CASES[0], level, seed, on_new_texts=True)), 1)


@claim(
    id="BND-TOKENS",
    paper="asymmetry",
    statement="Tokens of any dependence, losses of range Δ, prefix code of b(h) bits: with probability at least 1 − δ, "
    "for all coded h at once, (1/m)·Σᵢ E[lᵢ | x_<ᵢ] ≤ (1/m)·Σᵢ lᵢ + Δ·√((b(h)·ln 2 + ln(1/δ))/(2m)): the risk on the "
    "contexts that were seen, not on new documents.",
    source="Azuma 1967; Lotfi et al. 2024b (arXiv 2407.18158), formula confirmed in public code",
    kind="upper",
    assumptions=("loss of range Δ given the past", "code fixed before the text"),
    control="the left side replaced by the risk on new texts, as if tokens were independent",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count failures over fresh texts, for the worst predictor of each."""
    chosen = CASES[:1] if level == "smoke" else CASES
    measurements = tuple(m for case in chosen for m in _measure(case, level, seed, on_new_texts=False))
    sizes = {"texts drawn": fresh_samples(level), "delta": DELTA}
    return Evidence(measurements, len(chosen), sizes=sizes, seeds=(seed,))
