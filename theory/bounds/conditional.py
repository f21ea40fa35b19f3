"""Bounds of the generalisation gap by conditional mutual information: how well training reveals who was trained on.

A supersample is n pairs (Z_{i,0}, Z_{i,1}) of i.i.d. examples; independent fair bits U choose S_i = Z_{i,U_i}; W is
what training on S gives. Lhat is the expected mean loss on S, L the expected loss on the examples that were left out,
and the gap is L - Lhat. All statements are about these expectations (over supersample, bits and training), for losses
in [0, 1], with information in nats:

    cap       gap <= sqrt(2 ln 2)
    CMI       gap <= sqrt(2 I(W; U | Z) / n)                                     Steinke, Zakynthinou (2020)
    f-CMI     gap <= mean_i E_z sqrt(2 I(predictions on row i; U_i | Z = z))     Harutyunyan et al. (2021)
    e-CMI     the same with the pair of losses on row i                          Hellstrom, Durisi (2022)
    ld-CMI    the same with the difference l_{i,1} - l_{i,0}; also unconditional      Wang, Mao (2023)

given the supersample each is by data processing at most the one above it. ``binary_kl_*`` and ``weighted_risk_bound``
are fast: they vanish like the information itself when Lhat does. None of them certifies a trained model: all need the
left-out examples.

Why c_1 Lhat + c_2 I bounds L (`weighted_risk_bound`). By Donsker and Varadhan, for lam > 0 and an independent copy U'
of U_i, lam E[l_test - c_1 l_train] <= I + ln E exp(lam (l_test' - c_1 l_train')), where the dashed losses are assigned
by U'. Given the pair (l_0, l_1), the last expectation is that of two exponentials, convex in the pair and so largest at
a corner of [0, 1]^2: 1 at (0, 0), exp(lam (1 - c_1)) at (1, 1), (e^lam + e^{-lam c_1}) / 2 at the others. If that is at
most 1, then c_1 > 1 and all corners are: L_i <= c_1 Lhat_i + c_2 I_i with c_2 = 1 / lam whenever e^{1/c_2} +
e^{-c_1/c_2} <= 2. (2, 3) qualifies; for Lhat = 0 let c_1 grow: L <= I / ln 2. Rows add up: sum_i I(pair_i; U_i | Z) <=
I(W; U | Z), the bits being independent. Source: this project, after Steinke and Zakynthinou (2020) and Haghifam et al.
(2021).
"""

from math import exp, log, sqrt
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import entr

from theory.bounds.discrete_information import jensen_shannon_bernoulli
from theory.bounds.kl_inverse import kl_inverse_upper

Array = Any
CAP = sqrt(2.0 * log(2.0))  # no bound of the family exceeds it: a bit has at most ln 2 nats
_ROUNDING = 1e-12


def cmi_bound(cmi: float, samples: int) -> float:
    """Return sqrt(2 CMI / n), an upper bound of |gap| for a loss in [0, 1]; ``cmi`` = I(W; U | Z) in nats.

    Twice what mutual information gives at equal nats: smaller than that bound iff CMI < I(W; S) / 4.
    Source: Steinke, Zakynthinou (2020). Raises ValueError for negative information or no sample.
    """
    return sqrt(2.0 * _per_sample(cmi, samples))


def cmi_of_description(bits: float | int, samples: int) -> float:
    """Return min(b, n) ln 2, an upper bound of I(W; U | Z) in nats for W described by b bits; b may be an expectation.

    I(W; U | Z) <= I(W; S) <= H(W), and each of the n masks tells at most a bit. From b = n on it says nothing, and
    below `information.xu_raginsky` of the same b ln 2 nats is half of `cmi_bound`: descriptions are better put there.
    Kind: upper bound. Source: Steinke, Zakynthinou (2020).

    Raises:
        ValueError: negative bits, or no sample.
    """
    if not bits >= 0.0:
        raise ValueError(f"{bits} bits of description: expected a number >= 0")
    return min(1.0, _per_sample(float(bits), samples)) * samples * log(2.0)


def samplewise_bound(informations: Float[np.ndarray, "*rows"], weights: Float[np.ndarray, " t"] | None = None) -> float:
    """Return the mean of sqrt(2 I) over all rows (and supersamples), an upper bound of |gap| for a loss in [0, 1].

    ``weights`` (t,) are the probabilities of the supersamples, the first axis; without them all count the same.

    ``informations`` in nats, about the bit of each row, of its two predictions (f-CMI), its two losses (e-CMI) or their
    difference (ld-CMI); each given the supersample, or each unconditional. With eps = 1 - 2U independent of the
    difference D in [-1, 1], eps D is 1-sub-Gaussian: hence the constant.

    Source: Harutyunyan et al. (2021), Hellstrom and Durisi (2022), Wang and Mao (2023). Raises ValueError for negative
    information.
    """
    roots = np.sqrt(2.0 * _informations(informations))
    return float((roots if weights is None else weights @ roots).mean())


def averaged_bound(informations: Float[np.ndarray, "*rows"]) -> float:
    """Return sqrt(2 mean I), at least `samplewise_bound` of the same informations (Jensen)."""
    return sqrt(2.0 * float(_informations(informations).mean()))


