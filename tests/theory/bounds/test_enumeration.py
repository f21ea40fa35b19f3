"""The exact oracle by enumeration: printed numbers, a second enumeration by loops, theorems on random learners."""

from collections import defaultdict
from itertools import pairwise, product
from math import log, sqrt

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sims.enumeration import (
    Enumeration,
    FiniteLearner,
    enumerate_learner,
    majority_learner,
    random_learner,
    supersample_rows,
)
from sims.errors import BadInput
from tests.checks import EXACT, close
from tests.strategies import seeds
from tests.tolerances import ROOT_OF_INFORMATION, ROUNDING, SIX_DECIMALS
from theory.bounds.conditional import (
    averaged_bound,
    binary_kl_gap_bound,
    cmi_bound,
    cmi_of_description,
    interpolation_risk_bound,
    samplewise_bound,
    single_loss_information,
    weighted_risk_bound,
)
from theory.bounds.information import individual_sample, xu_raginsky

TINY = ROUNDING["float64"]
ROOT = ROOT_OF_INFORMATION

# n, p, train, gap, I(W;S), XR, I(W;Z_1), ISMI, CMI, its bound, disintegrated e = f = ld, ld unconditional, bkl gap, JS
ORACLE = (
    (
        1, 0.5, 0, 0.5, 0.693147, 0.588705, 0.693147, 0.588705,
        0.346574, 0.832555, 0.588705, 0.832555, 0.585786, 0.215762,
    ),
    (
        3, 0.5, 0.25, 0.25, 0.693147, 0.339889, 0.130812, 0.255746,
        0.427484, 0.533844, 0.301751, 0.361679, 0.346594, 0.033822,
    ),
    (
        5, 0.5, 0.3125, 0.1875, 0.693147, 0.263277, 0.072061, 0.189817,
        0.458292, 0.428155, 0.228072, 0.268441, 0.262379, 0.018348,
    ),
    (
        3, 0.3, 0.21, 0.1764, 0.521798, 0.294901, 0.102138, 0.225984,
        0.300986, 0.447948, 0.215930, 0.276471, 0.250778, 0.018798,
    ),
    (
        5, 0.2, 0.1856, 0.049152, 0.221206, 0.148730, 0.026789, 0.115734,
        0.121297, 0.220270, 0.069145, 0.087062, 0.070775, 0.001823,
    ),
)  # fmt: skip


@pytest.mark.parametrize("row", ORACLE, ids=lambda row: f"n={row[0]}, p={row[1]}")
def test_majority_is_the_printed_oracle(row: tuple[float, ...]) -> None:
    n = int(row[0])
    x = enumerate_learner(majority_learner(n, row[1]))
    found = [
        x.train,
        x.gap,
        x.information,
        xu_raginsky(x.information, n),
        x.individual[0],
        individual_sample(x.individual.tolist()),
        x.cmi,
        cmi_bound(x.cmi, n),
        x.disintegrated(x.pairs),
        samplewise_bound(x.differences_unconditional),
        binary_kl_gap_bound(x.train, float(x.pairs_unconditional.mean())),
        x.single[0, 0],
    ]
    close(found, row[2:], SIX_DECIMALS)
    close([x.disintegrated(x.predictions), x.disintegrated(x.differences)], [row[10], row[10]], SIX_DECIMALS)
    close(x.pairs_unconditional, x.differences_unconditional)


def information(joint: dict[tuple[object, object], float]) -> float:
    """Mutual information of a dictionary of probabilities, by its definition."""
    first: dict[object, float] = defaultdict(float)
    second: dict[object, float] = defaultdict(float)
    for (a, b), weight in joint.items():
        first[a] += weight
        second[b] += weight
    return sum(w * log(w / (first[a] * second[b])) for (a, b), w in joint.items() if w > 0)


