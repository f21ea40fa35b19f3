"""A self-delimiting string for a quantised adapter: header, then each tuned factor, nothing else.

Header: which factors are tuned (2 bits) and the rank (Elias' gamma code). Factor: step size (16 bits, half precision),
whether the grid has a level at zero (1 bit), how the levels are written (1 bit), and the levels: either q - 1 (3 bits)
and q bits each, or arithmetic coding by adaptive decisions (zero or not, in a context that grows with the column; sign;
size, in unary up to 8 and beyond in Elias' gamma code). The encoder takes the shorter. The decoder knows the layer's
shape, the frozen factor and the backbone, none of which may depend on the sample; all else is in the string.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from sims.coding.arithmetic import RAW, Decoder, Encoder, ideal_length
from sims.coding.quantise import MOST_BITS, step_as_stored
from sims.errors import BadInput

UNARY = 8  # sizes above are rare, and a long unary code is slow
KINDS = ("full", "lora", "b-only", "a-only")


@dataclass(frozen=True)
class Factor:
    """A matrix on a uniform grid: step * levels, or step * (levels + 1/2) for a grid without zero."""

    levels: Int[np.ndarray, "rows columns"]
    step: float
    has_zero: bool = True

    def __post_init__(self) -> None:
        """Raise BadInput for a step that half precision does not hold."""
        if step_as_stored(self.step) != self.step:
            raise BadInput(f"step {self.step!r} is no number of half precision: use step_as_stored")

    @property
    def value(self) -> Float[np.ndarray, "rows columns"]:
        """The matrix, float64."""
        return self.step * (self.levels + (0.0 if self.has_zero else 0.5))

    @property
    def level_bits(self) -> int:
        """The least q whose 2^q levels -2^(q-1), ..., 2^(q-1) - 1 hold all of them."""
        low, high = int(self.levels.min(initial=0)), int(self.levels.max(initial=0))
        return max(1, (-low - 1).bit_length() + 1 if low < 0 else 1, high.bit_length() + 1)


@dataclass(frozen=True)
class CodedAdapter:
    """An adapter of one layer: its kind, its rank (0 for full) and its tuned factors: B before A."""

    kind: str
    rank: int
    factors: tuple[Factor, ...]


def factor_shapes(kind: str, rank: int, shape: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Return the shapes of the tuned factors for a layer of this shape (d_out, d_in); raises BadInput when unknown."""
    d_out, d_in = shape
    shapes = {
        "full": ((d_out, d_in),),
        "lora": ((d_out, rank), (rank, d_in)),
        "b-only": ((d_out, rank),),
        "a-only": ((rank, d_in),),
    }
    if kind not in shapes:
        raise BadInput(f"adapter {kind!r}: expected one of {', '.join(KINDS)}")
    # above these ranks nothing is added: the frozen factor spans its side already
    largest = {"full": 0, "lora": min(shape), "b-only": d_in, "a-only": d_out}[kind]
    if not min(1, largest) <= rank <= largest:
        allowed = "0" if kind == "full" else f"1 to {largest}"
        raise BadInput(f"rank {rank} of {kind}, {d_out} x {d_in}: expected {allowed}")
    return shapes[kind]


def encode(adapter: CodedAdapter, shape: tuple[int, int]) -> str:
    """Return the string of '0' and '1' that `decode` turns into the same adapter.

    Raises BadInput when kind, rank and factors do not fit the shape (d_out, d_in).
    """
    expected = factor_shapes(adapter.kind, adapter.rank, shape)
    if tuple(f.levels.shape for f in adapter.factors) != expected:
        found = [f.levels.shape for f in adapter.factors]
        raise BadInput(f"factors {found} of {adapter.kind}: expected {list(expected)}")
    head = format(KINDS.index(adapter.kind), "02b") + _gamma(adapter.rank + 1)
    return head + "".join(_encode_factor(factor) for factor in adapter.factors)


def decode(bits: str, shape: tuple[int, int]) -> CodedAdapter:
    """Return the adapter of this string; raises BadInput for any string that `encode` does not make."""
    if len(bits) < 2 or set(bits) - {"0", "1"}:
        raise BadInput(f"coded adapter of {len(bits)} characters: expected a string of 0 and 1 made by encode")
    kind = KINDS[int(bits[:2], 2)]
    rank, at = _read_gamma(bits, 2)
    factors = []
    for rows, columns in factor_shapes(kind, rank - 1, shape):
        factor, at = _decode_factor(bits, at, rows, columns)
        factors.append(factor)
    if at != len(bits):
        raise BadInput(f"coded adapter of {len(bits)} bits: expected {at}; was it made for another layer?")
    adapter = CodedAdapter(kind, rank - 1, tuple(factors))
    # other strings may lead to the same levels, a string that was cut short among them; only one is the code
    if encode(adapter, shape) != bits:
        raise BadInput(f"coded adapter of {len(bits)} bits is damaged: encode makes another string of what it says")
    return adapter


def code_length(adapter: CodedAdapter, shape: tuple[int, int]) -> int:
    """Return an estimate of len(encode(adapter, shape)) that codes nothing: right up to a bit for each factor."""
    head = 2 + len(_gamma(adapter.rank + 1))
    assert len(adapter.factors) == len(factor_shapes(adapter.kind, adapter.rank, shape))
    return head + sum(18 + min([_adaptive_length(f), *_fixed_payloads(f)]) for f in adapter.factors)


def fixed_length(adapter: CodedAdapter) -> int:
    """Return the length of the string with q bits for every level; raises BadInput when that needs q above 8."""
    total = 2 + len(_gamma(adapter.rank + 1))
    for factor in adapter.factors:
        payload = _fixed_payloads(factor)
        if not payload:
            raise BadInput(f"levels need {factor.level_bits} bits: expected at most {MOST_BITS}; use a larger step")
        total += 18 + payload[0]
    return total


