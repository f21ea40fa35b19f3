"""Finite populations of (features, label) on which the true risk is a finite sum and its minimiser is certified.

Samples are drawn independently with replacement, as the generalisation bound asks, so that they may be larger than the
population; a sample is its vector of relative frequencies.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sims.data import load
from sims.errors import CannotServe
from sims.networks import random_mlp
from sims.ntk.tangents import tangent_features
from theory.convex_lora import dual_value, nuclear_norm
from theory.losses import CROSS_ENTROPY, LOGISTIC, Loss

_NEWTON_STEPS = 100


@dataclass(frozen=True)
class Population:
    """Points i with probability weights[i]: features (M, K, m, p), offsets f0 (M, K), labels y as the loss takes them.

    ``true_delta`` minimises the true risk over all matrices up to ``true_gap``, a certified bound.
    """

    name: str
    features: Float[np.ndarray, "q k m p"]
    f0: Float[np.ndarray, "q k"]
    y: np.ndarray
    weights: Float[np.ndarray, " q"]
    loss: Loss
    true_delta: Float[np.ndarray, "m p"]
    true_gap: float = 0.0

    @property
    def outputs(self) -> int:
        """Number of outputs K."""
        return self.features.shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the adapted matrix."""
        return self.features.shape[2], self.features.shape[3]

    @property
    def design(self) -> Float[np.ndarray, "qk d"]:
        """All features as rows."""
        return self.features.reshape(-1, self.features.shape[2] * self.features.shape[3])

    @property
    def feature_norm(self) -> float:
        """R, the largest Frobenius norm of a feature of the population."""
        return float(np.sqrt((self.design**2).sum(axis=1).max()))

    def smoothness(self, weights: Float[np.ndarray, " q"]) -> float:
        """Return a Lipschitz constant of the gradient of a weighted risk: curvature times the top of its covariance."""
        rows = self.design * np.sqrt(np.repeat(weights, self.outputs))[:, None]
        return self.loss.curvature * float(np.linalg.eigvalsh(rows.T @ rows)[-1])

    @property
    def true_norm(self) -> float:
        """||delta_true||_*."""
        return nuclear_norm(self.true_delta)

    def predictions(self, delta: Float[np.ndarray, "m p"]) -> Float[np.ndarray, "q k"]:
        """Return f0 + <G, delta> at every point."""
        return self.f0 + (self.design @ delta.reshape(-1)).reshape(self.f0.shape)

    def losses(self, delta: Float[np.ndarray, "m p"]) -> Float[np.ndarray, " q"]:
        """Return the loss at every point."""
        return self.loss.value(self.predictions(delta), self.y)

    def risk(self, delta: Float[np.ndarray, "m p"], weights: Float[np.ndarray, " q"] | None = None) -> float:
        """Return the true risk, or with the frequencies of a sample its empirical risk."""
        return float((self.weights if weights is None else weights) @ self.losses(delta))

    def gradient(
        self, delta: Float[np.ndarray, "m p"], weights: Float[np.ndarray, " q"] | None = None
    ) -> Float[np.ndarray, "m p"]:
        """Return the gradient of the same risk."""
        w = self.weights if weights is None else weights
        z = self.loss.gradient(self.predictions(delta), self.y) * w[:, None]
        return (z.reshape(-1) @ self.design).reshape(self.shape)

    def excess(self, delta: Float[np.ndarray, "m p"]) -> float:
        """Return an upper bound of L(delta) - min L, exact up to the certified gap of the true minimiser."""
        return self.risk(delta) - self.risk(self.true_delta) + self.true_gap

    def sample(self, rng: np.random.Generator, size: int) -> Float[np.ndarray, " q"]:
        """Return the relative frequencies of an i.i.d. sample."""
        return rng.multinomial(size, self.weights) / size


def teacher(loss: Loss, outputs: int, m: int, p: int, *, points: int, strength: float, seed: int) -> Population:
    """Return inputs whose labels follow the teacher's own probabilities, so that the teacher is the true minimiser.

    Output j has feature a_j b_t^T at an input of type t, plus noise; the teacher strength * sum_t a_t b_t^T undoes the
    offsets of a confidently wrong pretrained model. Every label of every input is a point, weighted by its probability:
    the gradient of the true risk at the teacher is exactly zero. Features are scaled to R = 1.
    """
    g = np.random.default_rng(seed)
    left, right = (np.linalg.qr(g.standard_normal((size, size)))[0][:, :outputs] for size in (m, p))
    kind = g.integers(0, outputs, points)
    features = np.einsum("mj,np->njmp", left, right.T[kind])
    features += 0.5 * g.standard_normal(features.shape) / (m * p) ** 0.5
    features /= np.sqrt((features**2).sum(axis=(2, 3)).max())
    delta = strength * left @ right.T
    shift = np.einsum("njmp,mp->nj", features, delta)
    f0 = -0.5 * shift
    labels = np.arange(outputs) if loss.name == "cross_entropy" else np.array([1.0, -1.0])
    count = labels.size
    f0, y = np.repeat(f0, count, axis=0), np.tile(labels, points)
    if loss.name == "logistic":
        y = y[:, None]
    features = np.repeat(features, count, axis=0)
    probabilities = np.exp(-loss.value(f0 + np.repeat(shift, count, axis=0), y))
    name = f"teacher, {loss.name}, K = {outputs}, {m}x{p}, {y.shape[0]} points"
    return Population(name, features, f0, y, probabilities / probabilities.sum(), loss, delta)


