"""The command for a machine with an accelerator, at its small size: records, failures, and what it does not import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from proofs_check import gpu_parts, gpu_records

# What a machine lent without a network may lack, and what only tests and figures need
ABSENT = (
    "neural_tangents",
    "distributed",
    "cyclopts",
    "matplotlib",
    "tueplots",
    "pydantic",
    "pooch",
    "flint",
    "cvxpy",
    "beartype",
    "torch",
    "sklearn",
    "tqdm",
    "tokenizers",
    "safetensors",
)
PROGRAM = f"""
import sys

class Absent:  # not None in sys.modules: scipy asks there whether torch was imported
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from proofs_check.gpu_records import main
sys.exit(main(["--out", sys.argv[1], "--small"]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gpu")
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torch.func is left out" in done.stderr
    return out


def record(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text())


def test_every_part_leaves_one_record_that_says_where_it_ran(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{name}.json" for name in gpu_records.PARTS)
    for name in gpu_records.PARTS:
        found = record(folder, name)
        assert found["experiment"] == name
        assert found["config"] == {"part": name, "small": True, "seed": 0}
        assert {"device", "dtype", "versions", "python", "time"} <= set(found["environment"])
        assert "error" not in found["result"]


def test_the_kernel_table_has_both_precisions_at_every_size(folder: Path) -> None:
    rows = record(folder, "gpu_entk")["result"]["rows"]
    assert {(row["dtype"], row["n"]) for row in rows} == {(d, n) for d in ("float32", "float64") for n in (8, 16)}
    assert all(row["seconds"] > 0 and row["peak_bytes"] > 0 and row["torch"] is None for row in rows)


def test_the_census_counts_every_start(folder: Path) -> None:
    result = record(folder, "gpu_census")["result"]
    assert sum(result["kinds"].values()) == result["starts"] * result["instances"]
    assert result["certified_per_minute"] > 0


def test_the_transformer_agrees_between_precisions(folder: Path) -> None:
    double, single = record(folder, "gpu_transformer")["result"]["rows"]
    assert (double["dtype"], single["dtype"]) == ("float64", "float32")
    assert 0 < single["largest_relative_difference"] < 2.0**-14
    assert double["feature_bytes"] == 2 * single["feature_bytes"]


def test_every_adapter_is_trained_on_both_image_sets_from_both_backbones(folder: Path) -> None:
    result = record(folder, "gpu_asymmetry_training")["result"]
    cells = {(row["benchmark"], row["backbone"], row["adapter"], row["rank"]) for row in result["rows"]}
    adapters = (("full", 0), ("lora", 1), ("b-only", 1), ("a-only", 1))
    assert cells == {
        (f"{data}-mlp-medium", backbone, adapter, rank)
        for data in ("mnist", "fashion")
        for backbone in ("random", "pretrained")
        for adapter, rank in adapters
    }
    assert len(result["rows"]) == len(cells)
    assert result["notes"] == []
    for row in result["rows"]:
        assert len(row["seeds"]) == len(row["test_metric"]) == len(row["train_metric"]) == 2
        # layers of 36, 12 and 8, and a head of ten outputs
        sides = {"lora": 48 + 20, "b-only": 12 + 8, "a-only": 36 + 12}
        tuned = sides[row["adapter"]] * row["rank"] if row["rank"] else 36 * 12 + 12 * 8
        assert row["trainable"] == tuned + 8 * 10 + 10


def test_the_supersample_bounds_stand_above_the_gaps(folder: Path) -> None:
    result = record(folder, "gpu_supersample")["result"]
    assert len(result["rows"]) == 2 * 4
    for row in result["rows"]:
        assert row["gap"] == row["population"] - row["train"]
        assert row["e_cmi"] >= row["gap"]
        assert row["binary_kl"] >= row["gap"]


def test_when_time_is_up_the_rest_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from proofs_check import gpu_asymmetry

    monkeypatch.setattr(gpu_asymmetry, "_SECONDS", {"training": -1.0, "supersample": -1.0})
    monkeypatch.setattr(gpu_asymmetry, "RANKS", (1,))
    result = gpu_asymmetry.asymmetry_training(small=False, seed=0)
    assert result["rows"] == []
    (note,) = result["notes"]
    assert note.startswith("time was up, left out: mnist-mlp-medium pretrained full 0, ")
    assert note.count(",") == 2 * 2 * 4


def test_a_part_that_fails_says_why_and_loses_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*, small: bool, seed: int) -> dict:
        raise MemoryError("no room")

    def works(*, small: bool, seed: int) -> dict:
        return {"answer": seed}

    monkeypatch.setattr(gpu_records, "PARTS", {"gpu_entk": fails, "gpu_census": works})
    assert gpu_records.main(["--out", str(tmp_path), "--seed", "3"]) == 1
    assert record(tmp_path, "gpu_entk")["result"]["error"] == "MemoryError: no room"
    assert record(tmp_path, "gpu_census")["result"]["answer"] == 3
    assert "gpu_entk: MemoryError: no room" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert gpu_records.main(["--out", str(tmp_path / "file"), "--small", "--part", "gpu_census"]) == 2
    assert "cannot be written" in capsys.readouterr().err.splitlines()[-1]


def test_blocks_cover_the_whole_kernel() -> None:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from sims.networks import random_mlp
    from sims.ntk.kernels import empirical_ntk
    from sims.ntk.tangents import tangent_features
    from tests.tolerances import IDENTITY

    network = random_mlp((5, 6, 2), key=jax.random.key(0))
    features = tangent_features(network, jnp.asarray(np.random.default_rng(0).standard_normal((6, 5))))
    whole, found = np.asarray(empirical_ntk(features)), np.full((6, 2, 6, 2), np.nan)

    def keep(i: int, j: int, block: jax.Array) -> None:
        found[2 * i : 2 * i + 2, :, 2 * j : 2 * j + 2] = np.asarray(block)

    gpu_parts.kernel_blocks(features, 2, keep)
    np.testing.assert_allclose(found, whole, rtol=IDENTITY[np.float64])
