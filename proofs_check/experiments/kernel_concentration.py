"""How fast the B-only LoRA kernel over a random A concentrates around the full kernel of its layer, over the rank.

Features of an inner layer of a random frozen MLP at real inputs. For every rank and law of the entries (Gaussian,
signs; variance 1/r) A is drawn many times; the deviation is ||K_B - K||_F / ||K||_F. Its root mean square has a closed
form proportional to 1/sqrt(r), recorded beside it.

Sizes: ``smoke`` ranks 1, 8, 64 and 50 draws; ``quick`` powers of 2 up to 256 and 2000 draws; ``full`` 10 000 draws.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.experiments._levels import sizes_at
from proofs_check.kernel_concentration import LAWS, layer_instance, projected_kernels
from proofs_check.slopes import log_slope
from theory.lora_kernels import projected_kernel_variance, relative_deviation


@dataclass(frozen=True)
class Sizes:
    """Ranks, draws of A for each, inputs."""

    ranks: tuple[int, ...]
    draws: int
    inputs: int


VERSION = 1  # of the layout of the result, which the figure checks
SHOWN = 40  # single draws kept for the figure
_RANKS = tuple(2**e for e in range(9))
SIZES = {
    "smoke": Sizes((1, 8, 64), 50, 8),
    "quick": Sizes(_RANKS, 2000, 16),
    "full": Sizes(_RANKS, 10_000, 16),
}


def kernel_concentration(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return relative deviations over the rank for every law, their closed form and the fitted slope."""
    sizes = sizes_at(level, SIZES)
    features = layer_instance(data, seed, samples=sizes.inputs, outputs=2)
    gradients = np.asarray(features.dense()).reshape(-1, *features.shape)
    full = np.einsum("qmp,smp->qs", gradients, gradients)
    norm = np.linalg.norm(full)
    laws = []
    for law, kurtosis in LAWS.items():
        deviations = []
        for rank in sizes.ranks:
            kernels = projected_kernels(features, rank, sizes.draws, law=law, seed=seed)
            deviations.append((np.linalg.norm(kernels - full, axis=(1, 2)) / norm).tolist())
        slope = log_slope([float(rank) for rank in sizes.ranks], deviations)
        exact = [
            relative_deviation(full, projected_kernel_variance(gradients, rank, excess_kurtosis=kurtosis))
            for rank in sizes.ranks
        ]
        laws.append(
            {
                "law": law,
                "root_mean_square": np.sqrt((np.array(deviations) ** 2).mean(axis=1)).tolist(),
                "closed_form": exact,
                "draws": [row[:SHOWN] for row in deviations],
                "slope": slope.value,
                "slope_standard_error": slope.standard_error,
            }
        )
    return {
        "version": VERSION,
        "data": data,
        "inputs": sizes.inputs,
        "shape": list(features.shape),
        "ranks": list(sizes.ranks),
        "draws": sizes.draws,
        "laws": laws,
        "theory_slope": -0.5,
    }
