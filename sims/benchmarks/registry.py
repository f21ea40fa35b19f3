"""Benchmarks by name."""

from collections.abc import Mapping

from sims.benchmarks.benchmark import Benchmark
from sims.benchmarks.mlp import MLPS
from sims.benchmarks.text import TEXTS
from sims.errors import BadInput

BENCHMARKS: Mapping[str, Benchmark] = {benchmark.name: benchmark for benchmark in (*MLPS, *TEXTS)}


def find_benchmark(name: str) -> Benchmark:
    """Return the benchmark of this name.

    Raises:
        BadInput: no such name; the message lists the known ones.
    """
    if name not in BENCHMARKS:
        raise BadInput(f"benchmark {name!r} is unknown: expected one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
