"""From trained factors to a certificate: quantise on several grids, code, decode, count the errors of what is decoded.

Step and dead zone are chosen with the sample, which costs nothing beside the string: the string tells the step, and
the decoder does not need the dead zone. Kind and rank are in the string, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float

from sims.certified_adapters.fits import DECAY, Fit
from sims.certified_adapters.softmax import softmax_fit
from sims.certified_adapters.task import Task, count_errors
from sims.coding import (
    CodedAdapter,
    Factor,
    code_length,
    decode,
    encode,
    largest_step,
    quantise_fixed,
    quantise_with_feedback,
    step_as_stored,
)
from sims.errors import BadInput
from sims.threads import blas_on_one_thread
from theory.bounds.code_length import occam_binomial, occam_hoeffding, occam_kl

STEPS = (0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7)  # of the largest entry
DEAD_ZONES = (0.5, 0.6, 0.67)


@dataclass(frozen=True)
class Certified:
    """A coded adapter with what was counted of the decoded one; ``string`` is the code, its length the bits charged."""

    kind: str
    rank: int
    string: str
    samples: int
    errors: int
    test_error: float
    float_errors: int
    float_test_error: float
    hoeffding: float
    kl: float
    binomial: float
    update: Float[np.ndarray, "classes h"]

    @property
    def bits(self) -> int:
        """The length of the string."""
        return len(self.string)


def decoded_update(
    string: str, shape: tuple[int, int], *, a: np.ndarray | None, b: np.ndarray | None
) -> Float[np.ndarray, "classes h"]:
    """Return the update W that a string stands for, given the frozen factor; raises BadInput when that is missing."""
    adapter = decode(string, shape)
    values = [factor.value for factor in adapter.factors]
    if adapter.kind == "full":
        return values[0]
    left = b if adapter.kind == "a-only" else values[0]
    right = a if adapter.kind == "b-only" else values[-1]
    if left is None or right is None:
        raise BadInput(f"{adapter.kind} needs its frozen factor to be decoded")
    return left @ right


@blas_on_one_thread()
def certify(
    task: Task,
    fitted: Fit,
    delta: float,
    *,
    steps: Sequence[float] = STEPS,
    dead_zones: Sequence[float] = DEAD_ZONES,
    fixed: bool = False,
) -> Certified:
    """Return the candidate of the smallest kl certificate, coded and decoded.

    ``fixed`` uses grids of 1 to 8 bits an entry without feedback of errors instead of coded ones (``steps`` and
    ``dead_zones`` are then not used).
    """
    n = len(task.sample)
    candidates = _plain(fitted) if fixed else _coded(task, fitted, steps, dead_zones)
    best: tuple[float, CodedAdapter] | None = None
    for adapter in candidates:
        errors = task.errors(_update(adapter, fitted))
        value = float(occam_kl(errors / n, n, code_length(adapter, task.shape), delta))
        if best is None or value < best[0]:
            best = value, adapter
    assert best is not None
    string = encode(best[1], task.shape)
    update = decoded_update(string, task.shape, a=fitted.a, b=fitted.b)
    errors = task.errors(update)
    return Certified(
        kind=fitted.kind,
        rank=fitted.rank,
        string=string,
        samples=n,
        errors=errors,
        test_error=task.test_error(update),
        float_errors=task.errors(fitted.update),
        float_test_error=task.test_error(fitted.update),
        hoeffding=float(occam_hoeffding(errors / n, n, len(string), delta)),
        kl=float(occam_kl(errors / n, n, len(string), delta)),
        binomial=float(occam_binomial(errors, n, len(string), delta)),
        update=update,
    )


def _update(adapter: CodedAdapter, fitted: Fit) -> np.ndarray:
    values = [factor.value for factor in adapter.factors]
    if adapter.kind == "full":
        return values[0]
    if adapter.kind == "lora":
        return values[0] @ values[1]
    assert fitted.a is not None
    return values[0] @ fitted.a if adapter.kind == "b-only" else fitted.b @ values[0]


def _coded(task: Task, fitted: Fit, steps: Sequence[float], dead_zones: Sequence[float]) -> Iterator[CodedAdapter]:
    """Yield the adapter on grids with a level at zero, errors fed to later entries in the metric of the features."""
    moment = task.moment
    if fitted.kind == "b-only":
        assert fitted.a is not None
        metric, matrix = fitted.a @ moment @ fitted.a.T, fitted.b
    else:
        metric = moment
        matrix = fitted.b if fitted.a is None else fitted.a
    for fraction, zone in product(steps, dead_zones):
        factor = _feedback(matrix, metric, fraction, zone)
        if fitted.kind == "lora":
            yield CodedAdapter("lora", fitted.rank, (_refit(task, factor.value, moment, fitted.b), factor))
        else:
            yield CodedAdapter(fitted.kind, fitted.rank, (factor,))


def _feedback(matrix: np.ndarray, metric: np.ndarray, fraction: float, zone: float) -> Factor:
    step = step_as_stored(fraction * largest_step(matrix))
    return Factor(quantise_with_feedback(matrix, metric, step, zone), step)


def _refit(task: Task, right: np.ndarray, moment: np.ndarray, left: np.ndarray) -> Factor:
    """Return B on a fine grid, trained again behind the A that was quantised; as it was if A became zero."""
    metric = right @ moment @ right.T
    size = float(np.sqrt(np.trace(metric) / len(metric)))
    if not size > 0:
        return _feedback(left, np.eye(len(metric)), 0.1, 0.5)
    inputs = (task.sample @ right.T.astype(np.float32)) / np.float32(size)
    offset = task.sample @ task.head.T.astype(np.float32) if task.head.any() else None
    again = softmax_fit(inputs, task.sample_labels, task.shape[0], decay=DECAY, offset=offset, steps=30) / size
    return _feedback(again, metric + 1e-9 * size**2 * np.eye(len(metric)), 0.1, 0.5)


def _plain(fitted: Fit) -> Iterator[CodedAdapter]:
    """Yield the adapter with 1 to 8 bits an entry, the grid spread over all entries or over two thirds of them."""
    tuned = {"a-only": (fitted.a,), "lora": (fitted.b, fitted.a)}
    matrices = tuned.get(fitted.kind, (fitted.b,))
    for bits, spread in product(range(1, 9), (1.0, 0.67)):
        factors = []
        for matrix in matrices:
            assert matrix is not None
            top = largest_step(matrix) if bits > 1 else 2.0 * float(np.abs(matrix).mean())
            step = step_as_stored(spread * top * 2.0 ** (1 - bits) if bits > 1 else top)
            factors.append(Factor(quantise_fixed(matrix, bits, step), step, has_zero=False))
        yield CodedAdapter(fitted.kind, fitted.rank, tuple(factors))


__all__ = ["Certified", "certify", "count_errors", "decoded_update"]
