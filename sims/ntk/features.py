"""Tangent features of one adapted matrix: G_ik = gradient of output k at sample i with respect to that matrix.

Two representations with the same methods. ``DenseFeatures`` holds the array; ``FactoredFeatures`` holds
G_ik = sum_t signal[i, k, t] activation[i, t]^T, which is how back-propagation produces it. Arrays are numpy or JAX:
solvers run in numpy (the rank changes from step to step), searches and kernels in jitted JAX.
"""

import logging
from abc import ABC, abstractmethod
from typing import Any

import equinox as eqx
from jaxtyping import Float

Array = Any
_log = logging.getLogger(__name__)
_ROWS = 32  # of every feature matrix, multiplied out at a time by the Gram matrix


class FactorMetric(ABC):
    """A symmetric matrix M on stacked factors (u, v), with blocks M_uu, M_uv and M_vv, that may never be formed."""

    @abstractmethod
    def matrix(self) -> Float[Array, "d d"]:
        """Return M itself, d = d_out + d_in."""

    @abstractmethod
    def sandwich(
        self, s: Float[Array, "a d_out"], a: Float[Array, "b d_in"]
    ) -> tuple[Float[Array, "a a"], Float[Array, "b b"], Float[Array, "a b"]]:
        """Return s M_uu s^T, a M_vv a^T and s M_uv a^T."""


class TangentFeatures(eqx.Module):
    """Gradients of k outputs at n samples with respect to one (d_out, d_in) matrix."""

    # Python's own: Equinox makes every method a tree of its own at every call, which costs more than a small product
    __getattribute__ = object.__getattribute__

    @property
    @abstractmethod
    def n(self) -> int:
        """Number of samples."""

    @property
    @abstractmethod
    def k(self) -> int:
        """Number of outputs."""

    @property
    @abstractmethod
    def d_out(self) -> int:
        """Rows of the adapted matrix."""

    @property
    @abstractmethod
    def d_in(self) -> int:
        """Columns of the adapted matrix."""

    @abstractmethod
    def apply(self, delta: Float[Array, "d_out d_in"]) -> Float[Array, "n k"]:
        """Return <G_ik, delta>."""

    @abstractmethod
    def apply_low_rank(self, u: Float[Array, "d_out r"], v: Float[Array, "d_in r"]) -> Float[Array, "n k"]:
        """Return <G_ik, u v^T> without forming the product."""

    @abstractmethod
    def adjoint(self, residual: Float[Array, "n k"]) -> Float[Array, "d_out d_in"]:
        """Return sum_ik residual_ik G_ik."""

    @abstractmethod
    def project_input(self, a: Float[Array, "r d_in"]) -> "TangentFeatures":
        """Return the features G_ik a^T of the factor b in delta = b a, shape (d_out, r)."""

    @abstractmethod
    def project_output(self, b: Float[Array, "d_out r"]) -> "TangentFeatures":
        """Return the features b^T G_ik of the factor a in delta = b a, shape (r, d_in)."""

    @abstractmethod
    def gram(self, other: "TangentFeatures") -> Float[Array, "n k n2 k2"]:
        """Return <G_ik, G'_jl>, one layer's part of the empirical NTK."""

    @abstractmethod
    def factor_gram(
        self, u: Float[Array, "d_out r"], v: Float[Array, "d_in r"], metric: Float[Array, "d d"]
    ) -> Float[Array, "nk nk"]:
        """Return J (metric (x) I_r) J^T for J[(U, V)]_ik = <G_ik, U v^T + u V^T>, with a symmetric metric on R^d."""

    def metric_gram(
        self, u: Float[Array, "d_out r"], v: Float[Array, "d_in r"], metric: FactorMetric
    ) -> Float[Array, "nk nk"]:
        """Return the same for a metric that need not be formed."""
        return self.factor_gram(u, v, metric.matrix())

    def adjoint_factors(
        self, residual: Float[Array, "n k"], u: Float[Array, "d_out r"], v: Float[Array, "d_in r"]
    ) -> tuple[Float[Array, "d_out r"], Float[Array, "d_in r"]]:
        """Return (g v, g^T u) with g = adjoint(residual)."""
        g = self.adjoint(residual)
        return g @ v, g.T @ u

    @abstractmethod
    def mix_outputs(self, mixing: Float[Array, "k q"]) -> "TangentFeatures":
        """Return features of the q output combinations sum_k mixing_kq f_k."""

    @abstractmethod
    def dense(self) -> Float[Array, "n k d_out d_in"]:
        """Return the dense tensor; its size is logged first."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (d_out, d_in) of the adapted matrix."""
        return self.d_out, self.d_in

    def _announce(self, itemsize: int) -> None:
        size = self.n * self.k * self.d_out * self.d_in * itemsize
        level = logging.WARNING if size > 2**28 else logging.INFO
        _log.log(level, "dense features: %d x %d x %d x %d, %.1f MiB", self.n, self.k, *self.shape, size / 2**20)


