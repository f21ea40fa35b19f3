"""Problem and solution files (.npz): reading with every check, writing atomically."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sims.archives import Archive
from sims.convex_problem import ConvexProblem, make_problem
from sims.errors import BadInput
from sims.files import write_atomic
from sims.ntk.features import DenseFeatures, FactoredFeatures, TangentFeatures
from sims.solve import CertifiedSolution
from theory.losses import LOSSES, SQUARED

_PROBLEM = ("G", "signal", "activation", "f0", "y", "loss")
_SOLUTION = ("delta", "u", "v")
_ELSEWHERE = dict.fromkeys(("lam", "lambda", "lmbda", "reg"), "lambda is no part of a file: give it as --lam")


@dataclass(frozen=True)
class Candidate:
    """Somebody's solution: ``delta``, or factors ``u`` and ``v`` with delta = u v^T."""

    delta: np.ndarray
    u: np.ndarray | None = None
    v: np.ndarray | None = None


def load_problem(path: str | Path) -> ConvexProblem:
    """Return the checked problem of a file with G (dense) or signal and activation (factored), f0, y and loss.

    All arrays are float64 and equal to the numbers in the file (labels of cross-entropy int64).

    Raises:
        BadInput: missing or unreadable file, pickled objects, unknown, contradicting or missing arrays, more numbers
            than fit into memory or than float64 can hold, shapes that disagree, NaN, bad labels.
    """
    archive = Archive(path, _PROBLEM, _ELSEWHERE)
    path = archive.path
    factored = {"signal", "activation"} & archive.headers.keys()
    if "G" in archive and factored:
        raise BadInput(
            f"{path} holds G and {' and '.join(sorted(factored))}: expected either 'G', or 'signal' and 'activation'"
        )
    if "y" not in archive:
        raise BadInput(f"{path} holds {archive.shapes()}: expected targets 'y' beside 'G' or 'signal' and 'activation'")
    if "G" not in archive and len(factored) < 2:
        raise BadInput(f"{path} holds {archive.shapes()}: expected 'G', or 'signal' and 'activation'")
    archive.require_memory()
    features = _features(archive)
    name = archive.word("loss") if "loss" in archive else SQUARED.name
    if name not in LOSSES:
        raise BadInput(f"loss {name!r} in {path} is unknown: expected one of {', '.join(LOSSES)}")
    f0 = archive.numbers("f0", (1, 2)) if "f0" in archive else np.zeros((features.n, features.k))
    if f0.ndim == 1 and features.k == 1:
        f0 = f0[:, None]
    return make_problem([features], f0, archive.numbers("y", (1, 2)), LOSSES[name])


def _features(archive: Archive) -> TangentFeatures:
    if "G" in archive:
        g = archive.numbers("G", (3, 4))
        return DenseFeatures(g if g.ndim == 4 else g[:, None])
    signal, activation = archive.numbers("signal", (4,)), archive.numbers("activation", (3,))
    if (signal.shape[0], signal.shape[2]) != (activation.shape[0], activation.shape[1]):
        raise BadInput(
            f"signal {signal.shape}, activation {activation.shape} disagree: expected (n, k, t, d_out) and (n, t, d_in)"
        )
    return FactoredFeatures(signal, activation)


def load_solution(path: str | Path, problem: ConvexProblem) -> Candidate:
    """Return the candidate of a file with delta (d_out, d_in), or u (d_out, r) and v (d_in, r); r = 0 is zero.

    All arrays are float64 and equal to the numbers in the file.

    Raises:
        BadInput: as for ``load_problem``, and shapes that do not fit the problem.
    """
    archive = Archive(path, _SOLUTION, _ELSEWHERE)
    path = archive.path
    (m, p) = problem.shapes[0]
    factors = {"u", "v"} & archive.headers.keys()
    if "delta" in archive and factors:
        raise BadInput(
            f"{path} holds delta and {' and '.join(sorted(factors))}: expected either 'delta', or 'u' and 'v'"
        )
    archive.require_memory()
    if len(factors) == 2:
        u, v = archive.numbers("u", (2,)), archive.numbers("v", (2,))
        if u.shape[0] != m or v.shape[0] != p or u.shape[1] != v.shape[1]:
            raise BadInput(f"factors u {u.shape}, v {v.shape} in {path}: expected ({m}, r) and ({p}, r)")
        with np.errstate(all="ignore"):  # overflow and inf * 0 are found below
            candidate = Candidate(u @ v.T, u, v)
    elif "delta" in archive:
        delta = archive.numbers("delta", (2,))
        if delta.shape != (m, p):
            raise BadInput(f"delta in {path} has shape {delta.shape}: expected {(m, p)} as in the problem")
        candidate = Candidate(delta)
    else:
        raise BadInput(f"{path} holds {archive.shapes()}: expected 'delta', or factors 'u' and 'v'")
    if not np.isfinite(candidate.delta).all():
        raise BadInput(f"the solution in {path} holds NaN or infinite entries: expected finite numbers")
    return candidate


def npz(**arrays: Any) -> bytes:
    """Return the content of an .npz file with these arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def encoded(solution: CertifiedSolution) -> bytes:
    """Return the content of a solution file: balanced factors ``u`` and ``v`` of the (single) layer."""
    (u, v) = solution.factors[0]
    return npz(u=u, v=v)


def save_solution(path: str | Path, solution: CertifiedSolution) -> Path:
    """Return the path written, in one atomic step."""
    write_atomic(path, encoded(solution))
    return Path(path)
