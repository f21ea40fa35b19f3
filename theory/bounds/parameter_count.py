"""The generalisation gap of full, two-factor and one-factor tuning, bounded by counting the tuned bits.

Setting: W = W0 + s B A in every adapted matrix, B (d_out, r), A (r, d_in); "b-only" freezes A, "a-only" freezes B.
Every tuned scalar is quantised to q bits, the loss is sigma-sub-Gaussian for every output of the algorithm, and W0,
the frozen factors, the rank, the bits and the stopping rule do not depend on the sample (what does depend on it has
to be charged in bits). Then I(W; S) <= I(B; S | A) <= H(B | A) <= P q ln 2 for P tuned scalars, and

    |E[L - Lhat]| <= sqrt(2 sigma^2 P q ln 2 / n).

It bounds the mean over samples and runs: not one run, not E|L - Lhat|, not the test error. The squared loss is
unbounded and has to be clipped first. The bound is the same for both factors of a square matrix: it argues for tuning
one factor, never for which one. Source: Zhu et al. 2024 (arXiv 2402.16842), Definition 4.4 and Lemma 4.5; Xu and
Raginsky 2017.
"""

from collections.abc import Sequence
from math import floor, inf, log

from theory.bounds.information import ZERO_ONE_SIGMA, require_setting, xu_raginsky

ADAPTERS = ("full", "lora", "b-only", "a-only")

ASSUMPTIONS = (
    "i.i.d. samples",
    "loss sigma-sub-Gaussian for every output (1/2 for a loss in [0, 1]; an unbounded loss is clipped first)",
    "every tuned scalar has the stated number of bits, and every tuned scalar is counted",
    "frozen weights and factors, rank and bits do not depend on the sample; a factor that does counts as tuned",
)

Shapes = Sequence[tuple[int, int]]


def tuned_parameters(adapter: str, shapes: Shapes, rank: int, head: int = 0) -> int:
    """Return P, the tuned scalars of the adapter over layers of shapes (d_out, d_in), plus ``head``. Kind: exact.

    Per layer: full d_out d_in (``rank`` is not used), lora r (d_out + d_in), b-only r d_out, a-only r d_in. ``head``
    counts everything else that is trained: classifier heads, biases, norms. A frozen A of rank r keeps r inputs, so
    b-only may have any rank up to d_in, also above d_out; a-only up to d_out; lora up to the shorter side.

    Raises:
        ValueError: an unknown adapter, no layers, a side below 1, a rank out of range, a negative head.
    """
    if adapter not in ADAPTERS:
        raise ValueError(f"adapter {adapter!r}: expected one of {', '.join(ADAPTERS)}")
    if len(shapes) == 0:
        raise ValueError("no layers: expected at least one shape (d_out, d_in)")
    for d_out, d_in in shapes:
        if d_out < 1 or d_in < 1:
            raise ValueError(f"layer {d_out}x{d_in}: expected both sides at least 1")
    if head < 0:
        raise ValueError(f"head of {head} parameters: expected a number >= 0")
    if adapter == "full":
        return head + sum(d_out * d_in for d_out, d_in in shapes)
    limit, name = {"b-only": (lambda s: s[1], "d_in"), "a-only": (lambda s: s[0], "d_out")}.get(
        adapter, (min, "the shorter side")
    )
    narrow = min(shapes, key=limit)
    if not 1 <= rank <= limit(narrow):
        raise ValueError(
            f"rank {rank}: expected 1 to {limit(narrow)}, {name} of the layer {narrow[0]}x{narrow[1]} for {adapter}"
        )
    rows = sum(d_out for d_out, _ in shapes) if adapter in ("lora", "b-only") else 0
    columns = sum(d_in for _, d_in in shapes) if adapter in ("lora", "a-only") else 0
    return head + rank * (rows + columns)


def total_bits(parameters: int, bits: int) -> int:
    """Return P q, the bits of the tuned scalars. Kind: exact.

    Raises:
        ValueError: negative parameters, or fewer than 1 bit a parameter.
    """
    if parameters < 0:
        raise ValueError(f"{parameters} parameters: expected a number >= 0")
    if bits < 1:
        raise ValueError(f"{bits} bits a parameter: expected at least 1")
    return parameters * bits


def mutual_information_bound(parameters: int, bits: int, samples: int, sigma: float = ZERO_ONE_SIGMA) -> float:
    """Return sqrt(2 sigma^2 P q ln 2 / n), which is at least |E[L - Lhat]|. Kind: upper bound on a mean.

    Vacuous from the range of the loss on. Source: Zhu et al. 2024, Lemma 4.5 (see the module).

    Raises:
        ValueError: fewer than 1 bit, no samples, negative parameters, or a sigma that is not positive.
    """
    return _bound(total_bits(parameters, bits), samples, sigma)


