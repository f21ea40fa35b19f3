"""Frozen factors, drawn at random or made from the public part: never from the sample."""

import numpy as np
from jaxtyping import Float

from sims.certified_adapters.task import Task
from sims.errors import BadInput
from sims.haar import orthonormal_rows
from sims.threads import blas_on_one_thread

A_KINDS = ("random", "public")


@blas_on_one_thread()
def frozen_a(task: Task, rank: int, kind: str, seed: int) -> Float[np.ndarray, "r h"]:
    """Return A, 'random' or 'public'.

    Rows of 'random' are orthonormal and uniform; those of 'public' are the top principal directions of the public
    features, each divided by the standard deviation along it.

    The scale does not change what B A can be, but it makes all entries of B matter alike, and those of late columns
    small, which the code turns into few bits. Raises BadInput for an unknown kind or a rank that does not fit.
    """
    h = task.shape[1]
    if not 1 <= rank <= min(h, len(task.public)):
        raise BadInput(f"rank {rank}: expected 1 to {min(h, len(task.public))}")
    if kind == "random":
        return orthonormal_rows(np.random.default_rng([seed, 2]), rank, h)
    if kind != "public":
        raise BadInput(
            f"frozen A {kind!r}: expected one of {', '.join(A_KINDS)}; one made from the sample is tuned: code it, too"
        )
    public = task.public.astype(np.float64)
    values, vectors = np.linalg.eigh(public.T @ public / len(public))
    top = values[::-1][:rank]
    if not top[-1] > 1e-12 * top[0]:
        raise BadInput(f"public features have fewer than {rank} directions: use a lower rank or a larger public part")
    return (vectors[:, ::-1][:, :rank] / np.sqrt(top)).T


@blas_on_one_thread()
def frozen_b(task: Task, rank: int, seed: int) -> Float[np.ndarray, "classes r"]:
    """Return B with orthonormal columns, uniform; raises BadInput for a rank above the number of classes."""
    return orthonormal_rows(np.random.default_rng([seed, 3]), rank, task.shape[0]).T
