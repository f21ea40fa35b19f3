"""Phi against the printed sum of products, against networks, and the table bound against the parameter count."""

from itertools import product
from math import prod, sqrt

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.checks import EXACT, close
from tests.strategies import seeds
from theory.bounds.lipschitz_composition import phi_backbone, phi_update, table_bound
from theory.bounds.parameter_count import adapter_bound

NORMS = st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 3.0)), min_size=1, max_size=6)


@given(norms=NORMS, c=st.floats(0.1, 3.0), lipschitz=st.floats(0.1, 3.0))
def test_without_offsets_phi_is_the_printed_sum_of_products(
    norms: list[tuple[float, float]], c: float, lipschitz: float
) -> None:
    backbone, update = map(list, zip(*norms))
    terms = [prod(pair[b] for pair, b in zip(norms, choice)) for choice in product((0, 1), repeat=len(norms))]
    some_update = 2 * lipschitz * c * sum(terms[1:])  # the first product holds no update
    close(phi_update(backbone, update, input_norm=c, loss_lipschitz=lipschitz), some_update)
    some_backbone = 2 * lipschitz * c * sum(terms[:-1])
    close(phi_backbone(backbone, update, input_norm=c, loss_lipschitz=lipschitz), some_backbone)


def test_growth_with_depth_needs_norms_that_sum_to_more_than_one() -> None:
    found = [phi_update([0.4] * depth, [0.4] * depth, input_norm=0.5) for depth in (1, 4, 16)]
    close(found, [0.4, 0.384, 0.8**16 - 0.4**16])
    assert f"{found[2]:.3f}" == "0.028"
    assert all(phi_update([0.5] * depth, [0.5] * depth, input_norm=0.5) <= 1 for depth in (1, 16, 64))
    assert phi_update([1.0] * 16, [1.0] * 16, input_norm=0.5) == 2**16 - 1


@given(norms=NORMS, c=st.floats(0.1, 3.0), seed=seeds)
def test_positive_numbers_with_affine_activations_attain_half_of_phi(
    norms: list[tuple[float, float]], c: float, seed: int
) -> None:
    """Networks of width one whose activations are s_k(h) = l_k h + o_k: slopes and offsets of every layer count."""
    slopes, shifts = np.random.default_rng(seed).uniform(0.1, 2.0, (2, len(norms) - 1)).tolist()

    def network(weights: list[float]) -> float:
        h = c
        for weight, slope, shift in zip(weights, [*slopes, 1.0], [*shifts, 0.0]):
            h = slope * weight * h + shift
        return h

    backbone, update = map(list, zip(*norms))
    both = network([a + b for a, b in norms])
    for phi, other in ((phi_update, backbone), (phi_backbone, update)):
        half = phi(backbone, update, input_norm=c, activations=slopes, offsets=shifts) / 2
        close(half + network(other), both)


@given(seed=seeds, depth=st.integers(1, 4), scale=st.sampled_from([0.1, 1.0, 3.0]))
def test_two_networks_differ_by_at_most_half_of_phi(seed: int, depth: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    w0 = [rng.standard_normal((3, 3)) for _ in range(depth)]
    dw = [scale * rng.standard_normal((3, 3)) for _ in range(depth)]
    slope, shift = 0.7, 0.2
    inputs = rng.standard_normal((20, 3))
    radius = float(np.linalg.norm(inputs, axis=1).max())

    def network(weights: list[np.ndarray]) -> np.ndarray:
        h = inputs
        for w in weights[:-1]:
            h = np.maximum(0.0, slope * h @ w.T) + shift
        return h @ weights[-1].T

    both = network([a + b for a, b in zip(w0, dw)])
    norms = [[float(np.linalg.norm(w, 2)) for w in ws] for ws in (w0, dw)]
    between = [slope] * (depth - 1), [shift * sqrt(3)] * (depth - 1)
    for phi, other in ((phi_update, w0), (phi_backbone, dw)):
        limit = phi(*norms, input_norm=radius, activations=between[0], offsets=between[1]) / 2
        assert np.linalg.norm(both - network(other), axis=1).max() <= limit * (1 + EXACT)


def test_phi_grows_exponentially_with_depth_and_vanishes_without_an_update() -> None:
    values = [phi_update([1.0] * depth, [1.0] * depth, input_norm=1.0) for depth in (1, 2, 3, 10)]
    close(values, [2.0, 6.0, 14.0, 2 * (2**10 - 1)])
    assert phi_update([2.0, 3.0], [0.0, 0.0], input_norm=1.0) == 0.0
    assert phi_backbone([0.0, 0.0], [2.0, 3.0], input_norm=1.0) == 0.0


@given(phi=st.floats(0.0, 10.0), chain=st.integers(1, 4), adapter=st.sampled_from(["lora", "b-only", "a-only"]))
def test_the_table_is_never_below_the_parameter_count(phi: float, chain: int, adapter: str) -> None:
    shapes = ((8, 5), (6, 6))
    plain = adapter_bound(adapter, shapes, 2, 4, 1000)
    close(table_bound(adapter, shapes, 2, 4, 1000, phi=phi, chain=chain), phi + sqrt(chain) * plain)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: phi_update([], [], input_norm=1.0), "0 backbone norms"),
        (lambda: phi_update([1.0], [1.0, 2.0], input_norm=1.0), "1 backbone norms, 2 update norms"),
        (lambda: phi_update([1.0, 1.0], [1.0, 2.0], input_norm=1.0, offsets=[]), "1 activations and 0 offsets"),
        (lambda: phi_update([1.0], [-1.0], input_norm=1.0), "Lipschitz constant -1.0"),
        (lambda: table_bound("lora", ((3, 3),), 1, 4, 10, phi=-1.0), "Phi -1.0"),
        (lambda: table_bound("lora", ((3, 3),), 1, 4, 10, phi=1.0, chain=0), "chain of 0"),
    ],
)
def test_impossible_settings_are_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
