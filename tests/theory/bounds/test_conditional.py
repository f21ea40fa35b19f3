"""Bounds by conditional information: printed numbers, brute-force oracles, and what is refused."""

from itertools import product
from math import log, sqrt

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.optimize import brentq
from scipy.stats import binom

from sims.enumeration import FiniteLearner, enumerate_learner
from tests.checks import close
from tests.strategies import seeds
from tests.tolerances import (
    IDENTITY,
    MONTE_CARLO,
    NULL_MEAN,
    PRINTED_DIGITS,
    ROOT_OF_INFORMATION,
    ROUNDING,
    THREE_DECIMALS,
)
from theory.bounds.conditional import (
    CAP,
    averaged_bound,
    binary_kl_gap_bound,
    binary_kl_risk_bound,
    cmi_bound,
    cmi_of_description,
    interpolation_risk_bound,
    pair_information,
    samplewise_bound,
    single_loss_information,
    weighted_risk_bound,
    weights_are_valid,
)
from theory.bounds.discrete_information import (
    binary_null_floor,
    channel_information,
    empirical_channel,
    jensen_shannon_bernoulli,
    mutual_information,
    plug_in_information,
    plug_in_null_mean,
)
from theory.bounds.information import xu_raginsky

TINY = ROUNDING["float64"]


def entropy(p: np.ndarray) -> float:
    return float(-sum(x * log(x) for x in np.asarray(p).ravel() if x > 0))


def kl(p: float, q: float) -> float:
    return sum(a * log(a / b) for a, b in ((p, q), (1 - p, 1 - q)) if a > 0)


@given(seed=seeds, shape=st.sampled_from([(2, 2), (2, 5), (4, 3), (1, 3)]))
def test_mutual_information_is_the_sum_of_entropies(seed: int, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    joint = rng.dirichlet(np.full(shape[0] * shape[1], 0.5)).reshape(shape)
    expected = entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1)) - entropy(joint)
    close(mutual_information(joint), expected)
    close(mutual_information(np.stack([joint, np.outer(joint.sum(axis=1), joint.sum(axis=0))])), [expected, 0.0])


@given(seed=seeds)
def test_channel_information_is_the_jensen_shannon_divergence(seed: int) -> None:
    channel = np.random.default_rng(seed).dirichlet(np.full(4, 0.3), size=2)
    middle = channel.mean(axis=0)
    expected = entropy(middle) - 0.5 * (entropy(channel[0]) + entropy(channel[1]))
    close(channel_information(channel), expected)
    assert 0.0 <= channel_information(channel) <= log(2.0) + TINY
    p, q = float(channel[0, 0]), float(channel[1, 0])
    close(jensen_shannon_bernoulli(p, q), 0.5 * (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)))


@pytest.mark.parametrize(
    ("information", "root", "at_five_percent", "at_zero", "interpolating"),
    [
        (0.001, 0.0447, 0.0707, 0.0020, 0.0014),
        (0.01, 0.1414, 0.1238, 0.0199, 0.0144),
        (0.05, 0.3162, 0.2481, 0.0975, 0.0721),
        (0.1, 0.4472, 0.3628, 0.1903, 0.1443),
        (0.3, 0.7746, 0.7043, 0.5184, 0.4328),
    ],
)
def test_information_per_sample_becomes_the_printed_bounds(
    information: float, root: float, at_five_percent: float, at_zero: float, interpolating: float
) -> None:
    close(cmi_bound(7 * information, 7), root, PRINTED_DIGITS)
    close(binary_kl_risk_bound(0.05, information), at_five_percent, PRINTED_DIGITS)
    close(binary_kl_risk_bound(0.0, information), at_zero, PRINTED_DIGITS)
    close(interpolation_risk_bound(information), interpolating, PRINTED_DIGITS)


def test_the_cap_is_printed_and_reached() -> None:
    close(CAP, 1.1774, PRINTED_DIGITS)
    close(cmi_bound(5 * log(2.0), 5), CAP)
    assert interpolation_risk_bound(1.0) == 1.0


@given(train=st.floats(0.0, 0.99), information=st.floats(1e-6, 0.69))
def test_binary_kl_solves_its_equation(train: float, information: float) -> None:
    """An independent root finder, on the risk itself."""
    bound = binary_kl_risk_bound(train, information)
    excess = lambda risk: kl(train, 0.5 * (train + risk)) - information  # noqa: E731
    expected = 1.0 if excess(1.0) <= 0.0 else brentq(excess, train, 1.0, xtol=TINY)
    close(bound, expected, ROOT_OF_INFORMATION)
    close(binary_kl_gap_bound(train, information), bound - train)
    assert train <= bound <= 1.0
    assert bound - train <= sqrt(2.0 * information) + TINY


