"""The training engine: R runs of one kind in one compiled program, scanned over steps and batched over runs.

Runs differ in their arrays (starts, backbones unless shared), data order, rows and step size; shapes and options are
common. A grid of step sizes is therefore a batch of runs. Only the trained parameters are given to the optimiser.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from sims.adapters.protocol import Adapter
from sims.errors import BadInput
from sims.models.network import Network
from sims.training.batches import batch_rows
from sims.training.model import Params, Runs, outputs
from sims.training.optimisers import Options, direction, next_update, schedule

Array = Any
Batching = Literal["vmap", "map"]
_EVALUATED = 1024  # samples of one forward pass of an evaluation


class Pool(NamedTuple):
    """All samples of an experiment: inputs (a pytree of arrays with a leading axis N) and integer labels (N,)."""

    inputs: Any
    targets: Int[Array, " n"]


class Curves(NamedTuple):
    """Means over the steps since the point before (training) or at the point (test); one row a run, one column a point.

    Losses are means over samples, in nats for cross-entropy; accuracies are fractions. Without test rows, test columns
    are NaN.
    """

    step: Int[np.ndarray, " points"]
    train_loss: Float[np.ndarray, "runs points"]
    train_accuracy: Float[np.ndarray, "runs points"]
    test_loss: Float[np.ndarray, "runs points"]
    test_accuracy: Float[np.ndarray, "runs points"]


class Fitted(NamedTuple):
    """The runs after training (frozen parts are the very arrays that went in) and their curves."""

    runs: Runs
    curves: Curves


class _Program(NamedTuple):
    """What a compiled program depends on besides shapes."""

    adapter: Adapter
    options: Options
    shared_network: bool
    batching: Batching


def _mean_loss(logits: Float[Array, "n k"], labels: Int[Array, " n"], loss: str) -> Float[Array, " n"]:
    """Return the loss of every sample: cross-entropy in nats, or half the squared distance to the unit vector."""
    if loss == "squared":
        return 0.5 * ((logits - jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)) ** 2).sum(axis=-1)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def _correct(logits: Float[Array, "n k"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    # a run that diverged has NaN outputs, of which argmax would name class 0: no answer counts as wrong
    right = (jax.lax.argmax(logits, logits.ndim - 1, labels.dtype) == labels) & jnp.isfinite(logits).all(axis=-1)
    return right.astype(logits.dtype)


def _take(inputs: Any, rows: Int[Array, " b"]) -> Any:
    return jax.tree.map(lambda leaf: leaf[rows], inputs)


def _over_runs(run: Callable[..., Any], program: _Program, network: Network, arrays: tuple[Any, ...]) -> Any:
    """Return ``run(network of the run, *arrays of the run)`` for all runs, stacked."""
    if program.batching == "vmap":
        return jax.vmap(run, in_axes=(None if program.shared_network else 0, *(0 for _ in arrays)))(network, *arrays)
    if program.shared_network:
        return jax.lax.map(lambda each: run(network, *each), arrays)
    return jax.lax.map(lambda each: run(*each), (network, *arrays))


@partial(jax.jit, static_argnames=("program",))
def _segment(
    program: _Program,
    network: Network,
    frozen: Params,
    trained: Params,
    state: Any,
    rates: Float[Array, " runs"],
    rows: Int[Array, "runs steps batch"],
    factors: Float[Array, " steps"],
    pool: Pool,
) -> tuple[Params, Any, tuple[Array, Array]]:
    """Return trained parameters, optimiser state, and mean loss and accuracy over these steps, for all runs."""
    rule = direction(program.options)

    def run(network: Network, frozen: Params, trained: Params, state: Any, rate: Array, rows: Array) -> Any:
        def objective(trained: Params, batch: Array) -> tuple[Array, Array]:
            logits = outputs(program.adapter, network, trained, frozen, _take(pool.inputs, batch))
            labels = pool.targets[batch]
            return _mean_loss(logits, labels, program.options.loss).mean(), _correct(logits, labels).mean()

        def step(carry: tuple[Params, Any], now: tuple[Array, Array]) -> tuple[tuple[Params, Any], tuple[Array, Array]]:
            trained, state = carry
            batch, factor = now
            seen, gradient = jax.value_and_grad(objective, has_aux=True)(trained, batch)
            update, state = next_update(rule, gradient, state, trained)
            trained = jax.tree.map(lambda p, u: p - rate * factor * u, trained, update)
            return (trained, state), seen

        (trained, state), (losses, right) = jax.lax.scan(step, (trained, state), (rows, factors))
        return trained, state, (losses.mean(), right.mean())

    return _over_runs(run, program, network, (frozen, trained, state, rates, rows))


@partial(jax.jit, static_argnames=("program",))
def _outputs_of_rows(
    program: _Program, network: Network, frozen: Params, trained: Params, rows: Int[Array, "runs m"], pool: Pool
) -> Float[Array, "runs m k"]:
    def run(network: Network, frozen: Params, trained: Params, rows: Array) -> Array:
        return outputs(program.adapter, network, trained, frozen, _take(pool.inputs, rows))

    return _over_runs(run, program, network, (frozen, trained, rows))


@partial(jax.jit, static_argnames=("program",))
def _scores_of_rows(
    program: _Program,
    network: Network,
    frozen: Params,
    trained: Params,
    rows: Int[Array, "runs m"],
    counted: Float[Array, " m"],
    pool: Pool,
) -> tuple[Float[Array, " runs"], Float[Array, " runs"]]:
    logits = _outputs_of_rows(program, network, frozen, trained, rows, pool)
    labels = pool.targets[rows]
    losses = jax.vmap(partial(_mean_loss, loss=program.options.loss))(logits, labels)
    right = jax.vmap(_correct)(logits, labels)
    return (losses * counted[None]).sum(axis=1), (right * counted[None]).sum(axis=1)


def _stacked_rows(rows: Any, runs: int, what: str) -> Int[np.ndarray, "runs m"]:
    found = np.asarray(rows, dtype=np.int32)
    if found.ndim == 1:
        found = np.broadcast_to(found, (runs, len(found)))
    if found.ndim != 2 or len(found) != runs or found.shape[1] == 0:
        raise BadInput(f"{what} has shape {np.shape(rows)}: expected (m,) or ({runs}, m) row numbers with m >= 1")
    return found


def _chunks(total: int) -> list[slice]:
    return [slice(first, min(first + _EVALUATED, total)) for first in range(0, total, _EVALUATED)]


def run_outputs(
    runs: Runs, adapter: Adapter, pool: Pool, rows: Any, *, batching: Batching = "vmap"
) -> Float[np.ndarray, "runs m k"]:
    """Return the outputs (R, m, K) at the rows of the pool, (m,) for all runs or (R, m)."""
    chosen = _stacked_rows(rows, runs.size, "rows")
    program = _Program(adapter, Options(1, 1), runs.shared_network, batching)
    parts = [
        np.asarray(_outputs_of_rows(program, runs.network, runs.frozen, runs.trained, chosen[:, piece], pool))
        for piece in _chunks(chosen.shape[1])
    ]
    return np.concatenate(parts, axis=1)


def scores(
    runs: Runs, adapter: Adapter, pool: Pool, rows: Any, *, loss: str = "cross-entropy", batching: Batching = "vmap"
) -> tuple[Float[np.ndarray, " runs"], Float[np.ndarray, " runs"]]:
    """Return mean loss and accuracy of every run at the rows of the pool, (m,) for all runs or (R, m)."""
    chosen = _stacked_rows(rows, runs.size, "rows")
    program = _Program(adapter, Options(1, 1, loss=loss), runs.shared_network, batching)
    m = chosen.shape[1]
    size = min(m, _EVALUATED)
    total, right = np.zeros(runs.size), np.zeros(runs.size)
    for piece in _chunks(m):
        # the last piece is filled up with its first row, not counted, so that one compiled program serves all
        part = chosen[:, piece]
        missing = size - part.shape[1]
        counted = (np.arange(size) < part.shape[1]).astype(_dtype(runs))
        part = np.concatenate([part, np.repeat(part[:, :1], missing, axis=1)], axis=1)
        a, b = _scores_of_rows(program, runs.network, runs.frozen, runs.trained, part, counted, pool)
        total += np.asarray(a, np.float64)
        right += np.asarray(b, np.float64)
    return total / m, right / m


def _dtype(runs: Runs) -> Any:
    return jax.tree.leaves(runs.trained)[0].dtype


def fit(
    runs: Runs,
    adapter: Adapter,
    options: Options,
    pool: Pool,
    *,
    train_rows: Any,
    seeds: Sequence[int],
    learning_rates: float | Sequence[float],
    test_rows: Any = None,
    batching: Batching = "vmap",
    after: Callable[[int], None] | None = None,
) -> Fitted:
    """Train R runs and return them with their curves.

    ``train_rows`` and ``test_rows`` are row numbers of the pool, (m,) for all runs or (R, m); ``seeds`` (R) choose the
    order of the samples, ``learning_rates`` is one step size or one for each run. ``batching`` "map" does one run after
    another inside the program: the same numbers to rounding. ``after(steps)`` is called after every part of the
    training with the steps done so far.

    Raises:
        BadInput: seeds, step sizes or rows that do not fit the runs, or a step size that is not positive and finite.
    """
    count, dtype = runs.size, _dtype(runs)
    rates = _checked_rates(learning_rates, count)
    if len(seeds) != count:
        raise BadInput(f"{len(seeds)} seeds for {count} runs: expected one for each")
    train = _stacked_rows(train_rows, count, "train_rows")
    order = np.stack(
        [
            batch_rows(rows, int(seed), steps=options.steps, batch_size=options.batch_size)
            for rows, seed in zip(train, seeds, strict=True)
        ]
    )
    factors = schedule(options, dtype)
    program = _Program(adapter, options, runs.shared_network, batching)
    trained = runs.trained
    state = jax.vmap(direction(options).init)(trained)
    points: list[tuple[int, Any, Any, Any, Any]] = []
    for part in _segments(options):
        trained, state, (loss, right) = _segment(
            program, runs.network, runs.frozen, trained, state, rates.astype(dtype), order[:, part], factors[part], pool
        )
        unknown = np.full(count, np.nan)
        tested = (unknown, unknown)
        if test_rows is not None:
            now = runs._replace(trained=trained)
            tested = scores(now, adapter, pool, test_rows, loss=options.loss, batching=batching)
        points.append((part.stop, np.asarray(loss, np.float64), np.asarray(right, np.float64), *tested))
        if after is not None:
            after(part.stop)
    steps, *columns = zip(*points, strict=True)
    curves = Curves(np.asarray(steps), *(np.stack(column, axis=1) for column in columns))
    return Fitted(runs._replace(trained=trained), curves)


def _checked_rates(learning_rates: float | Sequence[float], count: int) -> Float[np.ndarray, " runs"]:
    rates = np.atleast_1d(np.asarray(learning_rates, dtype=np.float64))
    if rates.shape not in ((1,), (count,)):
        raise BadInput(f"{rates.shape} step sizes for {count} runs: expected one, or one for each run")
    if not (np.isfinite(rates).all() and (rates > 0).all()):
        raise BadInput(f"learning rate {rates.min()} is out of range: expected a positive finite number")
    return np.broadcast_to(rates, (count,))


def _segments(options: Options) -> list[slice]:
    """Return the parts of the training between points of the curve: equal, but for the last, which may be longer."""
    count = min(options.evaluations, options.steps)
    size = options.steps // count
    return [slice(i * size, options.steps if i == count - 1 else (i + 1) * size) for i in range(count)]
