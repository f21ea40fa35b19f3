"""A small problem with a planted answer, as a file to try `solve` and `certify` on."""

import numpy as np

OUTPUTS = {"squared": 1, "logistic": 1, "cross_entropy": 3}  # by loss
NOISE = 0.1  # standard deviation of the targets around the planted predictions
_SAMPLES, _D_OUT, _D_IN, _RANK, _POSITIONS = 24, 8, 6, 2, 2


def sample_problem(loss: str = "squared", *, factored: bool = False, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the arrays of a problem file: Gaussian features, targets of a planted update of rank 2 with some noise.

    24 samples of an 8 x 6 matrix; features as ``G`` (n, k, d_out, d_in), or as ``signal`` (n, k, t, d_out) and
    ``activation`` (n, t, d_in) if ``factored``; ``y`` is (n, k), or labels (n,) for cross-entropy (k = 3).

    Raises:
        KeyError: a loss that is none of ``OUTPUTS``.
    """
    g, k = np.random.default_rng(seed), OUTPUTS[loss]
    planted = g.standard_normal((_D_OUT, _RANK)) @ g.standard_normal((_RANK, _D_IN)) / _RANK
    signal = g.standard_normal((_SAMPLES, k, _POSITIONS, _D_OUT))
    activation = g.standard_normal((_SAMPLES, _POSITIONS, _D_IN))
    features = np.einsum("nkti,ntj->nkij", signal, activation)
    predictions = np.einsum("nkij,ij->nk", features, planted)
    predictions += NOISE * g.standard_normal(predictions.shape)
    if loss == "cross_entropy":
        y = predictions.argmax(axis=1)
    else:
        y = np.where(predictions >= 0, 1.0, -1.0) if loss == "logistic" else predictions
    arrays = {"signal": signal, "activation": activation} if factored else {"G": features}
    return arrays | {"f0": np.zeros((_SAMPLES, k)), "y": y, "loss": np.array(loss)}