def pack(bits: str) -> bytes:
    """Return the string as bytes, the last one filled with zeros. The length in bits is not stored."""
    filled = bits + "0" * (-len(bits) % 8)
    return int(filled, 2).to_bytes(len(filled) // 8, "big") if filled else b""


def unpack(data: bytes, length: int) -> str:
    """Return the string of this many bits that was packed; raises BadInput when the bytes hold fewer."""
    if not 8 * len(data) - 8 < length <= 8 * len(data):
        raise BadInput(f"{len(data)} bytes for {length} bits: expected {-(-length // 8)}")
    return format(int.from_bytes(data, "big"), f"0{8 * len(data)}b")[:length] if data else ""


def _fixed_payloads(factor: Factor) -> list[int]:
    """Return the bits of the levels written plainly, if they may be."""
    q = factor.level_bits
    return [3 + q * factor.levels.size] if q <= MOST_BITS else []


def _adaptive_length(factor: Factor) -> int:
    """Return the length of the arithmetic code, up to a bit."""
    counts: dict[Hashable, list[int]] = {}
    for (context, decision), times in Counter(_decisions(factor.levels)).items():
        counts.setdefault(context, [0, 0])[decision] += times
    return ideal_length({context: (pair[0], pair[1]) for context, pair in counts.items()})


def _encode_factor(factor: Factor) -> str:
    head = format(int(np.float16(factor.step).view(np.uint16)), "016b") + str(int(factor.has_zero))
    plain = _fixed_payloads(factor)
    if plain and plain[0] <= _adaptive_length(factor):
        q = factor.level_bits
        levels = (int(k) + 2 ** (q - 1) for k in factor.levels.ravel())
        return head + "0" + format(q - 1, "03b") + "".join(format(k, f"0{q}b") for k in levels)
    encoder = Encoder()
    for context, decision in _decisions(factor.levels):
        encoder.decide(context, decision)
    return head + "1" + encoder.bits()


def _decode_factor(bits: str, at: int, rows: int, columns: int) -> tuple[Factor, int]:
    head = _take(bits, at, 18)
    step = float(np.array(int(head[:16], 2), np.uint16).view(np.float16))
    at += 18
    if head[17] == "1":
        decoder = Decoder(bits[at:])
        levels = _read_levels(decoder, rows, columns)
        at += decoder.used
    else:
        q = int(_take(bits, at, 3), 2) + 1
        plain = _take(bits, at + 3, q * rows * columns)
        at += 3 + len(plain)
        found = [int(plain[i : i + q], 2) - 2 ** (q - 1) for i in range(0, len(plain), q)]
        levels = np.array(found, dtype=np.int64).reshape(rows, columns)
    return Factor(levels, step, head[16] == "1"), at


def _zero_context(column: int) -> Hashable:
    """Return the context of 'is it zero?': columns that matter little share one, whatever their number."""
    return ("zero", (column + 1).bit_length())


def _size_context(size: int) -> Hashable:
    return ("larger", min(size, 4))


def _decisions(levels: Int[np.ndarray, "rows columns"]) -> Iterator[tuple[Hashable, int]]:
    """Yield (context, decision) column by column: 0 is 0; a larger size is 1, sign, ones, 0."""
    for column, entries in enumerate(levels.T.tolist()):
        zero = _zero_context(column)
        for level in entries:
            yield zero, int(level != 0)
            if level:
                yield RAW, int(level < 0)
                size = abs(level)
                for k in range(1, min(size, UNARY + 1)):
                    yield _size_context(k), 1
                if size <= UNARY:
                    yield _size_context(size), 0
                else:
                    yield from ((RAW, int(bit)) for bit in _gamma(size - UNARY))


def _read_levels(decoder: Decoder, rows: int, columns: int) -> Int[np.ndarray, "rows columns"]:
    levels = np.zeros((columns, rows), dtype=np.int64)
    for column in range(columns):
        zero = _zero_context(column)
        for row in range(rows):
            if decoder.decide(zero):
                sign = -1 if decoder.decide(RAW) else 1
                size = 1
                while size <= UNARY and decoder.decide(_size_context(size)):
                    size += 1
                levels[column, row] = sign * (size if size <= UNARY else UNARY + _decide_gamma(decoder))
    return levels.T.copy()


def _decide_gamma(decoder: Decoder) -> int:
    zeros = 0
    while not decoder.decide(RAW):
        zeros += 1
        if zeros > 64:  # no level is that large; a damaged string could go on for ever
            raise BadInput("coded adapter holds a level of more than 64 bits: it is damaged")
    number = 1
    for _ in range(zeros):
        number = 2 * number + decoder.decide(RAW)
    return number


def _take(bits: str, at: int, count: int) -> str:
    if at + count > len(bits):
        raise BadInput(f"coded adapter ends after {len(bits)} bits: expected at least {at + count}")
    return bits[at : at + count]


def _gamma(number: int) -> str:
    """Return Elias' gamma code of a whole number >= 1: 2 floor(log2) + 1 bits."""
    binary = format(number, "b")
    return "0" * (len(binary) - 1) + binary


def _read_gamma(bits: str, at: int) -> tuple[int, int]:
    zeros = len(bits[at:]) - len(bits[at:].lstrip("0"))
    return int(_take(bits, at + zeros, zeros + 1), 2), at + 2 * zeros + 1


def kraft_sum(lengths: Iterable[int]) -> float:
    """Return the sum of 2^-length: at most 1 for prefix-free strings."""
    return float(sum(2.0**-length for length in lengths))
