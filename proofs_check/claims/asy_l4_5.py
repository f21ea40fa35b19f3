"""ASY-L4.5: the gap of full, two-factor and one-factor tuning against the count of tuned bits, exactly."""

from collections.abc import Iterator

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.finite_learners import LEARNERS, Toy, adapter_toy, coin_toy, enumerate_learner
from proofs_check.instances import by_level
from proofs_check.registry import claim
from theory.bounds.information import xu_raginsky
from theory.bounds.parameter_count import ADAPTERS, ASSUMPTIONS, mutual_information_bound, tuned_parameters

ROUNDING = 1e-12
SHAPES = ((1, 3), (2, 2), (3, 2), (2, 3), (3, 3))
MOST_BITS = 8  # 256 codewords


def adapter_toys(level: Level, seed: int, adapters: tuple[str, ...] = ADAPTERS) -> Iterator[Toy]:
    """Yield toys of every adapter, shape and number of bits that is small enough to enumerate."""
    for trial in range(by_level(level, 1, 8, 100)):
        for shape in SHAPES:
            for adapter in adapters:
                for bits in (1, 2, 3, 4):
                    if tuned_parameters(adapter, [shape], 1) * bits <= MOST_BITS:
                        samples = 2 + (trial + bits) % 4
                        yield adapter_toy(
                            adapter, shape, rank=1, bits=bits, atoms=6, samples=samples, seed=seed + trial
                        )


def _measure(toys: list[Toy]) -> list[Measurement]:
    measurements = []
    for toy in toys:
        bound = mutual_information_bound(toy.bound_bits, 1, toy.samples)
        adapter = toy.name.partition(",")[0]
        for learner in LEARNERS:
            run, name = enumerate_learner(toy, learner), f"{learner}: {toy.name}"
            through = xu_raginsky(run.information, toy.samples)
            measurements += [
                Measurement(f"|E[L − L̂]| over the bound, {adapter}", abs(run.gap) / bound, 1, "<=", 0, name),
                Measurement("√(2σ²I(W; S)/n) over the bound", through / bound, 1, "<=", ROUNDING, name),
            ]
    return measurements


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The learner also chooses the frozen row of B-only, among 200, and the count does not pay for it."""
    toys = [
        adapter_toy("b-only", (1, 3), rank=1, bits=1, atoms=10, samples=4, seed=seed + trial, frozen_choices=200)
        for trial in range(4)
    ]
    return Evidence(tuple(_measure(toys)), len(toys), seeds=(seed,))


@claim(
    id="ASY-L4.5",
    paper="asymmetry",
    statement="Tune P scalars of q bits each (full: Σd_in·d_out; both factors: rΣ(d_in + d_out); B alone: rΣd_out; "
    "A alone: rΣd_in). Then |E[L − L̂]| ≤ √(2σ²·P·q·ln 2/n) for every learner.",
    source="arXiv 2402.16842, Definition 4.4 and Lemma 4.5 (an independent digest agrees)",
    kind="upper",
    assumptions=ASSUMPTIONS,
    control="the frozen factor is chosen with the sample, and the count does not pay for the choice",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Enumerate quantised adapters of linear classifiers on finite sample spaces, for honest and hostile learners."""
    toys = [coin_toy(2), *adapter_toys(level, seed)]
    notes = (f"exact sums over all samples; {len(LEARNERS)} learners a toy, one of them the largest possible gap",)
    return Evidence(tuple(_measure(toys)), len(toys), seeds=(seed,), notes=notes)
