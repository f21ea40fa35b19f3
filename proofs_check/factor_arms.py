"""One arm of a comparison of factors: an adapter trained from several starts at several step sizes, one chosen.

Every arm gets the same grid of step sizes, and its own best one by the loss on validation samples, averaged over the
starts; training and test numbers never take part in the choice. All runs of an arm are one batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp

from proofs_check.factor_setting import FineTuning
from sims.adapters.protocol import Adapter
from sims.adapters.registry import make_adapter
from sims.training.engine import Batching, Fitted, Pool, fit, run_outputs
from sims.training.model import Runs, start
from sims.training.optimisers import Options

_CHUNK = 1024  # samples of one pass of run_outputs


@dataclass(frozen=True)
class Arm:
    """An adapter family, its rank (0 for full), the start of its random factor (None: its own), and a divisor of it.

    The random factor is the frozen one, of lora A. The scale alpha / r is 2.
    """

    adapter: str
    rank: int = 0
    start: str | None = None
    divisor: float = 1.0

    def make(self) -> Adapter:
        """Return the adapter with the start of this arm."""
        if self.adapter == "a-only":
            return make_adapter(self.adapter, self.rank, b_start=self.start)
        return make_adapter(self.adapter, self.rank, a_start=self.start)

    def rule(self) -> Adapter:
        """Return an adapter that computes the same, whatever the start: one compiled program serves all starts."""
        return make_adapter(self.adapter, self.rank)


@dataclass(frozen=True)
class Outcome:
    """What an arm gave, one entry a start, at every step size of the grid: rows step sizes, columns starts.

    Losses in nats; a run that left the finite numbers has loss infinity. NaN where nothing was measured: see `compare`.
    """

    arm: Arm
    tuned: int
    rates: tuple[float, ...]
    train_loss: Float[np.ndarray, "rates seeds"]
    train_accuracy: Float[np.ndarray, "rates seeds"]
    validation_loss: Float[np.ndarray, "rates seeds"]
    test_loss: Float[np.ndarray, "rates seeds"]
    test_accuracy: Float[np.ndarray, "rates seeds"]

    @property
    def best(self) -> int:
        """Position of the step size with the lowest mean loss on the validation samples."""
        return int(np.argmin(self.validation_loss.mean(axis=1)))


def train(
    setting: FineTuning,
    arm: Arm,
    options: Options,
    *,
    seeds: Sequence[int],
    rates: Sequence[float],
    pool: Pool | None = None,
    batching: Batching = "vmap",
) -> Fitted:
    """Return the trained runs, starts varying fastest: run i has step size i // S and start i % S (of S seeds).

    A start's seed draws its factors and the order of its samples; ``pool`` replaces labels or inputs of the setting.
    """
    repeated = [*seeds] * len(rates)
    keys = jnp.stack([jax.random.key(seed) for seed in repeated])
    head = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(keys), *leaf.shape)), setting.head)
    runs = start(arm.make(), setting.network, setting.maps, head, keys, shared_network=True, train_head=False)
    if arm.divisor != 1.0:
        smaller = jax.tree.map(lambda leaf: leaf / arm.divisor, runs.frozen.adapters)
        runs = runs._replace(frozen=runs.frozen._replace(adapters=smaller))
    return fit(
        runs,
        arm.rule(),
        options,
        setting.pool if pool is None else pool,
        train_rows=setting.train,
        seeds=repeated,
        learning_rates=[float(rate) for rate in rates for _ in seeds],
        batching=batching,
    )


def compare(
    setting: FineTuning,
    arm: Arm,
    options: Options,
    *,
    seeds: Sequence[int],
    rates: Sequence[float],
    best_only: bool = False,
    batching: Batching = "vmap",
) -> Outcome:
    """Return losses and accuracies of an arm on training, validation and test samples at every step size.

    With ``best_only`` training and test samples are seen at the best step size alone. ``batching`` "map" is for large
    networks: one run after another, the same numbers to rounding.
    """
    runs = train(setting, arm, options, seeds=seeds, rates=rates, batching=batching).runs
    count = len(seeds)
    if best_only:
        (validation,) = _measured(setting, arm, runs, [setting.validation], batching)
        best = int(np.argmin(validation[0].reshape(-1, count).mean(axis=1)))
        chosen = np.arange(best * count, (best + 1) * count)
        some = runs._replace(
            trained=jax.tree.map(lambda leaf: leaf[chosen], runs.trained),
            frozen=jax.tree.map(lambda leaf: leaf[chosen], runs.frozen),
        )
        trained, test = np.full((2, *validation.shape), np.nan)
        trained[:, chosen], test[:, chosen] = _measured(setting, arm, some, [setting.train, setting.test], batching)
    else:
        parts = [setting.train, setting.validation, setting.test]
        trained, validation, test = _measured(setting, arm, runs, parts, batching)
    grid = (len(rates), count)
    return Outcome(
        arm=arm,
        tuned=sum(arm.rule().count(shape) for shape in setting.shapes),
        rates=tuple(float(rate) for rate in rates),
        train_loss=trained[0].reshape(grid),
        train_accuracy=trained[1].reshape(grid),
        validation_loss=validation[0].reshape(grid),
        test_loss=test[0].reshape(grid),
        test_accuracy=test[1].reshape(grid),
    )


def _measured(
    setting: FineTuning, arm: Arm, runs: Runs, parts: Sequence[Int[np.ndarray, " _"]], batching: Batching
) -> list[Float[np.ndarray, "2 runs"]]:
    """Return mean loss and accuracy of every run on each of these parts of the samples."""
    rows = np.concatenate(parts)
    # one pass, of whole chunks where there are several: fewer programs to compile
    filled = np.resize(rows, len(rows) if len(rows) <= _CHUNK else -(-len(rows) // _CHUNK) * _CHUNK)
    outputs = run_outputs(runs, arm.rule(), setting.pool, filled, batching=batching).astype(np.float64)
    labels = np.asarray(setting.pool.targets)
    ends = np.cumsum([len(part) for part in parts])
    return [
        np.stack(_loss_and_accuracy(outputs[:, end - len(part) : end], labels[part]))
        for part, end in zip(parts, ends, strict=True)
    ]


def _loss_and_accuracy(
    outputs: Float[np.ndarray, "runs m k"], labels: Int[np.ndarray, " m"]
) -> tuple[Float[np.ndarray, " runs"], Float[np.ndarray, " runs"]]:
    """Return mean cross-entropy in nats and accuracy of every run; infinity and 0 where an output is not finite."""
    finite = np.isfinite(outputs).all(axis=(1, 2))
    outputs = np.where(finite[:, None, None], outputs, 0.0)
    chosen = np.take_along_axis(outputs, labels[None, :, None], axis=2)[:, :, 0]
    loss = (logsumexp(outputs, axis=2) - chosen).mean(axis=1)
    accuracy = (outputs.argmax(axis=2) == labels).mean(axis=1)
    return np.where(finite, loss, np.inf), np.where(finite, accuracy, 0.0)
