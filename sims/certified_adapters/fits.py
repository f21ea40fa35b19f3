"""Training of the tuned factors of a head's adapter on the sample: closed-form least squares, or softmax regression.

    full     W free                       b-only   W = B A, A frozen
    lora     W = B A, both tuned          a-only   W = B A, B frozen

Least squares fit one-hot targets minus 1 / classes. Softmax minimises the cross-entropy, by L-BFGS; lora starts at the
least-squares solution.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sims.certified_adapters.softmax import cross_entropy, minimise, softmax_fit
from sims.certified_adapters.task import Task
from sims.errors import BadInput
from sims.threads import blas_on_one_thread

DECAY = 1e-3


@dataclass(frozen=True)
class Fit:
    """Factors B (classes, r) and A (r, h) of the update W = B A, and which are tuned; full has B = W and A = None."""

    kind: str
    b: Float[np.ndarray, "classes r"]
    a: Float[np.ndarray, "r h"] | None

    @property
    def rank(self) -> int:
        """The rank; 0 for full."""
        return 0 if self.a is None else len(self.a)

    @property
    def update(self) -> Float[np.ndarray, "classes h"]:
        """W = B A."""
        return self.b if self.a is None else self.b @ self.a


@blas_on_one_thread()
def least_squares(
    task: Task,
    kind: str,
    rank: int,
    *,
    a: Float[np.ndarray, "r h"] | None = None,
    b: Float[np.ndarray, "classes r"] | None = None,
) -> Fit:
    """Return the minimiser of the squared error given the frozen factor; raises BadInput when that is missing."""
    moment = task.moment
    targets = (np.eye(task.shape[0]) - 1.0 / task.shape[0])[task.sample_labels].astype(np.float32)
    cross = (targets.T @ task.sample).astype(np.float64) / len(task.sample) - task.head @ moment
    if kind == "b-only":
        frozen = _present(a, "A", kind)
        return Fit(kind, np.linalg.solve(frozen @ moment @ frozen.T, frozen @ cross.T).T, frozen)
    best = np.linalg.solve(moment, cross.T).T
    if kind == "full":
        return Fit(kind, best, None)
    if kind == "a-only":
        left = _present(b, "B", kind)
        return Fit(kind, left, left.T @ best)
    if kind != "lora":
        raise BadInput(f"adapter {kind!r}: expected full, lora, b-only or a-only")
    top = np.linalg.eigh(best @ moment @ best.T)[1][:, ::-1][:, :rank]
    return Fit(kind, top, top.T @ best)


@blas_on_one_thread()
def fit(
    task: Task,
    kind: str,
    rank: int,
    *,
    a: Float[np.ndarray, "r h"] | None = None,
    b: Float[np.ndarray, "classes r"] | None = None,
) -> Fit:
    """Return the adapter that softmax regression finds given the frozen factor; raises BadInput when it is missing."""
    classes = task.shape[0]
    offset = task.sample @ task.head.T.astype(np.float32) if task.head.any() else None
    scale = _root_mean_square(task.sample)
    inputs = task.sample / np.float32(scale)
    labels = task.sample_labels
    if kind == "b-only":
        frozen = _present(a, "A", kind)
        projected = task.sample @ frozen.T.astype(np.float32)
        size = _root_mean_square(projected)
        found = softmax_fit(projected / np.float32(size), labels, classes, decay=DECAY, offset=offset)
        return Fit(kind, found / size, frozen)
    if kind == "full":
        return Fit(kind, softmax_fit(inputs, labels, classes, decay=DECAY, offset=offset) / scale, None)
    if kind == "a-only":
        left = _present(b, "B", kind)
        found = softmax_fit(inputs, labels, classes, decay=DECAY, offset=offset, mixing=left.astype(np.float32))
        return Fit(kind, left, found / scale)
    start = least_squares(task, kind, rank)
    assert start.a is not None
    return _both(inputs, labels, offset, start.b, start.a * scale, scale)


def _both(
    inputs: np.ndarray, labels: np.ndarray, offset: np.ndarray | None, b: np.ndarray, a: np.ndarray, scale: float
) -> Fit:
    """Return factors with orthonormal columns of B after L-BFGS on both, from these ones."""
    zero = np.zeros((), dtype=np.float32) if offset is None else offset
    split = b.size

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        left, right = flat[:split].reshape(b.shape), flat[split:].reshape(a.shape)
        hidden = inputs @ right.T.astype(np.float32)
        loss, residuals = cross_entropy(hidden @ left.T.astype(np.float32) + zero, labels)
        back = residuals @ left.astype(np.float32)
        left_gradient = (residuals.T @ hidden).astype(np.float64) / len(labels) + DECAY * left
        right_gradient = (back.T @ inputs).astype(np.float64) / len(labels) + DECAY * right
        penalty = 0.5 * DECAY * float((flat**2).sum())
        return loss + penalty, np.concatenate([left_gradient.ravel(), right_gradient.ravel()])

    flat = minimise(objective, np.concatenate([b.ravel(), a.ravel()]))
    left, right = flat[:split].reshape(b.shape), flat[split:].reshape(a.shape)
    columns, triangle = np.linalg.qr(left)
    return Fit("lora", columns, triangle @ right / scale)


def _root_mean_square(array: np.ndarray) -> float:
    return float(np.linalg.norm(array)) / array.size**0.5


def _present(factor: np.ndarray | None, name: str, kind: str) -> np.ndarray:
    if factor is None:
        raise BadInput(f"{kind} needs its frozen factor {name}: make it with frozen_{name.lower()}")
    return factor
