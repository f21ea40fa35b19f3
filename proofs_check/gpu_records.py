"""Records of a machine with an accelerator: python -m proofs_check.gpu_records --out DIR [--small].

Five parts, each with a record of its own in DIR, written when the part ends, so that a failure loses no other:
``gpu_entk`` (empirical NTK of an MLP against torch.func), ``gpu_census`` (landscape search, certified points a
minute), ``gpu_transformer`` (features and kernel of a transformer encoder), ``gpu_asymmetry_training`` (every adapter
and rank on MNIST and Fashion-MNIST) and ``gpu_supersample`` (bounds of trained networks at n = 2000). It needs jax,
equinox, jaxtyping, optax, numpy and scipy; torch is used where it is installed. No network: the last two parts read
their images from LORA_THEORY_DATA. Under ten minutes on one H200 for the first three, and for the last two (``--part``
chooses); ``--small`` runs on a CPU.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# torch and JAX share the accelerator's memory: neither may reserve it all (read when JAX starts)
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax

from proofs_check import gpu_asymmetry, gpu_parts
from sims.errors import BadInput
from sims.files import write_atomic

PARTS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "gpu_entk": gpu_parts.entk_table,
    "gpu_census": gpu_parts.landscape_census,
    "gpu_transformer": gpu_parts.transformer_features,
    "gpu_asymmetry_training": gpu_asymmetry.asymmetry_training,
    "gpu_supersample": gpu_asymmetry.supersample_networks,
}
_DTYPES = {
    "gpu_entk": "float32, float64",
    "gpu_census": "float64",
    "gpu_transformer": "float32, float64",
    "gpu_asymmetry_training": "float32",
    "gpu_supersample": "float32",
}
_LIBRARIES = ("jax", "jaxlib", "numpy", "scipy", "equinox", "optax", "torch")


def surroundings(name: str) -> dict[str, Any]:
    """Return device, dtype, versions and time for the record of a part."""
    versions = {}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    device = jax.devices()[0]
    return {
        "device": f"{device.platform}: {device.device_kind}",
        "dtype": _DTYPES[name],
        "versions": versions,
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def run_part(name: str, out: Path, *, small: bool, seed: int) -> bool:
    """Run one part and write its record, with ``error`` in its result if the part failed; return if it worked."""
    begin = time.perf_counter()
    try:
        result = PARTS[name](small=small, seed=seed)
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    result["seconds_in_all"] = time.perf_counter() - begin
    config = {"part": name, "small": small, "seed": seed}
    record = {"experiment": name, "config": config, "result": result, "environment": surroundings(name)}
    # not `sims.records`: that needs pydantic, which a machine lent without a network may lack
    write_atomic(out / f"{name}.json", json.dumps(record, sort_keys=True, indent=1, allow_nan=False) + "\n")
    said = result.get("error") or result.get("skipped") or "; ".join(result.get("notes", ())) or "done"
    sys.stderr.write(f"{name}: {said} ({result['seconds_in_all']:.1f} s)\n")
    return "error" not in result


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0; 1 when a part failed (its record says why); 2 when the folder cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m proofs_check.gpu_records", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the records")
    parser.add_argument("--small", action="store_true", help="a size for any CPU, to see that everything runs")
    parser.add_argument("--part", action="append", choices=tuple(PARTS), help="run this part only (may be repeated)")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    try:
        worked = [
            run_part(name, chosen.out, small=chosen.small, seed=chosen.seed) for name in chosen.part or tuple(PARTS)
        ]
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0 if all(worked) else 1


if __name__ == "__main__":
    raise SystemExit(main())
