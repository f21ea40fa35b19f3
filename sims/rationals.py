"""Floats as the exact rationals they are, and features multiplied out exactly."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from flint import fmpq, fmpq_mat

from sims.ntk.features import FactoredFeatures, TangentFeatures


def rational(value: float | int | Fraction) -> fmpq:
    """Return the exact rational value of a finite float, integer or fraction."""
    numerator, denominator = Fraction(value).as_integer_ratio()
    return fmpq(numerator, denominator)


def rational_matrix(array: np.ndarray) -> fmpq_mat:
    """Return the exact rational matrix of a float array (m, n)."""
    m, n = array.shape
    return fmpq_mat(m, n, [rational(float(x)) for x in array.reshape(-1)])


def rational_features(layer: TangentFeatures) -> Iterator[fmpq_mat]:
    """Yield every G_ik, row-major in (i, k), exactly: the product of the factors is taken in rationals."""
    if isinstance(layer, FactoredFeatures):
        for signals, activation in zip(np.asarray(layer.signal), np.asarray(layer.activation)):
            right = rational_matrix(activation)
            for signal in signals:
                yield rational_matrix(signal).transpose() * right
        return
    dense = np.asarray(layer.dense())
    for g in dense.reshape(-1, *dense.shape[2:]):
        yield rational_matrix(g)