def test_pinsker_does_not_order_binary_kl_and_the_mean_of_the_roots() -> None:
    informations = np.array([0.0, log(2.0)])
    samplewise, averaged = samplewise_bound(informations), averaged_bound(informations)
    binary = binary_kl_gap_bound(0.2, float(informations.mean()))
    close([samplewise, averaged], [0.589, 0.833], THREE_DECIMALS)
    # the risk that solves the equation is 1.014, beyond any: the bound stops at 1 - 0.2
    close(binary, 0.8)
    assert samplewise < binary < averaged


def test_supersamples_count_by_their_probabilities() -> None:
    table, weights = np.array([[0.0, log(2.0)], [0.5, 0.125]]), np.array([0.25, 0.75])
    close(samplewise_bound(table, weights), 0.25 * samplewise_bound(table[0]) + 0.75 * samplewise_bound(table[1]))
    close(samplewise_bound(table, np.array([0.5, 0.5])), samplewise_bound(table))


@pytest.mark.parametrize(("both", "expected"), [(0.0, 0.0523), (0.05, 0.0728), (0.1, 0.1386)])
def test_pair_information_is_no_function_of_the_two_risks(both: float, expected: float) -> None:
    close(pair_information(0.1, 0.3, both), expected, PRINTED_DIGITS)


def test_pooled_information_ranges_widely_at_fixed_risks() -> None:
    lowest = sqrt(2 * pair_information(0.454, 0.627, max(0.0, 0.454 + 0.627 - 1)))
    assert round(lowest, 2) == 0.18
    assert sqrt(2 * pair_information(0.454, 0.627, 0.454)) > 0.4


@given(bits=st.integers(0, 300), samples=st.integers(1, 200))
def test_a_description_tells_no_more_than_its_bits_and_a_bit_a_sample(bits: int, samples: int) -> None:
    nats = cmi_of_description(bits, samples)
    close(nats, min(bits, samples) * log(2.0))
    assert cmi_bound(nats, samples) <= CAP * (1 + TINY)
    if bits <= samples:  # half of it from mutual information
        close(2 * xu_raginsky(bits * log(2.0), samples), cmi_bound(nats, samples))


@given(seed=seeds)
def test_pair_information_is_that_of_the_symmetric_table(seed: int) -> None:
    """Built as a channel from the law of (trained wrong, left-out wrong), for pair and for difference."""
    both, one, other, none = np.random.default_rng(seed).dirichlet(np.full(4, 0.5))
    pair = np.array([[none, other, one, both], [none, one, other, both]])  # losses (0,0), (0,1), (1,0), (1,1)
    difference = np.array([[one, none + both, other], [other, none + both, one]])
    expected = pair_information(one + both, other + both, both)
    close([channel_information(pair), channel_information(difference)], [expected, expected])
    single = single_loss_information(one + both, other + both)
    close(single, channel_information(np.array([[1 - one - both, one + both], [1 - other - both, other + both]])))
    assert single <= expected + IDENTITY["float64"]


@pytest.mark.parametrize("weights", [(2.0, 3.0), (1.1, 20.0), (4.0, 2.0), (40.0, 1.45)])
@given(seed=seeds)
def test_weighted_bounds_hold_for_every_law_of_the_pair(weights: tuple[float, float], seed: int) -> None:
    both, one, other, _ = np.random.default_rng(seed).dirichlet(np.full(4, 0.3))
    train, population = one + both, other + both
    assert weights_are_valid(*weights)
    bound = weighted_risk_bound(train, pair_information(train, population, both), *weights)
    assert population <= bound + TINY


@pytest.mark.parametrize("weights", [(2.0, 1.9), (1.0, 100.0), (1.5, 2.0), (1e6, 1.44)])
def test_weights_outside_the_set_are_refused_and_false(weights: tuple[float, float]) -> None:
    assert not weights_are_valid(*weights)
    with pytest.raises(ValueError, match="such as 2 and 3"):
        weighted_risk_bound(0.1, 0.1, *weights)
    shares = np.concatenate([np.linspace(0, 0.5, 100_001), np.geomspace(1e-12, 0.5, 1000)])  # exactly one wrong
    violations = [1 - t - weights[0] * t - weights[1] * pair_information(t, 1 - t, 0.0) for t in shares[::7]]
    assert max(violations) > 0


def test_a_learner_violates_weights_outside_the_set() -> None:
    """A memory of one example: usually wrong everywhere else and right on it, sometimes the reverse."""
    symbols, weights = 12, (1.5, 1.6)
    share = 1 / (1 + np.exp((weights[0] + 1) / weights[1]))
    channel = np.concatenate([share * np.eye(symbols), (1 - share) * np.eye(symbols)], axis=1)
    wrong = np.concatenate([np.eye(symbols), 1 - np.eye(symbols)]).astype(np.int64)
    learner = FiniteLearner(
        1, np.full(symbols, 1 / symbols), channel, wrong, np.array([[0.0] * symbols, [1.0] * symbols])
    )
    x = enumerate_learner(learner)
    information = float(x.pairs_unconditional.mean())
    assert not weights_are_valid(*weights)
    assert x.population > weights[0] * x.train + weights[1] * information
    assert x.population <= weighted_risk_bound(x.train, information)


