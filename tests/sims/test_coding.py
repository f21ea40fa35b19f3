"""Coded adapters: the way back is exact, strings are prefix-free, never longer than the plain code; quantisers."""

from itertools import pairwise, product

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sims.coding import (
    CodedAdapter,
    Factor,
    code_length,
    decode,
    encode,
    fixed_length,
    largest_step,
    pack,
    quantise_fixed,
    quantise_with_feedback,
    step_as_stored,
    unpack,
)
from sims.coding.arithmetic import RAW, Decoder, Encoder, ideal_length
from sims.coding.codec import KINDS, factor_shapes, kraft_sum
from sims.errors import BadInput
from tests.checks import close
from tests.strategies import matrix_with_spectrum, seeds
from tests.tolerances import IDENTITY

SHAPE = (3, 5)
spreads = st.sampled_from([0.0, 0.2, 1.0, 6.0, 300.0])


def _adapter(seed: int, kind: str, spread: float, shape: tuple[int, int] = SHAPE, rank: int = 2) -> CodedAdapter:
    rng = np.random.default_rng(seed)
    rank = 0 if kind == "full" else rank
    factors = tuple(
        Factor(
            np.rint(spread * rng.standard_normal(sides)).astype(np.int64),
            step_as_stored(float(rng.uniform(1e-4, 9.0))),
            bool(rng.integers(2)),
        )
        for sides in factor_shapes(kind, rank, shape)
    )
    return CodedAdapter(kind, rank, factors)


def _same(one: CodedAdapter, other: CodedAdapter) -> bool:
    return (one.kind, one.rank) == (other.kind, other.rank) and all(
        a.value.tobytes() == b.value.tobytes() for a, b in zip(one.factors, other.factors, strict=True)
    )


@given(seeds, st.sampled_from(KINDS), spreads)
def test_p27_decoded_weights_are_identical(seed: int, kind: str, spread: float) -> None:
    adapter = _adapter(seed, kind, spread)
    string = encode(adapter, SHAPE)
    assert _same(decode(unpack(pack(string), len(string)), SHAPE), adapter)
    assert abs(len(string) - code_length(adapter, SHAPE)) <= len(adapter.factors)


@given(seeds, st.sampled_from(KINDS), st.sampled_from([0.0, 0.2, 1.0, 6.0]))
def test_p27_never_longer_than_the_plain_code(seed: int, kind: str, spread: float) -> None:
    adapter = _adapter(seed, kind, spread)
    q_bits = sum(3 + f.level_bits * f.levels.size for f in adapter.factors)
    header = 2 + 2 * (adapter.rank + 1).bit_length() - 1
    assert fixed_length(adapter) == header + 18 * len(adapter.factors) + q_bits
    assert len(encode(adapter, SHAPE)) <= fixed_length(adapter)


def test_p27_entropy_coding_pays_where_most_levels_are_zero() -> None:
    adapter = _adapter(0, "full", 0.25, shape=(10, 64))
    assert len(encode(adapter, (10, 64))) < 0.6 * fixed_length(adapter)


def test_p27_strings_are_prefix_free() -> None:
    """Every adapter of a 1x2 layer with levels -2..2 on two grids: prefixes and Kraft's sum over all kinds together."""
    shape = (1, 2)
    kinds = (("b-only", 1), ("b-only", 2), ("full", 0), ("a-only", 1), ("lora", 1))
    strings = []
    for (kind, rank), step, zero in product(kinds, (0.5, 1.0), (True, False)):
        shapes = factor_shapes(kind, rank, shape)
        sizes = [rows * columns for rows, columns in shapes]
        for levels in product(range(-2, 3), repeat=sum(sizes)):
            parts = np.split(np.array(levels, dtype=np.int64), np.cumsum(sizes)[:-1])
            factors = tuple(Factor(part.reshape(sides), step, zero) for part, sides in zip(parts, shapes, strict=True))
            strings.append(encode(CodedAdapter(kind, rank, factors), shape))
    assert len(set(strings)) == len(strings) == 4 * (5 + 25 + 25 + 25 + 125)
    ordered = sorted(strings)
    assert not any(after.startswith(before) for before, after in pairwise(ordered))
    assert kraft_sum(map(len, strings)) <= 1.0


def test_p27_arithmetic_strings_are_prefix_free_and_satisfy_kraft() -> None:
    """All sequences of six decisions in two contexts."""
    strings = []
    for decisions in product((0, 1), repeat=6):
        encoder = Encoder()
        for position, decision in enumerate(decisions):
            encoder.decide(position % 2, decision)
        strings.append(encoder.bits())
    lengths = [len(string) for string in strings]
    assert kraft_sum(lengths) <= 1.0
    # which does not say that they are prefix-free: a digit less would also do for the sum
    assert not any(after.startswith(before) for before, after in pairwise(sorted(strings)))
    assert min(lengths) < 6 < max(lengths)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", RAW]), st.integers(0, 1)), max_size=60), st.text("01", max_size=9))
def test_arithmetic_code_ends_where_it_says(decisions: list, tail: str) -> None:
    encoder = Encoder()
    counts: dict = {}
    for context, decision in decisions:
        encoder.decide(context, decision)
        zeros, ones = counts.get(context, (0, 0))
        counts[context] = (zeros + 1 - decision, ones + decision)
    string = encoder.bits()
    decoder = Decoder(string + tail)
    assert [decoder.decide(context) for context, _ in decisions] == [decision for _, decision in decisions]
    assert decoder.used == len(string)
    assert abs(ideal_length(counts) - len(string)) <= 1


