"""BND-TOKENS: a certificate over dependent tokens, of the risk on the contexts that were seen."""

from functools import partial

import numpy as np
from scipy.stats import binom

from proofs_check.coverage import FAIR, POWER, CodedClass, any_of, failing, judged, worlds
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.registry import claim
from theory.bounds.tokens import token_bound

RANGE = 3.0
LEVELS = (0.0, 2.0)  # what every token of an easy and of a hard text loses at least; its first tokens tell which it is


def _excess(tokens: np.ndarray, count: int, bits: np.ndarray, delta: float) -> np.ndarray:
    """Return the bound minus the level of the text, in units of the range, from the share of tokens lost besides it.

    Given its past, a token loses the level of its text or RANGE more, by a fair coin: martingale differences of one
    size, dependence over any distance.
    """
    levels = np.array(LEVELS)[:, None, None]
    bounds = np.asarray(token_bound(levels + RANGE * tokens, count, bits, delta, RANGE))
    return ((bounds - levels) / RANGE).min(axis=0)


def _on_new_texts(world: CodedClass, share: float) -> float:
    """Return how often the bound lies below the risk on new texts, half of which are hard."""
    lost = np.arange(world.n + 1)[:, None] / world.n
    law = binom.pmf(np.arange(world.n + 1), world.n, 0.5)
    counts = np.array([count for _, count in world.code], dtype=np.float64)
    risk = np.mean(LEVELS) + 0.5 * RANGE
    chances = []
    for level in LEVELS:
        bound = np.asarray(token_bound(level + RANGE * lost, world.n, share * world.bits, world.delta**share, RANGE))
        chances.append(any_of(law @ (bound < risk), counts))
    return float(np.mean(chances))


def _measure(world: CodedClass, share: float) -> list[Measurement]:
    name = f"{world.n} tokens at a level of {LEVELS[0]:g} or {LEVELS[1]:g}, then: {world.name}"
    return judged(partial(world.failure, _excess), world.delta, name, share)


def _fair(level: Level) -> list[CodedClass]:
    return [world for world in worlds(level, zero_one=True) if world.risk == 0.5]


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Seven tenths of the budget; and the tokens taken for independent, the bound read as one of new texts."""
    found = [m for world in _fair(level) for m in _measure(world, POWER)]
    world = FAIR[0]
    found.append(failing(partial(_on_new_texts, world), world.delta, f"read as risk on new texts: {world.name}"))
    return Evidence(tuple(found), len(found))


@claim(
    id="BND-TOKENS",
    paper="asymmetry",
    statement="Tokens of any dependence, losses of range Δ, prefix code of b(h) bits: with probability at least 1 − δ, "
    "for all coded h at once, (1/m)·Σᵢ E[lᵢ | x_<ᵢ] ≤ (1/m)·Σᵢ lᵢ + Δ·√((b(h)·ln 2 + ln(1/δ))/(2m)): the risk on the "
    "contexts that were seen, not on new documents.",
    source="Azuma 1967; Lotfi et al. 2024b (arXiv 2407.18158), formula confirmed in public code",
    kind="upper",
    assumptions=("loss of range Δ given the past", "code fixed before the text"),
    control="seven tenths of b(h)·ln 2 + ln(1/δ) charged; and the left side replaced by the risk on new texts, as if "
    "tokens were independent",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Compute the chance of failure over fresh texts, for all predictors at once."""
    chosen = _fair(level)
    measurements = tuple(m for world in chosen for m in _measure(world, 1.0))
    return Evidence(measurements, len(chosen), sizes={"range": RANGE, "levels": list(LEVELS)})
