"""ASY-SIM: which learned factors of LoRA are similar, and that it is a matter of which one starts at zero."""

from collections.abc import Sequence

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.factor_descent import descend
from proofs_check.factor_setting import classification, turned_setting
from proofs_check.factor_similarity import (
    Learned,
    learned_factors,
    relabelled,
    scenario_similarities,
    similarities_to_start,
)
from proofs_check.instances import by_level
from proofs_check.registry import claim
from sims.haar import frozen_rows
from sims.training.optimisers import Options
from theory.subspaces import chance_similarity, chance_variance

_OUT, _IN, _RANK = 20, 24, 3
DEVIATIONS = 5.0  # of the similarity of two independent subspaces: what a mean must be above another by
RATE = 0.003  # of AdamW on networks: it fits the tasks, and the random factor stays near its start


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _measurements(learned: Learned, instance: str) -> list[Measurement]:
    """Return the paper's observations as inequalities between mean similarities."""
    b, a = scenario_similarities(learned.b), scenario_similarities(learned.a)
    (d_out, rank), d_in = learned.b.shape[2:], learned.a.shape[2]
    own = similarities_to_start(learned.a, learned.a_start)

    def above(name: str, higher: Sequence[float], lower: float, d: int) -> Measurement:
        margin = DEVIATIONS * chance_variance(d, rank, rank) ** 0.5
        return Measurement(name, _mean(higher), lower + margin, ">=", 0, instance)

    found = [
        above("B: same task, same start", b["same task"], _mean(b["same start"]), d_out),
        above("B: same task, neither", b["same task"], _mean(b["neither"]), d_out),
        above("B: same task, chance", b["same task"], chance_similarity(d_out, rank, rank), d_out),
        above("A: same start, same task", a["same start"], _mean(a["same task"]), d_in),
        above("A: same start, neither", a["same start"], _mean(a["neither"]), d_in),
    ]
    if own is None:  # A started at zero and has no start to stay near
        return found
    return [
        *found,
        above("A and its own start, same task", own, _mean(a["same task"]), d_in),
        above("A and its own start, chance", own, chance_similarity(d_in, rank, rank), d_in),
    ]


def _linear(seed: int, tasks: int, starts: int, zero: str) -> list[Measurement]:
    """Train both factors by gradient descent on linear tasks of falling spectrum, every task from the same starts."""
    rng = np.random.default_rng(seed)
    spectrum = 2.0 ** -np.arange(6)
    left, right = (frozen_rows(rng, tasks, 6, d, "haar") for d in (_OUT, _IN))
    targets = np.einsum("tki,k,tkj->tij", left, spectrum, right)
    a = frozen_rows(rng, starts, _RANK, _IN, "haar") if zero == "B" else np.zeros((starts, _RANK, _IN))
    b = frozen_rows(rng, starts, _RANK, _OUT, "haar").swapaxes(1, 2) if zero == "A" else np.zeros((starts, _OUT, _RANK))
    ended = [descend(a, b, target, np.ones(_IN), rate=0.1, steps=20) for target in targets]
    learned = Learned(
        a=np.stack([one for one, _ in ended]).swapaxes(2, 3),
        b=np.stack([one for _, one in ended]),
        a_start=np.stack([a] * tasks).swapaxes(2, 3),
        b_start=np.stack([b] * tasks),
    )
    return _measurements(learned, f"linear model {_OUT}x{_IN}, r = {_RANK}, {tasks} tasks, {starts} starts")


def _networks(level: Level, seed: int, data: str, zero: str) -> list[Measurement]:
    name = classification(data)
    setting = turned_setting(name, seed, widths=(64, 64), samples=4000, source_steps=150)
    tasks = relabelled(setting)
    chosen = list(tasks)[: by_level(level, 1, 3, 4)]
    (found,) = learned_factors(
        [tasks[task] for task in chosen],
        Options(by_level(level, 1, 150, 300), 64, evaluations=1),
        rank=max(1, min(4, min(min(shape) for shape in setting.shapes) // 4)),
        zero=zero,
        seeds=range(seed + 1, seed + 1 + by_level(level, 2, 4, 8)),
        rates=(RATE,),
    )
    return [m for matrix, learned in found.items() for m in _measurements(learned, f"{name}, {matrix}: {chosen}")]


def _evidence(level: Level, seed: int, data: str, zero: str) -> Evidence:
    measured = _linear(seed, by_level(level, 3, 4, 6), by_level(level, 4, 6, 10), zero)
    if level != "smoke":
        measured += _networks(level, seed, data, zero)
    return Evidence(tuple(measured), 1 if level == "smoke" else 3, seeds=(seed,))


def _control(level: Level, seed: int, data: str) -> Evidence:
    return _evidence(level, seed, data, zero="A")


@claim(
    id="ASY-SIM",
    paper="asymmetry",
    statement="LoRA started from B = 0 and a random A, with steps small enough that A stays near its start: learned B "
    "are more similar (φ) across seeds of one task than across tasks, whichever way A started; learned A are more "
    "similar across tasks from one start than across starts on one task, because each stays near its own start. More "
    f"similar: by {DEVIATIONS:g} standard deviations of φ of two independent subspaces, at least.",
    source="arXiv 2402.16842, section 3 and figures 1 and 2",
    kind="empirical",
    assumptions=("B starts at zero", "small steps", "tasks on one backbone with one head"),
    control="the zero start moved to A, with B random: the roles are exchanged, so it is no property of A and B",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Train both factors on several tasks from several starts and compare all pairs of learned factors."""
    return _evidence(level, seed, data, zero="B")
