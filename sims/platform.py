"""The platform that JAX computes on: one that is not here is told before the work, not by every part of it."""

import os

from sims.errors import BadInput, one_line


def check_platform() -> None:
    """Return when JAX can use a platform that the environment asks for (JAX_PLATFORMS), or when it asks for none.

    Raises:
        BadInput: it cannot.
    """
    asked = os.environ.get("JAX_PLATFORMS", "")
    if not asked:
        return
    import jax

    try:
        jax.devices()
    except Exception as error:  # JAX raises RuntimeError, AssertionError and others, by platform
        raise BadInput(
            f"JAX_PLATFORMS={asked}: JAX finds no such platform on this machine ({one_line(error)[:160]}); "
            "unset it, or set JAX_PLATFORMS=cpu"
        ) from None
