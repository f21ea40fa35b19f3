"""Learners on finite sample spaces, enumerated: their gap and every information about the sample are exact sums.

A toy is a table of losses (codeword, atom), a law on the atoms and a sample size. Learners see counts of atoms only, so
count vectors with their multinomial probabilities replace samples; the order of a sample carries no information.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations, product
from math import lgamma

import numpy as np
from jaxtyping import Float

from proofs_check.evidence import Measurement
from theory.bounds.parameter_count import tuned_parameters

Array = np.ndarray
LEARNERS = ("empirical risk", "Gibbs", "largest gap")
GIBBS_SHARPNESS = 2.0  # per unit of empirical risk and sample
# Information is right to 1e-15 nats, so a bound above LEAST_BOUND, a root of it, is right to 1e-12.
ROUNDING, LEAST_BOUND = 1e-10, 1e-2
BASE_SCALE = 0.3  # of W0 against updates of size one, so that updates decide


@dataclass(frozen=True)
class Toy:
    """A finite learning problem; ``bound_bits`` is P q of the adapter that made the codewords."""

    name: str
    losses: Float[Array, "codewords atoms"]
    law: Float[Array, " atoms"]
    samples: int
    bound_bits: int


@dataclass(frozen=True)
class Enumeration:
    """Joint law of a learner's codeword and the sample's counts, and what follows from it. All information in nats."""

    joint: Float[Array, "counts codewords"]
    fractions: Float[Array, "counts atoms"]
    gaps: Float[Array, "counts codewords"]
    law: Float[Array, " atoms"]

    @cached_property
    def gap(self) -> float:
        """E[L - Lhat]."""
        return float((self.joint * self.gaps).sum())

    @cached_property
    def absolute_gap(self) -> float:
        """E|L - Lhat|."""
        return float((self.joint * np.abs(self.gaps)).sum())

    def exceeds(self, accuracy: float) -> float:
        """Return P(|L - Lhat| > accuracy)."""
        return float(self.joint[np.abs(self.gaps) > accuracy].sum())

    @cached_property
    def codewords(self) -> Float[Array, " codewords"]:
        """Law of the codeword over the draw of the sample."""
        return self.joint.sum(axis=0)

    @cached_property
    def entropy(self) -> float:
        """H(W)."""
        return max(0.0, float(-_xlogx(self.codewords).sum()))

    @cached_property
    def information(self) -> float:
        """I(S; W)."""
        return _information(self.joint)

    @cached_property
    def sample_information(self) -> float:
        """I(W; Z_1), the same for every sample of an exchangeable learner."""
        return _information(self.fractions.T @ self.joint)


def share(name: str, value: float, bound: float, instance: str) -> list[Measurement]:
    """Return value <= bound, and value / bound unless rounding of the information under the root would show."""
    measurements = [Measurement(f"{name}: excess", value - bound, 0, "<=", ROUNDING, instance)]
    if bound > LEAST_BOUND:
        measurements.append(Measurement(f"{name}: share", value / bound, 1, "<=", ROUNDING, instance))
    return measurements


def enumerate_learner(toy: Toy, learner: str) -> Enumeration:
    """Return the exact joint law. Learners: smallest empirical risk, Gibbs, or the adversary with the largest gap."""
    counts, log_orders = _counts(len(toy.law), toy.samples)
    with np.errstate(divide="ignore"):
        logs = np.where(counts > 0, counts * np.log(toy.law), 0.0).sum(axis=1)
    mass = np.exp(log_orders + logs)
    fractions = counts / toy.samples
    empirical = fractions @ toy.losses.T
    gaps = toy.losses @ toy.law - empirical
    if learner == "Gibbs":
        weights = np.exp(-GIBBS_SHARPNESS * toy.samples * (empirical - empirical.min(axis=1, keepdims=True)))
        choice = weights / weights.sum(axis=1, keepdims=True)
    else:
        best = (empirical if learner == "empirical risk" else -gaps).argmin(axis=1)
        choice = np.eye(len(toy.losses))[best]
    return Enumeration(mass[:, None] * choice, fractions, gaps, toy.law)


def adapter_toy(
    adapter: str,
    shape: tuple[int, int],
    *,
    rank: int,
    bits: int,
    atoms: int,
    samples: int,
    seed: int,
    frozen_choices: int = 1,
) -> Toy:
    """Return the 0-1 losses of every quantised adapter of a random linear classifier on random labelled atoms.

    One output classifies by its sign, more by the largest. ``frozen_choices`` > 1 lets the learner also choose the
    frozen factor, for which ``bound_bits`` does not pay.
    """
    rng = np.random.default_rng([seed, *shape, rank, bits])
    d_out, d_in = shape
    base, inputs = BASE_SCALE * rng.standard_normal(shape), rng.standard_normal((atoms, d_in))
    labels = rng.integers(0, max(2, d_out), atoms)
    parameters = tuned_parameters(adapter, [shape], rank)
    tuned = _codes(parameters, bits)
    updates = []
    for _ in range(frozen_choices):
        rows = np.linalg.qr(rng.standard_normal((d_in, rank)))[0].T
        columns = np.linalg.qr(rng.standard_normal((d_out, rank)))[0]
        updates.append(_updates(adapter, tuned, shape, rank, rows, columns))
    outputs = np.einsum("wij,aj->wai", base + np.concatenate(updates), inputs)
    predicted = outputs.argmax(axis=2) if d_out > 1 else (outputs[:, :, 0] > 0).astype(int)
    law = rng.dirichlet(np.full(atoms, 2.0))
    name = f"{adapter}, {d_out}x{d_in}, rank {rank}, {bits} bits, {atoms} atoms, n = {samples}"
    return Toy(name, (predicted != labels).astype(float), law, samples, parameters * bits)


def random_toy(codewords: int, atoms: int, samples: int, seed: int) -> Toy:
    """Return losses drawn from {0, 1} and [0, 1] under a random law; every codeword costs one of the log2."""
    rng = np.random.default_rng([seed, codewords, atoms, samples])
    losses = rng.uniform(size=(codewords, atoms))
    losses[: codewords // 2] = losses[: codewords // 2] > 0.5
    name = f"{codewords} hypotheses, {atoms} atoms, n = {samples}"
    return Toy(name, losses, rng.dirichlet(np.full(atoms, 2.0)), samples, int(np.ceil(np.log2(codewords))))


def coin_toy(predictors: int) -> Toy:
    """Return a sample of one fair coin, predicted by one side always or by any of both sides.

    The bounds are nearly attained here: with one predictor |L - Lhat| is 1/2 always, with both the one that is right on
    the sample has gap 1/2 for one bit. As an adapter: a single scalar of one bit, B-only of a 1x1 layer.
    """
    losses = np.array([[0.0, 1.0], [1.0, 0.0]])[:predictors]
    name = f"b-only, 1x1, rank 1, labels by chance, {predictors} predictors, n = 1"
    return Toy(name, losses, np.array([0.5, 0.5]), 1, predictors - 1)


def _updates(
    adapter: str, tuned: Array, shape: tuple[int, int], rank: int, rows: Array, columns: Array
) -> Float[Array, "codes d_out d_in"]:
    d_out, d_in = shape
    if adapter == "full":
        return tuned.reshape(-1, d_out, d_in)
    if adapter == "b-only":
        return tuned.reshape(-1, d_out, rank) @ rows
    if adapter == "a-only":
        return columns @ tuned.reshape(-1, rank, d_in)
    left = tuned[:, : d_out * rank].reshape(-1, d_out, rank)
    return left @ tuned[:, d_out * rank :].reshape(-1, rank, d_in)


@cache
def _codes(parameters: int, bits: int) -> Float[Array, "codes parameters"]:
    """Return every vector of quantised scalars: 2^bits equally spaced levels, symmetric about 0."""
    levels = np.arange(2**bits) - (2**bits - 1) / 2
    return np.array(list(product(levels, repeat=parameters)))


@cache
def _counts(atoms: int, samples: int) -> tuple[Float[Array, "counts atoms"], Float[Array, " counts"]]:
    """Return all count vectors of this sum, and the logarithm of how many ordered samples have each."""
    chosen = list(combinations(range(samples + atoms - 1), atoms - 1))
    bars = np.array(chosen, dtype=int).reshape(len(chosen), atoms - 1)
    edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, samples + atoms - 1)))
    counts = np.diff(edges, axis=1) - 1
    factorials = np.array([lgamma(k + 1) for k in range(samples + 1)])
    return counts.astype(float), factorials[samples] - factorials[counts].sum(axis=1)


def _information(joint: Array) -> float:
    """Return the mutual information of a joint law; negative rounding counts as 0."""
    terms = _xlogx(joint).sum() - _xlogx(joint.sum(axis=0)).sum() - _xlogx(joint.sum(axis=1)).sum()
    return max(0.0, float(terms))


def _xlogx(p: Array) -> Array:
    return p * np.log(np.where(p > 0, p, 1.0))
