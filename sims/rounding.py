"""How far rounding in float64 can have moved predictions and gradients: first-order, probabilistic bounds.

A sum of t products has an error of about sqrt(t) units of rounding of the sum of their moduli (Higham, Mary 2019,
Theorem 2.4), with a factor that makes a violation a matter of many standard deviations. Moduli of factored features are
taken factor by factor, so that cancellation between positions is charged. What must be proved beyond doubt is proved in
balls and rationals, not here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from sims.ntk.features import TangentFeatures

Array = Any
UNIT = float(np.finfo(np.float64).eps)
_SAFETY = 4.0  # standard deviations and the few operations outside the long sums


def growth(terms: int) -> float:
    """Return the relative error of a sum of that many products. Kind: upper bound, probabilistic."""
    return _SAFETY * UNIT * float(np.sqrt(max(terms, 1)))


def moduli(layer: TangentFeatures) -> TangentFeatures:
    """Return features with every array replaced by its modulus: entrywise at least as large as |G_ik|."""
    import jax

    return jax.tree.map(np.abs, layer)


def positions(layer: TangentFeatures) -> int:
    """Return the number of products summed in one entry of a feature: 1 if dense."""
    signal = getattr(layer, "signal", None)
    return 1 if signal is None else int(signal.shape[2])


def prediction_rounding(
    layers: Sequence[TangentFeatures],
    f0: Float[Array, "n k"],
    factors: Sequence[tuple[Array, Array] | Array],
) -> Float[Array, "n k"]:
    """Return how far f0 + sum_l <G^l, delta^l> can be from its exact value, per prediction.

    ``factors`` holds pairs (u, v) or updates delta. Kind: upper bound, probabilistic.
    """
    total = np.zeros_like(f0)
    for layer, candidate in zip(layers, factors, strict=True):
        size = moduli(layer)
        terms = layer.d_out * layer.d_in + positions(layer)
        if isinstance(candidate, tuple):
            u, v = candidate
            if u.shape[1] == 0:
                continue
            change = size.apply_low_rank(np.abs(u), np.abs(v))
            terms += u.shape[1]
        else:
            change = size.apply(np.abs(candidate))
        total = total + growth(terms) * change
    return np.where(total > 0, total + 2.0 * UNIT * np.abs(f0), 0.0)  # nothing added: f0 itself


def gradient_rounding(
    layer: TangentFeatures, z: Float[Array, "n k"], moved: Float[Array, "n k"] | None = None
) -> float:
    """Return how far sum_ik z_ik G_ik can be from its exact value, in spectral norm.

    The z that was given counts as exact unless ``moved`` says how far each of its entries may be off. Kind: upper
    bound, probabilistic.
    """
    size = moduli(layer)
    # the Frobenius norm of the entrywise bound; a singular value is computed to a few units of the largest
    summed = growth(layer.n * layer.k + positions(layer)) * float(np.linalg.norm(size.adjoint(np.abs(z))))
    return summed if moved is None else summed + float(np.linalg.norm(size.adjoint(moved)))
