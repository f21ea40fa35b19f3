"""ASY-DUAL: B-only and A-only are one problem, transposed; input covariance and output metric change places."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.linear_instances import LinearInstance, linear_instances
from proofs_check.registry import claim
from theory import linear_adapters as closed
from theory.linear_duality import LinearProblem, dual


def _measure(instance: LinearInstance, there: LinearProblem) -> list[Measurement]:
    b_here = closed.fit_b_only(instance.delta, instance.sigma, instance.q, instance.metric)
    a_here = closed.fit_a_only(instance.delta, instance.sigma, instance.u, instance.metric)
    a_there = closed.fit_a_only(there.delta, there.sigma, instance.q.T, there.metric)
    b_there = closed.fit_b_only(there.delta, there.sigma, instance.u.T, there.metric)
    # risks of the fits, recomputed from the updates
    risks = [
        closed.excess_risk(instance.delta, fit.update, instance.sigma, instance.metric) for fit in (b_here, a_here)
    ]
    return [
        instance.close("B-only here against A-only of the transposed problem", risks[0], a_there.approximation),
        instance.close("A-only here against B-only of the transposed problem", risks[1], b_there.approximation),
    ]


def _white(instance: LinearInstance) -> LinearInstance:
    """Return the same problem with white inputs and the plain loss."""
    d_out, d_in = instance.delta.shape
    name = instance.name + ", Σ = W = I"
    return LinearInstance(name, instance.delta, np.eye(d_in), np.eye(d_out), instance.q, instance.u)


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The inputs of the transposed problem white and its loss plain, although Σ and W are not."""
    instances = linear_instances(level, seed)
    plain = [_white(i) for i in instances]
    rows = [m for i, p in zip(instances, plain) for m in _measure(i, LinearProblem(p.delta.T, p.metric, p.sigma))]
    return Evidence(tuple(rows), len(instances), seeds=(seed,))


@claim(
    id="ASY-DUAL",
    paper="asymmetry",
    statement="With errors measured by eᵀWe, the least risk of B-only for (Δ, Σ, W) and A = Q is that of A-only for "
    "(Δᵀ, W, Σ) and B = Qᵀ, and conversely: the asymmetry is input covariance against output metric. For Σ = W = I the "
    "problem is symmetric.",
    source="this project (transpose of the whitened form)",
    kind="equality",
    assumptions=("linear target, squared loss",),
    control="transposition without exchanging covariance and metric",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Solve both problems by their own closed forms."""
    instances = linear_instances(level, seed)
    instances += [_white(i) for i in instances] + linear_instances(level, seed + 1, rank=lambda d, r: min(r + 1, d))
    rows = [m for i in instances for m in _measure(i, dual(LinearProblem(i.delta, i.sigma, i.metric)))]
    return Evidence(tuple(rows), len(instances), seeds=(seed,))
