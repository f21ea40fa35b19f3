"""The span of the features: how many of them count, and what of a residual no update can reach.

Rows are measurements (the directions (i, k) that the loss can see), columns the entries of all updates. Rows are
normalised first, so that features of very different size count alike; the matrix itself is factored, not its Gram
matrix, whose condition number is the square. A dependency that is not exact is none: what floats cannot decide is
decided in rationals, or counted as independent.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from sims.ntk.features import TangentFeatures
from sims.rounding import UNIT, growth, moduli, positions

Array = Any
MOST_ENTRIES = 100_000_000  # of a matrix that is multiplied out here: 0.8 GB
_MOST_GRAM_ROWS = 6000
_CLEAR = 64.0  # units of rounding (times the longer side) above which a singular value is certainly not zero


@dataclass(frozen=True)
class FeatureSpan:
    """Features of all layers as one matrix A, for a loss that sees all outputs, or (``centred``) their differences."""

    layers: tuple[TangentFeatures, ...]
    centred: bool

    @property
    def parameters(self) -> int:
        """Entries of all updates together."""
        return sum(layer.d_out * layer.d_in for layer in self.layers)

    @cached_property
    def _seen(self) -> tuple[TangentFeatures, ...]:
        """The features of the directions that the loss can see: differences to the last output where centred."""
        if not self.centred:
            return self.layers
        k = self.layers[0].k
        mixing = np.eye(k)[:, :-1] - np.eye(k)[:, -1:]
        return tuple(layer.mix_outputs(mixing) for layer in self.layers)

    @property
    def rows(self) -> int:
        """Measurements: n times the outputs that count."""
        return self._seen[0].n * self._seen[0].k

    @cached_property
    def _not_zero(self) -> tuple[int, int]:
        """Rows and columns of A that are not exactly zero."""
        # zeros and ones: products of small numbers must not underflow to a zero that is none
        sizes = [_pattern(layer) for layer in self._seen]
        n, k = sizes[0].n, sizes[0].k
        if k == 0:
            return 0, 0
        reached = np.sum([np.asarray(s.apply(np.ones(s.shape))) for s in sizes], axis=0)
        columns = sum(int((np.asarray(s.adjoint(np.ones((n, k)))) > 0).sum()) for s in sizes)
        return int((reached > 0).sum()), columns

    @cached_property
    def matrix(self) -> Float[Array, "q p"] | None:
        """A, of shape (measurements, parameters), multiplied out; None above ``MOST_ENTRIES`` entries."""
        if self.rows * self.parameters > MOST_ENTRIES:
            return None
        return np.concatenate([np.asarray(layer.dense()).reshape(self.rows, -1) for layer in self._seen], axis=1)

    @cached_property
    def normalised(self) -> tuple[Float[Array, "q p"], Float[Array, " q"]] | None:
        """Rows of length one (zero rows stay) and their lengths."""
        if self.matrix is None:
            return None
        lengths = row_lengths(self.matrix)
        return self.matrix / np.where(lengths > 0, lengths, 1.0)[:, None], lengths

    @cached_property
    def row_errors(self) -> Float[Array, " q"]:
        """How far rounding can have moved every row of ``matrix``: nothing where the features came multiplied out."""
        total = np.zeros(self.rows)
        for layer in self._seen:
            terms = positions(layer)
            if terms > 1 or self.centred:
                size = np.asarray(moduli(layer).dense()).reshape(self.rows, -1)
                total = total + growth(terms) * row_lengths(size)
        return total

    @cached_property
    def singular_values(self) -> Float[Array, " s"] | None:
        """Singular values of the normalised rows, descending; None where A is not multiplied out."""
        return None if self.normalised is None else np.linalg.svd(self.normalised[0], compute_uv=False)

    @property
    def _threshold(self) -> float:
        return _CLEAR * UNIT * max(self.rows, self.parameters)

    @cached_property
    def clear_rank(self) -> int | None:
        """Singular values of the normalised rows that are certainly not zero; None where A is not multiplied out."""
        s = self.singular_values
        if s is None:
            return None
        return int((s > self._threshold * s[0]).sum()) if s.size and s[0] > 0 else 0

    @cached_property
    def count(self) -> int:
        """The rank of A, or more where that is not certain: never too small. Kind: upper bound."""
        most = min(self._not_zero)
        if most == 0 or self._gram_is_clear(most) or self.clear_rank == most:
            return most
        exact = _exact_rank(self.layers, centred=self.centred)
        return most if exact is None else exact

    @cached_property
    def count_of_extremes(self) -> int:
        """The same from zeros and rationals alone, for features that no unit brings into the range of floats."""
        most = min(self._not_zero)
        exact = _exact_rank(self.layers, centred=self.centred)
        return most if exact is None else exact

    def _gram_is_clear(self, most: int) -> bool:
        """Return whether the Gram matrix already shows that all rows are independent: cheap with factors."""
        if most < self.rows or self.rows > _MOST_GRAM_ROWS:
            return False
        q = self.rows
        gram = np.sum([np.asarray(layer.gram(layer)).reshape(q, q) for layer in self._seen], axis=0)
        scale = np.sqrt(np.maximum(np.diag(gram), np.finfo(float).tiny))
        values = np.linalg.eigvalsh(gram / scale[:, None] / scale[None, :])
        # cancellation inside factored features is charged by the length that their moduli have
        sizes = [moduli(layer) for layer in self._seen]
        reached = np.sum([np.asarray(s.apply(np.ones(s.shape))) for s in sizes], axis=0).reshape(-1)
        lost = float((reached / scale).max()) / max(float(np.sqrt(self.parameters)), 1.0)
        return bool(values[0] > self._threshold * values[-1] * max(1.0, lost))


def _exact_rank(layers: tuple[TangentFeatures, ...], *, centred: bool) -> int | None:
    """Return the rank over the rationals; None where it is too large, or on a bare machine without flint."""
    try:
        from sims.exact_rank import exact_rank
    except ImportError:
        return None
    return exact_rank(layers, centred=centred)


def _pattern(layer: TangentFeatures) -> TangentFeatures:
    """Return features with every number that is not zero replaced by one."""
    import jax

    return jax.tree.map(lambda x: (x != 0).astype(np.float64), layer)


def row_lengths(matrix: Float[Array, "q p"]) -> Float[Array, " q"]:
    """Return the Euclidean length of every row, without overflow or underflow."""
    largest = np.abs(matrix).max(axis=1, initial=0.0)
    safe = np.where(largest > 0, largest, 1.0)
    return largest * np.linalg.norm(matrix / safe[:, None], axis=1)
