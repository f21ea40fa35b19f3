"""A frozen random network on real data, in plain numpy: the loss, inputs and error signals of one adapted matrix."""

from dataclasses import dataclass

import jax
import numpy as np

from sims.data import load
from sims.networks import random_mlp

_STEP = 1e-30  # of complex-step differentiation, which has no cancellation


@dataclass(frozen=True)
class AdaptedNetwork:
    """tanh network x -> W_3 tanh(W_2 tanh(W_1 x)); W_2 (d_out, d_in) is adapted. Cross-entropy, or squared loss.

    ``inputs`` (n, d_in) are those of W_2, ``features`` (n, d_out) its outputs after tanh, ``targets`` (n, k) one-hot
    labels (``cross_entropy``) or numbers.
    """

    name: str
    inputs: np.ndarray
    weight: np.ndarray
    head: np.ndarray
    targets: np.ndarray
    cross_entropy: bool

    def loss(self, weight: np.ndarray) -> np.complex128:
        """Return the mean loss; analytic, so that ``weight`` may be complex."""
        z = np.tanh(self.inputs @ weight.T) @ self.head.T
        if not self.cross_entropy:
            return np.complex128(0.5 * np.sum((z - self.targets) ** 2) / len(z))
        shift = z.real.max(axis=1, keepdims=True)
        normaliser = np.log(np.sum(np.exp(z - shift), axis=1)) + shift[:, 0]
        return np.complex128(np.mean(normaliser - np.sum(z * self.targets, axis=1)))

    def slope(self, weight: np.ndarray, direction: np.ndarray) -> float:
        """Return the derivative of the loss along a direction of the weight, by a complex step."""
        return float(self.loss(weight + 1j * _STEP * direction).imag) / _STEP

    def signals(self, weight: np.ndarray) -> np.ndarray:
        """Return the gradients (n, d_out) of each sample's loss by the output of the adapted matrix."""
        h = np.tanh(self.inputs @ weight.T)
        z = h @ self.head.T
        if self.cross_entropy:
            z = np.exp(z - z.max(axis=1, keepdims=True))
            z /= z.sum(axis=1, keepdims=True)
        return ((z - self.targets) @ self.head) * (1.0 - h**2)

    def gradient(self, weight: np.ndarray) -> np.ndarray:
        """Return G = mean of g x^T, the gradient by the whole adapted matrix."""
        return self.signals(weight).T @ self.inputs / len(self.inputs)

    @property
    def features(self) -> np.ndarray:
        """Outputs of the last hidden layer of the frozen network, (n, d_out)."""
        return np.tanh(self.inputs @ self.weight.T)


def adapted_network(data: str, seed: int, *, samples: int = 100, d_in: int = 24, d_out: int = 16) -> AdaptedNetwork:
    """Return a random frozen network on the first samples of a data set; raises BadInput as sims.data.load."""
    sample = load(data, seed=seed, samples=samples)
    classes = sample.classes
    targets = np.eye(classes)[sample.y_train] if classes else np.asarray(sample.y_train, dtype=np.float64)
    widths = (sample.x_train.shape[1], d_in, d_out, targets.shape[1])
    network = random_mlp(widths, key=jax.random.key(seed), activation="tanh")
    first, weight, head = (network.scale(i) * np.asarray(w) for i, w in enumerate(network.weights))
    inputs = np.tanh(sample.x_train @ first.T)
    name = f"{data}, n = {samples}, layer {d_out}x{d_in} of a tanh network, seed {seed}"
    return AdaptedNetwork(name, inputs, weight, head, targets, bool(classes))