def binary_kl_risk_bound(train: float, information: float) -> float:
    """Return the largest L <= 1 with kl(Lhat || (Lhat + L) / 2) <= I, an upper bound of the population risk.

    ``information`` is the mean over rows of I(pair of losses; U_i) in nats, conditional on the supersample or not. The
    training loss, made a bit by an independent coin of that bias, is a function of pair and U: Bern(Lhat) under their
    joint law and Bern((Lhat + L) / 2) under the product; kl is jointly convex, so that rows may be averaged.

    The gap that it implies is at most sqrt(2 I) of the same I (Pinsker), not at most the mean of sqrt(2 I_i).
    Source: Hellstrom, Durisi (2022), stated for [0, 1] losses. Raises ValueError for bad inputs.
    """
    train = _risk("training risk", train)
    mean = float(kl_inverse_upper(train, _information(information)))
    return min(1.0, max(train, 2.0 * mean - train))


def binary_kl_gap_bound(train: float, information: float) -> float:
    """Return the bound of L - Lhat that `binary_kl_risk_bound` implies; at most sqrt(2 I)."""
    return binary_kl_risk_bound(train, information) - _risk("training risk", train)


def weighted_risk_bound(
    train: float, information: float, train_weight: float = 2.0, information_weight: float = 3.0
) -> float:
    """Return c_1 Lhat + c_2 I >= L for a loss in [0, 1]; ``information`` as in `binary_kl_risk_bound`, or CMI / n.

    Source: the head of this module; (2, 3) is the pair of Steinke and Zakynthinou (2020).

    Raises:
        ValueError: weights outside exp(1 / c_2) + exp(-c_1 / c_2) <= 2, or a risk or an information out of range.
    """
    if not weights_are_valid(train_weight, information_weight):
        raise ValueError(
            f"weights {train_weight}, {information_weight}: expected exp(1/c_2) + exp(-c_1/c_2) <= 2, such as 2 and 3"
        )
    return train_weight * _risk("training risk", train) + information_weight * _information(information)


def weights_are_valid(train_weight: float, information_weight: float) -> bool:
    """Return whether e^{1/c_2} + e^{-c_1/c_2} <= 2, c_2 > 0: L <= c_1 Lhat + c_2 I then holds for every learner.

    Sharp: outside this set some 0-1 learner violates it (I = sum (ln 2 - h) over the pair's law, see
    `pair_information`).
    """
    if information_weight * log(2.0) < 1.0 - _ROUNDING:  # no c_1 suffices
        return False
    return exp(1.0 / information_weight) + exp(-train_weight / information_weight) <= 2.0 + _ROUNDING


def interpolation_risk_bound(information: float) -> float:
    """Return min(1, I / ln 2) >= L when Lhat = 0; ``information`` as in `binary_kl_risk_bound`, or CMI / n.

    An equality for the 0-1 loss and unconditional I(difference; U_i): a difference other than 0 reveals the bit.
    Source: the head of this module, after Haghifam et al. (2021).
    """
    return min(1.0, _information(information) / log(2.0))


def single_loss_information(train: Any, population: Any) -> Array:
    """Return I(l_{i,+}; U_i) = JS(Bern(Lhat_i), Bern(L_i)) in nats for the 0-1 loss of one column. Kind: exact.

    Source: Wang, Mao (2023) (single loss); this project (one line: given U_i the column is in training or not).
    """
    return jensen_shannon_bernoulli(train, population)


def pair_information(train: float, population: float, both_wrong: float) -> float:
    """Return I(pair of 0-1 losses; U_i) in nats, unconditional: s [ln 2 - h(p / s)], which is also I(difference; U_i).

    s = L + Lhat - 2x is the probability that exactly one of the two is wrong, p = Lhat - x that it is the trained one,
    x that both are wrong. Kind: exact when the law of the pair is symmetric under exchange of columns and bit, as
    without conditioning. It is not a function of (Lhat, L) alone. Raises ValueError when x is impossible for these
    risks.
    """
    train, population = _risk("training risk", train), _risk("population risk", population)
    if not max(0.0, train + population - 1.0) - _ROUNDING <= both_wrong <= min(train, population) + _ROUNDING:
        raise ValueError(f"P(both wrong) = {both_wrong} is impossible with risks {train} and {population}")
    one = np.maximum(np.array([train, population]) - both_wrong, 0.0)
    total = float(one.sum())
    if total == 0.0:
        return 0.0
    return max(0.0, total * (log(2.0) - float(entr(one / total).sum())))


def _risk(name: str, value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} {value}: expected a number in [0, 1]; rescale or clip the loss")
    return float(value)


def _information(value: float) -> float:
    if not value >= 0.0:
        raise ValueError(f"information {value}: expected a number of nats >= 0")
    return float(value)


def _informations(values: Float[np.ndarray, "*rows"]) -> Float[np.ndarray, "*rows"]:
    if values.size == 0 or not np.all(values >= 0.0):
        raise ValueError(f"{values.size} informations from {values.min(initial=0.0)}: expected at least one, all >= 0")
    return values


def _per_sample(information: float, samples: int) -> float:
    if samples < 1:
        raise ValueError(f"{samples} samples: expected at least 1")
    return _information(information) / samples
