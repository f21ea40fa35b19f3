"""Spurious local minima found in floats by a search, or by Newton's method from a known point, and then proved."""

from fractions import Fraction

import numpy as np
from jaxtyping import Float

from proofs_check.evidence import Measurement
from proofs_check.instances import Instance, planted
from proofs_check.interval_newton import Factors, SpuriousMinimum, prove_spurious_minimum
from proofs_check.second_order_search import survey
from sims.convex_problem import ConvexProblem
from sims.solve import solve
from theory import factored_objective as lora
from theory.planted_families import Family

_NEWTON_STEPS = 12


def prove_found(instance: Instance, rank: int, *, starts: int = 16, seed: int = 0) -> SpuriousMinimum | None:
    """Return a proof about one spurious minimum that ``starts`` runs find, or None if none was found or proved.

    The lowest point of the same runs, and the optimum found by the solver, serve as points with a lower value.
    """
    found = survey(instance, rank, starts=starts, seed=seed)
    m, problem = instance.landscape.d_out, instance.problem
    if not found.points:
        return None
    lowest = found.factors[int(np.argmin([point.objective for point in found.points]))]
    better: list[Factors] = [(lowest[:m], lowest[m:]), *solve(problem, instance.lam).factors]
    for point, q in zip(found.points, found.factors):
        if point.kind == "local_minimum":
            proof = prove_spurious_minimum(problem, q[:m], q[m:], Fraction(instance.lam), better=better)
            if proof is not None:
                return proof
    return None


def polished(problem: ConvexProblem, q: Float[np.ndarray, "d r"], lam: float) -> Float[np.ndarray, "d r"]:
    """Return Q after Newton steps across the gauge: near a strict minimum a float stationary point, else no promise."""
    (layer,) = problem.layers
    data = (np.asarray(layer.dense()), problem.f0, problem.y, problem.loss, lam)
    m = layer.shape[0]
    for _ in range(_NEWTON_STEPS):
        gauge = np.asarray(lora.gauge_directions(q[:m], q[m:], weight_decay=lam > 0))
        across = np.linalg.svd(gauge)[0][:, gauge.shape[1] :]
        gradient = across.T @ lora.gradient(*data, q).reshape(-1)
        step = np.linalg.lstsq(across.T @ lora.hessian(*data, q) @ across, gradient, rcond=None)[0]
        q = q - (across @ step).reshape(q.shape)
    return q


def noisy_families(
    ranks: tuple[int, ...], seed: int, families: tuple[Family, ...] = ("A", "A'")
) -> tuple[list[Measurement], list[str]]:
    """Return interval proofs that the families with noise on every feature entry keep a strict spurious minimum."""
    measurements, notes = [], []
    for family in families:
        for rank in ranks:
            instance = planted(family, rank, rank + 2, rank + 3, noise=0.02, seed=seed)
            proof = prove_found(instance, rank, seed=seed)
            name = "noisy family: strict spurious minimum proved (1 = yes)"
            measurements.append(Measurement(name, proof is not None, 1, "==", 0, instance.name))
            notes.append(f"{instance.name}: {described(proof)}")
    return measurements, notes


def described(proof: SpuriousMinimum | None) -> str:
    """Return the theorem in words."""
    if proof is None:
        return "not proved"
    return (
        f"stationary point within {proof.radius:.1e}, Hessian >= {proof.curvature:.2g} off {proof.gauge_dimension} "
        f"gauge directions, value at least {proof.excess:.3g} above a point of rank at most {proof.better_rank}"
    )
