"""Seeds in one program against one program a seed: digits-mlp, B-only rank 8, 8 seeds.

Run on demand: `pytest tests/benchmarks/test_bench_training.py --benchmark-only -s`, half a minute on 2 cores.
Compilation is left out on both sides; the data stay prepared. On a CPU the batched program and the one that does one
seed after another take about the same time; both save what a start and an end of the training cost.
"""

import time
from collections.abc import Callable, Mapping

import pytest

from sims.training.config import resolve
from sims.training.groups import prepare, train_group

SEEDS = range(8)


def least_seconds(runs: Mapping[str, Callable[[], object]], rounds: int = 4) -> dict[str, float]:
    """Return the least time of each, run in turn so that all meet the same load of the machine."""
    least = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run()  # compiles
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            least[name] = min(least[name], time.perf_counter() - begin)
    return least


@pytest.mark.benchmark(group="training")
def test_seeds_together_are_faster_than_one_by_one(benchmark) -> None:
    settings = resolve("digits-mlp", "b-only", 8, overrides={"epochs": 20})
    whole, single = prepare(settings, SEEDS), [prepare(settings, [seed]) for seed in SEEDS]
    found = least_seconds(
        {
            "together": lambda: train_group(settings, SEEDS, prepared=whole),
            "in turn in one program": lambda: train_group(settings, SEEDS, prepared=whole, batching="map"),
            "one by one": lambda: [train_group(settings, [s], prepared=p) for s, p in zip(SEEDS, single)],
        }
    )
    benchmark.extra_info.update(found)
    benchmark.pedantic(lambda: train_group(settings, SEEDS, prepared=whole), rounds=1)
    print("8 seeds: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in found.items()))
    assert found["together"] < found["one by one"]
