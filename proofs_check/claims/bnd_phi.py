"""BND-PHI: the additive term of the composition bound holds, and independent fine-tuning data never need it."""

from collections.abc import Sequence

import numpy as np

from proofs_check.claims.asy_l4_5 import adapter_toys
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.finite_learners import LEARNERS, enumerate_learner
from proofs_check.instances import by_level
from proofs_check.registry import claim
from theory.bounds.lipschitz_composition import phi_backbone, phi_update
from theory.bounds.parameter_count import mutual_information_bound

Array = np.ndarray
ROUNDING = 1e-12
# Name, function, Lipschitz constant, and |s(0)| a unit.
ACTIVATIONS = (("ReLU", lambda h: np.maximum(h, 0), 1.0, 0.0), ("logistic", lambda h: 1 / (1 + np.exp(-h)), 0.25, 0.5))
WIDTH, POPULATION = 6, 200


def _loss(weights: Sequence[Array], inputs: Array, labels: Array, activation: int) -> Array:
    """Return |f(x) - y|, which is 1-Lipschitz in f, by sample."""
    h = inputs
    for w in weights[:-1]:
        h = ACTIVATIONS[activation][1](h @ w.T)
    return np.abs((h @ weights[-1].T)[:, 0] - labels)


def _nearly_attained(depth: int) -> list[Measurement]:
    """Gaps of positive ReLU layers of rank one, where Φ is attained but for the share of the atom that is drawn.

    All inputs are e_1 and all outputs between the labels: the update moves every loss by Φ/2, upwards for all of the
    population but one atom and downwards for that one, which is the sample.
    """
    large = 10.0**depth  # above every output
    inputs = np.tile(np.eye(WIDTH)[0], (POPULATION, 1))
    labels = np.where(np.arange(POPULATION) > 0, -large, large)
    layer, top = np.zeros((WIDTH, WIDTH)), np.eye(WIDTH)[:1]
    layer[0, 0] = 1.0
    shapes = [layer] * (depth - 1) + [top]
    w0, dw = [0.7 * w for w in shapes], [0.6 * w for w in shapes]
    gaps = []
    for weights in ([a + b for a, b in zip(w0, dw)], w0, dw):
        losses = _loss(weights, inputs, labels, 0)
        gaps.append(float(losses.mean() - losses[0]))
    norms = [0.7] * depth, [0.6] * depth
    update, backbone = phi_update(*norms, input_norm=1.0), phi_backbone(*norms, input_norm=1.0)
    label = f"one rare atom, {depth} positive layers"
    return [
        Measurement("|gap(W₀ + ΔW) − gap(W₀)| over Φ_ΔW", abs(gaps[0] - gaps[1]) / update, 1, "<=", ROUNDING, label),
        Measurement("|gap(W₀ + ΔW) − gap(ΔW)| over Φ_W₀", abs(gaps[0] - gaps[2]) / backbone, 1, "<=", ROUNDING, label),
    ]


def _composition(seed: int, depth: int, activation: int, scale: float, stretch: float = 1.0) -> list[Measurement]:
    """Gaps of three networks on one sample; ``stretch`` multiplies the inputs but not the radius that Phi is told."""
    rng = np.random.default_rng([seed, depth, activation])
    shapes = [(WIDTH, WIDTH)] * (depth - 1) + [(1, WIDTH)]
    w0 = [rng.standard_normal(s) / np.sqrt(WIDTH) for s in shapes]
    rows = [np.linalg.qr(rng.standard_normal((WIDTH, 2)))[0].T for _ in shapes]
    dw = [scale * rng.standard_normal((s[0], 2)) @ q for s, q in zip(shapes, rows)]
    directions = rng.standard_normal((POPULATION, WIDTH))
    inputs = stretch * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    labels, sample = rng.uniform(0, 1, POPULATION), rng.integers(0, POPULATION, 5)
    gaps = []
    for weights in ([a + b for a, b in zip(w0, dw)], w0, dw):
        losses = _loss(weights, inputs, labels, activation)
        gaps.append(float(losses.mean() - losses[sample].mean()))
    name, _, slope, offset = ACTIVATIONS[activation]
    norms = [[float(np.linalg.norm(w, 2)) for w in ws] for ws in (w0, dw)]
    slopes, offsets = [slope] * (depth - 1), [offset * WIDTH**0.5] * (depth - 1)
    label = f"{name}, {depth} layers, update {scale}"
    update = phi_update(*norms, input_norm=1.0, activations=slopes, offsets=offsets)
    backbone = phi_backbone(*norms, input_norm=1.0, activations=slopes, offsets=offsets)
    return [
        Measurement("|gap(W₀ + ΔW) − gap(W₀)| over Φ_ΔW", abs(gaps[0] - gaps[1]) / update, 1, "<=", 0, label),
        Measurement("|gap(W₀ + ΔW) − gap(ΔW)| over Φ_W₀", abs(gaps[0] - gaps[2]) / backbone, 1, "<=", 0, label),
    ]


