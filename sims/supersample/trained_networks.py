"""Adapters of a network trained by the engine as a trainer of the supersample protocol: one run for every mask.

Backbone, head, frozen factors, starts and the order in which the n places of a sample are seen are the same for all
masks: they are conditioned on, and independent of the data. Whether row i is seen as its first or its second example is
all that a mask changes.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from sims.adapters.protocol import Adapter
from sims.errors import BadInput
from sims.models.network import Network
from sims.supersample.masks import trained_columns
from sims.supersample.protocol import Trainer
from sims.training.engine import Pool, fit, run_outputs
from sims.training.model import Head, start
from sims.training.optimisers import Options


def network_trainer(
    adapters: Mapping[str, Adapter],
    network: Network,
    maps: Sequence[str],
    head: Head,
    options: Options,
    *,
    learning_rates: Mapping[str, float],
    seed: int,
    together: int = 64,
) -> Trainer:
    """Return the trainer of these adapters by name; ``head`` (K, p) is trained too, from the same start.

    ``learning_rates`` holds the step size of every adapter; ``together`` masks are trained in one program.

    Raises:
        BadInput: no step size for an adapter, or ``together`` below 1.
    """
    if together < 1:
        raise BadInput(f"together {together} is out of range: expected at least 1")
    missing = [name for name in adapters if name not in learning_rates]
    if missing:
        raise BadInput(f"no step size for {', '.join(missing)}: give one for every adapter")

    def train(
        x: Float[np.ndarray, "n 2 ..."], y: Int[np.ndarray, "n 2"], masks: Int[np.ndarray, "masks n"]
    ) -> Mapping[str, Int[np.ndarray, "masks n 2"]]:
        n, dtype = len(y), head.weight.dtype
        pool = Pool(jnp.asarray(x.reshape(2 * n, *x.shape[2:]), dtype), jnp.asarray(y.reshape(2 * n), jnp.int32))
        rows = np.stack([trained_columns(np.arange(2 * n).reshape(n, 2), mask) for mask in masks])
        found: dict[str, list[np.ndarray]] = {name: [] for name in adapters}
        for first in range(0, len(masks), together):
            part = rows[first : first + together]
            heads = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], len(part), axis=0), head)  # noqa: B023
            keys = jnp.repeat(jax.random.key(seed)[None], len(part))
            for name, adapter in adapters.items():
                runs = start(adapter, network, maps, heads, keys, shared_network=True)
                fitted = fit(
                    runs,
                    adapter,
                    options,
                    pool,
                    train_rows=part,
                    seeds=[seed] * len(part),
                    learning_rates=learning_rates[name],
                )
                outputs = run_outputs(fitted.runs, adapter, pool, np.arange(2 * n))
                found[name].append(outputs.argmax(axis=-1).reshape(len(part), n, 2))
        return {name: np.concatenate(parts) for name, parts in found.items()}

    return train
