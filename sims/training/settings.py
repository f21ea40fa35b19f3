"""The settings of one training run, complete: with the seed they determine its numbers.

A plain dataclass, so that the engine runs where pydantic is not installed; `sims.training.config` checks values that
come from outside and fills in a benchmark's defaults.
"""

import math
from dataclasses import dataclass
from typing import Literal

from sims.adapters.protocol import Adapter
from sims.adapters.registry import make_adapter
from sims.errors import BadInput
from sims.training.optimisers import Loss, Optimiser, Options, Schedule

BackboneKind = Literal["random", "pretrained"]
Precision = Literal["float32", "float64"]
MOST_STEPS = 1_000_000  # the order of the samples of a run is held in memory


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """One run. Numbers are as used: a default that depends on the benchmark or the adapter is already put in.

    ``backbone_seed`` None: every run draws its own backbone from its seed. ``data_seed`` chooses split and sample,
    ``seed`` the starts of factors and head and the order of the samples. ``samples`` None: the whole training part.
    ``epochs`` passes over it, cut at ``max_steps``. ``blocks`` and ``tokens`` belong to text alone.
    """

    # read by pydantic where it is installed
    __pydantic_config__ = {"extra": "forbid", "frozen": True}  # noqa: RUF012 (a mapping that pydantic only reads)

    benchmark: str
    adapter: str
    rank: int = 0
    seed: int = 0
    backbone: BackboneKind
    backbone_seed: int | None = None
    data_seed: int = 0
    samples: int | None = None
    alpha: float | None = None
    a_start: str | None = None
    b_start: str | None = None
    train_head: bool = True
    lr: float
    optimiser: Optimiser = "adamw"
    weight_decay: float = 0.0
    momentum: float = 0.0
    schedule: Schedule = "cosine"
    warmup: float = 0.0
    loss: Loss = "cross-entropy"
    epochs: float
    max_steps: int | None = None
    batch_size: int
    evaluations: int = 10
    dtype: Precision = "float32"
    blocks: int | None = None
    tokens: int | None = None

    def make_adapter(self) -> Adapter:
        """Return the adapter; raises `BadInput` for a name, rank, scale or start that does not fit."""
        return make_adapter(self.adapter, self.rank, alpha=self.alpha, a_start=self.a_start, b_start=self.b_start)

    def options(self, samples: int) -> Options:
        """Return the engine's options for this many training samples: whole batches, at least one step.

        Raises `BadInput` for more steps than `MOST_STEPS`, or a value out of range.
        """
        batch = min(self.batch_size, samples)
        steps = min(self.epochs * (samples // batch), math.inf if self.max_steps is None else self.max_steps)
        if steps > MOST_STEPS:
            raise BadInput(
                f"epochs {self.epochs:g} are at least {steps:.4g} steps of {batch} samples: expected at most "
                f"{MOST_STEPS}; lower epochs, or set max_steps"
            )
        return Options(
            steps=max(1, int(steps)),
            batch_size=batch,
            optimiser=self.optimiser,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            schedule=self.schedule,
            warmup=self.warmup,
            loss=self.loss,
            evaluations=self.evaluations,
        )
