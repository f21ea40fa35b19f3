"""Losses of the linearised problem, with gradient, Hessian and convex conjugate per sample.

All functions take numpy or JAX arrays: predictions ``p`` (n, k) and targets ``y``. Targets are (n, k) real for the
squared loss, (n, k) of +-1 for the logistic loss, and (n,) integer labels 0..k-1 for softmax cross-entropy.
The mean over samples is left to the caller.

Conjugates follow Fenchel: l*(z) = sup_p <z, p> - l(p), finite on the closure of the gradient's range and +inf outside
it. A point counts as outside where it is so by more than the rounding of z itself (``DOMAIN_ROUNDING`` of float64).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Num

Array = Any
DOMAIN_ROUNDING = 16.0  # units of rounding of z's precision by which a dual point may leave the conjugate's domain


def _namespace(p: Array) -> Any:
    return p.__array_namespace__()


def _xlogx(xp: Any, q: Array) -> Array:
    positive = q > 0
    return xp.where(positive, q * xp.log(xp.where(positive, q, 1.0)), 0.0)


def _one_less(xp: Any, z: Array) -> Array:
    """Return (1 + z) log(1 + z) for z in [-1, 0], accurate for small z."""
    above = z > -1.0
    safe = xp.where(above, z, 0.0)
    return xp.where(above, (1.0 + safe) * xp.log1p(safe), 0.0)


def _slack(xp: Any, q: Array) -> float:
    return DOMAIN_ROUNDING * float(xp.finfo(q.dtype).eps)


@dataclass(frozen=True)
class Loss(ABC):
    """A convex loss l(p, y), twice differentiable in p.

    ``curvature`` bounds the largest eigenvalue of the Hessian; ``lipschitz`` is the Lipschitz constant in the Euclidean
    norm of R^k per output row (infinite for the squared loss); ``free_outputs(k)`` is the dimension of the span of
    gradients for one sample, which is what counts in the rank thresholds.
    """

    name: str
    curvature: float
    lipschitz: float

    def free_outputs(self, k: int) -> int:
        """Return the number of independent gradient entries per sample: k, or k - 1 for softmax cross-entropy."""
        return k

    @abstractmethod
    def value(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, " n"]:
        """Return the loss of every sample, shape (n,)."""

    @abstractmethod
    def gradient(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, "n k"]:
        """Return the gradient with respect to the predictions, shape (n, k)."""

    @abstractmethod
    def hessian(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, "n k k"]:
        """Return the Hessian with respect to the predictions, shape (n, k, k)."""

    @abstractmethod
    def conjugate(self, z: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, " n"]:
        """Return the convex conjugate at z for every sample, shape (n,): +inf where z is outside its domain."""


@dataclass(frozen=True)
class Squared(Loss):
    """Half the squared error summed over outputs."""

    name: str = "squared"
    curvature: float = 1.0
    lipschitz: float = float("inf")

    def value(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, " n"]:
        """Return |p - y|^2 / 2."""
        return 0.5 * ((p - y) ** 2).sum(axis=-1)

    def gradient(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, "n k"]:
        """Return p - y."""
        return p - y

    def hessian(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, "n k k"]:
        """Return the identity for every sample."""
        xp = _namespace(p)
        n, k = p.shape
        return xp.broadcast_to(xp.eye(k, dtype=p.dtype), (n, k, k))

    def conjugate(self, z: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, " n"]:
        """Return |z|^2 / 2 + <z, y>."""
        return (0.5 * z**2 + z * y).sum(axis=-1)


@dataclass(frozen=True)
class Logistic(Loss):
    """log(1 + exp(-y p)) summed over outputs, y = +-1."""

    name: str = "logistic"
    curvature: float = 0.25
    lipschitz: float = 1.0

    def value(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, " n"]:
        """Return log(1 + exp(-y p)), stable for large |p|."""
        xp = _namespace(p)
        return xp.logaddexp(xp.zeros_like(p), -y * p).sum(axis=-1)

    def _sigmoid(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, "n k"]:
        # sigma(-y p) with all its digits in both tails: what is left of a small loss must not be a difference to 1
        xp = _namespace(p)
        return xp.exp(-xp.logaddexp(xp.zeros_like(p), y * p))

    def gradient(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, "n k"]:
        """Return -y sigma(-y p)."""
        return -y * self._sigmoid(p, y)

    def hessian(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, "n k k"]:
        """Return the diagonal matrix of sigma(p) sigma(-p)."""
        xp = _namespace(p)
        s = self._sigmoid(p, y)
        return (s * (1.0 - s))[:, :, None] * xp.eye(p.shape[1], dtype=p.dtype)[None]

    def conjugate(self, z: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, " n"]:
        """Return q log q + (1 - q) log(1 - q) with q = -y z, +inf unless q is in [0, 1]."""
        xp = _namespace(z)
        q = -y * z
        slack = _slack(xp, q)
        inside = ((q >= -slack) & (q <= 1.0 + slack)).all(axis=-1)
        q = xp.clip(q, 0.0, 1.0)
        return xp.where(inside, (_xlogx(xp, q) + _one_less(xp, -q)).sum(axis=-1), xp.inf)


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Softmax cross-entropy with integer labels."""

    name: str = "cross_entropy"
    curvature: float = 0.5
    lipschitz: float = 2.0**0.5

    def free_outputs(self, k: int) -> int:
        """Return k - 1: the gradient of a softmax sums to zero over the outputs."""
        return k - 1

    def _one_hot(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, "n k"]:
        xp = _namespace(p)
        return (y[:, None] == xp.arange(p.shape[1], dtype=y.dtype)[None, :]).astype(p.dtype)

    def _softmax(self, p: Float[Array, "n k"]) -> Float[Array, "n k"]:
        xp = _namespace(p)
        e = xp.exp(p - p.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def value(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, " n"]:
        """Return log-sum-exp(p) - p_y."""
        xp = _namespace(p)
        label = self._one_hot(p, y)
        ahead = p - (p * label).sum(axis=1, keepdims=True)
        top = ahead.max(axis=1)
        largest = xp.argmax(ahead, axis=1)[:, None] == xp.arange(p.shape[1])[None, :]
        # the largest term is 1 exactly: log1p of the others keeps the digits of a small loss
        others = xp.where(largest, 0.0, xp.exp(ahead - top[:, None])).sum(axis=1)
        return top + xp.log1p(others)

    def gradient(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, "n k"]:
        """Return softmax(p) - e_y; at the label minus the sum of the others, which keeps its digits."""
        xp = _namespace(p)
        label = self._one_hot(p, y) > 0
        others = xp.where(label, 0.0, self._softmax(p))
        return xp.where(label, -others.sum(axis=1, keepdims=True), others)

    def hessian(self, p: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, "n k k"]:
        """Return diag(s) - s s^T with s = softmax(p)."""
        xp = _namespace(p)
        s = self._softmax(p)
        return s[:, :, None] * xp.eye(p.shape[1], dtype=p.dtype)[None] - s[:, :, None] * s[:, None, :]

    def conjugate(self, z: Float[Array, "n k"], y: Num[Array, "..."]) -> Float[Array, " n"]:
        """Return sum_j q_j log q_j with q = z + e_y, +inf unless q is in the simplex."""
        xp = _namespace(z)
        q = z + self._one_hot(z, y)
        slack = _slack(xp, q) * q.shape[1]
        inside = (q >= -slack).all(axis=1) & (xp.abs(q.sum(axis=1) - 1.0) <= slack)
        label = self._one_hot(z, y) > 0
        # at the label q = 1 + z: its logarithm keeps the digits of a small z
        terms = xp.where(label, _one_less(xp, xp.clip(z, -1.0, 0.0)), _xlogx(xp, xp.clip(z, 0.0, 1.0)))
        return xp.where(inside, terms.sum(axis=-1), xp.inf)


SQUARED, LOGISTIC, CROSS_ENTROPY = Squared(), Logistic(), CrossEntropy()
LOSSES: dict[str, Loss] = {loss.name: loss for loss in (SQUARED, LOGISTIC, CROSS_ENTROPY)}


def loss_named(name: str) -> Loss:
    """Return the loss of that name.

    Raises:
        ValueError: unknown name.
    """
    if name not in LOSSES:
        raise ValueError(f"loss {name!r} is unknown: expected one of {', '.join(LOSSES)}")
    return LOSSES[name]