class DenseFeatures(TangentFeatures):
    """Features held as one array of shape (n, k, d_out, d_in)."""

    gradients: Float[Array, "n k d_out d_in"]

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.gradients.shape[0])

    @property
    def k(self) -> int:
        """Number of outputs."""
        return int(self.gradients.shape[1])

    @property
    def d_out(self) -> int:
        """Rows of the adapted matrix."""
        return int(self.gradients.shape[2])

    @property
    def d_in(self) -> int:
        """Columns of the adapted matrix."""
        return int(self.gradients.shape[3])

    def _matrix(self) -> Float[Array, "nk p"]:
        return self.gradients.reshape(self.n * self.k, self.d_out * self.d_in)

    def apply(self, delta: Float[Array, "d_out d_in"]) -> Float[Array, "n k"]:
        """Return <G_ik, delta>."""
        return (self._matrix() @ delta.reshape(-1)).reshape(self.n, self.k)

    def apply_low_rank(self, u: Float[Array, "d_out r"], v: Float[Array, "d_in r"]) -> Float[Array, "n k"]:
        """Return <G_ik, u v^T>."""
        return self.apply(u @ v.T)

    def adjoint(self, residual: Float[Array, "n k"]) -> Float[Array, "d_out d_in"]:
        """Return sum_ik residual_ik G_ik."""
        return (residual.reshape(-1) @ self._matrix()).reshape(self.d_out, self.d_in)

    def project_input(self, a: Float[Array, "r d_in"]) -> "DenseFeatures":
        """Return the features G_ik a^T, shape (d_out, r)."""
        return DenseFeatures(self.gradients @ a.T)

    def project_output(self, b: Float[Array, "d_out r"]) -> "DenseFeatures":
        """Return the features b^T G_ik, shape (r, d_in)."""
        return DenseFeatures(b.T @ self.gradients)

    def gram(self, other: TangentFeatures) -> Float[Array, "n k n2 k2"]:
        """Return <G_ik, G'_jl>."""
        other_matrix = other.dense().reshape(other.n * other.k, -1)
        return (self._matrix() @ other_matrix.T).reshape(self.n, self.k, other.n, other.k)

    def factor_gram(
        self, u: Float[Array, "d_out r"], v: Float[Array, "d_in r"], metric: Float[Array, "d d"]
    ) -> Float[Array, "nk nk"]:
        """Return J (metric (x) I_r) J^T through the explicit Jacobian (n k, d, r)."""
        xp = self.gradients.__array_namespace__()
        return _metric_gram(xp, self.gradients @ v, xp.swapaxes(self.gradients, 2, 3) @ u, metric)

    def mix_outputs(self, mixing: Float[Array, "k q"]) -> "DenseFeatures":
        """Return features of output combinations."""
        xp = self.gradients.__array_namespace__()
        return DenseFeatures(xp.einsum("nkij,kq->nqij", self.gradients, mixing))

    def dense(self) -> Float[Array, "n k d_out d_in"]:
        """Return the array itself."""
        return self.gradients


