"""The fine-tuning setting in which the two factors are compared: a frozen backbone, a frozen head, a new task.

On images and tables the backbone is a ReLU network trained, head included, on the same classes with the order of the
inputs reversed (images turned by 180 degrees); fine-tuning sees other samples, the right way up. Head and backbone stay
frozen, so that what is learned, and how many scalars are tuned, is the adapter's alone.

The same on sentences: proofs_check.factor_text_setting.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from sims.adapters.registry import make_adapter
from sims.data import find, load
from sims.errors import CannotServe
from sims.models.mlp import HiddenLayers, random_hidden_layers
from sims.models.network import Network
from sims.training.engine import Pool, fit
from sims.training.model import Head, random_head, start
from sims.training.optimisers import Options
from sims.used import remembered, using

_FLOAT = jnp.float32
MOST_TESTED = 2000
_SOURCE_RATE = 3e-3  # of AdamW, for the backbone
_FEWEST_INPUTS = 16


@dataclass(frozen=True)
class FineTuning:
    """A backbone and head that stay frozen, the adapted maps, samples with labels, and which rows are for what."""

    name: str
    network: Network
    head: Head
    maps: tuple[str, ...]
    pool: Pool
    train: Int[np.ndarray, " n"]
    validation: Int[np.ndarray, " v"]
    test: Int[np.ndarray, " m"]
    classes: int

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Shapes (d_out, d_in) of the adapted maps."""
        shapes = [self.network.matrices[name].shape for name in self.maps]
        return tuple((int(rows), int(columns)) for rows, columns in shapes)


def classification(data: str) -> str:
    """Return the data set if it has classes and at least 16 inputs, otherwise the embedded digits (for claims).

    With fewer inputs a random subspace of rank 4 is most of the space, and there is little to be random about.
    """
    if find(data).kind != "classification":
        return "digits"
    with using(apart=True):  # a look at its size
        return data if load(data).x_train.shape[1] >= _FEWEST_INPUTS else "digits"


@remembered(maxsize=4)
def turned_setting(
    data: str, seed: int, *, widths: tuple[int, ...], samples: int | None, source_steps: int
) -> FineTuning:
    """Return the setting on vectors: hidden layers of these widths, trained for ``source_steps`` on reversed inputs.

    With 0 steps backbone and head stay random.

    Half of the training part (of ``samples`` at most) is for the backbone; of the rest a quarter is for validation.

    Raises:
        BadInput: unknown data, sentences, targets without classes, or too few samples for the four parts.
    """
    loaded = load(data, seed=seed)
    if loaded.classes == 0:
        raise CannotServe(f"{data} has no classes (regression): use 'digits'")
    x_train = loaded.x_train[:samples].astype(np.float32)
    x_test = loaded.x_test[:MOST_TESTED].astype(np.float32)
    half, n = len(x_train) // 2, len(x_train)
    if n < 16:
        raise CannotServe(f"{n} samples of {data}: expected at least 16, for backbone, training and validation")
    inputs = np.concatenate([x_train[:half, ::-1], x_train[half:], x_test])
    labels = np.concatenate([loaded.y_train[:n], loaded.y_test[: len(x_test)]]).astype(np.int32)
    pool = Pool(jnp.asarray(inputs), jnp.asarray(labels))
    backbone_key, head_key = jax.random.split(jax.random.key(seed))
    network = random_hidden_layers(backbone_key, (inputs.shape[1], *widths), dtype=_FLOAT)
    head = random_head(head_key, loaded.classes, widths[-1], _FLOAT)
    if source_steps > 0:
        network, head = _trained(network, head, pool, np.arange(half), steps=source_steps, seed=seed)
    cut = half + 3 * (n - half) // 4
    return FineTuning(
        name=data,
        network=network,
        head=head,
        maps=network.names,
        pool=pool,
        train=np.arange(half, cut),
        validation=np.arange(cut, n),
        test=np.arange(n, n + len(x_test)),
        classes=loaded.classes,
    )


def _trained(
    network: HiddenLayers, head: Head, pool: Pool, rows: Int[np.ndarray, " n"], *, steps: int, seed: int
) -> tuple[HiddenLayers, Head]:
    """Return backbone and head after training every weight on these rows."""
    adapter, heads = make_adapter("full"), jax.tree.map(lambda leaf: leaf[None], head)
    runs = start(adapter, network, network.names, heads, jax.random.split(jax.random.key(seed), 1), shared_network=True)
    options = Options(steps, 64, evaluations=1)
    ended = fit(runs, adapter, options, pool, train_rows=rows, seeds=[seed], learning_rates=_SOURCE_RATE).runs.trained
    weights = tuple(ended.adapters[name]["W"][0] for name in network.names)
    return HiddenLayers(weights, network.activation), Head(ended.head["weight"][0], ended.head["bias"][0])
