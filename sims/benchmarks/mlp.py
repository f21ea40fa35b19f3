"""Multilayer perceptrons on images: all hidden layers adapted, without biases, and a linear head of its own.

Backbone ``random``: independent N(0, 2 / d_in) weights, frozen. Backbone ``pretrained``: the same network trained in
full on a source task, the images turned by a quarter, with samples that the target task never sees: the first sixth
of the training part. So the loaded weights are independent of the target's samples, as the bounds ask; the head starts
at the source's.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sims.adapters.dense import Full
from sims.benchmarks.benchmark import Benchmark, Prepared, backbone_keys, head_keys
from sims.data import load
from sims.errors import BadInput
from sims.models.mlp import HiddenLayers, random_hidden_layers
from sims.training.engine import Pool, fit
from sims.training.model import Head, Params, random_head, start
from sims.training.optimisers import Options
from sims.training.settings import RunSettings
from sims.used import remembered

Array = Any
_SOURCE_PART = 6  # the source task has the first 1/6 of the training part
_SOURCE_STEPS, _SOURCE_BATCH, _SOURCE_RATE = 1000, 64, 1e-3
# mean and standard deviation of the training pixels, in [0, 1]
_PIXELS = {"digits": (0.3053, 0.3760), "mnist": (0.1307, 0.3081), "fashion-mnist": (0.2860, 0.3530)}
_HIDDEN = {
    "tiny": (128, 64),
    "small": (256, 128, 64),
    "medium": (512, 256, 128, 64),
    "large": (1024, 512, 256, 128, 64),
}


@remembered(maxsize=2)
def _samples(data: str, data_seed: int, dtype: str) -> tuple[Pool, int, int]:
    """Return all samples, training part first, in their order by seed; its size, and the number of classes."""
    found = load(data, seed=data_seed)
    mean, deviation = _PIXELS[data]
    x = np.concatenate([found.x_train.astype(dtype), found.x_test.astype(dtype)])
    x -= np.asarray(mean, dtype)
    x /= np.asarray(deviation, dtype)
    y = np.concatenate([found.y_train, found.y_test]).astype(np.int32)
    return Pool(jnp.asarray(x), jnp.asarray(y)), len(found.x_train), found.classes


def quarter_turn(images: Float[Array, "n d"]) -> Float[np.ndarray, "n d"]:
    """Return flattened square images turned by 90 degrees, pixels unchanged otherwise."""
    n, d = images.shape
    side = isqrt(d)
    return np.rot90(np.asarray(images).reshape(n, side, side), axes=(1, 2)).reshape(n, d)


@remembered(maxsize=8)
def _pretrained(
    data: str, hidden: tuple[int, ...], data_seed: int, backbone_seed: int, dtype: str
) -> tuple[HiddenLayers, Head]:
    """Return the network and the head after training on the source task."""
    pool, train, classes = _samples(data, data_seed, dtype)
    rows = np.arange(train // _SOURCE_PART)
    source = Pool(jnp.asarray(quarter_turn(pool.inputs[rows])), pool.targets[rows])
    widths = (int(pool.inputs.shape[1]), *hidden)
    network = random_hidden_layers(backbone_keys([backbone_seed])[0], widths, dtype=dtype)
    head = jax.tree.map(lambda leaf: leaf[None], random_head(head_keys([backbone_seed])[0], classes, hidden[-1], dtype))
    runs = start(Full(), network, network.names, head, backbone_keys([backbone_seed]), shared_network=True)
    options = Options(_SOURCE_STEPS, _SOURCE_BATCH, weight_decay=1e-2, evaluations=1)
    fitted = fit(runs, Full(), options, source, train_rows=rows, seeds=[backbone_seed], learning_rates=_SOURCE_RATE)
    _, trained, _ = fitted.runs.run(0)
    assert isinstance(trained, Params)
    weights = tuple(trained.adapters[name]["W"] for name in network.names)
    return HiddenLayers(weights, network.activation), Head(**trained.head)


def _prepare(data: str, hidden: tuple[int, ...], settings: RunSettings, seeds: Sequence[int]) -> Prepared:
    for name in ("blocks", "tokens"):
        if getattr(settings, name) is not None:
            raise BadInput(f"{name} {getattr(settings, name)}: {settings.benchmark} has none; leave it out")
    pool, train, classes = _samples(data, settings.data_seed, settings.dtype)
    rows, dtype = np.arange(train), settings.dtype
    own = settings.backbone_seed is None
    network: HiddenLayers
    if settings.backbone == "pretrained":
        rows = rows[train // _SOURCE_PART :]
        network, source_head = _pretrained(data, hidden, settings.data_seed, settings.backbone_seed or 0, dtype)
        own = False
        head = Head(*(jnp.repeat(leaf[None], len(seeds), axis=0) for leaf in source_head))
    else:
        widths = (int(pool.inputs.shape[1]), *hidden)
        keys = backbone_keys(seeds if own else [settings.backbone_seed or 0])
        network = jax.vmap(lambda key: random_hidden_layers(key, widths, dtype=dtype))(keys)
        if not own:
            network = jax.tree.map(lambda leaf: leaf[0], network)
        head = jax.vmap(lambda key: random_head(key, classes, hidden[-1], dtype))(head_keys(seeds))
    if settings.samples is not None:
        if not 1 <= settings.samples <= len(rows):
            raise BadInput(
                f"samples {settings.samples} is out of range: {settings.benchmark} with the {settings.backbone} "
                f"backbone has {len(rows)}; choose 1 to {len(rows)}"
            )
        rows = rows[: settings.samples]
    test = np.arange(train, len(pool.targets))
    return Prepared(pool, rows, test, network, not own, network.names, head)


def _benchmark(name: str, title: str, data: str, hidden: tuple[int, ...], **defaults: Any) -> Benchmark:
    return Benchmark(
        name=name,
        title=title,
        data=data,
        backbones=("random", "pretrained"),
        defaults={"weight_decay": 1e-2, **defaults},
        rates={"full": 1e-3, "": 3e-3},
        prepare=lambda settings, seeds: _prepare(data, hidden, settings, seeds),
    )


def _title(data: str, hidden: tuple[int, ...]) -> str:
    return f"{data}: MLP with hidden layers {', '.join(map(str, hidden))}, all of them adapted, and a linear head"


MLPS = (
    _benchmark(
        "digits-mlp",
        _title("digits", _HIDDEN["tiny"]),
        "digits",
        _HIDDEN["tiny"],
        epochs=60.0,
        batch_size=64,
    ),
    *(
        _benchmark(
            f"mnist-mlp-{size}",
            _title("MNIST", hidden),
            "mnist",
            hidden,
            epochs=20.0,
            batch_size=128,
        )
        for size, hidden in _HIDDEN.items()
    ),
    _benchmark(
        "fashion-mlp-medium",
        _title("Fashion-MNIST", _HIDDEN["medium"]),
        "fashion-mnist",
        _HIDDEN["medium"],
        epochs=20.0,
        batch_size=128,
    ),
)