def by_loops(learner: FiniteLearner) -> dict[str, float]:
    """The same quantities as sums over dictionaries, nothing shared with the package."""
    n, p, losses = learner.samples, learner.probabilities, learner.losses
    samples = list(product(range(len(p)), repeat=n))
    place = {s: i for i, s in enumerate(samples)}
    joint: dict[tuple[object, object], float] = defaultdict(float)
    train = population = 0.0
    for s in samples:
        for w, weight in enumerate(learner.channel[place[s]]):
            mass = weight * np.prod(p[list(s)])
            joint[s, w] += mass
            train += mass * np.mean([losses[w, z] for z in s])
            population += mass * float(losses[w] @ p)
    found = {"train": train, "population": population, "information": information(joint)}
    for i in range(n):
        one: dict[tuple[object, object], float] = defaultdict(float)
        for (s, w), mass in joint.items():
            one[s[i], w] += mass
        found[f"individual {i}"] = information(one)
    masks = list(product((0, 1), repeat=n))
    cmi = 0.0
    sums: dict[str, float] = defaultdict(float)
    pooled: dict[tuple[str, int], dict[tuple[object, object], float]] = defaultdict(lambda: defaultdict(float))
    for flat in product(range(len(p)), repeat=2 * n):
        rows, mass = [flat[2 * i : 2 * i + 2] for i in range(n)], float(np.prod(p[list(flat)]))
        whole: dict[tuple[object, object], float] = defaultdict(float)
        tables: dict[tuple[str, int], dict[tuple[object, object], float]] = defaultdict(lambda: defaultdict(float))
        for mask in masks:
            s = tuple(row[u] for row, u in zip(rows, mask))
            for w, weight in enumerate(learner.channel[place[s]]):
                whole[w, mask] += weight / len(masks)
                for i, (a, b) in enumerate(rows):
                    statistics = {
                        "predictions": (learner.predictions[w, a], learner.predictions[w, b]),
                        "pairs": (losses[w, a], losses[w, b]),
                        "differences": round(losses[w, b] - losses[w, a], 12),
                        "column 0": losses[w, a],
                        "column 1": losses[w, b],
                    }
                    for name, value in statistics.items():
                        tables[name, i][value, mask[i]] += weight / len(masks)
                        pooled[name, i][value, mask[i]] += mass * weight / len(masks)
        cmi += mass * information(whole)
        for (name, _), table in tables.items():
            sums[name] += mass * sqrt(2 * max(0.0, information(table))) / n
    found |= {"cmi": cmi, **{name: sums[name] for name in ("predictions", "pairs", "differences")}}
    for i in range(n):
        found |= {f"column {c} of row {i}": information(pooled[f"column {c}", i]) for c in (0, 1)}
    for name in ("pairs", "differences"):
        found[f"{name} unconditional"] = float(np.mean([information(pooled[name, i]) for i in range(n)]))
    return found


@pytest.mark.parametrize(("samples", "symbols"), [(1, 4), (2, 2), (2, 3)])
@pytest.mark.parametrize("binary", [True, False])
def test_a_second_enumeration_by_loops_agrees(samples: int, symbols: int, binary: bool) -> None:
    learner = random_learner(
        np.random.default_rng([samples, symbols]), samples=samples, symbols=symbols, hypotheses=3, binary=binary
    )
    x = enumerate_learner(learner)
    found = {
        "train": x.train,
        "population": x.population,
        "information": x.information,
        "cmi": x.cmi,
        "predictions": x.disintegrated(x.predictions),
        "pairs": x.disintegrated(x.pairs),
        "differences": x.disintegrated(x.differences),
        "pairs unconditional": float(x.pairs_unconditional.mean()),
        "differences unconditional": float(x.differences_unconditional.mean()),
        **{f"individual {i}": value for i, value in enumerate(x.individual)},
        **{f"column {c} of row {i}": x.single[i, c] for i in range(samples) for c in (0, 1)},
    }
    expected = by_loops(learner)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        close(value, expected[name], ROOT)


@st.composite
def learners(draw: st.DrawFn, binary: bool | None = None) -> Enumeration:
    samples, symbols = draw(st.sampled_from([(1, 2), (1, 5), (2, 2), (2, 3), (3, 2)]))
    chosen = draw(st.booleans()) if binary is None else binary
    rng = np.random.default_rng(draw(seeds))
    kind = draw(st.sampled_from(["channel", "majority", "constant"]))
    if kind == "majority" and samples % 2:
        return enumerate_learner(majority_learner(samples, float(rng.random())))
    learner = random_learner(rng, samples=samples, symbols=symbols, hypotheses=4, binary=chosen)
    if kind == "constant":
        still = np.broadcast_to(learner.channel[:1], learner.channel.shape).copy()
        learner = FiniteLearner(samples, learner.probabilities, still, learner.predictions, learner.label_losses)
    return enumerate_learner(learner)


@st.composite
def interpolating(draw: st.DrawFn) -> Enumeration:
    samples, symbols = draw(st.sampled_from([(1, 2), (1, 4), (2, 3), (3, 2)]))
    rng = np.random.default_rng(draw(seeds))
    return enumerate_learner(random_learner(rng, samples=samples, symbols=symbols, hypotheses=0, interpolating=True))


@given(x=learners())
def test_p16_the_gap_is_at_most_every_bound(x: Enumeration) -> None:
    n, unconditional = x.samples, float(x.pairs_unconditional.mean())
    two_sided = {
        "mutual information": xu_raginsky(x.information, n),
        "individual samples": individual_sample(x.individual.tolist()),
        "CMI": cmi_bound(x.cmi, n),
        "f-CMI": x.disintegrated(x.predictions),
        "e-CMI": x.disintegrated(x.pairs),
        "ld-CMI": x.disintegrated(x.differences),
        "unconditional pairs": samplewise_bound(x.pairs_unconditional),
        "unconditional differences": samplewise_bound(x.differences_unconditional),
    }
    for name, bound in two_sided.items():
        assert abs(x.gap) <= bound + ROOT, name
    for average in (unconditional, x.averaged(x.pairs), x.cmi / n):
        assert x.gap <= binary_kl_gap_bound(x.train, average) + ROOT
        for weights in ((2.0, 3.0), (4.0, 2.0), (40.0, 1.45)):
            assert x.population <= weighted_risk_bound(x.train, average, *weights) + EXACT


