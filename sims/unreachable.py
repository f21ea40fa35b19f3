"""The dual at lam = 0: a residual orthogonal to everything an update can reach, with its infeasibility charged.

At lam = 0 a dual point z counts only if A^T z = 0 exactly; a projection in floats leaves A^T z of the size of rounding.
The nearest feasible point is then within ||A^T z|| / sigma of z, sigma the smallest singular value of A that is not
zero, and the dual value there is bounded from below. How many singular values are not zero must be certain: the count
of ``FeatureSpan`` decides it in rationals where floats cannot, and where it cannot either there is no dual.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from sims.rounding import UNIT, growth
from sims.span import FeatureSpan, row_lengths
from theory.losses import Loss

Array = Any


def unreachable_dual(
    loss: Loss,
    span: FeatureSpan,
    residual: Float[Array, "n k"],
    f0: Float[Array, "n k"],
    y: Any,
) -> float | None:
    """Return a lower bound of the infimum over all updates at lam = 0, from the loss's gradient at a candidate.

    The gradient's part orthogonal to the range of A is the dual point; None where its feasibility cannot be verified.
    Kind: lower bound, rounding charged.
    """
    if span.matrix is None or span.normalised is None or span.clear_rank != span.count:
        return None
    if span.count == span.rows:  # everything can be reached: only z = 0 is feasible
        return 0.0
    n, k = residual.shape
    flat = _seen(residual, centred=span.centred)
    z = flat
    for _ in range(2):  # twice is enough: the second projection removes what rounding left of the first
        z = z - span.matrix @ np.linalg.lstsq(span.matrix, z, rcond=UNIT)[0]
    distance = _distance_to_feasible(span, z)
    if distance is None:
        return None
    return _charged_value(loss, _unseen(z, n, k, centred=span.centred), distance, f0, y)


def _seen(residual: Float[Array, "n k"], *, centred: bool) -> Float[Array, " q"]:
    """Return z as weights of the rows of A; a residual that sums to zero is fixed by all but its last output."""
    return (residual[:, :-1] if centred else residual).reshape(-1)


def _unseen(flat: Float[Array, " q"], n: int, k: int, *, centred: bool) -> Float[Array, "n k"]:
    if not centred:
        return flat.reshape(n, k)
    shown = flat.reshape(n, k - 1)
    return np.concatenate([shown, -shown.sum(axis=1, keepdims=True)], axis=1)


def _distance_to_feasible(span: FeatureSpan, z: Float[Array, " q"]) -> Float[Array, " q"] | None:
    """Return how far, entry by entry, the nearest z' with A^T z' = 0 can be; None where there is no bound."""
    if span.count == 0:
        return np.zeros_like(z)
    assert span.normalised is not None
    rows, lengths = span.normalised
    singular = span.singular_values
    assert singular is not None
    # factors that were multiplied in floats: the rows of the data are only near these
    off = span.row_errors / np.where(lengths > 0, lengths, 1.0)
    if (off[lengths == 0] > 0).any():
        return None
    smallest = float(singular[span.count - 1]) - 8.0 * UNIT * np.sqrt(max(rows.shape)) * float(singular[0])
    smallest -= float(np.linalg.norm(off))
    if smallest <= 0.0:
        return None
    # rows of length one: A^T z = B^T (D z), and what is left of it moves D z by at most its norm over sigma
    weighted = lengths * z
    summed = growth(z.size) * float(np.linalg.norm(np.abs(rows).T @ np.abs(weighted)))
    left = float(np.linalg.norm(rows.T @ weighted)) + summed + float(off @ np.abs(weighted))
    inner = np.where(lengths > 0, left / smallest / np.where(lengths > 0, lengths, 1.0), 0.0)
    plain = row_lengths(rows)  # 1, or 0 for features that are zero
    return inner * plain


def _charged_value(
    loss: Loss, z: Float[Array, "n k"], distance: Float[Array, " q"], f0: Float[Array, "n k"], y: Any
) -> float | None:
    """Return a lower bound of the dual value at every point within the distances of z."""
    n, k = z.shape
    d = distance.reshape(n, -1)
    if d.shape[1] < k:  # the last output of a softmax moves by the sum of the others
        d = np.concatenate([d, d.sum(axis=1, keepdims=True)], axis=1)
    conjugate = loss.conjugate(z, y)
    value = (z * f0).sum(axis=1) - conjugate
    summed = 8.0 * UNIT * float(np.abs(z * f0).sum(axis=1).mean() + np.abs(conjugate).mean())
    if loss.name == "squared":
        slope = np.abs(f0 - y - z)
        moved = (d * slope + 0.5 * d * d).sum(axis=1)
        summed += 8.0 * UNIT * float((np.abs(z * y) + z * z).sum(axis=1).mean())
    else:
        q = _probabilities(loss, z, y)
        above = 1.0 - q if loss.name == "logistic" else np.full_like(q, np.inf)
        if (q <= 2.0 * d).any() or (above <= 2.0 * d).any():
            return None  # the nearest feasible point may lie outside the conjugate's domain
        # derivatives of the conjugate: log q + 1 per class, log q - log(1 - q) for the logistic loss
        steep = 1.0 + np.abs(np.log(q - d)) + (np.abs(np.log(above - d)) if loss.name == "logistic" else 0.0)
        moved = (d * (np.abs(f0) + steep)).sum(axis=1)
    return float((value - moved).mean()) - summed


def _probabilities(loss: Loss, z: Float[Array, "n k"], y: Any) -> Float[Array, "n k"]:
    """Return the q of the conjugate."""
    if loss.name == "logistic":
        return -y * z
    return z + (np.asarray(y)[:, None] == np.arange(z.shape[1])[None, :])
