"""`lora-theory info`: what a number depends on besides its configuration."""

import os
from typing import Any

from proofs_check.commands import _options, _output


def info(*, json: _options.Json = None) -> int:
    """Show versions, device, precision, threads, the data found, and the state of the neural-tangents bridge.

    Parameters
    ----------
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    answer = _output.Answer(json)
    with answer.working():
        found = _found()
    answer.give(found, _output.pairs(found))
    return 0


def _found() -> dict[str, Any]:
    import jax

    from sims import records
    from sims.bridge import neural_tangents
    from sims.data import catalogue

    bridge = neural_tangents.status()
    data = {name: catalogue.status(name) for name in catalogue.CATALOGUE}
    return records.environment() | {
        "precision": "64-bit floats" if jax.config.read("jax_enable_x64") else "32-bit floats",
        "threads": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "data_folder": os.environ.get("LORA_THEORY_DATA"),
        "data": data,
        "neural_tangents": {
            "available": bridge.available,
            "version": bridge.version,
            "state": bridge.reason,
            "restored": list(bridge.restored),
            "missing": list(bridge.missing),
        },
    }
