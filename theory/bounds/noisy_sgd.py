"""Information that noisy gradient descent can leak into its weights, in nats: free of bits, and nearly of P.

Setting: W_{t+1} = W_t - eta_t g_t + N(0, tau_t^2 I_P) for t = 1..T, where the noise is independent of the sample and
of the past, the choice of the batch does not depend on past iterates, and E||g_t||^2 <= C_t^2 (clipping to C_t is
enough). Then

    I(S; W_T) <= sum_t (P / 2) ln(1 + eta_t^2 C_t^2 / (P tau_t^2)) <= sum_t eta_t^2 C_t^2 / (2 tau_t^2).

Put the number into ``information.xu_raginsky``. It speaks of the noisy algorithm only; the parameter count speaks of a
quantised one, and neither bound implies the other. Source: Pensia, Jog and Loh 2018.
"""

from collections.abc import Sequence
from math import isfinite, log1p

Steps = Sequence[float]


def pensia_information(parameters: int, rates: Steps, gradients: Steps, noises: Steps) -> float:
    """Return sum_t (P / 2) ln(1 + eta_t^2 C_t^2 / (P tau_t^2)) in nats; one entry a step in each sequence.

    ``rates`` are eta_t, ``gradients`` the C_t (sqrt E||g_t||^2 or a bound of it: the logarithm is concave),
    ``noises`` the tau_t. Increasing in P, with ``pensia_limit`` as its limit. Kind: upper bound of I(S; W_T). Source:
    Pensia, Jog and Loh 2018 (maximum entropy of each noisy step).

    Raises:
        ValueError: fewer than 1 parameter, sequences of different lengths or empty, a negative rate or gradient, or
            noise that is not positive: without noise the information is infinite.
    """
    if parameters < 1:
        raise ValueError(f"{parameters} parameters: expected at least 1")
    ratios = _signal_to_noise(rates, gradients, noises)
    return sum(0.5 * parameters * log1p(ratio / parameters) for ratio in ratios)


def pensia_limit(rates: Steps, gradients: Steps, noises: Steps) -> float:
    """Return sum_t eta_t^2 C_t^2 / (2 tau_t^2) in nats, at least ``pensia_information`` for every P.

    Kind: upper bound of I(S; W_T), and exactly the limit P -> infinity. Source: Pensia, Jog and Loh 2018.

    Raises:
        ValueError: as ``pensia_information``.
    """
    return sum(0.5 * ratio for ratio in _signal_to_noise(rates, gradients, noises))


def squared_gradient_factor(adapter: str, shape: tuple[int, int], rank: int, scale: float = 1.0) -> float:
    """Return E||gradient of the tuned factors||^2 over ||gradient of the full matrix||^2, a sample, at initialisation.

    For W0 + scale B A with shape (d_out, d_in) and the frozen factor uniform with orthonormal rows or columns: b-only
    scale^2 r / d_in, a-only scale^2 r / d_out, full 1, lora (B = 0 at the start, so A has no gradient) as b-only. The
    mean is over the frozen factor, for one matrix whose per-sample gradient is an outer product.

    The factor multiplies C^2 only where C^2 is this second moment, or where clipping is at sqrt(factor) C: the worst
    case ||Q x|| = ||x|| does not shrink. Away from initialisation the input and the signal depend on the frozen
    factor and the factor is no theorem. Kind: exact in the mean. Source: Zhu et al. 2024, section 4.1.2, made precise
    here.

    Raises:
        ValueError: an unknown adapter, or a rank that the frozen factor cannot have: above d_in for b-only, above d_out
            for a-only, above the shorter side for lora.
    """
    d_out, d_in = shape
    limit = {"b-only": d_in, "a-only": d_out}.get(adapter, min(shape))
    if adapter != "full" and not 1 <= rank <= limit:
        raise ValueError(f"rank {rank}: expected 1 to {limit} for {adapter} of a matrix {d_out}x{d_in}")
    if adapter == "full":
        return 1.0
    if adapter in ("b-only", "lora"):
        return scale * scale * rank / d_in
    if adapter == "a-only":
        return scale * scale * rank / d_out
    raise ValueError(f"adapter {adapter!r}: expected full, lora, b-only or a-only")


def _signal_to_noise(rates: Steps, gradients: Steps, noises: Steps) -> list[float]:
    """Return eta_t^2 C_t^2 / tau_t^2 of every step; raises ValueError for sequences that describe no run."""
    if not len(rates) == len(gradients) == len(noises) > 0:
        raise ValueError(
            f"{len(rates)} rates, {len(gradients)} gradients, {len(noises)} noises: expected one of each a step"
        )
    for name, values, least in (("rate", rates, 0.0), ("gradient norm", gradients, 0.0)):
        for value in values:
            if not (isfinite(value) and value >= least):
                raise ValueError(f"{name} {value}: expected a finite number >= 0")
    for value in noises:
        if not (isfinite(value) and value > 0.0):
            raise ValueError(f"noise {value}: expected a positive standard deviation (information is infinite without)")
    return [(eta * c / tau) ** 2 for eta, c, tau in zip(rates, gradients, noises)]