def adapter_bound(
    adapter: str, shapes: Shapes, rank: int, bits: int, samples: int, sigma: float = ZERO_ONE_SIGMA, head: int = 0
) -> float:
    """Return ``mutual_information_bound`` of an adapter on a set of layers. Kind: upper bound on a mean.

    full : lora : b-only : a-only = sqrt(sum d_in d_out) : sqrt(r sum(d_in + d_out)) : sqrt(r sum d_out) :
    sqrt(r sum d_in), and lora^2 = b-only^2 + a-only^2 when no head is counted.

    Raises:
        ValueError: as ``tuned_parameters`` and ``mutual_information_bound``.
    """
    return mutual_information_bound(tuned_parameters(adapter, shapes, rank, head), bits, samples, sigma)


def entropy_bound(entropy: float, samples: int, sigma: float = ZERO_ONE_SIGMA) -> float:
    """Return sqrt(2 sigma^2 H / n) with H = H(B | A) in nats, which is at least |E[L - Lhat]|.

    H is the entropy of the tuned code over the draw of the sample, given the frozen factors; the plug-in entropy of a
    few runs is too small and proves nothing. Never above the bound by P q bits, which it equals iff the code is
    uniform; I(B; S | A) = H(B | A) iff the algorithm is deterministic given (S, A, W0). Kind: upper bound on a mean.
    Source: Xu and Raginsky 2017 with I(W; S) <= H(B | A).

    Raises:
        ValueError: negative entropy, no samples, or a sigma that is not positive.
    """
    return xu_raginsky(entropy, samples, sigma)


def expected_code_bound(expected_bits: float, samples: int, sigma: float = ZERO_ONE_SIGMA) -> float:
    """Return sqrt(2 sigma^2 E[length] ln 2 / n) for a prefix code of the tuned scalars, fixed before the sample.

    The expectation is over the draw of the sample: H(B | A) <= E[length] ln 2 (Kraft). The length of one run belongs
    into a code-length certificate instead. Kind: upper bound on a mean. Source: as ``entropy_bound``.

    Raises:
        ValueError: negative bits, no samples, or a sigma that is not positive.
    """
    return xu_raginsky(expected_bits * log(2.0), samples, sigma)


def rank_multiplier(shapes: Shapes) -> float:
    """Return 1 + sum d_in / sum d_out: b-only at this multiple of the rank has lora's parameters. Kind: exact.

    2 for square matrices. Swap the sides of every shape for a-only. Source: Zhu et al. 2024, after Lemma 4.5.

    Raises:
        ValueError: as ``tuned_parameters``.
    """
    return tuned_parameters("lora", shapes, 1) / tuned_parameters("b-only", shapes, 1)


def lora_beats_full_below(shapes: Shapes) -> float:
    """Return sum d_in d_out / sum(d_in + d_out): lora has the smaller bound iff its rank is below. Kind: exact.

    Raises:
        ValueError: as ``tuned_parameters``.
    """
    return tuned_parameters("full", shapes, 1) / tuned_parameters("lora", shapes, 1)


def bits_allowed(gap: float, samples: int, sigma: float = ZERO_ONE_SIGMA) -> int:
    """Return the largest number of tuned bits whose bound is at most ``gap``: floor(n gap^2 / (2 sigma^2 ln 2)).

    By the bound as ``mutual_information_bound`` computes it, so that the bound of b bits allows b bits (while float64
    tells the bounds of b and b + 1 apart). Kind: exact.

    Raises:
        ValueError: a gap that is negative or infinite, no samples, or a sigma that is not positive.
    """
    require_setting(gap * gap, samples, sigma)
    if not 0.0 <= gap < inf:
        raise ValueError(f"gap {gap}: expected a finite number >= 0")
    bits = floor(samples * gap * gap / (2.0 * sigma * sigma * log(2.0)))
    if bits >= 2**52:  # the bounds of b and b + 1 are one number
        return bits
    # rounding moves the quotient over a whole number in either direction
    while bits > 0 and _bound(bits, samples, sigma) > gap:
        bits -= 1
    while _bound(bits + 1, samples, sigma) <= gap and _bound(bits + 1, samples, sigma) > _bound(bits, samples, sigma):
        bits += 1
    return bits


def _bound(bits: int, samples: int, sigma: float) -> float:
    return xu_raginsky(bits * log(2.0), samples, sigma)
