"""neural-tangents 0.6.5 on a JAX that no longer has all it imports: infinite-width kernels and an independent oracle.

The library is no longer maintained. It imports names that JAX moved or removed, and TensorFlow code that nothing here
needs. This module puts the names back while the library is being imported, and takes them away again. It is the only
module that may touch them.
"""

import functools
import importlib
import importlib.metadata
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sims.errors import BadInput

Array = Any
KNOWN_VERSION = "0.6.5"
_IMPLEMENTATIONS = ("AUTO", "JACOBIAN_CONTRACTION", "NTK_VECTOR_PRODUCTS", "STRUCTURED_DERIVATIVES")


@dataclass(frozen=True)
class BridgeStatus:
    """What the bridge could do: names put back for the import, and the parts of the library that do not work here."""

    available: bool
    version: str
    restored: tuple[str, ...]
    missing: tuple[str, ...]
    reason: str


@functools.cache
def status() -> BridgeStatus:
    """Return the state of the bridge, after one import and a tiny kernel by each implementation; never raises."""
    version = ""
    try:
        version = importlib.metadata.version("neural-tangents")
        library, restored = _imported()
        failures = _failing_implementations(library)
    except importlib.metadata.PackageNotFoundError:
        return BridgeStatus(False, version, (), (), "neural-tangents is not installed")
    except Exception as error:  # an unmaintained library may fail in any way, and a status must still be given
        return BridgeStatus(False, version, (), (), f"neural-tangents {version}: {_one_line(error)}")
    missing = ("neural_tangents.experimental (needs TensorFlow)", *(f"{n}: {why}" for n, why in failures.items()))
    works = [name for name in _IMPLEMENTATIONS if name not in failures]
    reason = f"infinite-width kernels; empirical kernels by {', '.join(works) or 'none of its implementations'}"
    if version != KNOWN_VERSION:
        reason += f"; written for {KNOWN_VERSION}"
    return BridgeStatus(True, version, restored, missing, reason)


def load() -> types.ModuleType:
    """Return the module neural_tangents; raises `BadInput` when it cannot be imported on this JAX."""
    try:
        return _imported()[0]
    except Exception as error:
        raise BadInput(f"neural-tangents does not import on jax {jax.__version__}: {_one_line(error)}") from error


def infinite_width_ntk(
    x1: Float[Array, "n d0"],
    x2: Float[Array, "n2 d0"] | None = None,
    *,
    depth: int,
    activation: str,
    weight_std: float,
    bias_std: float = 0.0,
    train_biases: bool = False,
    quadrature: int = 128,
) -> dict[str, Float[Array, "n n2"]]:
    """Return {"nngp", "ntk"}, (n, n2) each: the kernels of one output as all hidden widths of an MLP tend to infinity.

    ``depth`` counts weight matrices, as in `sims.networks.FrozenMLP.depth`; all of them are trained, in the ``ntk``
    parametrisation. Biases are frozen, as in this project's networks, unless ``train_biases``. Closed form for relu and
    gelu. For tanh, which has none, Gauss-Hermite quadrature with ``quadrature`` nodes a dimension: memory n n2 times
    its square; going from 128 to 256 nodes changed entries by 4e-6 at most at weight_std 1.3. Entries of a zero input
    are 0 without biases. The kernels are values: automatic differentiation by the inputs is not supported (for tanh it
    gives NaN at parallel inputs). Raises `BadInput` on an unknown activation, a depth below 1, or when the library
    cannot be loaded.
    """
    if depth < 1:
        raise BadInput(f"depth is {depth}, expected at least one weight matrix")
    if activation not in ("relu", "gelu", "tanh"):
        raise BadInput(f"unknown activation {activation!r}, expected one of relu, gelu, tanh")
    stax = load().stax
    with _their_rules():
        dense = stax.serial(stax.Dense(1, W_std=weight_std, b_std=bias_std if bias_std > 0 else None))[2]
        if activation == "relu":
            non_linear = stax.Relu()[2]
        elif activation == "gelu":
            non_linear = stax.Gelu()[2]
        else:
            non_linear = functools.partial(_through_tanh, nodes=quadrature)
        kernel = dense(x1, x2)
        for layer in range(depth):
            if layer > 0:
                kernel = dense(non_linear(kernel))
            if not train_biases:
                # stax trains them: their gradients add bias_std^2 to every entry
                kernel = kernel.replace(ntk=kernel.ntk - bias_std**2)
    return {"nngp": kernel.nngp, "ntk": kernel.ntk}


def _through_tanh(kernel: Any, *, nodes: int) -> Any:
    """Return the library's kernel after tanh, by Gauss-Hermite quadrature.

    Its own ElementwiseNumerical divides by variances: NaN at a zero input, wrong below 1e-30. Here the two normal
    variables are scaled from their correlation, which is 0 where a variance is.
    """
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    z, mass = jnp.asarray(points), jnp.asarray(weights / np.sqrt(2 * np.pi))
    deviation = jnp.sqrt(kernel.cov1)
    other = deviation if kernel.cov2 is None else jnp.sqrt(kernel.cov2)
    scale = deviation[:, None] * other[None, :]
    correlation = jnp.clip(kernel.nngp / jnp.where(scale > 0, scale, 1), -1, 1)[..., None, None]
    first = jnp.tanh(deviation[:, None] * z[None, :])[:, None, :, None]
    mixed = correlation * z[:, None] + jnp.sqrt(1 - correlation**2) * z[None, :]
    second = jnp.tanh(other[None, :, None, None] * mixed)

    def expected(f: Array, g: Array) -> Array:
        return jnp.einsum("abij,abij,i,j->ab", jnp.broadcast_to(f, g.shape), g, mass, mass)

    def variance(scales: Array) -> Array:
        return jnp.tanh(scales[:, None] * z[None, :]) ** 2 @ mass

    return kernel.replace(
        nngp=expected(first, second),
        ntk=kernel.ntk * expected(1 - first**2, 1 - second**2),
        cov1=variance(deviation),
        cov2=None if kernel.cov2 is None else variance(other),
        is_gaussian=False,
    )


