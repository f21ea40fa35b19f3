"""KKR-L1: SGD with weight decay ends near a matrix of low rank, whatever the loss."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from proofs_check.decayed_cycle import limit_cycle
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import claim
from sims.data import few_shot, load
from sims.landscape.decayed_sgd import BatchLoss, batches, decayed_sgd
from sims.landscape.smooth_losses import NetworkLoss
from sims.networks import random_mlp
from theory.losses import CROSS_ENTROPY, SQUARED, Loss
from theory.restricted_curvature import decay_rank_bound, decay_window, relative_rank

_STEADY = 2.0  # ||X|| a window of steps earlier over ||X||: the proof needs that it stays below 4
_HOVER = 4  # windows in which a moment with a steady norm is looked for: a constant step size makes X hover
_EPSILONS = (0.3, 0.1, 0.03)


@dataclass(frozen=True)
class Run:
    """One run of SGD: batch, step and decay, the last iterates (k, m, n), oldest first."""

    name: str
    batch: int
    step: float
    lam: float
    iterates: np.ndarray


def _train(
    name: str,
    term: BatchLoss,
    arrays: tuple[Any, Any, Any],
    shape: tuple[int, int],
    *,
    batch: int,
    seed: int,
    decay: float,
) -> Run:
    """Return a run long enough that the start is forgotten (decay ** steps below rounding)."""
    step = 0.5
    lam = decay / step
    keep = _HOVER * decay_window(min(_EPSILONS), step, lam)
    steps = 40 + 3 * decay_window(1e-15, step, lam)
    start = np.random.default_rng(seed).standard_normal(shape) / shape[1] ** 0.5  # full rank
    order = batches(len(arrays[1]), batch, steps, seed)
    iterates = decayed_sgd(term, arrays, start, order, step=step, lam=lam, keep=keep)
    return Run(f"{name}, b = {batch}, μλ = {decay:g}, {steps} steps", batch, step, lam, iterates)


def _network_run(data: str, seed: int, loss: Loss, *, batch: int, decay: float, width: int = 48) -> Run:
    """Return SGD on the update of the middle layer of a frozen network (true loss): gradients of rank 1 a sample."""
    sample = few_shot(load(data, seed=seed), samples=48, classes=(0, 1, 2), seed=seed)
    network = random_mlp((sample.x_train.shape[1], width, width, 3), key=jax.random.key(seed), activation="gelu")
    y = sample.y_train if loss.name == "cross_entropy" else np.eye(3)[sample.y_train]
    arrays = (network, jnp.asarray(sample.x_train), jnp.asarray(y))
    name = f"{data}: middle layer {width}x{width}, {loss.name}, seed {seed}"
    return _train(name, NetworkLoss((1,), loss), arrays, (width, width), batch=batch, seed=seed, decay=decay)


def _linear_loss(data: tuple[Any, Any, Any], updates: tuple[Any, ...]) -> Any:
    """Return the mean squared loss of <G_i, X> for data = (unused, G, y)."""
    _, features, targets = data
    (x,) = updates
    return 0.5 * ((jnp.einsum("bij,ij->b", features, x) - targets) ** 2).mean()


def _steadiest(norms: np.ndarray, window: int) -> tuple[int, float]:
    """Return the last moment at which ||X|| a window earlier was at most _STEADY times as large, and that ratio.

    The moment of the smallest ratio when there is none.
    """
    ratios = norms[:-window] / norms[window:]
    steady = np.flatnonzero(ratios <= _STEADY)
    moment = int(steady[-1]) if steady.size else int(ratios.argmin())
    return moment + window, float(ratios[moment])


def _measurements(run: Run) -> list[Measurement]:
    norms = np.linalg.norm(run.iterates, axis=(1, 2))
    found = []
    for epsilon in _EPSILONS:
        window = decay_window(epsilon, run.step, run.lam)
        moment, growth = _steadiest(norms, window)
        last, earlier = run.iterates[moment], run.iterates[moment - window]
        values = np.linalg.svd(last, compute_uv=False)
        name, steady = f"{run.name}, ε = {epsilon:g}", growth <= _STEADY
        bound = decay_rank_bound(run.batch, epsilon, run.step, run.lam)
        added = last - (1.0 - run.step * run.lam) ** window * earlier
        added_rank = int(np.linalg.matrix_rank(added, tol=1e-9 * values[0]))
        found.append(Measurement("rank added in the window of steps", added_rank, bound, "<=", 0, name))
        for norm in ("Frobenius", "spectral"):
            rank = relative_rank(values, epsilon, spectral=norm == "spectral")
            found.append(Measurement(f"rank within ε, {norm} norm", rank, bound, "<=", 0, name, steady))
    return found


def _cycles(level: Level, seed: int) -> list[Measurement]:
    """Return the rank that the limit on orthogonal samples needs, at decays and accuracies drawn from all of (0, 1)."""
    g = np.random.default_rng(seed)
    found = []
    for _ in range(by_level(level, 20, 100, 500)):
        decay, epsilon = (Fraction(int(g.integers(10, 1000)), 1000) for _ in range(2))
        cycle = limit_cycle(1 - decay, int(g.integers(1, 40)))
        bound = decay_rank_bound(1, float(epsilon), 1.0, float(decay))
        name = f"μλ = {float(decay):g}, ε = {float(epsilon):g}, b = 1, {len(cycle.values)} orthogonal samples"
        label = "rank within ε on orthogonal samples, exact"
        found.append(Measurement(label, cycle.rank_within(epsilon), bound, "<=", 0, name, cycle.steady))
    return found


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Each sample's gradient is a sum over 12 tokens, of rank 12: the lemma's count of b a step is too small."""
    g = np.random.default_rng(seed)
    n, tokens, size = 48, 12, 32
    features = np.einsum("nti,ntj->nij", g.standard_normal((n, tokens, size)), g.standard_normal((n, tokens, size)))
    arrays = (jnp.zeros(()), jnp.asarray(features / size), jnp.asarray(g.standard_normal(n)))
    run = _train("token sums", _linear_loss, arrays, (size, size), batch=1, seed=seed, decay=0.5)
    return Evidence(tuple(_measurements(run)), 1, seeds=(seed,))