@given(x=learners())
def test_p17_individual_samples_are_at_most_mutual_information(x: Enumeration) -> None:
    assert individual_sample(x.individual.tolist()) <= xu_raginsky(x.information, x.samples) + ROOT
    assert x.individual.sum() <= x.information + EXACT


@given(x=learners())
def test_p18_cmi_is_at_most_mutual_information_and_a_bit_a_sample(x: Enumeration) -> None:
    assert x.cmi <= x.information + EXACT
    assert x.cmi <= x.samples * log(2.0) + EXACT
    # at most four hypotheses, two bits to number them
    assert x.cmi <= cmi_of_description(2, x.samples) + EXACT


@given(x=learners())
def test_p19_data_processing_row_by_row(x: Enumeration) -> None:
    assert np.all(x.differences <= x.pairs + EXACT)
    assert np.all(x.pairs <= x.predictions + EXACT)
    assert x.averaged(x.predictions) <= x.cmi / x.samples + EXACT
    assert np.all(x.pairs_unconditional <= x.weights @ x.pairs + EXACT)
    chain = [cmi_bound(x.cmi, x.samples), *map(x.disintegrated, (x.predictions, x.pairs, x.differences))]
    assert all(high >= low - ROOT for high, low in pairwise(chain))


@given(x=learners())
def test_p20_binary_kl_lies_between_the_gap_and_the_root_of_the_same_information(x: Enumeration) -> None:
    for average in (float(x.pairs_unconditional.mean()), x.averaged(x.pairs)):
        bound = binary_kl_gap_bound(x.train, average)
        assert x.gap <= bound + ROOT
        assert bound <= sqrt(2 * average) + ROOT


@given(x=learners(binary=True))
def test_p20_one_loss_is_a_jensen_shannon_divergence(x: Enumeration) -> None:
    expected = single_loss_information(x.train_rows, np.full(x.samples, x.population))
    for column in (0, 1):
        close(x.single[:, column], expected)
    # and pair and difference carry the same information without conditioning
    close(x.pairs_unconditional, x.differences_unconditional)
    close(averaged_bound(x.pairs_unconditional), averaged_bound(x.differences_unconditional), ROOT)


@given(x=interpolating())
def test_p21_interpolation_identity(x: Enumeration) -> None:
    assert x.train == 0.0
    close(x.population, float(x.differences_unconditional.mean()) / log(2.0))
    assert x.population <= interpolation_risk_bound(x.cmi / x.samples) + EXACT
    assert x.population <= 2 * float(x.single.mean()) / log(2.0) + EXACT
    # half of the rows' differences are never hidden: conditional information can only be larger
    assert float(x.differences_unconditional.mean()) <= x.averaged(x.differences) + EXACT


def test_the_chains_are_not_mutually_ordered() -> None:
    x = enumerate_learner(majority_learner(3, 0.5))
    assert xu_raginsky(x.information, 3) < cmi_bound(x.cmi, 3)
    assert x.disintegrated(x.pairs) < binary_kl_gap_bound(x.train, float(x.pairs_unconditional.mean()))


def test_a_statistic_that_does_not_see_the_order_of_columns_tells_nothing() -> None:
    learner = majority_learner(3, 0.3)
    losses = learner.losses
    disintegrated, unconditional = supersample_rows(learner).informations(losses[:, :, None] + losses[:, None, :])
    close(unconditional, np.zeros(3))
    assert disintegrated.max() < TINY


def test_bad_learners_are_refused() -> None:
    with pytest.raises(BadInput, match="4 samples: a majority needs an odd number"):
        majority_learner(4, 0.5)
    made = majority_learner(3, 0.5)
    with pytest.raises(BadInput, match="channel of 8 rows for 2 samples of 2 symbols"):
        FiniteLearner(2, made.probabilities, made.channel, made.predictions, made.label_losses)
    with pytest.raises(BadInput, match=r"losses from 0\.0 to 2\.0: expected \[0, 1\]; rescale"):
        FiniteLearner(3, made.probabilities, made.channel, made.predictions, 2 * made.label_losses)
    with pytest.raises(BadInput, match="take fewer samples"):
        majority_learner(9, 0.5)
    with pytest.raises(BadInput, match="take fewer samples"):  # and not a list of 2^61 samples first
        majority_learner(61, 0.5)
    for probability in (1.5, -0.1, float("nan")):
        with pytest.raises(BadInput, match=f"probability {probability}: expected a number in"):
            majority_learner(3, probability)
    with pytest.raises(BadInput, match="probabilities that are no laws"):
        FiniteLearner(3, 2 * made.probabilities, made.channel, made.predictions, made.label_losses)
    for factor in (2.0, float("nan")):
        with pytest.raises(BadInput, match="rows of the channel that are no laws"):
            FiniteLearner(3, made.probabilities, factor * made.channel, made.predictions, made.label_losses)
    with pytest.raises(BadInput, match="losses from nan"):
        FiniteLearner(3, made.probabilities, made.channel, made.predictions, float("nan") * made.label_losses)
    with pytest.raises(BadInput, match=r"predictions outside 0\.\.1"):
        FiniteLearner(3, made.probabilities, made.channel, made.predictions - 1, made.label_losses)
