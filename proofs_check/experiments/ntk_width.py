"""How fast the empirical NTK of random frozen MLPs approaches its infinite-width limit.

For each case (activation and depth) and each width, several networks in NTK parametrisation with one output are drawn;
the error is ||K_width - K_infinity||_F / ||K_infinity||_F on a few inputs of the data set (their training part, as
`sims.data.load` gives it), all weight matrices trained, float64. The limit comes from neural-tangents. The slope is the
least-squares fit of log root-mean-square error over the seeds against log width; theory says -1/2.

Sizes: ``smoke`` one case, widths 32-512, 64 seeds; ``quick`` three cases, widths 32-1024, 32 seeds; ``full`` five
cases, widths 32-2048, 32 seeds. Network number s is drawn from the key seed + s.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.experiments._levels import sizes_at
from proofs_check.ntk_width import width_errors
from sims import data as data_sets


@dataclass(frozen=True)
class Sizes:
    """Cases (activation, number of weight matrices), widths, seeds, inputs."""

    cases: tuple[tuple[str, int], ...]
    widths: tuple[int, ...]
    seeds: int
    inputs: int


_WIDTHS = (32, 64, 128, 256, 512, 1024, 2048)
VERSION = 1  # of the layout of the result, which the figure checks
SIZES = {
    "smoke": Sizes((("relu", 2),), _WIDTHS[:5:2], 64, 8),
    "quick": Sizes((("relu", 2), ("relu", 4), ("gelu", 3)), _WIDTHS[:6], 32, 16),
    "full": Sizes((("relu", 2), ("relu", 4), ("gelu", 3), ("tanh", 2), ("tanh", 3)), _WIDTHS, 32, 16),
}


def ntk_width(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return errors (width, seed) for every case, their root mean squares and the fitted power law."""
    sizes = sizes_at(level, SIZES)
    x = data_sets.load(data, seed=seed, samples=sizes.inputs).x_train
    cases = []
    for activation, depth in sizes.cases:
        networks = range(seed, seed + sizes.seeds)
        errors = np.array(width_errors(x, sizes.widths, networks, depth=depth, activation=activation))
        root_mean_square = np.sqrt((errors**2).mean(axis=1))
        slope, intercept = np.polyfit(np.log(sizes.widths), np.log(root_mean_square), 1)
        cases.append(
            {
                "activation": activation,
                "depth": depth,
                "errors": errors.tolist(),
                "root_mean_square": root_mean_square.tolist(),
                "slope": float(slope),
                "fit": np.exp(intercept + slope * np.log(sizes.widths)).tolist(),
            }
        )
    return {
        "version": VERSION,
        "data": data,
        "inputs": sizes.inputs,
        "widths": list(sizes.widths),
        "seeds": sizes.seeds,
        "cases": cases,
        "theory_slope": -0.5,
        "reference": _reference(sizes.widths, max(max(case["root_mean_square"]) for case in cases)),
    }


def _reference(widths: tuple[int, ...], top: float) -> list[float]:
    """Return a line of the theory's slope, twice above the largest root mean square at the first width."""
    return [2.0 * top * (width / widths[0]) ** -0.5 for width in widths]