def frozen_network(data: str, loss: Loss, outputs: int, m: int, p: int, *, points: int, seed: int) -> Population:
    """Return real inputs with tangent features of the inner (m, p) layer of a random frozen MLP.

    Labels are the class modulo 2 (logistic) or modulo K (cross-entropy): too coarse to be fitted without error by m p
    parameters, so that the true risk has a minimiser, which Newton's method finds and a dual point certifies.

    Raises:
        BadInput: data without classes, or labels that the features separate, so that no minimiser exists.
    """
    whole = load(data, seed=seed)
    if whole.classes == 0:
        raise CannotServe(f"data set {data} has no classes: choose a classification set such as digits")
    x = np.concatenate([whole.x_train, whole.x_test])[:points]
    y = np.concatenate([whole.y_train, whole.y_test])[:points]
    x = x - x.mean(axis=0)
    mlp = random_mlp((x.shape[1], p, m, outputs), key=jax.random.key(seed), activation="tanh")
    (layer,) = tangent_features(mlp, jnp.asarray(x), layers=(1,))
    features = np.asarray(layer.dense())
    labels = y % outputs if loss.name == "cross_entropy" else np.where(y % 2 == 0, 1.0, -1.0)[:, None]
    name = f"{data}: frozen MLP, {loss.name}, K = {outputs}, layer {m}x{p}, {len(x)} points"
    weights = np.full(len(x), 1.0 / len(x))
    zero = np.zeros((m, p))
    return certified(Population(name, features, np.asarray(mlp(jnp.asarray(x))), labels, weights, loss, zero))


def certified(population: Population) -> Population:
    """Return the population with the minimiser of its true risk and a bound of its gap (weights all equal).

    Newton's method, then the residual projected on what no feature reaches: a dual feasible point.

    Raises:
        BadInput: no minimiser was reached.
    """
    p = population
    design = p.design
    delta, risk, step = p.true_delta, p.risk(p.true_delta), np.zeros(p.shape)
    for _ in range(_NEWTON_STEPS):
        curved = p.loss.hessian(p.predictions(delta), p.y) @ p.features.reshape(len(p.weights), p.outputs, -1)
        hessian = design.T @ curved.reshape(design.shape) / len(p.weights)
        step = np.linalg.lstsq(hessian, -p.gradient(delta).reshape(-1), rcond=1e-14)[0].reshape(p.shape)
        lengths = 0.5 ** np.arange(30)
        trials = [p.risk(delta + t * step) for t in lengths]
        best = int(np.argmin(trials))
        if trials[best] >= risk - 1e-16:  # below rounding of the risk only the gradient can judge
            if np.linalg.norm(p.gradient(delta + step)) >= np.linalg.norm(p.gradient(delta)):
                break
            best = 0
        delta, risk = delta + lengths[best] * step, trials[best]
    reach = p.features
    if p.loss.free_outputs(p.outputs) < p.outputs:
        reach = reach - reach.mean(axis=1, keepdims=True)  # a softmax residual sums to zero over the outputs
    reach = reach.reshape(design.shape)
    z = p.loss.gradient(p.predictions(delta), p.y).reshape(-1)
    z = z - reach @ np.linalg.lstsq(reach, z, rcond=1e-13)[0]
    gap = p.risk(delta) - dual_value(p.loss, z.reshape(p.f0.shape), p.f0, p.y)
    # where no minimiser exists the risk converges but Newton's step does not: it keeps its length
    still = float(np.linalg.norm(step)) <= 1e-6 * max(1.0, float(np.linalg.norm(delta)))
    if not (still and gap <= 1e-9):
        raise CannotServe(f"{p.name}: no minimiser of the true risk (gap {gap:.1e}): are the labels separable?")
    return replace(p, true_delta=delta, true_gap=max(gap, 0.0))


def catalogue(data: str, seed: int, points: int) -> list[Population]:
    """Return the four populations of the claim: a known teacher and real inputs, logistic and cross-entropy."""
    return [
        teacher(LOGISTIC, 1, 4, 5, points=points // 2, strength=4.0, seed=seed),
        teacher(CROSS_ENTROPY, 3, 4, 5, points=points // 3, strength=3.0, seed=seed),
        frozen_network(data, LOGISTIC, 1, 2, 3, points=points, seed=seed),
        frozen_network(data, CROSS_ENTROPY, 3, 2, 3, points=points, seed=seed),
    ]
