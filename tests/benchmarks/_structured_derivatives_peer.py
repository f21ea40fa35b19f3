"""The other side of `structured_derivatives.py`: neural-tangents 0.6.5 on jax 0.4.25, in an environment of its own.

`python _structured_derivatives_peer.py IN.npz OUT.npz` compiles, tries a few ways to call the library, keeps the best
for each network, writes the kernels, and then answers one line for each name on its standard input: seconds of one run.
"""

import json
import sys
import time
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Function = Callable[[], Any]
# name -> (form, vmap_axes, samples a side of a block or None for all at once); fastest of these is kept.
# Without vmap_axes the library was 10 to 50 times slower at 16 to 64 samples.
CANDIDATES: dict[str, tuple[tuple[str, int | None, int | None], ...]] = {
    "mlp": (("mlp", 0, None), ("mlp", 0, 64)),
    "cnn": (
        ("convolution", 0, None),
        ("convolution", 0, 16),
        ("patches", 0, None),
        ("patches", 0, 16),
    ),
}
TRIALS = 2


def seconds(function: Function) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def matrix_products(sizes: Iterable[Sequence[int]]) -> Function:
    """One compiled call of plain float32 products (a, b) @ (b, c), one for each (a, b, c)."""
    rng = np.random.default_rng(0)
    pairs = [
        (jnp.asarray(rng.random((a, b), np.float32)), jnp.asarray(rng.random((b, c), np.float32))) for a, b, c in sizes
    ]
    run = jax.jit(lambda factors: [left @ right for left, right in factors])
    return lambda: run(pairs)


def mlp(weights: Sequence[Any], scales: Sequence[float], x: Any) -> Any:
    """Weights (d_in, d_out): of a transposed one the library would form the whole Jacobian."""
    h = x
    for layer, (weight, scale) in enumerate(zip(weights, scales)):
        z = scale * (h @ weight)
        h = z if layer == len(weights) - 1 else jnp.maximum(z, 0)
    return h


def cnn(weights: Sequence[Any], biases: Sequence[Any], x: Any, *, patches: bool) -> Any:
    """Filters (3, 3, c_in, c_out) for the library's convolution rules, or matrices (9 c_in, c_out) on patches."""
    h = x
    for weight, bias in zip(weights[:-1], biases[:-1]):
        if patches:
            padded = jnp.pad(h, ((0, 0), (1, 1), (1, 1), (0, 0)))
            _, rows, columns, _ = h.shape
            parts = [padded[:, a : a + rows, b : b + columns] for a in range(3) for b in range(3)]
            z = jnp.concatenate(parts, axis=-1) @ weight
        else:
            z = lax.conv_general_dilated(h, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        z = z + bias
        z = 0.5 * z * (1 + lax.erf(z / np.float32(np.sqrt(2))))
        n, rows, columns, c = z.shape
        h = z.reshape(n, rows // 2, 2, columns // 2, 2, c).mean(axis=(2, 4))
    return h.mean(axis=(1, 2)) @ weights[-1] + biases[-1]


def network(form: str, data: dict[str, Any]) -> tuple[Callable[[Any, Any], Any], list[Any], Any]:
    """The function of (inputs, weights), the weights in the shapes it wants, the inputs."""
    if form == "mlp":
        weights = [jnp.asarray(data[f"mlp_w{i}"]).T for i in range(len(data["mlp_scales"]))]
        scales = [float(scale) for scale in data["mlp_scales"]]
        return lambda params, x: mlp(params, scales, x), weights, jnp.asarray(data["mlp_x"])
    count = int(data["cnn_layers"])
    biases = [jnp.asarray(data[f"cnn_b{i}"]) for i in range(count)]
    matrices = [jnp.asarray(data[f"cnn_w{i}"]).T for i in range(count)]
    patches = form == "patches"
    if not patches:
        matrices = [w.reshape(3, 3, -1, w.shape[-1]) for w in matrices[:-1]] + matrices[-1:]
    return lambda params, x: cnn(params, biases, x, patches=patches), matrices, jnp.asarray(data["cnn_x"])


def structured(nt: Any, form: str, vmap_axes: int | None, block: int | None, data: dict[str, Any]) -> Function:
    apply_fn, weights, x = network(form, data)
    kernel = jax.jit(
        nt.empirical_ntk_fn(
            apply_fn,
            trace_axes=(),
            vmap_axes=vmap_axes,
            implementation=nt.NtkImplementation.STRUCTURED_DERIVATIVES,
        )
    )
    if block is not None:
        # their x2 = None would still compute all blocks
        kernel = nt.batch(kernel, batch_size=block, device_count=0)
    return lambda: kernel(x, None, weights)


class _Absent(types.ModuleType):
    """Stands for TensorFlow, which the library imports for parts that are not used here."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(name)


def neural_tangents() -> Any:
    for name in ("neural_tangents.experimental", "tf2jax", "tensorflow"):
        sys.modules.setdefault(name, _Absent(name))
    import neural_tangents as nt

    return nt


def main(source: str, target: str) -> None:
    nt = neural_tangents()
    data = dict(np.load(source))
    runs, chosen, kernels = {}, {}, {}
    for name, candidates in CANDIDATES.items():
        times = {}
        for form, vmap_axes, block in candidates:
            function = structured(nt, form, vmap_axes, block, data)
            label = f"{form}, vmap_axes={vmap_axes}, " + ("all at once" if block is None else f"blocks of {block}")
            jax.block_until_ready(function())
            times[label] = min(seconds(function) for _ in range(TRIALS))
            if times[label] == min(times.values()):
                runs[name], chosen[name] = function, label
        print(json.dumps(times), file=sys.stderr, flush=True)
        # theirs is (n, n, k, k)
        kernels[name] = np.asarray(runs[name]()).transpose(0, 2, 1, 3)
        runs[f"{name} products"] = matrix_products(data[f"{name}_products"].tolist())
        jax.block_until_ready(runs[f"{name} products"]())
    np.savez(target, **kernels)
    print(json.dumps({"chosen": chosen, "jax": jax.__version__, "neural_tangents": nt.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(seconds(runs[line.strip()])), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
