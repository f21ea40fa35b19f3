"""Problem and solution files (.npz): reading with every check, writing atomically."""

import io
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sims.convex_problem import ConvexProblem, make_problem
from sims.errors import BadInput
from sims.ntk.features import DenseFeatures, FactoredFeatures, TangentFeatures
from sims.records import write_atomic
from sims.solve import CertifiedSolution
from theory.losses import LOSSES, SQUARED


@dataclass(frozen=True)
class Candidate:
    """Somebody's solution: ``delta``, or factors ``u`` and ``v`` with delta = u v^T."""

    delta: np.ndarray
    u: np.ndarray | None = None
    v: np.ndarray | None = None


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Return every array of the file, refusing pickles."""
    if not path.exists():
        raise BadInput(f"{path} does not exist: expected an .npz file, check the path")
    if path.is_dir():
        raise BadInput(f"{path} is a folder: expected an .npz file")
    if not os.access(path, os.R_OK):
        raise BadInput(f"{path} is not readable: check its permissions")
    if not zipfile.is_zipfile(path):
        raise BadInput(f"{path} cannot be read (not a zip archive): expected an .npz archive with named arrays")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            contents = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        if "object arrays" in str(error).lower():
            raise BadInput(f"{path} holds pickled objects: expected plain numeric arrays, nothing was loaded") from None
        reason = " ".join(str(error).split())
        raise BadInput(f"{path} cannot be read ({reason}): expected an .npz file written by numpy.savez") from None
    for name, array in contents.items():
        if not isinstance(array, np.ndarray):
            raise BadInput(f"{name} in {path} is no array: expected an .npz file written by numpy.savez")
    return contents


def _numeric(arrays: dict[str, np.ndarray], name: str, dimensions: tuple[int, ...], path: Path) -> np.ndarray:
    array = arrays[name]
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
        raise BadInput(f"{name} in {path} has dtype {array.dtype}: expected real numbers")
    if array.ndim not in dimensions:
        wanted = " or ".join(str(d) for d in dimensions)
        raise BadInput(f"{name} in {path} has shape {array.shape}: expected {wanted} dimensions")
    return array.astype(np.float64)


def load_problem(path: str | Path) -> ConvexProblem:
    """Return the checked problem of a file with G (dense) or signal and activation (factored), f0, y and loss.

    Raises:
        BadInput: missing or unreadable file, pickled objects, missing arrays, shapes that disagree, NaN, bad labels.
    """
    path = Path(path)
    arrays = _arrays(path)
    known = {"G", "signal", "activation", "f0", "y", "loss"}
    if "y" not in arrays:
        raise BadInput(f"{path} holds {sorted(arrays)}: expected targets 'y' beside 'G' or 'signal' and 'activation'")
    features: TangentFeatures
    if "G" in arrays:
        g = _numeric(arrays, "G", (3, 4), path)
        features = DenseFeatures(g if g.ndim == 4 else g[:, None])
    elif {"signal", "activation"} <= arrays.keys():
        signal = _numeric(arrays, "signal", (4,), path)
        activation = _numeric(arrays, "activation", (3,), path)
        if (signal.shape[0], signal.shape[2]) != (activation.shape[0], activation.shape[1]):
            raise BadInput(
                f"signal {signal.shape}, activation {activation.shape} disagree: "
                "expected (n, k, t, d_out) and (n, t, d_in)"
            )
        features = FactoredFeatures(signal, activation)
    else:
        raise BadInput(f"{path} holds {sorted(arrays)}: expected 'G', or 'signal' and 'activation' ({sorted(known)})")
    name = str(arrays["loss"]) if "loss" in arrays else SQUARED.name
    if name not in LOSSES:
        raise BadInput(f"loss {name!r} in {path} is unknown: expected one of {', '.join(LOSSES)}")
    f0 = _numeric(arrays, "f0", (1, 2), path) if "f0" in arrays else np.zeros((features.n, features.k))
    if f0.ndim == 1 and features.k == 1:
        f0 = f0[:, None]
    return make_problem([features], f0, arrays["y"], LOSSES[name])


def load_solution(path: str | Path, problem: ConvexProblem) -> Candidate:
    """Return the candidate of a file with delta (d_out, d_in), or u (d_out, r) and v (d_in, r).

    Raises:
        BadInput: as for ``load_problem``, and shapes that do not fit the problem.
    """
    path = Path(path)
    arrays = _arrays(path)
    (m, p) = problem.shapes[0]
    if {"u", "v"} <= arrays.keys():
        u, v = _numeric(arrays, "u", (2,), path), _numeric(arrays, "v", (2,), path)
        if u.shape[0] != m or v.shape[0] != p or u.shape[1] != v.shape[1]:
            raise BadInput(f"factors u {u.shape}, v {v.shape} in {path}: expected ({m}, r) and ({p}, r)")
        with np.errstate(all="ignore"):  # overflow and inf * 0 are found below
            candidate = Candidate(u @ v.T, u, v)
    elif "delta" in arrays:
        delta = _numeric(arrays, "delta", (2,), path)
        if delta.shape != (m, p):
            raise BadInput(f"delta in {path} has shape {delta.shape}: expected {(m, p)} as in the problem")
        candidate = Candidate(delta)
    else:
        raise BadInput(f"{path} holds {sorted(arrays)}: expected 'delta', or factors 'u' and 'v'")
    if not np.isfinite(candidate.delta).all():
        raise BadInput(f"the solution in {path} holds NaN or infinite entries: expected finite numbers")
    return candidate


def save_solution(path: str | Path, solution: CertifiedSolution) -> Path:
    """Return the path written: balanced factors ``u`` and ``v`` of the (single) layer, in one atomic step."""
    (u, v) = solution.factors[0]
    buffer = io.BytesIO()
    contents: dict[str, Any] = {"u": u, "v": v}
    np.savez(buffer, **contents)
    target = Path(path)
    write_atomic(target, buffer.getvalue())
    return target
