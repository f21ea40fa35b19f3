"""Learned factors of LoRA compared by their subspaces: same task or others, same start or others, and their own start.

Adapters are trained on several tasks (relabellings of one data set, or data sets read by one backbone) from several
starts. The pairs of runs fall into three scenarios: another start on the same task, the same start on another task,
another start and another task.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from proofs_check.factor_arms import Arm
from proofs_check.factor_setting import FineTuning
from sims.adapters.registry import make_adapter
from sims.training.engine import Batching, Pool, fit
from sims.training.model import start
from sims.training.optimisers import Options
from theory.subspaces import similarity

SCENARIOS = ("same task", "same start", "neither")


@dataclass(frozen=True)
class Learned:
    """Factors of one adapted matrix after training and at the start, rows of A as columns: (task, start, d, rank)."""

    a: Float[np.ndarray, "t s d_in r"]
    b: Float[np.ndarray, "t s d_out r"]
    a_start: Float[np.ndarray, "t s d_in r"]
    b_start: Float[np.ndarray, "t s d_out r"]


def relabelled(setting: FineTuning) -> dict[str, FineTuning]:
    """Return the tasks by name: the labels, the labels shifted by one, odd or even, upper or lower half.

    Tasks that coincide for few classes are given once.
    """
    labels, classes = np.asarray(setting.pool.targets), setting.classes
    tasks = {
        "labels": labels,
        "shifted": (labels + 1) % classes,
        "odd": labels % 2,
        "upper half": (2 * labels >= classes).astype(labels.dtype),
    }
    different: dict[str, np.ndarray] = {}
    for name, task in tasks.items():
        if not any(np.array_equal(task, other) for other in different.values()):
            different[name] = task
    return {
        name: replace(setting, pool=Pool(setting.pool.inputs, jnp.asarray(task))) for name, task in different.items()
    }


def learned_factors(
    tasks: Sequence[FineTuning],
    options: Options,
    *,
    rank: int,
    zero: str,
    seeds: Sequence[int],
    rates: Sequence[float],
    batching: Batching = "vmap",
) -> list[dict[str, Learned]]:
    """Return, for each step size, the factors of every adapted matrix after training both on every task.

    ``zero`` says which factor starts at zero; the other one starts orthonormal, from the seed. Runs of one seed on two
    tasks, which adapt the same matrices, share their start.
    """
    a_start, b_start = ("orthonormal", "zero") if zero == "B" else ("zero", "orthonormal")
    adapter = make_adapter("lora", rank, a_start=a_start, b_start=b_start)
    repeated = [*seeds] * len(rates)
    keys = jnp.stack([jax.random.key(seed) for seed in repeated])
    began, ended = [], []
    for task in tasks:
        head = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(keys), *leaf.shape)), task.head)
        runs = start(adapter, task.network, task.maps, head, keys, shared_network=True, train_head=False)
        fitted = fit(
            runs,
            Arm("lora", rank).rule(),  # computes the same whatever the start: one compiled program for both
            options,
            task.pool,
            train_rows=task.train,
            seeds=repeated,
            learning_rates=[float(rate) for rate in rates for _ in seeds],
            batching=batching,
        )
        began.append(runs.trained.adapters)
        ended.append(fitted.runs.trained.adapters)
    found = []
    for position in range(len(rates)):
        part = slice(position * len(seeds), (position + 1) * len(seeds))
        found.append(
            {
                name: Learned(
                    a=_columns([np.asarray(one[name]["A"])[part] for one in ended]),
                    b=np.stack([np.asarray(one[name]["B"])[part] for one in ended]),
                    a_start=_columns([np.asarray(one[name]["A"])[part] for one in began]),
                    b_start=np.stack([np.asarray(one[name]["B"])[part] for one in began]),
                )
                for name in tasks[0].maps
            }
        )
    return found


def _columns(factors: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack(factors).swapaxes(2, 3)


def scenario_similarities(
    factors: Float[np.ndarray, "t s d r"],
) -> dict[str, list[float]]:
    """Return the similarities of all pairs of runs in every scenario; empty where there is one task or one start."""
    found: dict[str, list[float]] = {name: [] for name in SCENARIOS}
    tasks, starts = factors.shape[:2]
    runs = [(task, at) for task in range(tasks) for at in range(starts)]
    for (task, at), (other_task, other_at) in combinations(runs, 2):
        scenario = "same task" if task == other_task else "same start" if at == other_at else "neither"
        found[scenario].append(similarity(factors[task, at], factors[other_task, other_at]))
    return found


def similarities_to_start(
    factors: Float[np.ndarray, "t s d r"], starts: Float[np.ndarray, "t s d r"]
) -> list[float] | None:
    """Return how similar every run's factor is to its own start; None for a factor that started at zero."""
    if not starts.any():
        return None
    return [similarity(one, other) for one, other in zip(_flat(factors), _flat(starts), strict=True)]


def _flat(factors: np.ndarray) -> np.ndarray:
    return factors.reshape(-1, *factors.shape[2:])
