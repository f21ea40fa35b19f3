"""ASY-REMARK: with at most r directions in the inputs, freezing A at random costs nothing."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.linear_instances import EXACT, LinearInstance, linear_instances, mean_equals
from proofs_check.registry import claim
from sims.haar import frozen_rows
from theory import linear_adapters as closed
from theory.linear_duality import reparametrise


def _free(instance: LinearInstance, q: np.ndarray) -> Measurement:
    fit = closed.fit_b_only(instance.delta, instance.sigma, q)
    return instance.close("II_A against T", fit.captured, instance.total)


def _rewritten(instance: LinearInstance, rng: np.random.Generator) -> Measurement:
    """Return the largest change of B A x under the new pair (B', Q), over inputs in the range of Sigma."""
    d_out, d_in = instance.delta.shape
    r = len(instance.q)
    b, a = rng.standard_normal((d_out, r)), rng.standard_normal((r, d_in))
    inputs = instance.sigma @ rng.standard_normal((d_in, 20))
    moved = reparametrise(b, a, instance.sigma, instance.q)
    change = np.linalg.norm(moved @ instance.q @ inputs - b @ a @ inputs)
    scale = np.linalg.norm(moved) * np.linalg.norm(inputs)
    return Measurement("change of BAx, relative", float(change / scale), 0.0, "==", EXACT, instance.name)


def _control(level: Level, seed: int, data: str) -> Evidence:
    """A Q that is orthogonal to one of the r directions of the inputs, and inputs of rank r + 1."""
    rows = []
    small = linear_instances(level, seed, rank=lambda d, r: min(r, d - r))
    for instance in small:
        vectors = np.linalg.eigh(instance.sigma)[1]
        others = vectors[:, :-1]  # all directions but the strongest
        basis = np.linalg.qr(others @ (others.T @ instance.q.T))[0].T
        rows.append(_free(instance, basis))
    large = linear_instances(level, seed, rank=lambda d, r: min(r + 1, d))
    rows += [_free(instance, instance.q) for instance in large]
    return Evidence(tuple(rows), len(small) + len(large), seeds=(seed,))


@claim(
    id="ASY-REMARK",
    paper="asymmetry",
    statement="rank Σ ≤ r: for almost every orthonormal Q every tuned pair (B, A) has a B′ with B′Qx = BAx on all "
    "inputs, so II_A = T, while E_U[II_B] = (r/d_out) T: the gap is (1 − r/d_out) T on average.",
    source="arXiv 2402.16842, remark after Lemma 4.2 and 'intuition on the gap' (there for an arbitrary Q; a Q that is "
    "orthogonal to an input direction is an exception, and a pseudo-inverse is needed for rank Σ < r)",
    kind="equality",
    assumptions=("rank Σ ≤ r", "Q U_X of full column rank (U_X a basis of the inputs)", "U uniform"),
    control="a Q orthogonal to one input direction; inputs of rank r + 1",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Rewrite random pairs, and average the captured part of A-only over frozen factors."""
    instances = linear_instances(level, seed, rank=lambda _, r: r)
    instances += linear_instances(level, seed + 1, rank=lambda _, r: max(1, r - 1))
    rows = []
    for i, instance in enumerate(instances):
        rng = np.random.default_rng([seed, i])
        d_out, r = instance.u.shape
        rows += [_free(instance, instance.q), _rewritten(instance, rng)]
        u = frozen_rows(rng, 400, r, d_out, "haar")
        captured = (((u @ instance.delta) @ instance.sigma) * (u @ instance.delta)).sum(axis=(1, 2)) / instance.total
        rows.append(mean_equals("(T − II_B)/T over frozen B", 1 - captured, 1 - r / d_out, instance.name))
    return Evidence(tuple(rows), len(instances), seeds=(seed,))
