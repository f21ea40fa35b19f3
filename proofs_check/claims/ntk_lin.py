"""NTK-LIN: the linearisation error is of second order in the update."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import claim
from proofs_check.slopes import log_slope
from sims.data import few_shot, load
from sims.networks import FrozenMLP, random_mlp
from sims.ntk.tangents import linearised, tangent_features, updated

_STEPS = tuple(2.0**-j for j in range(6, 12))  # ||delta||_F relative to ||W||_F
_BAND = 0.05  # the next Taylor term bends the log-log line by about the largest step


def _errors(network: FrozenMLP, features_of: FrozenMLP, x: jax.Array, seed: int, rank: int) -> list[list[float]]:
    """Return max |f(W + delta) - linearised| over samples and outputs for LoRA-shaped updates of falling size."""
    g = np.random.default_rng(seed)
    directions = []
    for weight in network.weights:
        m, p = weight.shape
        d = g.standard_normal((m, rank)) @ g.standard_normal((rank, p))
        directions.append(jnp.asarray(d * float(jnp.linalg.norm(weight)) / np.linalg.norm(d)))
    features = tangent_features(features_of, x)

    @eqx.filter_jit
    def error(step: jax.Array) -> jax.Array:
        deltas = [step * d for d in directions]
        return jnp.abs(updated(network, deltas)(x) - linearised(network, x, features, deltas)).max()

    return [[float(error(jnp.asarray(step)))] for step in _STEPS]


def _setting(level: Level, seed: int, data: str) -> tuple[jax.Array, list[tuple[str, FrozenMLP, FrozenMLP]]]:
    """Return inputs and (name, network, another network of the same shape) for several activations."""
    sample = few_shot(load(data, seed=seed), samples=12, classes=(0, 1, 2), seed=seed)
    x = jnp.asarray(sample.x_train)
    found = []
    for trial in range(by_level(level, 1, 3, 10)):
        for activation in ("gelu", "tanh"):
            for parametrisation in ("ntk", "standard"):
                widths = (x.shape[1], 48, 32, 3)
                mine, other = (
                    random_mlp(widths, key=jax.random.key(s), activation=activation, parametrisation=parametrisation)
                    for s in (seed + trial, seed + trial + 1000)
                )
                found.append((f"{data}, {activation}, {parametrisation}, seed {seed + trial}", mine, other))
    return x, found


def _measure(level: Level, seed: int, data: str, *, own_features: bool) -> Evidence:
    x, settings = _setting(level, seed, data)
    measurements = []
    for index, (name, network, other) in enumerate(settings):
        errors = _errors(network, network if own_features else other, x, seed + index, rank=2)
        slope = log_slope(_STEPS, errors).value
        measurements.append(Measurement("slope of log error over log ‖δ‖", slope, 2.0, "==", _BAND, name))
    return Evidence(tuple(measurements), len(settings), seeds=(seed,), sizes={"samples": 12, "widths": "d-48-32-3"})


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The features of another random network: the first-order term is wrong, the error is of first order."""
    return _measure("smoke", seed, data, own_features=False)


@claim(
    id="NTK-LIN",
    paper="ntk",
    statement="f_{W+δ}(x) − f_W(x) − Σ_l⟨G^l(x), δ^l⟩ = O(‖δ‖²) for smooth activations: the linearised model is exact "
    "to first order, for updates of LoRA form in every layer at once.",
    source="arXiv 2402.11867, section 2 (Taylor expansion at the frozen weights)",
    kind="asymptotic",
    assumptions=("twice differentiable activation (GELU, tanh)",),
    control="tangent features taken at another random network of the same shape",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Fit the slope of the error over the size of the update on real inputs."""
    return _measure(level, seed, data, own_features=True)
