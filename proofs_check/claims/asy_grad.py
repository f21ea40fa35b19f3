"""ASY-GRAD: the two factors see projections of one gradient; stationarity and sizes under a random frozen factor."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level, vectors
from proofs_check.linear_instances import EXACT, haar_rows, mean_equals
from proofs_check.network_gradients import AdaptedNetwork, adapted_network
from proofs_check.registry import claim
from sims.haar import frozen_rows
from theory import factor_gradients as gradients
from theory.linear_adapters import fit_a_only, fit_b_only

_SCALE, _RANK = 2.0, 4
_NOT_ZERO = 1e-2  # of the gradient without an adapter


def _identities(network: AdaptedNetwork, rng: np.random.Generator, directions: int) -> list[Measurement]:
    """Return derivatives by B and by A along random directions beside s G A^T and s B^T G, away from zero factors."""
    d_out, d_in = network.weight.shape
    b, a = rng.standard_normal((d_out, _RANK)) / d_out**0.5, rng.standard_normal((_RANK, d_in)) / d_in**0.5
    weight = network.weight + _SCALE * b @ a
    g = network.gradient(weight)
    by_b, by_a = gradients.gradient_b(g, a, _SCALE), gradients.gradient_a(g, b, _SCALE)
    rows = []
    for _ in range(directions):
        db, da = rng.standard_normal(b.shape), rng.standard_normal(a.shape)
        rows += [
            _equal(
                "dL/dB along a direction", network.slope(weight, _SCALE * db @ a), float(np.sum(by_b * db)), network
            ),
            _equal(
                "dL/dA along a direction", network.slope(weight, _SCALE * b @ da), float(np.sum(by_a * da)), network
            ),
        ]
    return rows


def _equal(name: str, measured: float, predicted: float, network: AdaptedNetwork) -> Measurement:
    return Measurement(name, measured, predicted, "==", EXACT * max(1.0, abs(predicted)), network.name)


def _stationarity(network: AdaptedNetwork, rng: np.random.Generator) -> list[Measurement]:
    """Return projected and whole gradients where least squares on the last layer has converged (W_0 = the head)."""
    h = network.features
    sigma = h.T @ h / len(h)
    sigma = 0.5 * (sigma + sigma.T)
    best = np.linalg.lstsq(h, network.targets, rcond=None)[0].T
    delta = best - network.head
    outputs, d_in = delta.shape
    start = float(np.linalg.norm(delta @ sigma))
    q = haar_rows(rng, min(_RANK, d_in - 1), d_in)
    fits = [("B-only, ", fit_b_only(delta, sigma, q).update, lambda g: g @ q.T)]
    if outputs > 1:  # a single output is its own projection: A-only is then the full fit, and its gradient zero
        u = haar_rows(rng, min(_RANK, outputs - 1), outputs).T
        fits.append(("A-only, ", fit_a_only(delta, sigma, u).update, lambda g: u.T @ g))
    rows = _deficient(network, rng)
    for name, update, project in fits:
        residual = h @ (network.head + update).T - network.targets
        g = residual.T @ h / len(h)
        seen, whole = float(np.linalg.norm(project(g))) / start, float(np.linalg.norm(g)) / start
        missed = float(np.linalg.norm(g - (update - delta) @ sigma)) / start
        rows += [
            Measurement(name + "whole gradient less (update − full fit)Σ", missed, 0.0, "==", EXACT, network.name),
            Measurement(name + "projected gradient at convergence", seen, 0.0, "==", EXACT, network.name),
            Measurement(name + "whole gradient at convergence", whole, _NOT_ZERO, ">=", 0.0, network.name),
        ]
    return rows


def _deficient(network: AdaptedNetwork, rng: np.random.Generator) -> list[Measurement]:
    """Return the whole gradient and the loss of the B-only fit where rank Σ = r and the labels are noisy.

    B-only then reaches the full fit, so that G = 0, although the loss is that of the noise.
    """
    h = network.features
    r = min(_RANK, h.shape[1] - 1)
    basis = np.linalg.svd(h, full_matrices=False)[2][:r]
    h = h @ basis.T @ basis
    targets = network.targets + rng.standard_normal(network.targets.shape)
    sigma = h.T @ h / len(h)
    sigma = 0.5 * (sigma + sigma.T)
    delta = np.linalg.lstsq(h, targets, rcond=1e-10)[0].T - network.head
    update = fit_b_only(delta, sigma, haar_rows(rng, r, h.shape[1])).update
    residual = h @ (network.head + update).T - targets
    whole = float(np.linalg.norm(residual.T @ h / len(h))) / float(np.linalg.norm(delta @ sigma))
    loss = float((residual**2).mean()) / float((targets**2).mean())
    return [
        Measurement("B-only, rank Σ = r, whole gradient at convergence", whole, 0.0, "==", EXACT, network.name),
        Measurement("B-only, rank Σ = r, loss at convergence", loss, _NOT_ZERO, ">=", 0.0, network.name),
    ]


def _norms(network: AdaptedNetwork, rng: np.random.Generator, draws: int, q: np.ndarray | None) -> list[Measurement]:
    """Return squared norms of per-sample gradients at zero adapters over their means, averaged over frozen factors."""
    signals = network.signals(network.weight)
    d_out, d_in = network.weight.shape
    if q is None:
        q = frozen_rows(rng, draws, _RANK, d_in, "haar")
    u = np.swapaxes(frozen_rows(rng, draws, _RANK, d_out, "haar"), 1, 2)
    rows = []
    for i in range(3):
        g, x = signals[i], network.inputs[i]
        mean_b = gradients.mean_squared_gradient_b(g, x, _RANK, _SCALE)
        mean_a = gradients.mean_squared_gradient_a(g, x, _RANK, _SCALE)
        by_b = np.array([np.sum(gradients.gradient_b(np.outer(g, x), one, _SCALE) ** 2) for one in q])
        by_a = np.array([np.sum(gradients.gradient_a(np.outer(g, x), one, _SCALE) ** 2) for one in u])
        rows.append(mean_equals("‖dL/dB‖² over s²(r/d_in)‖g‖²‖x‖²", by_b / mean_b, 1.0, network.name))
        rows.append(mean_equals("‖dL/dA‖² over s²(r/d_out)‖g‖²‖x‖²", by_a / mean_a, 1.0, network.name))
    return rows


def _control(level: Level, seed: int, data: str) -> Evidence:
    """A frozen A that depends on the inputs: their top right singular vectors."""
    network = adapted_network(vectors(data), seed)
    top = np.linalg.svd(network.inputs, full_matrices=False)[2][:_RANK]
    rows = _norms(network, np.random.default_rng(seed), 50, np.broadcast_to(top, (50, *top.shape)))
    return Evidence(tuple(rows), 1, seeds=(seed,))


@claim(
    id="ASY-GRAD",
    paper="asymmetry",
    statement="W = W_0 + sBA with input x, error signal g and G = E[gxᵀ]: dL/dB = sGAᵀ and dL/dA = sBᵀG. B-only is "
    "stationary iff GQᵀ = 0, A-only iff UᵀG = 0. For least squares with full fit W_0 + Δ and a converged update sBA, "
    "G = (sBA − Δ)Σ: 0 iff the adapter reaches the full fit on the inputs, which is no exact fit of the labels "
    "(B-only and rank Σ ≤ r: G = 0 for almost every Q, however noisy they are). Per sample, at a zero adapter, "
    "E_Q‖dL/dB‖² = s²(r/d_in)‖g‖²‖x‖² and E_U‖dL/dA‖² = s²(r/d_out)‖g‖²‖x‖².",
    source="arXiv 2402.16842, section 4.1.2 (content); the mean norms are this project's",
    kind="equality",
    assumptions=(
        "differentiable loss",
        "no weight decay, full batch (stationarity)",
        "Q, U independent of g and x (norms)",
    ),
    control="a frozen A made of the top right singular vectors of the inputs",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Take complex-step derivatives of a frozen network on real data, fit its last layer, and draw frozen factors."""
    count = by_level(level, 1, 3, 10)
    rows = []
    for s in range(seed, seed + count):
        network, rng = adapted_network(vectors(data), s), np.random.default_rng([s, 3])
        rows += _identities(network, rng, 4) + _stationarity(network, rng)
        rows += _norms(network, rng, by_level(level, 200, 2000, 10_000), None)
    return Evidence(tuple(rows), count, seeds=tuple(range(seed, seed + count)))