class FactoredFeatures(TangentFeatures):
    """Features G_ik = sum_t signal[i, k, t] activation[i, t]^T, never multiplied out.

    ``signal`` (n, k, t, d_out) is the back-propagated signal of output k at position t, ``activation`` (n, t, d_in) the
    input of the linear map there; t = 1 for a plain MLP.
    """

    signal: Float[Array, "n k t d_out"]
    activation: Float[Array, "n t d_in"]

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.signal.shape[0])

    @property
    def k(self) -> int:
        """Number of outputs."""
        return int(self.signal.shape[1])

    @property
    def d_out(self) -> int:
        """Rows of the adapted matrix."""
        return int(self.signal.shape[3])

    @property
    def d_in(self) -> int:
        """Columns of the adapted matrix."""
        return int(self.activation.shape[2])

    @property
    def _xp(self) -> Any:
        return self.signal.__array_namespace__()

    def apply(self, delta: Float[Array, "d_out d_in"]) -> Float[Array, "n k"]:
        """Return <G_ik, delta> = sum_t signal . (delta activation)."""
        image = self.activation @ delta.T
        return (self.signal * image[:, None]).sum(axis=(2, 3))

    def apply_low_rank(self, u: Float[Array, "d_out r"], v: Float[Array, "d_in r"]) -> Float[Array, "n k"]:
        """Return <G_ik, u v^T>, cost linear in d_out + d_in."""
        beta, alpha = _product(self.signal, u), _product(self.activation, v)
        n, k = beta.shape[:2]
        size = beta.shape[2] * beta.shape[3]
        return (beta.reshape(n, k, size) @ alpha.reshape(n, size, 1))[:, :, 0]

    def adjoint(self, residual: Float[Array, "n k"]) -> Float[Array, "d_out d_in"]:
        """Return sum_ik residual_ik G_ik as one matrix product over samples and positions."""
        return self._weighted(residual).T @ self.activation.reshape(-1, self.d_in)

    def _weighted(self, residual: Float[Array, "n k"]) -> Float[Array, "nt d_out"]:
        """Return sum_k residual_ik signal_ikt, one row per sample and position."""
        n, k, t, d = self.signal.shape
        if k == 1:  # a product per sample would be mostly overhead
            return (residual[:, :, None] * self.signal.reshape(n, t, d)).reshape(n * t, d)
        return (residual[:, None, :] @ self.signal.reshape(n, k, t * d)).reshape(n * t, d)

    def project_input(self, a: Float[Array, "r d_in"]) -> "FactoredFeatures":
        """Return the features G_ik a^T, still factored."""
        return FactoredFeatures(self.signal, self.activation @ a.T)

    def project_output(self, b: Float[Array, "d_out r"]) -> "FactoredFeatures":
        """Return the features b^T G_ik, still factored."""
        return FactoredFeatures(self.signal @ b, self.activation)

    def gram(self, other: TangentFeatures) -> Float[Array, "n k n2 k2"]:
        """Return <G_ik, G'_jl> = sum_{t t'} (signal . signal') (activation . activation')."""
        if not isinstance(other, FactoredFeatures):
            return DenseFeatures(self.dense()).gram(other)
        n, k, t, _ = self.signal.shape
        n2, k2, t2, _ = other.signal.shape
        if t == t2 == 1:
            signals = self.signal.reshape(n * k, -1) @ other.signal.reshape(n2 * k2, -1).T
            inputs = self.activation.reshape(n, -1) @ other.activation.reshape(n2, -1).T
            return signals.reshape(n, k, n2, k2) * inputs[:, None, :, None]
        # with positions, some rows of every G at a time are multiplied out: t^2 inner products would cost more
        size, size2 = n * k, n2 * k2
        total = self._xp.zeros((size, size2), dtype=self.signal.dtype)
        for start in range(0, self.d_out, _ROWS):
            mine, theirs = self._rows(start), other._rows(start)
            total = total + mine.reshape(size, -1) @ theirs.reshape(size2, -1).T
        return total.reshape(n, k, n2, k2)

    def _rows(self, start: int) -> Float[Array, "n k b d_in"]:
        """Return rows start to start + ``_ROWS`` of every G_ik."""
        n, k, t, _ = self.signal.shape
        part = self._xp.swapaxes(self.signal[..., start : start + _ROWS], 2, 3)
        rows = part.shape[2]
        return (part.reshape(n, k * rows, t) @ self.activation).reshape(n, k, rows, self.d_in)

    def factor_gram(
        self, u: Float[Array, "d_out r"], v: Float[Array, "d_in r"], metric: Float[Array, "d d"]
    ) -> Float[Array, "nk nk"]:
        """Return J (metric (x) I_r) J^T; row ik of J stacks sum_t signal (v^T act)^T on sum_t act (u^T signal)^T."""
        alpha, beta = _product(self.activation, v), _product(self.signal, u)
        if self.signal.shape[2] > 1:
            by_u = FactoredFeatures(self.signal, alpha).dense()
            by_v = self._xp.swapaxes(FactoredFeatures(beta, self.activation).dense(), 2, 3)
            return _metric_gram(self._xp, by_u, by_v, metric)
        s, a = self._flat()
        m = self.d_out
        return self._one_position_gram(
            alpha, beta, s @ metric[:m, :m] @ s.T, a @ metric[m:, m:] @ a.T, s @ metric[:m, m:] @ a.T
        )

    def metric_gram(
        self, u: Float[Array, "d_out r"], v: Float[Array, "d_in r"], metric: FactorMetric
    ) -> Float[Array, "nk nk"]:
        """Return J (metric (x) I_r) J^T; with one position per sample the metric is never formed."""
        if self.signal.shape[2] > 1:
            return self.factor_gram(u, v, metric.matrix())
        alpha, beta = _product(self.activation, v), _product(self.signal, u)
        return self._one_position_gram(alpha, beta, *metric.sandwich(*self._flat()))

    def _flat(self) -> tuple[Float[Array, "nk d_out"], Float[Array, "n d_in"]]:
        """Return signal and activation as matrices, for one position."""
        return self.signal.reshape(self.n * self.k, -1), self.activation.reshape(self.n, -1)

    def _one_position_gram(
        self,
        alpha: Float[Array, "n 1 r"],
        beta: Float[Array, "n k 1 r"],
        by_signal: Float[Array, "nk nk"],
        by_activation: Float[Array, "n n"],
        cross: Float[Array, "nk n"],
    ) -> Float[Array, "nk nk"]:
        """Return the Gram matrix of J from the metric's values on signals and activations, as entrywise products."""
        n, k, _, r = beta.shape
        size = n * k
        alpha, beta = alpha.reshape(n, r), beta.reshape(size, r)
        total = by_signal.reshape(n, k, n, k) * (alpha @ alpha.T)[:, None, :, None]
        total += (beta @ beta.T).reshape(n, k, n, k) * by_activation[:, None, :, None]
        mixed = (cross.reshape(n, k, n, 1) * (alpha @ beta.T).reshape(n, 1, n, k)).reshape(size, size)
        total = total.reshape(size, size)
        total += mixed
        total += mixed.T
        return total

    def adjoint_factors(
        self, residual: Float[Array, "n k"], u: Float[Array, "d_out r"], v: Float[Array, "d_in r"]
    ) -> tuple[Float[Array, "d_out r"], Float[Array, "d_in r"]]:
        """Return (g v, g^T u) with g = adjoint(residual), which is not formed."""
        weighted = self._weighted(residual)
        inputs = self.activation.reshape(-1, self.d_in)
        return weighted.T @ (inputs @ v), inputs.T @ (weighted @ u)

    def mix_outputs(self, mixing: Float[Array, "k q"]) -> "FactoredFeatures":
        """Return features of output combinations, still factored."""
        return FactoredFeatures(self._xp.einsum("nktd,kq->nqtd", self.signal, mixing), self.activation)

    def dense(self) -> Float[Array, "n k d_out d_in"]:
        """Return the dense tensor; its size is logged first."""
        self._announce(self.signal.dtype.itemsize)
        return self._xp.swapaxes(self.signal, 2, 3) @ self.activation[:, None]


def _product(x: Array, w: Array) -> Array:
    """Return x @ w, (*batch, d) by (d, r), as one matrix product: one per sample and output is mostly overhead."""
    return (x.reshape(-1, x.shape[-1]) @ w).reshape(*x.shape[:-1], w.shape[1])


def _metric_gram(
    xp: Any, by_u: Float[Array, "n k d_out r"], by_v: Float[Array, "n k d_in r"], metric: Float[Array, "d d"]
) -> Float[Array, "nk nk"]:
    """Return J (metric (x) I_r) J^T from the two parts of J, as two large matrix products."""
    n, k, d_out, r = by_u.shape
    d = d_out + by_v.shape[2]
    jacobian = xp.concatenate([by_u, by_v], axis=2).reshape(n * k, d, r)
    rows = xp.swapaxes(jacobian, 0, 1).reshape(d, n * k * r)
    image = xp.swapaxes((metric @ rows).reshape(d, n * k, r), 0, 1)
    return image.reshape(n * k, d * r) @ jacobian.reshape(n * k, d * r).T
