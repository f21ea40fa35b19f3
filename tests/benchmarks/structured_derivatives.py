"""Empirical NTK against neural-tangents' structured derivatives: full kernels in float32, of an MLP and of a small CNN.

Structured derivatives need an old JAX, hence an environment of their own:

    python3.11 -m venv PEER
    PEER/bin/pip install "jax==0.4.25" "jaxlib==0.4.25" "numpy<2" "scipy<1.13" frozendict typing_extensions
    PEER/bin/pip install --no-deps neural-tangents==0.6.5

    python -m tests.benchmarks.structured_derivatives --peer-python PEER/bin/python

The peer gets the fastest of a few ways to call the library, and the same weights and points. Compilation is left out on
both sides, forward and backward passes are not. Runs of the two alternate, so that both meet the same load.
The GEMM bound is measured: the multiply-adds of our kernel as plain float32 matrix products of the same shapes.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import tests.benchmarks._structured_derivatives_peer as peer
from sims.models import network as models
from sims.models.cnn import CNN, random_cnn
from sims.networks import FrozenMLP, random_mlp
from sims.ntk.features import FactoredFeatures
from sims.ntk.kernels import empirical_ntk
from sims.ntk.tangents import tangent_features
from tests.tolerances import FLOAT32_KERNEL

WIDTHS = (784, 512, 512, 512, 10)
POINTS = 256
CHANNELS = (3, 16, 32)
SIDE = 16
IMAGES = 64
OUTPUTS = 10


@dataclass(frozen=True)
class Case:
    """One network: a compiled run of our kernel, and the shapes of the matrix products in it."""

    run: Callable[[], jax.Array]
    products: list[tuple[int, int, int]]


@jax.jit
def mlp_kernel(network: FrozenMLP, x: jax.Array) -> jax.Array:
    return empirical_ntk(tangent_features(network, x))


@jax.jit
def cnn_kernel(network: CNN, x: jax.Array) -> jax.Array:
    return empirical_ntk(models.tangent_features(network, x))


def products_of(features: tuple[FactoredFeatures, ...]) -> list[tuple[int, int, int]]:
    """The (a, b, c) of all matrix products: forward pass, back-propagation of K signals, inner products."""
    found = []
    for layer, part in enumerate(features):
        n, k, t, d_out = part.signal.shape
        d_in = part.d_in
        found.append((n * t, d_in, d_out))
        if layer:
            found.append((n * k * t, d_out, d_in))
        if t == 1:
            found += [(n * k, d_out, n * k), (n, d_in, n)]
        else:
            # every G is multiplied out, then one product of all of them
            found += [(n * k * d_out, t, d_in), (n * k, d_out * d_in, n * k)]
    return found


def mlp_case(data: dict[str, Any]) -> Case:
    network = random_mlp(WIDTHS, key=jax.random.key(0), activation="relu", dtype=jnp.float32)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((POINTS, WIDTHS[0])), jnp.float32)
    data |= {f"mlp_w{layer}": weight for layer, weight in enumerate(network.weights)}
    data |= {"mlp_x": x, "mlp_scales": [network.scale(layer) for layer in range(network.depth)]}
    return Case(lambda: mlp_kernel(network, x), products_of(tangent_features(network, x)))


def cnn_case(data: dict[str, Any]) -> Case:
    network = random_cnn(key=jax.random.key(1), channels=CHANNELS, outputs=OUTPUTS, dtype=jnp.float32)
    x = jnp.asarray(np.random.default_rng(1).standard_normal((IMAGES, SIDE, SIDE, CHANNELS[0])), jnp.float32)
    layers = (*network.filters, network.head)
    data |= {f"cnn_w{i}": layer.weight for i, layer in enumerate(layers)}
    data |= {f"cnn_b{i}": layer.bias for i, layer in enumerate(layers)}
    data |= {"cnn_x": x, "cnn_layers": len(layers)}
    return Case(lambda: cnn_kernel(network, x), products_of(models.tangent_features(network, x)))


class Peer:
    """The other interpreter, which runs what it is told to and answers with the seconds it took."""

    def __init__(self, python: Path, source: Path, target: Path) -> None:
        command = [str(python), str(Path(peer.__file__)), str(source), str(target)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts: dict[str, Any] = self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the peer ended with status {self.process.wait()}: its error is above")
        return json.loads(line)

    def seconds(self, name: str) -> float:
        assert self.process.stdin is not None
        print(name, file=self.process.stdin, flush=True)
        return float(self._answer())

    def close(self) -> None:
        self.process.communicate()


def measured(name: str, case: Case, other: Peer, expected: np.ndarray, rounds: int) -> dict[str, Any]:
    """Best times of as many runs of both, alternating."""
    plain = peer.matrix_products(case.products)
    found = np.asarray(case.run())
    peer.seconds(plain)
    ours, theirs, bound, their_bound = [], [], [], []
    for _ in range(rounds):
        ours.append(peer.seconds(case.run))
        bound.append(peer.seconds(plain))
        theirs.append(other.seconds(name))
        their_bound.append(other.seconds(f"{name} products"))
    return {
        "ours": min(ours),
        "theirs": min(theirs),
        "ratio": min(theirs) / min(ours),
        "difference": float(np.abs(found - expected).max() / np.abs(expected).max()),
        "multiply_adds": sum(a * b * c for a, b, c in case.products),
        "bound": min(bound),
        "their_bound": min(their_bound),
        "multiple": min(ours) / min(bound),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, required=True, help="interpreter with jax 0.4.25, neural-tangents")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, best counts (default 5)")
    options = parser.parse_args()
    data: dict[str, Any] = {}
    cases = {"mlp": mlp_case(data), "cnn": cnn_case(data)}
    data |= {f"{name}_products": case.products for name, case in cases.items()}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        arrays: dict[str, Any] = {key: np.asarray(value) for key, value in data.items()}
        np.savez(source, **arrays)
        other = Peer(options.peer_python, source, target)
        kernels = dict(np.load(target))
    rows = {name: measured(name, case, other, kernels[name], options.rounds) for name, case in cases.items()}
    other.close()
    facts = other.facts
    print(f"ours: jax {jax.__version__}; peer: jax {facts['jax']}, neural-tangents {facts['neural_tangents']}")
    print(
        f"{'':5}{'ours s':>9}{'peer s':>9}{'ratio':>7}{'max diff':>10}{'GEMM s':>9}{'multiple':>9}{'peer GEMM s':>12}"
    )
    for name, row in rows.items():
        print(
            f"{name:5}{row['ours']:9.4f}{row['theirs']:9.4f}{row['ratio']:7.2f}{row['difference']:10.1e}"
            f"{row['bound']:9.4f}{row['multiple']:9.2f}{row['their_bound']:12.4f}  peer: {facts['chosen'][name]}"
        )
    wrong = [name for name, row in rows.items() if row["difference"] > FLOAT32_KERNEL]
    slow = [name for name, row in rows.items() if row["ratio"] < 1]
    if wrong or slow:
        raise SystemExit(f"kernels differ: {wrong}; slower than the peer: {slow}")


if __name__ == "__main__":
    main()
