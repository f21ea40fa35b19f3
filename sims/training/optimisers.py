"""What one training run is asked to do, and the optimiser made from it with a step size that may be traced."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import numpy as np
import optax
from jaxtyping import Float

from sims.errors import BadInput

Array = Any
Optimiser = Literal["adamw", "adam", "sgd"]
Schedule = Literal["constant", "cosine", "linear"]
Loss = Literal["cross-entropy", "squared"]


@dataclass(frozen=True)
class Options:
    """Everything about training but data, seeds and step sizes. Hashable: one compiled program for each.

    ``schedule`` goes from the step size to 0 over ``steps`` (constant: stays), after a linear rise over the first
    ``warmup`` fraction of them. ``weight_decay`` is decoupled for adamw, an L2 penalty for adam and sgd; ``momentum``
    is sgd's alone. ``evaluations`` is the number of points of the test curve, the last one after the last step.
    """

    steps: int
    batch_size: int
    optimiser: str = "adamw"
    weight_decay: float = 0.0
    momentum: float = 0.0
    schedule: str = "cosine"
    warmup: float = 0.0
    loss: str = "cross-entropy"
    evaluations: int = 10

    def __post_init__(self) -> None:
        """Raise `BadInput` for a value out of range, naming it."""
        for name, least in (("steps", 1), ("batch_size", 1), ("evaluations", 1)):
            if getattr(self, name) < least:
                raise BadInput(f"{name} {getattr(self, name)} is out of range: expected at least {least}")
        for name, kind in (("optimiser", Optimiser), ("schedule", Schedule), ("loss", Loss)):
            known = get_args(kind)
            if getattr(self, name) not in known:
                raise BadInput(f"{name} {getattr(self, name)!r} is unknown: expected one of {', '.join(known)}")
        for name, below, expected in (
            ("weight_decay", float("inf"), "a finite number >= 0"),
            ("momentum", 1.0, "at least 0 and below 1"),
            ("warmup", 1.0, "at least 0 and below 1, a fraction of the steps"),
        ):
            if not 0 <= getattr(self, name) < below:
                raise BadInput(f"{name} {getattr(self, name)} is out of range: expected {expected}")


def direction(options: Options) -> optax.GradientTransformation:
    """Return the optimiser at step size 1; the caller multiplies the update by minus the step size."""
    decay = optax.add_decayed_weights(options.weight_decay) if options.weight_decay else optax.identity()
    if options.optimiser == "sgd":
        return optax.chain(decay, optax.trace(options.momentum) if options.momentum else optax.identity())
    if options.optimiser == "adam":
        return optax.chain(decay, optax.scale_by_adam())
    return optax.chain(optax.scale_by_adam(), decay)


def next_update(rule: optax.GradientTransformation, gradient: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
    """Return the rule's update and its next state, also where JAX promotes strictly."""
    # optax mixes its integer step count with floats, which strict promotion would refuse
    with jax.numpy_dtype_promotion("standard"):
        return rule.update(gradient, state, params)


def schedule(options: Options, dtype: Any) -> Float[np.ndarray, " steps"]:
    """Return the factor of the step size at every step."""
    step = np.arange(options.steps, dtype=np.float64)
    rise = round(options.warmup * options.steps)
    through = np.clip((step - rise) / max(1, options.steps - rise), 0.0, 1.0)
    factor = {
        "constant": np.ones_like(step),
        "cosine": 0.5 * (1 + np.cos(np.pi * through)),
        "linear": 1 - through,
    }[options.schedule]
    return np.where(step < rise, (step + 1) / max(1, rise), factor).astype(dtype)
