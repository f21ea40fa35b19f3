"""SciPy's BLAS is held to one thread inside, as before outside, and NumPy's is left alone."""

from pathlib import Path

import numpy as np
import pytest
import scipy.linalg  # noqa: F401 (loads SciPy's BLAS)
from threadpoolctl import ThreadpoolController

from sims.threads import scipy_on_one_thread


def threads() -> dict[str, int]:
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return {each.filepath: each.get_num_threads() for each in found}


def of_scipy(path: str) -> bool:
    return bool({"scipy", "scipy.libs"} & set(Path(path).parts))


def test_scipy_has_one_thread_inside_and_its_own_number_again_outside() -> None:
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        outside = threads()
        with scipy_on_one_thread():
            inside = threads()
            np.ones((4, 4)) @ np.ones((4, 4))
        assert threads() == outside
    for path, count in inside.items():
        assert count == (1 if of_scipy(path) else outside[path])


def test_threads_come_back_after_an_exception() -> None:
    before = threads()

    @scipy_on_one_thread()
    def failing() -> None:
        raise RuntimeError("stop")

    for _ in range(2):  # the decorator serves many calls
        with pytest.raises(RuntimeError, match="stop"):
            failing()
    assert threads() == before
