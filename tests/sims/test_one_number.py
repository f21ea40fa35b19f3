"""Numbers do not depend on the threads of BLAS and XLA, and what is used is noted, from memory too."""

import os
import subprocess
import sys

import pytest
import scipy.linalg  # noqa: F401 (loads its BLAS)
from threadpoolctl import ThreadpoolController

from sims.data import load, status
from sims.threads import blas_on_one_thread, xla_threads
from sims.used import note_looked_for, remembered, unchanged, using

# large enough that sums of several threads differ in their last bits, which training carries to the first
CERTIFICATES = """
from sims import data
from sims.certified_adapters import certify, fit, frozen_a, make_task

task = make_task(data.load("digits"), public=359, width=256, seed=0)
a = frozen_a(task, 16, "public", 0)
found = certify(task, fit(task, "b-only", 16, a=a), 0.05, steps=(0.1, 0.3), dead_zones=(0.5,))
print(a.tobytes().hex()[-400:], fit(task, "full", 0).update.tobytes().hex()[-400:], found.string)
"""


def test_every_blas_has_one_thread_inside_and_its_own_number_again_outside() -> None:
    def threads() -> list[int]:
        return [each.get_num_threads() for each in ThreadpoolController().select(user_api="blas").lib_controllers]

    with ThreadpoolController().limit(limits=2, user_api="blas"):
        outside = threads()
        with blas_on_one_thread():
            assert set(threads()) == {1}
        with pytest.raises(RuntimeError), blas_on_one_thread():
            raise RuntimeError
        assert threads() == outside


@pytest.mark.parametrize(
    ("asked", "processors", "expected"),
    [(None, 8, None), (None, 1, "2"), ("1", 8, "2"), ("4", 1, "4"), ("2", 2, "2"), ("many", 1, "2")],
)
def test_xla_never_has_the_one_thread_for_which_it_compiles_other_sums(
    asked: str | None, processors: int, expected: str | None
) -> None:
    assert xla_threads(asked, processors) == expected


def test_certificates_do_not_depend_on_the_threads() -> None:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
    found = [
        subprocess.run(
            [sys.executable, "-c", CERTIFICATES],
            env=os.environ | dict.fromkeys(names, threads),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "4")
    ]
    assert len(found[0]) > 1000
    assert found[0] == found[1]


def test_what_is_loaded_and_looked_for_is_noted_also_from_memory_and_also_outside() -> None:
    @remembered(maxsize=2)
    def made(name: str) -> int:
        note_looked_for("something", False)
        return len(load(name).x_train)

    with using() as outer:
        for _ in range(2):
            with using() as used:
                made("wine")
            assert (used.loaded, used.looked_for) == ({"wine"}, {"something": False})
        with using(apart=True):
            load("digits")
    assert (outer.loaded, outer.looked_for) == ({"wine"}, {"something": False})
    load("digits")  # nobody asks
    made.cache_clear()


def test_data_that_are_looked_for_in_vain_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sims.data.catalogue._present", lambda data_set: [])
    with using() as used:
        assert status("glue-rte") == "not on this machine"
        status("digits")
    assert used.looked_for == {"glue-rte": False}
    assert unchanged(used.looked_for, lambda name: False)
    assert not unchanged(used.looked_for, lambda name: True)
