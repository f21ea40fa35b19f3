"""The tensors of a checkpoint, in one safetensors file or in several with an index."""

import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from sims.errors import BadInput
from sims.models.json_files import listed, read_object, shown
from sims.models.transformer_block import Affine, LayerNorm

Array = Any
ONE_FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_NUMBERS = ("F64", "F32", "BF16", "F16")
# counts that are stored with some checkpoints
_HARMLESS = ("embeddings.position_ids", "embeddings.token_type_ids")
_HEADS = ("pooler.", "classifier.", "cls.", "lm_head.", "qa_outputs.")


class Tensors:
    """Tensors asked for by name and shape; those that are not asked for are never loaded."""

    def __init__(self, folder: Path, family: str, dtype: Any) -> None:
        self.dtype = dtype
        self._read: set[str] = set()
        self._places: dict[str, tuple[Path, str]] = {}
        self._files = {}
        for path, names in _files(folder):
            self._files[path], present = _opened(path)
            for name in present if names is None else names:
                if name not in present:
                    raise BadInput(f"{path} has no tensor {name!r}, which {INDEX} says is there: it is incomplete")
                short = _short(name, family)
                if short in self._places:
                    raise BadInput(f"{path} holds the tensor {short!r} twice, under two names")
                self._places[short] = path, name
        self.folder = folder

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def get(self, name: str, *shape: int | None) -> Array:
        """Return a tensor of this shape (None: any length from 1).

        Raises `BadInput` if it is not there, or has another shape, another kind of numbers, or NaN.
        """
        if name not in self._places:
            raise BadInput(f"{self.folder} has no tensor {name!r}: it is incomplete or of another architecture")
        path, stored = self._places[name]
        part = self._files[path].get_slice(stored)
        found, numbers = tuple(part.get_shape()), part.get_dtype()
        if len(found) != len(shape) or any(a != b if b is not None else a < 1 for a, b in zip(found, shape)):
            expected = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
            raise BadInput(f"tensor {name!r} in {path} has shape {found}, expected {expected}")
        if numbers not in _NUMBERS:
            raise BadInput(
                f"tensor {name!r} in {path} holds {numbers} numbers: expected one of {', '.join(_NUMBERS)}; quantised "
                "weights are not supported"
            )
        self._read.add(name)
        value = np.asarray(self._files[path].get_tensor(stored))
        with np.errstate(over="ignore"):
            value = value.astype(self.dtype)
        if not np.isfinite(value).all():
            raise BadInput(f"tensor {name!r} in {path} holds NaN or infinite entries")
        return jnp.asarray(value, dtype=self.dtype)

    def affine(self, name: str, d_out: int | None, d_in: int) -> Affine:
        """Return weight and bias."""
        weight = self.get(f"{name}.weight", d_out, d_in)
        return Affine(weight, self.get(f"{name}.bias", weight.shape[0]))

    def norm(self, name: str, d: int, epsilon: float) -> LayerNorm:
        """Return a layer norm."""
        return LayerNorm(self.get(f"{name}.weight", d), self.get(f"{name}.bias", d), epsilon)

    def check_rest(self, depth: int) -> None:
        """Refuse tensors of embeddings and the first ``depth`` blocks that were not read; warn of unknown ones.

        They are scales, adapters or parts of another network: without them the outputs would be others. Heads that are
        not read here are no cause for a word.
        """
        later, unknown = [], []
        for name in sorted(set(self._places) - self._read - set(_HARMLESS)):
            layer = name.removeprefix("encoder.layer.").partition(".")[0]
            if name.startswith("encoder.layer.") and layer.isdecimal() and int(layer) >= depth:
                later.append(name)
            elif name.startswith(("embeddings.", "encoder.")):
                raise BadInput(
                    f"tensor {name!r} in {self._places[name][0]} is not one of this architecture: without it the "
                    "outputs would be others"
                )
            elif not name.startswith(_HEADS):
                unknown.append(name)
        if later:
            warnings.warn(
                f"{self.folder} has more blocks than the {depth} of config.json, which are read", stacklevel=3
            )
        if unknown:
            warnings.warn(f"{self.folder}: tensors that are not known, and not read: {listed(unknown)}", stacklevel=3)


def _short(name: str, family: str) -> str:
    """Return a name without the family, which models with a head put first, and with today's names in layer norm."""
    name = name.removeprefix(f"{family}.")
    for old, new in (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")):
        name = name.replace(old, new)
    return name


def _files(folder: Path) -> Iterable[tuple[Path, list[str] | None]]:
    """Return the files of weights, each with the tensors to take from it (None: all)."""
    if os.path.isfile(folder / ONE_FILE):
        return [(folder / ONE_FILE, None)]
    places = read_object(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise BadInput(f"{folder / INDEX} has no weight_map: expected tensor names with files")
    parts: dict[Path, list[str]] = {}
    for name, file in places.items():
        if not isinstance(file, str) or file in ("", ".", "..") or Path(file).name != file:
            raise BadInput(f"{folder / INDEX} says that {name!r} is in {shown(file)}: expected a file of the folder")
        if not os.path.isfile(folder / file):
            raise BadInput(f"{folder} has no {file}, which {INDEX} names: it is incomplete")
        parts.setdefault(folder / file, []).append(name)
    return parts.items()


def _opened(path: Path) -> tuple[Any, list[str]]:
    from safetensors import SafetensorError, safe_open

    try:
        handle = safe_open(path, framework="numpy")
        return handle, list(handle.keys())
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadInput(f"{path} is damaged or of an unknown number format: {first}") from error
