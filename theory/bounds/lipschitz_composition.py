"""The additive term Phi of the composition bound for a fine-tuned network, and why independent data need none.

f_W(x) = W_L s_{L-1}(W_{L-1} ... s_1(W_1 x)) with ||x|| <= C, s_k Lipschitz with constant l_k and ||s_k(0)|| = o_k, and
a loss that is Lipschitz with constant l. With a_k = ||W0_k||_2 and b_k = ||DW_k||_2 the networks W0 + DW and W0 differ
by at most d_L on every input, so their generalisation gaps differ by at most Phi_DW = 2 l d_L. With no offsets

    Phi_DW = 2 l C prod l_k (prod_k (a_k + b_k) - prod_k a_k):

the 2^L - 1 products of the printed theorem that hold some DW. Phi_W0 is the same with a and b exchanged.

Phi does not shrink with the sample. With the same a, b and l in every layer it grows exponentially with L where
l (a + b) > 1 (it is 2 l C l^(L-1) ((a + b)^L - a^L)) and vanishes below: .4, .384, .028 for 2 l C = 1 and a = b = .4 at
1, 4, 16 layers. Where W0 is independent of the fine-tuning sample
the parameter count bounds the gap of W0 + DW itself, without Phi. Source: Cadenhead et al. 2026 (arXiv 2606.13767),
Theorem 1.
"""

from collections.abc import Sequence
from math import log

from theory.bounds.information import ZERO_ONE_SIGMA, xu_raginsky
from theory.bounds.parameter_count import Shapes, total_bits, tuned_parameters

Norms = Sequence[float]


def phi_update(
    backbone: Norms,
    update: Norms,
    *,
    input_norm: float,
    activations: Norms | None = None,
    offsets: Norms | None = None,
    loss_lipschitz: float = 1.0,
) -> float:
    """Return Phi_DW, at least |gap(W0 + DW) - gap(W0)| on every sample.

    ``backbone`` and ``update`` hold ||W0_k||_2 and ||DW_k||_2 from the first layer to the last, ``activations`` the
    Lipschitz constants l_1..l_{L-1} (1 by default), ``offsets`` ||s_k(0)|| (0 by default). Evaluated by the recursion
    h_k = l_k a_k h_{k-1} + o_k, d_k = l_k ((a_k + b_k) d_{k-1} + b_k h_{k-1}), which costs L steps. Kind: upper
    bound, sure.

    Raises:
        ValueError: no layers, lists of the wrong length, or a negative number.
    """
    count = len(backbone)
    if count == 0 or len(update) != count:
        raise ValueError(
            f"{count} backbone norms, {len(update)} update norms: expected one of each a layer, at least 1"
        )
    slopes = [1.0] * (count - 1) if activations is None else list(activations)
    shifts = [0.0] * (count - 1) if offsets is None else list(offsets)
    if not len(slopes) == len(shifts) == count - 1:
        raise ValueError(
            f"{len(slopes)} activations and {len(shifts)} offsets: expected {count - 1}, one between layers"
        )
    for value in (*backbone, *update, *slopes, *shifts, input_norm, loss_lipschitz):
        if not value >= 0.0:
            raise ValueError(f"norm or Lipschitz constant {value}: expected a number >= 0")
    signal, difference = input_norm, 0.0
    for a, b, slope, shift in zip(backbone, update, [*slopes, 1.0], [*shifts, 0.0]):
        difference = slope * ((a + b) * difference + b * signal)
        signal = slope * a * signal + shift
    return 2.0 * loss_lipschitz * difference


def phi_backbone(
    backbone: Norms,
    update: Norms,
    *,
    input_norm: float,
    activations: Norms | None = None,
    offsets: Norms | None = None,
    loss_lipschitz: float = 1.0,
) -> float:
    """Return Phi_W0, at least |gap(W0 + DW) - gap(DW)| on every sample: ``phi_update`` with the roles exchanged.

    Kind: upper bound, sure.

    Raises:
        ValueError: as ``phi_update``.
    """
    return phi_update(
        update,
        backbone,
        input_norm=input_norm,
        activations=activations,
        offsets=offsets,
        loss_lipschitz=loss_lipschitz,
    )


def table_bound(
    adapter: str,
    shapes: Shapes,
    rank: int,
    bits: int,
    samples: int,
    *,
    phi: float,
    sigma: float = ZERO_ONE_SIGMA,
    chain: int = 1,
) -> float:
    """Return Phi_W0 + sqrt(2 sigma^2 K P q ln 2 / n) of the printed table; K = ``chain`` adapters trained in a row.

    Never below the parameter-count bound of the same adapter, which needs no Phi for i.i.d. samples. Kind: upper
    bound on a mean, as printed. Source: Cadenhead et al. 2026, table of bounds.

    Raises:
        ValueError: a negative Phi, a chain shorter than 1, or as ``parameter_count.adapter_bound``.
    """
    if not phi >= 0.0:
        raise ValueError(f"Phi {phi}: expected a number >= 0")
    if chain < 1:
        raise ValueError(f"chain of {chain} adapters: expected at least 1")
    nats = chain * total_bits(tuned_parameters(adapter, shapes, rank), bits) * log(2.0)
    return phi + xu_raginsky(nats, samples, sigma)