@claim(
    id="KKR-L1",
    paper="ntk",
    statement="SGD with batch size b, step μ and weight decay λ, X ← (1−μλ)X − μ∇f_batch(X), gradients of rank one per "
    "sample: if X converges (its norm is what matters), then for every ε some W with rank W ≤ b⌈log(ε/4)/log(1−μλ)⌉ "
    "has ‖X/‖X‖ − W‖ < ε. For small μλ the bound exceeds min(m, n) and says nothing.",
    source="arXiv 2502.09376, Lemma 1 (main text read in full), with whole steps counted (as printed: KKR-L1-PRINTED)",
    kind="upper",
    assumptions=("gradient of rank one per sample (a fully connected layer, one token)", "0 < μλ < 1", "‖X‖ converges"),
    control="gradients of rank 12 per sample (a layer shared by 12 tokens)",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Count the singular values that matter after SGD on a layer of a frozen network, and on orthogonal samples."""
    settings = [(SQUARED, 1, 0.3), (CROSS_ENTROPY, 2, 0.5), (SQUARED, 1, 0.9)]
    if level != "smoke":
        settings += [(SQUARED, 4, 0.6), (CROSS_ENTROPY, 1, 0.2), (SQUARED, 1, 0.15), (CROSS_ENTROPY, 2, 0.3)]
        settings += [(CROSS_ENTROPY, 1, 0.97), (SQUARED, 2, 0.8)]
    seeds = range(seed, seed + by_level(level, 1, 2, 6))
    runs = [_network_run(data, s, loss, batch=b, decay=decay) for s in seeds for loss, b, decay in settings]
    measurements = [m for run in runs for m in _measurements(run)]
    useful = sum(m.predicted < min(runs[0].iterates.shape[1:]) for m in measurements if "Frobenius" in m.name)
    notes = (
        f"the bound is below min(m, n) in {useful} of {len(measurements) // 3} cases",
        "a constant step size makes X itself hover: each count is taken at the last step at which ‖X‖ a window earlier "
        f"was at most {_STEADY:g} times as large (the proof needs less than 4)",
    )
    cycles = _cycles(level, seed)
    return Evidence((*measurements, *cycles), len(runs) + len(cycles), seeds=tuple(seeds), notes=notes)
