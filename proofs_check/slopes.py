"""Rates read off log-log plots, with the standard error of the fit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Slope:
    """Least-squares slope of log y over log x and its standard error."""

    value: float
    standard_error: float


def log_slope(x: Sequence[float], y: Sequence[Sequence[float]]) -> Slope:
    """Return the slope of log root-mean-square of y[i] over log x[i]; y[i] holds independent repetitions at x[i].

    The standard error comes from the scatter of the squares (delta method; 0 if there is one repetition).
    """
    squares = [np.asarray(row, dtype=float) ** 2 for row in y]
    centred = np.log(np.asarray(x, dtype=float))
    centred = centred - centred.mean()
    weights = centred / (centred**2).sum()
    logs = np.array([0.5 * np.log(row.mean()) for row in squares])
    scatter = [row.std(ddof=1) / row.mean() / row.size**0.5 if row.size > 1 else 0.0 for row in squares]
    variances = 0.25 * np.array(scatter) ** 2
    return Slope(float(weights @ logs), float(np.sqrt(weights**2 @ variances)))


def typical_slope(x: Sequence[float], y: Sequence[Sequence[float]]) -> Slope:
    """Return the slope of the mean of log y[i] over log x[i]; y[i] holds independent repetitions at x[i].

    For positive y with heavy tails, whose root mean square hangs on the largest of them: see `log_slope`.
    """
    logs = [np.log(np.asarray(row, dtype=float)) for row in y]
    centred = np.log(np.asarray(x, dtype=float))
    centred = centred - centred.mean()
    weights = centred / (centred**2).sum()
    variances = np.array([row.var(ddof=1) / row.size if row.size > 1 else 0.0 for row in logs])
    return Slope(float(weights @ np.array([row.mean() for row in logs])), float(np.sqrt(weights**2 @ variances)))
