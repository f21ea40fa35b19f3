"""P26-3: whether the variance term prefers rank one depends on the norm that bounds the updates."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import Instance, by_level, gaussian, network
from proofs_check.registry import claim
from theory.capacity import rademacher_frobenius, rademacher_nuclear

_ROUNDING = 1e-10


def _signed_sums(instance: Instance, draws: int, seed: int) -> np.ndarray:
    """Return sum_i eps_i G_i / n for random signs, shape (draws, m, n)."""
    g = np.random.default_rng(seed)
    features = instance.landscape.gradients
    flat = features.reshape(-1, *features.shape[2:])
    signs = g.choice([-1.0, 1.0], (draws, len(flat)))
    return np.tensordot(signs, flat, axes=1) / len(flat)


def _instances(level: Level, seed: int, data: str) -> list[Instance]:
    found = [gaussian(seed, 12, 1, 6, 7)]
    for s in range(seed, seed + by_level(level, 1, 2, 5)):
        found += [network(data, s, samples=8, classes=k, m=6, p=7) for k in (2, 3)]
    return found


def _reached(sums: np.ndarray, rank: int, trials: int, seed: int) -> float:
    """Return the largest <M, delta> over random delta of rank <= r with ||delta||_F = 1, over its supremum."""
    g = np.random.default_rng(seed)
    best = 0.0
    for matrix in sums:
        m, n = matrix.shape
        deltas = g.standard_normal((trials, m, rank)) @ g.standard_normal((trials, rank, n))
        values = (deltas * matrix).sum(axis=(1, 2)) / np.linalg.norm(deltas, axis=(1, 2))
        supremum = rademacher_frobenius(np.linalg.svd(matrix, compute_uv=False), rank)
        best = max(best, float(values.max()) / supremum)
    return best


def _complexities(level: Level, seed: int, data: str, *, frobenius: bool) -> Evidence:
    bound = rademacher_frobenius if frobenius else rademacher_nuclear
    ball = "‖δ‖_F ≤ 1" if frobenius else "‖δ‖_* ≤ 1"
    measurements, notes = [], []
    instances = _instances(level, seed, data)
    ranks = (1, 2, 3, 4)
    for instance in instances:
        sums = _signed_sums(instance, by_level(level, 200, 1000, 5000), seed)
        spectra = np.linalg.svd(sums, compute_uv=False)
        means = [float(np.mean([bound(s, r) for s in spectra])) for r in ranks]
        name = f"{instance.name}, {ball}"
        growth = means[1] / means[0] - 1.0
        # strictly: above what rounding could do
        measurements.append(Measurement("growth of the complexity from r = 1 to r = 2", growth, 1e-6, ">=", 0, name))
        for r, mean in zip(ranks, means):
            label, limit = "complexity over that of r = 1, against √r", r**0.5
            measurements.append(Measurement(label, mean / means[0], limit, "<=", _ROUNDING, f"{name}, r = {r}"))
        if frobenius:
            few = sums[:20]
            left, s, right = np.linalg.svd(few[0], full_matrices=False)
            for r in ranks:
                name = f"{instance.name}, r = {r}"
                random = _reached(few, r, 50, seed)
                best = (left[:, :r] * s[:r]) @ right[:r]
                attained = float((best * few[0]).sum() / np.linalg.norm(best)) / rademacher_frobenius(s, r)
                measurements += [
                    Measurement("⟨M, δ⟩ at random δ over the supremum", random, 1, "<=", _ROUNDING, name),
                    Measurement("⟨M, δ⟩ at the truncated SVD over the supremum", attained, 1, "==", _ROUNDING, name),
                ]
        values = ", ".join(f"{x / means[0]:.3f}" for x in means)
        notes.append(f"{instance.name}, {ball}: complexity over that of r = 1 for r = 1, 2, 3, 4: {values}")
    return Evidence(tuple(measurements), len(instances), seeds=(seed,), notes=tuple(notes))


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The ball of weight decay: bounded nuclear norm instead of Frobenius norm. The rank does not enter."""
    return _complexities("smoke", seed, data, frobenius=False)


@claim(
    id="P26-3",
    paper="ntk",
    statement="Over updates with rank ≤ r and ‖δ‖_F ≤ B the Rademacher complexity of the linearised model is "
    "B·E(Σ_{k≤r} σ_k(Σᵢ εᵢGᵢ/n)²)^{1/2}: it grows with r, at most like √r, so the variance term alone prefers r = 1. "
    "(The paper does not say in its abstract which set; over ‖δ‖_* ≤ B it is B·E σ_1 for every rank, and nothing is "
    "preferred.)",
    source="arXiv 2605.03724, abstract (Rademacher bound, 'rank-one variance optimality')",
    kind="equality",
    assumptions=("linearised model", "updates bounded in Frobenius norm", "only the variance term: bias is separate"),
    control="updates bounded in nuclear norm, as weight decay on the factors does: no growth with r",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Compute the suprema from singular values, try to exceed them at random, and follow them over the rank."""
    return _complexities(level, seed, data, frobenius=True)
