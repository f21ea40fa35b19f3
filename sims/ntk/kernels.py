"""Empirical neural tangent kernels of a network and of its LoRA factors, all made from tangent features.

For delta = B A at a point (A, B), features taken at that point, the gradient with respect to B is G A^T and with
respect to A is B^T G: a LoRA kernel is the kernel of projected features.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
from jaxtyping import Float

from sims.errors import BadInput
from sims.ntk.features import DenseFeatures, FactoredFeatures, TangentFeatures

Array = Any
_LARGE = 1024  # rows of a symmetric kernel from which computing only its upper blocks pays for putting it together
_BLOCKS = 4  # a side: 10 of the 16 blocks are computed


def empirical_ntk(
    features_1: Sequence[TangentFeatures], features_2: Sequence[TangentFeatures] | None = None
) -> Float[Array, "n k n2 k2"]:
    """Return the full kernel sum over layers of <G_ik, G'_jl>; ``features_2`` None means ``features_1``.

    With ``features_2`` None a large kernel is computed above its diagonal only and mirrored. Raises `BadInput` when the
    two do not have the same layers.
    """
    pairs = _pairs(features_1, features_2)
    n, k = features_1[0].n, features_1[0].k
    if features_2 is None and n >= _BLOCKS and n * k >= _LARGE:
        return _mirrored_ntk(features_1)
    kernel = pairs[0][0].gram(pairs[0][1])
    for first, second in pairs[1:]:
        kernel = kernel + first.gram(second)
    return kernel


def _mirrored_ntk(features: Sequence[TangentFeatures]) -> Float[Array, "n k n k"]:
    """Return the kernel of the features with themselves from its blocks of samples on and above the diagonal."""
    cuts = [i * features[0].n // _BLOCKS for i in range(_BLOCKS + 1)]
    parts = [_samples(features, start, stop) for start, stop in pairwise(cuts)]
    above = {(i, j): empirical_ntk(parts[i], parts[j]) for i in range(_BLOCKS) for j in range(i, _BLOCKS)}
    xp = above[0, 0].__array_namespace__()
    rows = []
    for i in range(_BLOCKS):
        mirrored = [above[j, i].transpose(2, 3, 0, 1) for j in range(i)]
        rows.append(xp.concatenate(mirrored + [above[i, j] for j in range(i, _BLOCKS)], axis=2))
    return xp.concatenate(rows, axis=0)


def traced_ntk(
    features_1: Sequence[TangentFeatures], features_2: Sequence[TangentFeatures] | None = None
) -> Float[Array, "n n2"]:
    """Return the mean over outputs k of the diagonal blocks <G_ik, G'_jk>, without forming the full kernel.

    The mean, not the sum: it tends to the infinite-width kernel of one output. Raises `BadInput` when the two do not
    have the same layers and outputs.
    """
    pairs = _pairs(features_1, features_2)
    k = pairs[0][0].k
    if any(features.k != k for pair in pairs for features in pair):
        raise BadInput("a traced kernel needs the same number of outputs in both sets of features")
    stacked = [(_outputs_stacked(first), _outputs_stacked(second)) for first, second in pairs]
    return empirical_ntk([first for first, _ in stacked], [second for _, second in stacked])[:, 0, :, 0] / k


def b_only_kernel(features: Sequence[TangentFeatures], a: Sequence[Float[Array, "_ _"]]) -> Float[Array, "n k n k"]:
    """Return the kernel of training every B with A (r, d_in) frozen: that of the features G A^T.

    Raises `BadInput` when a factor does not fit its layer.
    """
    _check_factors("A", a, [f.d_in for f in features], axis=1)
    return empirical_ntk([f.project_input(factor) for f, factor in zip(features, a, strict=True)])


def a_only_kernel(features: Sequence[TangentFeatures], b: Sequence[Float[Array, "_ _"]]) -> Float[Array, "n k n k"]:
    """Return the kernel of training every A with B (d_out, r) frozen: that of the features B^T G.

    Raises `BadInput` when a factor does not fit its layer.
    """
    _check_factors("B", b, [f.d_out for f in features], axis=0)
    return empirical_ntk([f.project_output(factor) for f, factor in zip(features, b, strict=True)])


def lora_kernel(
    features: Sequence[TangentFeatures],
    a: Sequence[Float[Array, "_ _"]],
    b: Sequence[Float[Array, "_ _"]],
) -> Float[Array, "n k n k"]:
    """Return the kernel of training all A and B at the point (A, B); the features are those at W + B A.

    At the usual start B = 0 it is the B-only kernel. Raises `BadInput` when a factor does not fit its layer or the
    ranks of A and B differ.
    """
    for factor_a, factor_b in zip(a, b):
        if factor_a.shape[0] != factor_b.shape[1]:
            raise BadInput(f"A {tuple(factor_a.shape)} and B {tuple(factor_b.shape)} have different ranks")
    return b_only_kernel(features, a) + a_only_kernel(features, b)


def _pairs(
    features_1: Sequence[TangentFeatures], features_2: Sequence[TangentFeatures] | None
) -> list[tuple[TangentFeatures, TangentFeatures]]:
    features_2 = features_1 if features_2 is None else features_2
    shapes_1, shapes_2 = [f.shape for f in features_1], [f.shape for f in features_2]
    if not shapes_1 or shapes_1 != shapes_2:
        raise BadInput(f"features of matrices {shapes_1} and {shapes_2}: expected the same layers, at least one")
    return list(zip(features_1, features_2, strict=True))


def _samples(features: Sequence[TangentFeatures], start: int, stop: int) -> list[TangentFeatures]:
    """Return the features of samples start to stop: every array has the samples first."""
    return [jax.tree.map(lambda leaf: leaf[start:stop], layer) for layer in features]


def _outputs_stacked(features: TangentFeatures) -> TangentFeatures:
    """Return one-output features of shape (k d_out, d_in), whose inner products are sums over the outputs."""
    n, k = features.n, features.k
    if isinstance(features, FactoredFeatures):
        t = features.signal.shape[2]
        xp = features.signal.__array_namespace__()
        signal = xp.moveaxis(features.signal, 2, 1).reshape(n, 1, t, k * features.d_out)
        return FactoredFeatures(signal, features.activation)
    return DenseFeatures(features.dense().reshape(n, 1, k * features.d_out, features.d_in))


def _check_factors(name: str, factors: Sequence[Array], sides: Sequence[int], *, axis: int) -> None:
    if len(factors) != len(sides):
        raise BadInput(f"{len(factors)} factors {name} for {len(sides)} layers: give one a layer")
    for position, (factor, side) in enumerate(zip(factors, sides, strict=True)):
        if factor.ndim != 2 or factor.shape[axis] != side:
            expected = f"(r, {side})" if axis == 1 else f"({side}, r)"
            raise BadInput(f"factor {name} of layer {position} has shape {tuple(factor.shape)}, expected {expected}")
