"""How similar the learned factors of LoRA are across seeds and tasks, and how far they leave their start.

Setting: proofs_check.factor_setting; tasks are relabellings of one data set (labels, labels shifted by one, odd or
even, upper or lower half), read off the same frozen head. At level ``full`` also MNIST, and the last block of MiniLM
with two tasks, SST-2 and RTE (proofs_check.factor_text_setting), where they are on this machine. Both factors are
trained with AdamW (no weight decay, cosine schedule, scale 2), once with A orthonormal and B = 0 and once with A = 0
and B orthonormal. Similarities phi (theory.subspaces) of all pairs of runs that share the task alone, the start alone,
or neither, for every adapted matrix; also of every learned factor with its own start. All for a grid of step sizes;
the best of them by the validation loss of the first task.

Theory: Zhu et al. 2024, arXiv 2402.16842, figures 1 and 2; chance level max(r1, r2)/d.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from proofs_check.experiments._levels import sizes_at
from proofs_check.experiments.kept import kept
from proofs_check.factor_arms import Arm, compare
from proofs_check.factor_setting import FineTuning, turned_setting
from proofs_check.factor_similarity import (
    Learned,
    learned_factors,
    relabelled,
    scenario_similarities,
    similarities_to_start,
)
from proofs_check.factor_text_setting import TOKENS, text_setting
from proofs_check.few_shot_setting import pretrained_available
from sims.data import status
from sims.training.engine import Batching
from sims.training.optimisers import Options
from theory.subspaces import chance_similarity, chance_variance

VERSION = 1  # of the layout of the result, which the figure checks


@dataclass(frozen=True)
class Protocol:
    """Samples, steps, batch, rank, number of starts and step sizes of one setting."""

    samples: int
    steps: int
    batch: int
    rank: int
    starts: int
    rates: tuple[float, ...]


@dataclass(frozen=True)
class Sizes:
    """Hidden widths, steps on the source task, number of tasks, protocols on vectors and (None: not) on sentences."""

    widths: tuple[int, ...]
    source_steps: int
    tasks: int
    vectors: Protocol
    sentences: Protocol | None


SIZES = {
    "smoke": Sizes((24,), 0, 2, Protocol(400, 30, 64, 2, 2, (0.001, 0.03)), None),
    "quick": Sizes((64, 64), 300, 4, Protocol(4000, 300, 64, 4, 4, (0.0003, 0.001, 0.003, 0.01, 0.03)), None),
    "full": Sizes(
        (128, 128),
        2000,
        4,
        Protocol(20_000, 2000, 64, 8, 5, (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03)),
        Protocol(1800, 120, 8, 8, 3, (0.0003, 0.001, 0.003, 0.01, 0.03)),
    ),
}


def factor_similarity(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return, for every setting, similarities by zero factor, step size, adapted matrix, factor and scenario.

    Raises:
        BadInput: unknown level, or data that are sentences or have no classes.
    """
    sizes = sizes_at(level, SIZES)
    here = [name for name in ("mnist", *TOKENS) if status(name) != "not on this machine"] if level == "full" else []
    settings = [_vectors(name, sizes, seed) for name in dict.fromkeys((data, *(n for n in here if n == "mnist")))]
    if sizes.sentences is not None and set(TOKENS) <= set(here) and pretrained_available("digits"):
        how = sizes.sentences
        tasks = {name: text_setting(name, seed, samples=how.samples, tokens=TOKENS[name]) for name in TOKENS}
        settings.append(_similarities("MiniLM", tasks, how, seed, batching="map"))
    return {"version": VERSION, "settings": settings, "dtype": "float32"}


def _vectors(data: str, sizes: Sizes, seed: int) -> dict[str, Any]:
    how = sizes.vectors
    setting = turned_setting(data, seed, widths=sizes.widths, samples=how.samples, source_steps=sizes.source_steps)
    tasks = dict(list(relabelled(setting).items())[: sizes.tasks])
    return _similarities(data, tasks, how, seed, batching="vmap")


def _similarities(
    name: str, tasks: Mapping[str, FineTuning], how: Protocol, seed: int, *, batching: Batching
) -> dict[str, Any]:
    """Return what the record keeps of one setting."""
    options = Options(how.steps, how.batch, evaluations=1)
    seeds = range(seed + 1, seed + 1 + how.starts)
    first = next(iter(tasks.values()))

    def learned(zero: str) -> dict[str, Any]:
        by_rate = learned_factors(
            [*tasks.values()], options, rank=how.rank, zero=zero, seeds=seeds, rates=how.rates, batching=batching
        )
        return {"rates": [{matrix: _matrix(one) for matrix, one in found.items()} for found in by_rate]}

    def best() -> dict[str, Any]:
        arm = Arm("lora", how.rank, "orthonormal")
        outcome = compare(first, arm, options, seeds=seeds, rates=how.rates, best_only=True, batching=batching)
        return {"best": outcome.best}

    named = {"setting": name, "seed": seed, **asdict(how)}
    keep = partial(kept, "factor_similarity")
    return {
        "name": name,
        "rank": how.rank,
        "tasks": list(tasks),
        "starts": how.starts,
        "steps": how.steps,
        "rates": list(how.rates),
        "shapes": dict(zip(first.maps, map(list, first.shapes), strict=True)),
        "zero": {zero: keep(named | {"zero": zero}, partial(learned, zero))["rates"] for zero in ("B", "A")},
        "best_rate": keep(named, best)["best"],
        "chance": {
            matrix: {
                factor: {
                    "mean": chance_similarity(d, how.rank, how.rank),
                    "sd": chance_variance(d, how.rank, how.rank) ** 0.5,
                }
                for factor, d in zip(("B", "A"), shape, strict=True)
            }
            for matrix, shape in zip(first.maps, first.shapes, strict=True)
        },
    }


def _matrix(learned: Learned) -> dict[str, Any]:
    """Return what the record keeps of one adapted matrix: by factor, of each scenario mean, spread and pairs."""
    found = {
        "A": scenario_similarities(learned.a) | {"own start": similarities_to_start(learned.a, learned.a_start)},
        "B": scenario_similarities(learned.b) | {"own start": similarities_to_start(learned.b, learned.b_start)},
    }
    return {factor: {name: _summary(values) for name, values in kinds.items()} for factor, kinds in found.items()}


def _summary(values: list[float] | None) -> dict[str, Any] | None:
    """Return mean, standard deviation and count; None where there is nothing to compare."""
    if not values:
        return None
    return {"mean": float(np.mean(values)), "sd": float(np.std(values)), "pairs": len(values)}
