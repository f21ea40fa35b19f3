"""How similar the learned factors of LoRA are across seeds and tasks, and how far they leave their start.

Setting: proofs_check.factor_setting; tasks are relabellings of one data set (labels, labels shifted by one, odd or
even, upper or lower half), read off the same frozen head. Both factors are trained with AdamW (no weight decay, cosine
schedule, scale 2), once with A orthonormal and B = 0 and once with A = 0 and B orthonormal. Similarities phi
(theory.subspaces) of all pairs of runs that share the task alone, the start alone, or neither, for every adapted
matrix; also of every learned factor with its own start. All for a grid of step sizes; accuracy of the first task.

Theory: Zhu et al. 2024, arXiv 2402.16842, figures 1 and 2; chance level max(r1, r2)/d.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.experiments._levels import sizes_at
from proofs_check.factor_arms import Arm, compare
from proofs_check.factor_setting import turned_setting
from proofs_check.factor_similarity import (
    Learned,
    learned_factors,
    relabelled,
    scenario_similarities,
    similarities_to_start,
)
from sims.training.optimisers import Options
from theory.subspaces import chance_similarity, chance_variance

VERSION = 1  # of the layout of the result, which the figure checks
BATCH = 64


@dataclass(frozen=True)
class Sizes:
    """Hidden widths, steps on the source task, samples, steps, rank, numbers of tasks and starts, step sizes."""

    widths: tuple[int, ...]
    source_steps: int
    samples: int
    steps: int
    rank: int
    tasks: int
    starts: int
    rates: tuple[float, ...]


SIZES = {
    "smoke": Sizes((24,), 0, 400, 30, 2, 2, 2, (0.001, 0.03)),
    "quick": Sizes((64, 64), 300, 4000, 300, 4, 4, 4, (0.0003, 0.001, 0.003, 0.01, 0.03)),
    "full": Sizes((128, 128), 2000, 20_000, 2000, 8, 4, 5, (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03)),
}


def factor_similarity(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return similarities by zero factor, step size, adapted matrix, factor and scenario, and accuracies.

    Raises:
        BadInput: unknown level, or data that are sentences or have no classes.
    """
    sizes = sizes_at(level, SIZES)
    setting = turned_setting(data, seed, widths=sizes.widths, samples=sizes.samples, source_steps=sizes.source_steps)
    tasks = dict(list(relabelled(np.asarray(setting.pool.targets), setting.classes).items())[: sizes.tasks])
    options = Options(sizes.steps, BATCH, evaluations=1)
    seeds = range(seed + 1, seed + 1 + sizes.starts)
    kinds = {}
    for zero in ("B", "A"):
        by_rate = learned_factors(
            setting, [*tasks.values()], options, rank=sizes.rank, zero=zero, seeds=seeds, rates=sizes.rates
        )
        kinds[zero] = [{name: _matrix(learned) for name, learned in found.items()} for found in by_rate]
    accuracy = compare(setting, Arm("lora", sizes.rank, "orthonormal"), options, seeds=seeds, rates=sizes.rates)
    return {
        "version": VERSION,
        "data": data,
        "rank": sizes.rank,
        "tasks": list(tasks),
        "starts": sizes.starts,
        "steps": sizes.steps,
        "rates": list(sizes.rates),
        "shapes": dict(zip(setting.maps, map(list, setting.shapes), strict=True)),
        "zero": kinds,
        "train_accuracy": accuracy.train_accuracy.mean(axis=1).tolist(),
        "best_rate": accuracy.best,
        "chance": {
            name: {
                factor: {
                    "mean": chance_similarity(d, sizes.rank, sizes.rank),
                    "sd": chance_variance(d, sizes.rank, sizes.rank) ** 0.5,
                }
                for factor, d in zip(("B", "A"), shape, strict=True)
            }
            for name, shape in zip(setting.maps, setting.shapes, strict=True)
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
