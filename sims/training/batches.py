"""Which samples every step sees: it depends on the seed, the rows and the batch size, and on nothing else."""

import numpy as np
from jaxtyping import Int

from sims.errors import BadInput


def batch_rows(
    rows: Int[np.ndarray, " n"], seed: int, *, steps: int, batch_size: int
) -> Int[np.ndarray, "steps batch"]:
    """Return the rows of every step: epochs of a fresh permutation each, cut into whole batches.

    A batch above n is cut to n (full batch). What does not fill a batch is left out of its epoch.

    Raises:
        BadInput: no rows, or a negative seed.
    """
    n = len(rows)
    if n == 0:
        raise BadInput("0 training samples: expected at least one")
    if seed < 0:
        raise BadInput(f"seed {seed} is negative: expected an integer >= 0")
    batch = min(batch_size, n)
    a_epoch = n // batch
    rng = np.random.default_rng((seed, 0x6F72646572))  # a stream apart from that of the data split
    parts = [rng.permutation(n)[: a_epoch * batch].reshape(a_epoch, batch) for _ in range(-(-steps // a_epoch))]
    return np.asarray(rows, dtype=np.int32)[np.concatenate(parts)[:steps]]
