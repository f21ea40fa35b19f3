"""A frozen backbone on one data set: features of the public part, of the sample and of the test part, and its head."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from sims.certified_adapters.softmax import softmax_fit
from sims.data import Data
from sims.errors import BadInput
from sims.networks import random_mlp
from sims.supersample.relu_features import relu_features
from sims.threads import blas_on_one_thread

Features = Float[np.ndarray, "_ h"]
Labels = Int[np.ndarray, " _"]
Backbone = Literal["relu", "network"]

_CHUNK = 4096
HEAD_DECAY = 1e-3
RIDGE = 1e-6  # relative to the mean variance of the features: keeps dependent features apart from rounding


@dataclass(frozen=True)
class Task:
    """Features (float32, centred by the public mean) and labels of the three parts; the head is a (classes, h) matrix.

    Everything but ``sample`` and ``sample_labels`` is independent of the sample.
    """

    public: Features
    public_labels: Labels
    sample: Features
    sample_labels: Labels
    test: Features
    test_labels: Labels
    head: Float[np.ndarray, "classes h"]

    @property
    def shape(self) -> tuple[int, int]:
        """The shape (classes, h) of the adapted layer."""
        return self.head.shape[0], self.head.shape[1]

    @cached_property
    def moment(self) -> Float[np.ndarray, "h h"]:
        """The second moment of the sample's features plus a small multiple of the identity, float64."""
        moment = (self.sample.T @ self.sample).astype(np.float64) / len(self.sample)
        return moment + RIDGE * np.trace(moment) / len(moment) * np.eye(len(moment))

    def errors(self, update: Float[np.ndarray, "classes h"]) -> int:
        """Return the number of errors of head + update on the sample."""
        return count_errors(self.head + update, self.sample, self.sample_labels)

    def test_error(self, update: Float[np.ndarray, "classes h"]) -> float:
        """Return the error rate of head + update on the test part."""
        return count_errors(self.head + update, self.test, self.test_labels) / len(self.test)


def count_errors(weight: Float[np.ndarray, "classes h"], features: Features, labels: Labels) -> int:
    """Return how often the largest output is not the label's (ties go to the smaller class)."""
    return int(np.count_nonzero(np.argmax(features @ weight.T.astype(features.dtype), axis=1) != labels))


@blas_on_one_thread()
def make_task(data: Data, *, public: int, width: int, seed: int, backbone: Backbone = "relu", depth: int = 3) -> Task:
    """Return the task with a head of zeros; the first ``public`` training examples are the public part.

    ``relu``: one layer of random ReLU features. ``network``: the last hidden layer of a random frozen MLP with
    ``depth`` hidden layers. Both have ``width`` features and scale inputs by mean and deviation of the public part.
    The training part of `sims.data.load` is shuffled, so that public part and sample are drawn alike. Columns of tables
    are standardised again, by the public part: `load` used the sample, too.

    Raises:
        BadInput: data without classes, or a public part that leaves no sample.
    """
    if data.classes < 2:
        raise BadInput(f"{data.name} has no classes: certificates of the 0-1 loss need at least two, use 'digits'")
    if not 2 <= public < len(data.x_train):
        raise BadInput(f"public part of {public}: expected 2 to {len(data.x_train) - 1}, fewer than training examples")
    rng = np.random.default_rng([seed, 1])
    x, x_test = _inputs(data, public)
    if backbone == "relu":
        made = relu_features(rng, x[:public], width)
        mapped = replace(made, weight=made.weight.astype(np.float32))
        phi, phi_test = mapped(x), mapped(x_test)
    else:
        centre, spread = float(x[:public].mean()), float(x[:public].std()) or 1.0
        widths = (x.shape[1], *([width] * depth), data.classes)
        network = random_mlp(widths, key=jax.random.key(seed), bias_std=0.1, dtype=jnp.float32)

        @jax.jit
        def hidden(h: jax.Array) -> jax.Array:
            for layer in range(depth):
                h = network.activate(network.pre_activation(layer, h))
            return h

        def features(part: np.ndarray) -> np.ndarray:
            scaled = (part - np.float32(centre)) / np.float32(spread)
            return np.concatenate([np.asarray(hidden(scaled[i : i + _CHUNK])) for i in range(0, len(part), _CHUNK)])

        phi, phi_test = features(x), features(x_test)
    mean = phi[:public].mean(axis=0)
    phi, phi_test = phi - mean, phi_test - mean
    y, y_test = data.y_train.astype(np.int64), data.y_test.astype(np.int64)
    return Task(
        public=phi[:public],
        public_labels=y[:public],
        sample=phi[public:],
        sample_labels=y[public:],
        test=phi_test,
        test_labels=y_test,
        head=np.zeros((data.classes, width)),
    )


def _inputs(data: Data, public: int) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs in float32 that depend on no example but their own and the public ones."""
    x, x_test = data.x_train, data.x_test
    if x.min() < 0.0:  # a table; images lie in [0, 1], scaled by a constant
        # an affine map of each column, so that what load did to it cancels; a column that is constant in the public
        # part has no scale of its own and is left out, or it would keep the one that load took from the sample
        known = np.ptp(x[:public], axis=0) > 0
        mean, spread = x[:public].mean(axis=0), np.where(known, x[:public].std(axis=0), 1.0)
        x, x_test = ((part - mean) / spread * known for part in (x, x_test))
    return x.astype(np.float32), x_test.astype(np.float32)


@blas_on_one_thread()
def public_head(task: Task, labels: int) -> Task:
    """Return the task with a pretrained head: trained on the first ``labels`` public examples.

    Raises:
        BadInput: more labels than public examples, or none.
    """
    if not 1 <= labels <= len(task.public):
        raise BadInput(f"{labels} public labels: expected 1 to {len(task.public)}")
    part, y = task.public[:labels], task.public_labels[:labels]
    classes = task.shape[0]
    scale = float(np.sqrt((part.astype(np.float64) ** 2).sum(axis=1).mean()))
    weight = softmax_fit(part / np.float32(scale), y, classes, decay=HEAD_DECAY)
    return replace(task, head=weight / scale)
