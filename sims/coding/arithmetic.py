"""Arithmetic coding of binary decisions in whole numbers: no rounding, so that the length is exactly the ideal one.

Every decision has a context, and each context estimates its own probability from its past (Krichevsky and Trofimov
1981: (2 k + 1) / (2 n + 2) after k of n). The string is Shannon-Fano-Elias: the first ceil(log2(1 / P)) + 1 binary
digits of the middle of the message's interval. Such strings are prefix-free, and a decoder that knows when the
decisions end knows where the string ends.
"""

from collections.abc import Hashable
from math import ceil, lgamma, log

from sims.errors import BadInput

RAW = None  # the context of decisions that are fair coins for ever


class Counts:
    """How often each context has decided 0 and 1."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, list[int]] = {}

    def weights(self, context: Hashable) -> tuple[int, int]:
        """Return the odds of 0 and 1 as whole numbers."""
        if context is RAW:
            return 1, 1
        zeros, ones = self._seen.get(context, (0, 0))
        return 2 * zeros + 1, 2 * ones + 1

    def add(self, context: Hashable, decision: int) -> None:
        """Count one decision."""
        if context is not RAW:
            self._seen.setdefault(context, [0, 0])[decision] += 1


class Encoder:
    """Collects decisions; `bits` is their string."""

    def __init__(self) -> None:
        self._counts = Counts()
        # the interval is [low, low + width) / whole
        self._low, self._width, self._whole = 0, 1, 1

    def decide(self, context: Hashable, decision: int) -> None:
        """Append one decision, 0 or 1."""
        zero, one = self._counts.weights(context)
        self._low *= zero + one
        if decision:
            self._low += self._width * zero
        self._width *= one if decision else zero
        self._whole *= zero + one
        self._counts.add(context, decision)

    def bits(self) -> str:
        """Return the string of all decisions so far: empty without decisions."""
        length = _length(self._width, self._whole)
        if length == 0:
            return ""
        middle = (((2 * self._low + self._width) << length) // (2 * self._whole)).__index__()
        return format(middle, f"0{length}b")


class Decoder:
    """Reads decisions back from a string that may go on after them; `used` is where they end."""

    def __init__(self, bits: str) -> None:
        self._counts = Counts()
        # position of the string inside the current interval, as a fraction; the bits that follow do not matter
        self._at, self._of = int(bits, 2) if bits else 0, 1 << len(bits)
        self._width, self._whole = 1, 1
        self._available = len(bits)

    def decide(self, context: Hashable) -> int:
        """Return the next decision."""
        zero, one = self._counts.weights(context)
        at, split = self._at * (zero + one), self._of * zero
        decision = int(at >= split)
        self._at = at - split if decision else at
        taken = one if decision else zero
        self._of *= taken
        self._width *= taken
        self._whole *= zero + one
        self._counts.add(context, decision)
        return decision

    @property
    def used(self) -> int:
        """The number of bits of the string; raises BadInput when it was cut short."""
        length = _length(self._width, self._whole)
        if length > self._available:
            raise BadInput(f"coded adapter ends after {self._available} of {length} bits: expected the whole string")
        return length


def _length(width: int, whole: int) -> int:
    """Return ceil(log2(whole / width)) + 1, and 0 for the whole interval."""
    if width == whole:
        return 0
    return (-(-whole // width) - 1).bit_length() + 1


def ideal_length(counts: dict[Hashable, tuple[int, int]]) -> int:
    """Return the length of a string with these counts of (0, 1) by context, without coding it.

    The estimate of Krichevsky and Trofimov does not depend on the order of the decisions. Rounding of the logarithm may
    cost the last bit: the length of the string itself is what counts.
    """
    nats = 0.0
    for context, (zeros, ones) in counts.items():
        if context is RAW:
            nats += (zeros + ones) * log(2.0)
        else:
            nats += log(3.141592653589793) + lgamma(zeros + ones + 1.0) - lgamma(zeros + 0.5) - lgamma(ones + 0.5)
    return ceil(nats / log(2.0)) + 1 if nats > 0 else 0