def empirical_ntk_oracle(
    apply_fn: Callable[[Any, Array], Array],
    params: Any,
    x1: Float[Array, "n d0"],
    x2: Float[Array, "n2 d0"] | None = None,
    *,
    implementation: str = "JACOBIAN_CONTRACTION",
    per_sample: bool = True,
) -> Float[Array, "n k n2 k2"]:
    """Return neural-tangents' full empirical NTK of ``apply_fn(params, x) -> (n, k)``; may be traced by jit.

    ``per_sample`` says that ``apply_fn`` treats samples independently, which is faster. Raises `BadInput` for an
    implementation that does not exist or does not work on this JAX.
    """
    if implementation not in _IMPLEMENTATIONS:
        raise BadInput(f"unknown implementation {implementation!r}, expected one of {', '.join(_IMPLEMENTATIONS)}")
    library = load()
    if implementation in _failing_implementations(library):
        raise BadInput(f"implementation {implementation} of neural-tangents does not work on jax {jax.__version__}")
    return _kernel_by(library, implementation, apply_fn, params, x1, x2, vmap_axes=0 if per_sample else None)


def _kernel_by(
    library: types.ModuleType,
    implementation: str,
    apply_fn: Callable[[Any, Array], Array],
    params: Any,
    x1: Array,
    x2: Array | None,
    *,
    vmap_axes: int | None,
) -> Array:
    with _their_rules():
        kernel_fn = library.empirical_ntk_fn(
            apply_fn,
            trace_axes=(),
            vmap_axes=vmap_axes,
            implementation=library.NtkImplementation[implementation],
        )
        return jnp.transpose(kernel_fn(x1, x2, params), (0, 2, 1, 3))


@functools.cache
def _failing_implementations(library: types.ModuleType) -> dict[str, str]:
    """Return the implementations that raise or give a wrong kernel on a linear map, each with the reason."""
    x, weight = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[1.0, 0.5], [0.25, 2.0]])
    expected = np.einsum("ij,kl->ikjl", x @ x.T, np.eye(2))
    failures = {}
    for name in _IMPLEMENTATIONS:
        try:
            # at once, even when the first caller is being traced by jit
            with jax.ensure_compile_time_eval():
                points, params = jnp.asarray(x), jnp.asarray(weight)
                kernel = _kernel_by(library, name, lambda w, h: h @ w.T, params, points, None, vmap_axes=0)
        except Exception as error:  # whatever an unmaintained library raises is the finding
            failures[name] = _one_line(error)
        else:
            if not np.allclose(kernel, expected, rtol=1e-4):
                failures[name] = "gives a wrong kernel"
    return failures


@contextmanager
def _their_rules() -> Iterator[None]:
    """Run with JAX's default promotion rules, which the library needs, and without its warnings."""
    with warnings.catch_warnings(), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        warnings.simplefilter("ignore")
        yield


@functools.cache
def _imported() -> tuple[types.ModuleType, tuple[str, ...]]:
    """Return the library and the names that had to be put back for its import."""
    if "neural_tangents" in sys.modules:
        return sys.modules["neural_tangents"], ()
    with _their_rules(), _removed_names_restored() as restored:
        library = importlib.import_module("neural_tangents")
    return library, tuple(restored)


@contextmanager
def _removed_names_restored() -> Iterator[list[str]]:
    """Put back the names that the library imports and this JAX lacks; take them away at the end."""
    extended = jax.extend.core
    wanted: list[tuple[str, str, Any]] = [
        ("jax.core", name, getattr(extended, name)) for name in ("Jaxpr", "JaxprEqn", "Literal", "Primitive", "Var")
    ]
    # only ever used in annotations
    wanted.append(("jax.core", "Value", Any))
    # a key in a table of rules of the structured derivatives; no program contains it any more
    wanted.append(("jax.interpreters.ad", "zeros_like_p", extended.Primitive("zeros_like")))
    modules = {name: importlib.import_module(name) for name, _, _ in wanted}
    added = [(modules[module], name, value) for module, name, value in wanted if not hasattr(modules[module], name)]
    util = types.ModuleType("jax.util")
    util.safe_map = _safe_map  # type: ignore[attr-defined]
    util.safe_zip = _safe_zip  # type: ignore[attr-defined]
    # the experimental part imports TensorFlow
    stubs = {"neural_tangents.experimental": types.ModuleType("neural_tangents.experimental")}
    try:
        importlib.import_module("jax.util")
    except ImportError:
        stubs["jax.util"] = util
    for module, name, value in added:
        setattr(module, name, value)
    sys.modules.update(stubs)
    restored = [f"{module.__name__}.{name}" for module, name, _ in added]
    if "jax.util" in stubs:
        restored += ["jax.util.safe_map", "jax.util.safe_zip"]
    try:
        yield restored
    finally:
        for module, name, _ in added:
            delattr(module, name)
        for name in stubs:
            sys.modules.pop(name, None)


def _safe_zip(*sequences: Any) -> list[Any]:
    return list(zip(*map(list, sequences), strict=True))


def _safe_map(function: Callable[..., Any], *sequences: Any) -> list[Any]:
    return [function(*arguments) for arguments in _safe_zip(*sequences)]


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
