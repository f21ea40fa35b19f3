"""A certificate over tokens: martingale differences instead of independent documents.

With l_i in [a, a + Delta] the loss of token i after its context x_<i, with probability 1 - delta and for all coded
predictors at once,

    (1/m) sum_i E[l_i | x_<i] <= (1/m) sum_i l_i + Delta sqrt((b ln 2 + ln(1 / delta)) / (2m)).

The left side is the mean risk on the contexts that were seen, not the risk on new documents: tokens of one document
are not independent, and this bound does not pretend that they are. m may be far above the number of documents, which
is what keeps the bound informative for large models. For an adapter the bits are those of the adapter.

Sources: Azuma 1967; Hoeffding 1963; the bound with code lengths: Lotfi et al. 2024b (arXiv 2407.18158).
"""

from typing import Any

import numpy as np

from theory.bounds.code_length import budget, require_samples
from theory.bounds.compression import require_loss
from theory.bounds.kl_inverse import Real

Array = Any


def token_bound(mean_loss: Real, tokens: Real, bits: Real, delta: Real, loss_range: Real) -> Array:
    """Return mean loss + Delta sqrt((b ln 2 + ln(1 / delta)) / (2m)), at least the mean conditional risk.

    Kind: certificate on the realised contexts. Source: see the module.

    Raises:
        ValueError: a mean loss that is not finite, fewer than 1 token, negative bits, delta outside (0, 1), or a range
            that is negative or infinite.
    """
    loss_range = np.asarray(loss_range, dtype=np.float64)
    if not np.all((loss_range >= 0.0) & (loss_range < np.inf)):
        raise ValueError(f"loss range {loss_range}: expected a finite number >= 0 (smooth the predictions)")
    width = np.sqrt(budget(bits, delta) / (2.0 * require_samples(tokens)))
    return (require_loss(mean_loss) + loss_range * width)[()]
