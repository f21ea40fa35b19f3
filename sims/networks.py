"""Random frozen multilayer perceptrons of any depth and width, drawn from a key.

Two parametrisations of the same distribution of functions: ``ntk`` keeps standard normal weights and puts the scale in
the forward pass, ``standard`` puts it in the weights. Their tangent features differ by that scale.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sims.errors import BadInput

Array = Any
Activation = Literal["relu", "gelu", "tanh"]
Parametrisation = Literal["ntk", "standard"]

_FUNCTIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": jax.nn.relu,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "tanh": jnp.tanh,
}
# sqrt 2 keeps the second moment through a ReLU (and nearly so through a GELU); 1 is the usual choice for tanh.
_WEIGHT_STD = {"relu": 2**0.5, "gelu": 2**0.5, "tanh": 1.0}


class FrozenMLP(eqx.Module):
    """An MLP x -> f(x) with layers z = scale W h + bias_scale b, h = activation(z), and a linear last layer.

    ``weights[l]`` has shape (d_{l+1}, d_l); ``biases`` is None or one vector a layer. Biases are never adapted. Made by
    `random_mlp`.
    """

    weights: tuple[Float[Array, "_ _"], ...]
    biases: tuple[Float[Array, " _"], ...] | None
    activation: Activation = eqx.field(static=True)
    parametrisation: Parametrisation = eqx.field(static=True)
    weight_std: float = eqx.field(static=True)
    bias_std: float = eqx.field(static=True)

    @property
    def depth(self) -> int:
        """Number of weight matrices."""
        return len(self.weights)

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths (d_0, ..., d_depth); the last one is the number of outputs K."""
        return (int(self.weights[0].shape[1]), *(int(w.shape[0]) for w in self.weights))

    @property
    def outputs(self) -> int:
        """Number of outputs K."""
        return self.widths[-1]

    def scale(self, layer: int) -> float:
        """Return the factor in front of W h: weight_std / sqrt(d_in) for ``ntk``, 1 for ``standard``."""
        if self.parametrisation == "standard":
            return 1.0
        return self.weight_std / self.widths[layer] ** 0.5

    def pre_activation(self, layer: int, h: Float[Array, "n d_in"]) -> Float[Array, "n d_out"]:
        """Return scale W h + bias_scale b of one layer."""
        z = self.scale(layer) * (h @ self.weights[layer].T)
        if self.biases is None:
            return z
        bias = self.biases[layer][None, :]
        return z + (self.bias_std * bias if self.parametrisation == "ntk" else bias)

    def activate(self, z: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Return the activation function of z, entry by entry (GELU is the exact one, with erf)."""
        return _FUNCTIONS[self.activation](z)

    def as_input(self, x: Float[Array, "n d0"]) -> Float[Array, "n d0"]:
        """Return x in the weights' dtype; raise `BadInput` unless it is (n, d_0) with the network's d_0."""
        if x.ndim != 2 or x.shape[1] != self.widths[0]:
            raise BadInput(f"input has shape {tuple(x.shape)}, expected (n, {self.widths[0]}) for this network")
        return jnp.asarray(x, dtype=self.weights[0].dtype)

    def __call__(self, x: Float[Array, "n d0"]) -> Float[Array, "n k"]:
        """Return the outputs (n, K) at x (n, d_0); raise `BadInput` on another input width."""
        h = self.as_input(x)
        for layer in range(self.depth - 1):
            h = self.activate(self.pre_activation(layer, h))
        return self.pre_activation(self.depth - 1, h)


def random_mlp(
    widths: Sequence[Any],
    *,
    key: jax.Array,
    activation: str = "relu",
    parametrisation: str = "ntk",
    weight_std: float | None = None,
    bias_std: float = 0.0,
    dtype: Any = jnp.float64,
) -> FrozenMLP:
    """Return a random network of widths (d_0, ..., d_L), K = d_L.

    ``ntk``: z = weight_std / sqrt(d_in) W h + bias_std b with W, b ~ N(0, 1). ``standard``: z = W h + b with
    W ~ N(0, weight_std^2 / d_in), b ~ N(0, bias_std^2). From one key both give the same function. ``weight_std`` is by
    default sqrt 2 for relu and gelu, 1 for tanh; ``bias_std`` 0 means no biases. Raises `BadInput` for an unknown name,
    fewer than two widths, a width below 1, or a standard deviation that is not positive (weights) or non-negative
    (biases) and finite.
    """
    widths = _checked_widths(widths)
    _check_name("activation", activation, get_args(Activation))
    _check_name("parametrisation", parametrisation, get_args(Parametrisation))
    std = _WEIGHT_STD[activation] if weight_std is None else float(weight_std)
    if not (np.isfinite(std) and std > 0):
        raise BadInput(f"weight_std is {weight_std}, expected a positive finite number")
    if not (np.isfinite(bias_std) and bias_std >= 0):
        raise BadInput(f"bias_std is {bias_std}, expected 0 (no biases) or a positive finite number")
    standard = parametrisation == "standard"
    weights, biases = [], []
    for layer, (d_in, d_out) in enumerate(pairwise(widths)):
        weight_key, bias_key = jax.random.split(jax.random.fold_in(key, layer))
        weight = jax.random.normal(weight_key, (d_out, d_in), dtype)
        weights.append(weight * (std / d_in**0.5) if standard else weight)
        bias = jax.random.normal(bias_key, (d_out,), dtype)
        biases.append(bias * bias_std if standard else bias)
    return FrozenMLP(
        weights=tuple(weights),
        biases=tuple(biases) if bias_std > 0 else None,
        activation=activation,  # type: ignore[arg-type]
        parametrisation=parametrisation,  # type: ignore[arg-type]
        weight_std=std,
        bias_std=float(bias_std),
    )


def _checked_widths(widths: Sequence[Any]) -> tuple[int, ...]:
    if len(widths) < 2:
        raise BadInput(f"widths {tuple(widths)}: expected at least two, the input width and the number of outputs")
    for width in widths:
        if isinstance(width, bool) or not isinstance(width, int | np.integer) or width < 1:
            raise BadInput(f"widths {tuple(widths)}: {width!r} is not a positive whole number")
    return tuple(int(width) for width in widths)


def _check_name(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise BadInput(f"unknown {what} {name!r}, expected one of {', '.join(known)}")
