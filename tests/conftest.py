"""Strict JAX and one Hypothesis profile for the whole suite.

Test folders are packages, so that `from tests.tolerances import ...` works and two folders may hold files of one name.
"""

import os
from collections.abc import Iterator
from pathlib import Path

# Most of the suite's time is compilation: keep compiled programs beside pytest's own cache (before JAX is imported).
_COMPILED = Path(__file__).parent.parent / ".pytest_cache" / "compiled"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_COMPILED))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import hypothesis  # noqa: E402
import jax  # noqa: E402
import pytest  # noqa: E402

# Silent promotion is how a float32 kernel or a transposed bias gets through: in tests both are errors.
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# A first call compiles, which no per-example deadline survives.
hypothesis.settings.register_profile("dev", deadline=None, max_examples=25, derandomize=False)
# The same examples in every run, and nothing written to disk, where a red run must be repeatable by anybody.
hypothesis.settings.register_profile("ci", deadline=None, max_examples=25, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture
def relaxed_promotion() -> Iterator[None]:
    """Third-party code (neural-tangents) relies on promotion: allow it for one test.

    With `@given` use the two context managers inside the test instead: Hypothesis refuses function-scoped fixtures.
    """
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