@given(probability=st.floats(0.2, 0.8), observations=st.integers(30, 150))
def test_p30_null_mean_of_the_plug_in_is_its_chi_squared_limit(probability: float, observations: int) -> None:
    exact, root = binary_null_floor(probability, observations)
    assert abs(exact / plug_in_null_mean(2, 2, observations) - 1) <= NULL_MEAN
    assert root <= sqrt(2 * exact)


@pytest.mark.parametrize("probability", [0.02, 0.01])
def test_p30_fails_where_cells_stay_empty(probability: float) -> None:
    assert binary_null_floor(probability, 30)[0] < (1 - NULL_MEAN) * plug_in_null_mean(2, 2, 30)


@pytest.mark.parametrize(("observations", "floor"), [(30, 0.148), (100, 0.080), (1000, 0.025)])
def test_the_null_floor_of_a_fair_loss_is_printed(observations: int, floor: float) -> None:
    close(binary_null_floor(0.5, observations)[1], floor, THREE_DECIMALS)


def test_the_null_floor_is_the_mean_over_draws() -> None:
    rng, (p, k, draws) = np.random.default_rng(0), (0.3, 30, 20_000)
    ones = rng.binomial(k // 2, p, size=(draws, 2))
    found = plug_in_information(np.stack([k // 2 - ones, ones], axis=2))
    for values, exact in zip((found, np.sqrt(2 * found)), binary_null_floor(p, k)):
        assert abs(values.mean() - exact) <= MONTE_CARLO * values.std() / sqrt(draws)


@given(seed=seeds, arms=st.sampled_from([(1, 1), (2, 3), (5, 5)]))
def test_the_plug_in_with_fair_bits_is_never_too_small_in_the_mean(seed: int, arms: tuple[int, int]) -> None:
    """Exact mean over both binomial counts."""
    truth = np.random.default_rng(seed).random(2)
    mean = 0.0
    for ones in product(*(range(k + 1) for k in arms)):
        weight = np.prod([binom.pmf(a, k, p) for a, k, p in zip(ones, arms, truth)])
        mean += weight * float(plug_in_information(np.array([[k - a, a] for a, k in zip(ones, arms)])))
    assert mean >= float(jensen_shannon_bernoulli(*truth)) - TINY


@pytest.mark.parametrize(("observations", "expected"), [(5, 0.577), (10, 0.640), (30, 0.676)])
def test_the_plug_in_with_counted_bits_is_too_small_under_strong_dependence(observations: int, expected: float) -> None:
    """X = U, bits tossed: the counts of U have less entropy than a fair bit, P_U = 1/2 gives ln 2 at once."""
    mean = 0.0
    for ones in range(observations + 1):
        counted = np.diag([observations - ones, ones]) / observations
        mean += float(binom.pmf(ones, observations, 0.5) * mutual_information(counted))
        if 0 < ones < observations:
            close(plug_in_information(np.diag([observations - ones, ones])), log(2.0))
    close(mean, expected, THREE_DECIMALS)
    assert mean < log(2.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cmi_bound(1.0, 0), "0 samples: expected at least 1"),
        (lambda: cmi_of_description(-1, 3), "-1 bits of description: expected a number >= 0"),
        (lambda: cmi_of_description(1, 0), "0 samples: expected at least 1"),
        (lambda: cmi_bound(-1.0, 3), r"information -1\.0: expected a number of nats >= 0"),
        (lambda: binary_kl_risk_bound(1.2, 0.1), r"training risk 1\.2: expected a number in \[0, 1\]; rescale or clip"),
        (lambda: weighted_risk_bound(-0.1, 0.1), r"training risk -0\.1"),
        (lambda: interpolation_risk_bound(float("nan")), "information nan"),
        (lambda: samplewise_bound(np.array([0.1, -0.1])), "informations from -0.1"),
        (lambda: samplewise_bound(np.zeros(0)), "0 informations"),
        (lambda: pair_information(0.1, 0.3, 0.2), r"P\(both wrong\) = 0\.2 is impossible"),
        (lambda: mutual_information(np.array([[0.5, 0.6], [0.0, 0.0]])), "not a joint table"),
        (lambda: channel_information(np.array([[0.5, 0.6], [0.5, 0.5]])), "not a channel"),
        (lambda: empirical_channel(np.array([[0, 0], [3, 1]])), "both values observed; balance the masks"),
        (lambda: jensen_shannon_bernoulli(0.5, 1.5), r"q from 1\.5 to 1\.5"),
        (lambda: plug_in_null_mean(1, 2, 30), "1 x 2 states, 30 observations"),
        (lambda: binary_null_floor(0.5, 1), "1 observations: expected at least 2"),
        (lambda: binary_null_floor(1.5, 30), r"probability 1\.5"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