@given(seeds, st.integers(1, 8))
def test_plain_quantiser_takes_the_nearest_level(seed: int, bits: int) -> None:
    matrix = np.random.default_rng(seed).standard_normal((4, 3))
    step = 2.0 * largest_step(matrix) / 2**bits
    levels = step * (np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1)) + 0.5)
    nearest = levels[np.abs(matrix[..., None] - levels).argmin(axis=-1)]
    close(step * (quantise_fixed(matrix, bits, step) + 0.5), nearest)


@given(seeds)
def test_feedback_with_a_diagonal_metric_is_rounding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((3, 4))
    metric = np.diag(rng.uniform(0.1, 5.0, 4))
    levels = quantise_with_feedback(matrix, metric, 0.25)
    assert np.abs(matrix - 0.25 * levels).max() <= 0.125 * (1 + IDENTITY["float64"])


def test_feedback_beats_rounding_in_its_metric() -> None:
    rng = np.random.default_rng(0)
    root = matrix_with_spectrum(rng, (12, 12), [3.0**-i for i in range(12)])
    metric = root @ root.T + 1e-6 * np.eye(12)
    matrix = rng.standard_normal((200, 12))

    def loss(levels: np.ndarray) -> float:
        error = matrix - 0.5 * levels
        return float(np.einsum("ri,ij,rj->", error, metric, error))

    fed, rounded = loss(quantise_with_feedback(matrix, metric, 0.5)), loss(np.rint(matrix / 0.5).astype(np.int64))
    assert fed < 0.5 * rounded


@given(seeds)
def test_feedback_is_the_conditional_minimiser(seed: int) -> None:
    """Two columns: after the first is fixed, the second is rounded from the minimiser given the first."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((2, 2))
    metric, matrix, step = root @ root.T + 0.1 * np.eye(2), rng.standard_normal((5, 2)), 0.3
    levels = quantise_with_feedback(matrix, metric, step)
    error = matrix[:, 0] - step * levels[:, 0]
    target = matrix[:, 1] + metric[1, 0] / metric[1, 1] * error
    assert np.abs(target - step * levels[:, 1]).max() <= 0.5 * step * (1 + IDENTITY["float64"])


def test_a_larger_dead_zone_makes_more_zeros() -> None:
    matrix = np.random.default_rng(0).standard_normal((20, 8))
    zeros = [np.count_nonzero(quantise_with_feedback(matrix, np.eye(8), 1.0, zone) == 0) for zone in (0.5, 0.67, 0.9)]
    assert zeros == sorted(set(zeros))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: step_as_stored(0.0), "step 0.0: expected a positive number that half precision holds"),
        (lambda: step_as_stored(1e9), "step 1000000000.0: expected a positive number"),
        (lambda: step_as_stored(1e-12), "step 1e-12: expected a positive number"),
        (lambda: Factor(np.zeros((1, 1), dtype=np.int64), 0.1), "is no number of half precision"),
        (lambda: quantise_fixed(np.ones((1, 1)), 9, 1.0), "9 bits an entry: expected 1 to 8"),
        (lambda: quantise_fixed(np.ones((1, 1)), 1, -1.0), "step -1.0: expected a positive number"),
        (lambda: quantise_with_feedback(np.ones((1, 1)), np.eye(1), 1.0, 0.2), "dead zone 0.2: expected"),
        (lambda: quantise_with_feedback(np.ones((1, 1)), -np.eye(1), 1.0), "metric is not positive definite"),
        (lambda: factor_shapes("both", 1, SHAPE), "adapter 'both': expected one of full, lora, b-only, a-only"),
        (lambda: factor_shapes("lora", 0, SHAPE), "rank 0 of lora, 3 x 5: expected 1 to 3"),
        (lambda: factor_shapes("lora", 4, SHAPE), "rank 4 of lora, 3 x 5: expected 1 to 3"),
        (lambda: factor_shapes("b-only", 6, SHAPE), "rank 6 of b-only, 3 x 5: expected 1 to 5"),
        (lambda: factor_shapes("a-only", 4, SHAPE), "rank 4 of a-only, 3 x 5: expected 1 to 3"),
        (lambda: factor_shapes("a-only", 6, SHAPE[::-1]), "rank 6 of a-only, 5 x 3: expected 1 to 5"),
        (lambda: factor_shapes("full", 1, SHAPE), "rank 1 of full, 3 x 5: expected 0"),
        (lambda: encode(CodedAdapter("full", 0, ()), SHAPE), "factors \\[\\] of full: expected"),
        (lambda: decode("01x", SHAPE), "expected a string of 0 and 1"),
        (lambda: unpack(b"\x00", 9), "1 bytes for 9 bits: expected 2"),
        (lambda: fixed_length(_adapter(0, "full", 300.0)), "bits: expected at most 8; use a larger step"),
    ],
)
def test_bad_input_is_named(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(BadInput, match=message):
        call()


@given(seeds, st.sampled_from(KINDS), spreads, st.data())
def test_strings_cut_short_or_longer_are_refused(seed: int, kind: str, spread: float, data: st.DataObject) -> None:
    string = encode(_adapter(seed, kind, spread), SHAPE)
    with pytest.raises(BadInput, match="coded adapter"):
        decode(string + "1", SHAPE)
    cut = string[: data.draw(st.integers(0, len(string) - 1))]
    with pytest.raises(BadInput, match=r"coded adapter|rank"):
        decode(cut, SHAPE)


def test_a_string_that_is_not_the_code_of_its_levels_is_refused() -> None:
    """The arithmetic code of these levels ends in a digit that the decoder could do without."""
    string = encode(_adapter(67, "b-only", 1.0), SHAPE)
    accepted = []
    for end in range(len(string)):
        try:
            accepted.append(encode(decode(string[:end], SHAPE), SHAPE))
        except BadInput:
            continue
    assert accepted == []