def _depth(seed: int, pairs: int, least: float = 0.0) -> list[Measurement]:
    """The closed form in depth, and how Φ changes from 16 to 64 layers where a + b is above, at and below 1.

    ``least`` is what the growth is claimed to be from a + b = 0.1 on, 0 for nothing.
    """
    rng, rows = np.random.default_rng([seed, 9]), []
    for trial in range(pairs):
        total = (float(rng.uniform(1.1, 3.0)), 1.0, float(rng.uniform(0.1, 0.9)))[trial % 3]
        b = total * float(rng.uniform(0.05, 0.95))
        phi = [phi_update([total - b] * depth, [b] * depth, input_norm=1.0) / 2 for depth in (16, 64)]
        label = f"a + b = {total:.3f}, b = {b:.3f}"
        closed = total**64 - (total - b) ** 64
        rows.append(Measurement("Φ/2C over (a + b)^L − a^L, L = 64", phi[1] / closed, 1, "==", 1e-10, label))
        growth = float(np.log(phi[1] / phi[0])) / 48  # per layer
        if least:
            rows.append(Measurement("ln growth of Φ a layer, L from 16 to 64", growth, least, ">=", 0, label))
        elif total > 1:
            rows.append(
                Measurement("ln growth a layer over ln(a + b)", growth / np.log(total), 1, ">=", ROUNDING, label)
            )
        elif total < 1:
            rows.append(Measurement("ln growth of Φ a layer, a + b < 1", growth, 0, "<=", 0, label))
        else:
            rows.append(Measurement("Φ/2C, a + b = 1", phi[1], 1, "<=", ROUNDING, label))
    return rows


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Inputs far outside the ball that Φ is told, and growth with depth claimed for all norms."""
    rows = [m for t in range(10) for m in _composition(seed + t, 2, 0, 1e-3, stretch=1e3)]
    rows += _depth(seed, 9, least=ROUNDING)
    return Evidence(tuple(rows), 19, seeds=(seed,))


@claim(
    id="BND-PHI",
    paper="asymmetry",
    statement="On every sample |gap(W₀ + ΔW) − gap(W₀)| ≤ Φ_ΔW and |gap(W₀ + ΔW) − gap(ΔW)| ≤ Φ_W₀. Φ does not fall "
    "with n. Without offsets and with a = ‖W₀‖, b = ‖ΔW‖ in each of L layers Φ_ΔW = 2C((a + b)^L − a^L): exponential "
    "growth with depth where a + b > 1, none at a + b = 1 and decay below. For W₀ independent of the sample the "
    "table's Φ_W₀ + √(2σ²P·q·ln 2/n) is never the smaller bound: |E gap(W₀ + ΔW)| ≤ √(2σ²P·q·ln 2/n) without Φ.",
    source="arXiv 2606.13767, Theorem 1 and table of bounds; without Φ: this project, from Lemma 4.5 of 2402.16842",
    kind="upper",
    assumptions=(
        "Lipschitz loss and activations",
        "‖x‖ ≤ C",
        "without Φ: W₀ and frozen factors independent of the sample",
    ),
    control="inputs outside the ball of radius C; growth with depth whatever a + b",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Compare gaps of random networks sample by sample, and exact mean gaps of quantised adapters on a non-zero W₀."""
    measurements, trials = [], by_level(level, 2, 20, 200)
    for depth in (1, 2, 3, 5):
        measurements += _nearly_attained(depth)
    for trial in range(trials):
        for depth in (1, 2, 3, 5):
            for activation in range(len(ACTIVATIONS)):
                for scale in (1e-3, 0.1, 1.0):
                    measurements += _composition(seed + trial, depth, activation, scale)
    toys = list(adapter_toys(level, seed, ("lora", "b-only")))
    for toy in toys:
        bound = mutual_information_bound(toy.bound_bits, 1, toy.samples)
        for learner in LEARNERS:
            ratio = abs(enumerate_learner(toy, learner).gap) / bound
            name = f"{learner}: {toy.name}"
            measurements.append(
                Measurement("|E gap(W₀ + ΔW)| over the bound without Φ", ratio, 1, "<=", ROUNDING, name)
            )
    measurements += _depth(seed, by_level(level, 10, 100, 1000))
    notes = tuple(
        f"‖W₀‖ = ‖ΔW‖ = {norm:g} in every layer: Φ/2 = "
        + ", ".join(f"{phi_update([norm] * depth, [norm] * depth, input_norm=1.0) / 2:.3g}" for depth in (1, 4, 16))
        + " at 1, 4, 16 layers, for every n"
        for norm in (1.0, 0.5, 0.4)
    )
    return Evidence(tuple(measurements), trials + len(toys), seeds=(seed,), notes=notes)
